"""
Values by host name: ``example.com``, ``*.example.com``, ``.example.com`` and ``www.example.*``.

The exact name comes first, then the longest name with a "*" at its beginning, then the longest with one at its end
(src/core/ngx_hash.c:ngx_hash_find_combined).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class HostTable(Generic[T]):
    """
    A dictionary of host names, each in lower case.

    Attributes:
        exact: What stands without a "*".
    """

    __slots__ = ("_claimed", "_heads", "_tails", "exact")

    def __init__(self) -> None:
        self.exact: dict[bytes, T] = {}
        self._heads: dict[bytes, T] = {}  # "*.a.b" as b"a.b"
        self._tails: dict[bytes, T] = {}  # "a.b.*" as b"a.b"
        self._claimed: set[bytes] = set()

    @property
    def wild(self) -> bool:
        """Whether there is any "*"."""
        return bool(self._heads or self._tails)

    def add(self, name: bytes, value: T) -> bool:
        """
        Add *name* in lower case; return False if it conflicts with one before it (ngx_hash_add_key).

        ".a.b" stands for "a.b" and "*.a.b", and is refused as a whole where one of them is there.
        """
        plain = name.removeprefix(b".")
        tables: tuple[dict[bytes, T], ...]
        if name.startswith(b"*."):
            tables, key = (self._heads,), name[2:]
        elif name.endswith(b".*"):
            tables, key = (self._tails,), name[:-2]
        elif plain in self._claimed:
            return False
        else:
            self._claimed.add(plain)
            tables, key = (self.exact,) if plain == name else (self._heads, self.exact), plain
        if key in tables[0]:
            return False
        for table in tables:
            table[key] = value
        return True

    def find(self, host: bytes) -> T | None:
        """Return the value for *host*, in lower case; None if no name fits."""
        value = self.exact.get(host)
        if value is None and self._heads:
            value = _head(self._heads, host)
        if value is None and self._tails:
            value = _tail(self._tails, host)
        return value


def _head(heads: Mapping[bytes, T], host: bytes) -> T | None:
    """Return the value of the longest key that stands behind a dot of *host* and runs to its end."""
    dot = host.find(b".")
    while dot >= 0:
        value = heads.get(host[dot + 1 :])
        if value is not None:
            return value
        dot = host.find(b".", dot + 1)
    return None


def _tail(tails: Mapping[bytes, T], host: bytes) -> T | None:
    """Return the value of the longest key that *host* begins with and continues with a dot."""
    dot = host.rfind(b".")
    while dot > 0:
        value = tails.get(host[:dot])
        if value is not None:
            return value
        dot = host.rfind(b".", 0, dot)
    return None
