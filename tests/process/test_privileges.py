"""What a worker may do."""

from __future__ import annotations

import grp
import os
import pwd
import resource
from pathlib import Path

import pytest

from lbproxy.process.privileges import Identity, become, hand_over, identity, limit_descriptors

NOBODY = pwd.getpwnam("nobody")
GROUP = grp.getgrgid(NOBODY.pw_gid).gr_name
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may do this")


def test_names_are_looked_up() -> None:
    assert identity("nobody", GROUP) == Identity("nobody", NOBODY.pw_uid, NOBODY.pw_gid)


@pytest.mark.parametrize(
    ("user", "group", "reason"),
    [("no-such-user", GROUP, 'getpwnam("no-such-user") failed'),
     ("nobody", "no-such-group",
      f'getgrnam("no-such-group") failed (the group of nobody is {GROUP}: user nobody {GROUP};)')],
)  # fmt: skip
def test_unknown_names_are_told_as_nginx_does(user: str, group: str, reason: str) -> None:
    """And, where it is the group, what the user's own is: ``user nobody;`` names a group that Debian lacks."""
    with pytest.raises(LookupError) as caught:
        identity(user, group)
    assert str(caught.value) == reason


@as_root
def test_root_is_given_up_for_good() -> None:
    pid = os.fork()
    if pid == 0:
        try:
            become(identity("nobody", GROUP))
            ids = os.getresuid() + os.getresgid()
            same = ids == (NOBODY.pw_uid,) * 3 + (NOBODY.pw_gid,) * 3 and 0 not in os.getgroups()
            os._exit(0 if same else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@as_root
def test_regular_files_are_handed_over_and_others_are_not(tmp_path: Path) -> None:
    log, fifo = tmp_path / "log", tmp_path / "fifo"
    log.touch()
    os.mkfifo(fifo)
    hand_over([str(log), str(fifo), str(tmp_path / "missing")], identity("nobody", GROUP))
    assert log.owner() == "nobody"
    assert fifo.owner() == "root"


def test_limit_of_descriptors() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    pid = os.fork()
    if pid == 0:
        done = limit_descriptors(20) == "" and resource.getrlimit(resource.RLIMIT_NOFILE) == (20, 20)
        os._exit(0 if done else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


def test_limit_that_cannot_be_set_is_told() -> None:
    assert limit_descriptors(1 << 40).startswith("setrlimit(RLIMIT_NOFILE, 1099511627776) failed")
