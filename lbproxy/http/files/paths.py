"""
From a request's path to a file's: ``root`` and ``alias`` compiled, and the variables made of them.

As src/http/ngx_http_core_module.c:ngx_http_map_uri_to_path, but for one thing: no path leads out of its directory by
``..``.  The path of a request has none, yet ``location /a { alias /b/; }`` makes ``/b/../x`` of ``/a../x``, and
arguments in a ``root`` or ``try_files`` bring whatever the client likes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from lbproxy.config.model import Location, MatchKind
from lbproxy.config.octets import octets
from lbproxy.errors import WrongContext
from lbproxy.http.exchange import Exchange
from lbproxy.http.files.settings import FileSettings, Place
from lbproxy.http.getters import Getter
from lbproxy.http.variables import VariableTable

_CLIMBING = re.compile(rb"(?<![^/])\.\.(?![^/])")

MISPLACED = '"alias" cannot be used in location "{}" where URI was rewritten'
"""What the error log says, with the location's pattern, where a `Root` does not apply."""

RealPath = Callable[[bytes], bytes | None]
"""Returns a path without symbolic links, None if there is no such file."""


class Root:
    """
    The directory of a location's files.

    Args:
        place: As configured in *location*, or in a block around it.
        prefix: What relative paths refer to.

    Attributes:
        whole: The directory is a file's path already, nothing is added (``alias`` in a regular expression).
        replaced: Octets at the beginning of a path that the directory stands for.

    Raises:
        InvalidValue: An unknown variable.
        WrongContext: There is nothing that an ``alias`` could stand for.
    """

    __slots__ = ("_alias", "_allowed", "_directory", "_fixed", "_prefix", "_start", "replaced", "whole")
    _fixed: bytes | None

    def __init__(self, place: Place, location: Location, prefix: bytes, table: VariableTable) -> None:
        if place.alias and location.kind is MatchKind.NAMED:
            message = 'the "alias" directive cannot be used inside the named location'
            raise WrongContext(message, place.directory.position)
        self._alias = place.alias
        self.whole = place.alias and location.regex is not None
        self._start = octets(location.pattern) if place.alias and not self.whole else b""
        self.replaced = len(self._start)
        self._prefix = prefix.removesuffix(b"/") + b"/"
        self._allowed = len(_CLIMBING.findall(octets(str(place.directory))))
        self._directory = place.directory.bind(table)
        constant = place.directory.constant
        self._fixed = None if constant is None else self._full(constant)
        if constant == b"" and not place.alias:
            self._fixed = b""  # "root /", whose slash is that of the path

    def applies(self, ex: Exchange) -> bool:
        """Return whether the path of *ex* begins with what the directory stands for, and no script changed it here."""
        return not self._alias or (ex.valid_location and ex.path.startswith(self._start))

    def directory(self, ex: Exchange) -> bytes:
        """Return $document_root."""
        return self._fixed if self._fixed is not None else self._full(self._directory(ex))

    def path(self, ex: Exchange) -> bytes | None:
        """Return the path of the file that *ex* asks for; None if there can't be one."""
        if self._alias and not self.applies(ex):
            return None
        if self.whole:
            return self._checked(self.directory(ex))
        return self.under(ex, ex.path[self.replaced :])

    def under(self, ex: Exchange, name: bytes) -> bytes | None:
        """Return the path of *name* in (rather: right behind) the directory; None if that would lead out of it."""
        directory = self._fixed
        return self._checked((directory if directory is not None else self.directory(ex)) + name)

    def _full(self, path: bytes) -> bytes:
        """Return *path* made absolute (src/core/ngx_file.c:ngx_get_full_name)."""
        return path if path.startswith(b"/") else self._prefix + path

    def _checked(self, path: bytes) -> bytes | None:
        return None if b".." in path and len(_CLIMBING.findall(path)) > self._allowed else path


class Roots:
    """
    The roots of a configuration, each for all the locations that inherit it.

    Args:
        prefix: What relative paths refer to.
    """

    def __init__(self, prefix: bytes, real: RealPath) -> None:
        self._prefix, self._real = prefix, real
        self._roots: dict[Place, Root] = {}

    def add(self, location: Location, table: VariableTable) -> Root:
        """
        Return the root of *location*; locations are added before those inside them.

        Raises:
            InvalidValue, WrongContext: As of `Root`.
        """
        place = location.settings(FileSettings).place
        if place not in self._roots:
            self._roots[place] = Root(place, location, self._prefix, table)
        return self._roots[place]

    def getters(self) -> Mapping[str, Getter]:
        """Return the variables that depend on the location in force."""

        def of(ex: Exchange) -> Root:
            return self._roots[ex.location.settings(FileSettings).place]

        return {
            "document_root": lambda ex: of(ex).directory(ex),
            "realpath_root": lambda ex: self._real(of(ex).directory(ex)),
            "request_filename": lambda ex: of(ex).path(ex),
        }
