"""What a worker may do: its user and groups, and how many descriptors it may hold."""

from __future__ import annotations

import grp
import os
import pwd
import resource
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Identity(NamedTuple):
    """The user and the group that workers run as."""

    name: str
    uid: int
    gid: int


def identity(user: str, group: str) -> Identity:
    """
    Look up the names of a ``user`` directive.

    Raises:
        LookupError: There is no such user or group; the text names the call, as nginx does.
    """
    try:
        known = pwd.getpwnam(user)
    except KeyError:
        raise LookupError(f'getpwnam("{user}") failed') from None
    try:
        gid = grp.getgrnam(group).gr_gid
    except KeyError:
        hint = _own_group(known.pw_gid)
        mend = f" (the group of {user} is {hint}: user {user} {hint};)" if hint else ""
        raise LookupError(f'getgrnam("{group}") failed{mend}') from None
    return Identity(user, known.pw_uid, gid)


def owner_ids(user: str, group: str) -> tuple[int, int]:
    """
    Return the ids that chown() takes, -1 for "": leave it; a name may be a number.

    Raises:
        LookupError: There is no such user or group; the text names the call, as nginx does.
    """
    try:
        uid = -1 if not user else int(user) if user.isdecimal() else pwd.getpwnam(user).pw_uid
    except KeyError:
        raise LookupError(f'getpwnam("{user}") failed') from None
    try:
        gid = -1 if not group else int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid
    except KeyError:
        raise LookupError(f'getgrnam("{group}") failed') from None
    return uid, gid


def _own_group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return ""


def become(who: Identity) -> None:
    """
    Give up root for *who*, for good (src/os/unix/ngx_process_cycle.c:ngx_worker_process_init).

    Raises:
        OSError: The kernel refuses.
    """
    os.setgid(who.gid)
    os.initgroups(who.name, who.gid)
    os.setuid(who.uid)


def hand_over(paths: Iterable[str], who: Identity) -> None:
    """Give regular files to *who*, so that its processes can reopen them; others are passed over."""
    for file in map(Path, paths):
        with suppress(OSError):  # if it matters, the worker's own error will be the better message
            status = file.stat()
            if stat.S_ISREG(status.st_mode) and status.st_uid != who.uid:
                os.chown(file, who.uid, -1)


def limit_descriptors(count: int) -> str:
    """Set how many descriptors this process may hold; return why that failed, "" if it did not."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))
    except (OSError, ValueError) as error:
        return f"setrlimit(RLIMIT_NOFILE, {count}) failed ({error})"
    return ""
