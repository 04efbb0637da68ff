"""
``try_files``: the first of several files that is there, or a place to go on at.

As src/http/modules/ngx_http_try_files_module.c, with its arithmetic of ``alias``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from lbproxy.http.exchange import Exchange
from lbproxy.http.files.action import compile_symlinks
from lbproxy.http.files.paths import Root
from lbproxy.http.files.settings import SymlinkRule, TryFiles
from lbproxy.http.variables import VariableTable


class Wanted(NamedTuple):
    """
    What may be there.

    Args:
        path: Of the file or *directory*; None where there can't be one.
        uri: The exchange's path if it is there.
    """

    path: bytes | None
    directory: bool
    uri: bytes


class Trial:
    """
    One ``try_files``, compiled.

    Attributes:
        status: To be told if nothing is there; 0: go on at `fallback`.
        symlinks: What links must not do on the way.

    Raises:
        InvalidValue: An unknown variable.
    """

    __slots__ = ("_candidates", "_fallback", "_fallback_varies", "root", "status", "symlinks")

    def __init__(self, tried: TryFiles, rule: SymlinkRule | None, root: Root, table: VariableTable) -> None:
        self.root, self.status = root, tried.status
        self.symlinks = compile_symlinks(rule, table)
        self._candidates = tuple(
            (name.bind(table), bool(name.parts) and name.constant is None, directory)
            for name, directory in tried.candidates
        )
        self._fallback = tried.fallback.bind(table)
        self._fallback_varies = tried.fallback.constant is None

    def wanted(self, ex: Exchange) -> Iterator[Wanted]:
        """Yield what is to be looked for, in this order."""
        root = self.root
        for value, varies, directory in self._candidates:
            name = value(ex)
            if varies:
                name = self._behind_prefix(ex, name)
            uri = ex.path if root.whole and directory else ex.path[: root.replaced] + name
            yield Wanted(root.under(ex, name), directory, uri)

    def fallback(self, ex: Exchange) -> bytes:
        """Return where to go on: ``/path?args``, or the ``@name`` of a location."""
        place = self._fallback(ex)
        behind = self._behind_prefix(ex, place) if self._fallback_varies else place
        # nginx cuts the location's prefix off here too, which "/a//a/index.php?$args" makes up for in the field;
        # where nobody did that, what is left is no place
        return behind if behind.startswith((b"/", b"@")) else place

    def _behind_prefix(self, ex: Exchange, name: bytes) -> bytes:
        """Return *name* without what an ``alias`` stands for, if it begins with that."""
        replaced = self.root.replaced
        return name[replaced:] if replaced and name.startswith(ex.path[:replaced]) else name
