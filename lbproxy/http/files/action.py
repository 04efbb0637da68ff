"""
What a location does with its files, compiled: the directories, names and rules that `lbproxy.proxy.files` goes by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.core import TypeSettings
from lbproxy.config.model import Location
from lbproxy.http.charset import CharsetSettings
from lbproxy.http.exchange import Exchange
from lbproxy.http.files.paths import Root
from lbproxy.http.files.settings import FileSettings, SymlinkRule
from lbproxy.http.gzip import GzipSettings
from lbproxy.http.variables import VariableTable

Value = Callable[[Exchange], bytes]


class Symlinks(NamedTuple):
    """``disable_symlinks``; see `SymlinkRule`."""

    owned: bool
    start: Value | None


def compile_symlinks(rule: SymlinkRule | None, table: VariableTable) -> Symlinks | None:
    """Return *rule* with its variables looked up; raises InvalidValue for an unknown one."""
    if rule is None:
        return None
    return Symlinks(rule.owned, rule.start.bind(table) if rule.start is not None else None)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class FileAction:
    """
    Serve files.

    Args:
        index: The files that speak for a directory; an absolute name is a place to go on at.
        gzip: Says who is sent ``file.gz``, where `FileSettings.gzip_static` is on.
        utf8: Texts are said to be UTF-8.
    """

    root: Root
    settings: FileSettings
    types: TypeSettings
    index: tuple[Value, ...]
    symlinks: Symlinks | None
    gzip: GzipSettings
    utf8: bool


def compile_files(location: Location, root: Root, table: VariableTable) -> FileAction:
    """Return what *location* does with its files; raises InvalidValue for an unknown variable."""
    settings = location.settings(FileSettings)
    return FileAction(
        root=root,
        settings=settings,
        types=location.settings(TypeSettings),
        index=tuple(name.bind(table) for names in settings.index for name in names),
        symlinks=compile_symlinks(settings.symlinks, table),
        gzip=location.settings(GzipSettings),
        utf8=location.settings(CharsetSettings).is_utf8,
    )
