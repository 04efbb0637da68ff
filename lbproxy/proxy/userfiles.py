"""
Users and their passwords: the files of ``auth_basic_user_file``, and whether a password is right.

Hashing a password takes as long as its scheme wants, up to a second: a thread does that, and what turned out right is
remembered, so that a client which sends its password with every request pays once.  What is remembered is an HMAC of
the password with the line it was compared to, under a key that this process has made up and tells nobody: it matches
only who sends the right password again, as long as the file says the same, and is of no use to whoever reads it.
"""

from __future__ import annotations

import hmac
import os
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import trio

from lbproxy.http.basic import User, parse_users
from lbproxy.http.passwords import Crypt, is_slow, matches

if TYPE_CHECKING:
    from lbproxy.net.readiness import Poller

_MOST_FILES = 64
_MOST_REMEMBERED = 1024
_MOST_THREADS = 2  # guessing passwords must not take all the time there is


class UserFiles:
    """The files, each read again when it has changed."""

    def __init__(self) -> None:
        self._files: OrderedDict[bytes, tuple[tuple[int, ...], Mapping[bytes, User]]] = OrderedDict()

    def find(self, path: bytes, name: bytes) -> User | None:
        """Return the user called *name* in the file *path*; raises OSError if it cannot be read."""
        found = os.stat(path)  # noqa: PTH116 - octets are no Path
        version = found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns
        known = self._files.get(path)
        if known is None or known[0] != version:
            with open(path, "rb") as file:  # noqa: PTH123 - as above
                known = self._files[path] = version, parse_users(file.read())
        self._files.move_to_end(path)
        if len(self._files) > _MOST_FILES:
            self._files.popitem(last=False)
        return known[1].get(name)


class PasswordCheck:
    """
    Tells whether passwords are right.

    Args:
        crypt: For the schemes that `lbproxy.http.passwords` does not know.
    """

    def __init__(self, crypt: Crypt) -> None:
        self._crypt = crypt
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._limiter: trio.CapacityLimiter | None = None

    async def is_right(self, poller: Poller, password: bytes, kept: bytes) -> bool:
        """Return whether *kept* was made of *password*; raises UnknownScheme."""
        if not is_slow(kept):
            return matches(password, kept, self._crypt)
        digest = hmac.digest(self._key, b"%d:%b%b" % (len(kept), kept, password), "sha256")
        if digest in self._right:
            self._right.move_to_end(digest)
            return True
        right: bool = await poller.as_task(self._in_thread, partial(matches, password, kept, self._crypt))
        if right:
            self._right[digest] = None
            if len(self._right) > _MOST_REMEMBERED:
                self._right.popitem(last=False)
        return right

    async def _in_thread(self, check: partial[bool]) -> bool:
        if self._limiter is None:
            self._limiter = trio.CapacityLimiter(_MOST_THREADS)
        return await trio.to_thread.run_sync(check, limiter=self._limiter, abandon_on_cancel=True)


_LIBRARIES = ("libcrypt.so.2", "libcrypt.so.1", None)  # None: what is loaded already, where libc has it (musl)
_WORK_AREA = 1 << 18  # octets: struct crypt_data has 131232 in glibc, 32768 in libxcrypt


def system_crypt() -> Crypt:
    """Return the system's crypt(3); where there is none, a function that knows no scheme."""
    import ctypes  # noqa: PLC0415 - for those who have users

    for name in _LIBRARIES:
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.restype = ctypes.c_char_p
        function.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)

        def crypt(password: bytes, salt: bytes) -> bytes | None:
            made: bytes | None = function(password, salt, ctypes.create_string_buffer(_WORK_AREA))  # noqa: B023
            return made

        return crypt
    return lambda _password, _salt: None
