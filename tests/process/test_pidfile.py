"""The pid file: complete when it appears, ours when it goes, and never trusted without its lock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbproxy.process.pidfile import PidFile, PidFileError, read_pid


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lbproxy.pid"


def test_appears_when_published_and_goes_when_removed(path: Path) -> None:
    file = PidFile(path)
    assert not path.exists()
    file.publish()
    assert path.read_text() == f"{os.getpid()}\n"
    assert read_pid(path) == os.getpid()
    file.remove()
    assert list(path.parent.iterdir()) == []


def test_removing_it_unpublished_leaves_nothing(path: Path) -> None:
    PidFile(path).remove()
    assert list(path.parent.iterdir()) == []


def test_second_on_the_same_path_is_refused(path: Path) -> None:
    first = PidFile(path)
    first.publish()
    with pytest.raises(PidFileError, match=f'already running with pid {os.getpid()} \\(pid file "{path}"'):
        PidFile(path)
    first.remove()


def test_file_left_behind_by_a_crash_is_replaced(path: Path) -> None:
    path.write_text("1\n")
    file = PidFile(path)
    file.publish()
    assert read_pid(path) == os.getpid()
    file.remove()


def test_file_that_another_replaced_is_not_removed(path: Path) -> None:
    file = PidFile(path)
    file.publish()
    path.unlink()
    path.write_text("42\n")
    file.remove()
    assert path.read_text() == "42\n"


def test_lock_stays_when_a_child_lets_go_of_its_copy(path: Path) -> None:
    file = PidFile(path)
    file.publish()
    pid = os.fork()
    if pid == 0:
        file.release()
        os._exit(0)
    os.waitpid(pid, 0)
    assert read_pid(path) == os.getpid()
    file.remove()


def test_directory_that_is_missing_is_told(tmp_path: Path) -> None:
    path = tmp_path / "no" / "pid"
    with pytest.raises(PidFileError) as caught:
        PidFile(path)
    assert str(caught.value) == f'open() "{path}" failed (2: No such file or directory)'


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", 'invalid PID number ""'), ("x\n", 'invalid PID number "x"'), ("0", 'invalid PID number "0"'),
     ("-1", 'invalid PID number "-1"'), ("٣", "invalid PID number"), ("77\n", "left behind by process 77")],
)  # fmt: skip
def test_no_signal_goes_by_a_file_that_is_wrong(path: Path, text: str, reason: str) -> None:
    path.write_text(text)
    with pytest.raises(PidFileError, match=reason):
        read_pid(path)


def test_no_file_no_pid(path: Path) -> None:
    with pytest.raises(PidFileError, match=r"failed \(2: No such file or directory\)"):
        read_pid(path)
