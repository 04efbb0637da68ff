"""
(listen address, host, path) -> server and location, in nginx's order.

A server: exact name, longest ``*.x``, longest ``x.*``, first regular expression, the address's default
(ngx_http_request.c:ngx_http_find_virtual_server).  A location: ``=``; else the longest prefix, if it is
``^~``; else the first regular expression; else that prefix; and the one found is asked for its nested
locations (ngx_http_core_module.c:ngx_http_core_find_location).

What does not depend on the request is made once: names are dictionary keys, prefixes a sorted list in which
each entry knows the next shorter prefix of itself.  So the cost grows neither with the number of names nor
with that of prefixes; only regular expressions are tried one after the other, as in nginx.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lbproxy.config.model import Address, Config, Location, MatchKind, VirtualServer
from lbproxy.config.octets import octets
from lbproxy.http.hostnames import HostTable
from lbproxy.wire import uri


class Found(NamedTuple):
    """
    The location for a path.

    Args:
        match: Of its regular expression, for captures; None when it has none.
        redirect: Answer 301 to this URI (escaped, without arguments) instead: the path lacks only the slash
            that ends the location's prefix (ngx_http_core_find_config_phase).
    """

    location: Location
    match: re.Match[bytes] | None = None
    redirect: bytes | None = None


class Router:
    """
    Every routing decision of one configuration.

    Args:
        adds_slash: Whether a location whose prefix ends in "/" redirects the path without it; true of those
            that pass requests on (nginx: auto_redirect).
    """

    def __init__(self, config: Config, adds_slash: Callable[[Location], bool]) -> None:
        here: dict[Address, list[tuple[VirtualServer, bool]]] = {}
        for server in config.servers:
            for address, default in server.listens:
                here.setdefault(address, []).append((server, default))
        self._names = {address: ServerNames(servers) for address, servers in here.items()}
        self._levels = {server: Level(server.root.locations, adds_slash) for server in config.servers}
        self._roots = {server: Found(server.root) for server in config.servers}
        self._named = {
            server: {child.pattern: child for child in server.root.locations if child.kind is MatchKind.NAMED}
            for server in config.servers
        }

    def names(self, address: Address) -> ServerNames:
        """Return the servers of *address*, a `listen` directive's; raises KeyError. Ask once per socket."""
        return self._names[address]

    def server(self, address: Address, host: bytes) -> tuple[VirtualServer, re.Match[bytes] | None]:
        """Return what `ServerNames.find` says of *host* at *address*."""
        return self._names[address].find(host)

    def location(self, server: VirtualServer, path: bytes) -> Found:
        """Return the location of *server* for a decoded, normalised *path*."""
        return self._levels[server].find(path) or self._roots[server]

    def named(self, server: VirtualServer, name: str) -> Location:
        """Return the location called *name* (with its ``@``); raises KeyError when there is none."""
        return self._named[server][name]


class ServerNames:
    """
    The servers of one listen address by name.

    Args:
        here: Each, and whether it is the address's default, in the order of the text.
    """

    __slots__ = ("_default", "_exact", "_expressions", "_wild")

    def __init__(self, here: Sequence[tuple[VirtualServer, bool]]) -> None:
        self._default = next((server for server, default in here if default), here[0][0])
        table: HostTable[VirtualServer] = HostTable()
        self._expressions: list[tuple[re.Pattern[bytes], VirtualServer]] = []
        for server, _ in here:
            for name in server.names:
                if name.regex is not None:
                    self._expressions.append((name.regex, server))
                else:
                    table.add(octets(name.text.lower()), server)  # of two that conflict the first counts
        self._exact = table.exact
        self._wild = table if table.wild else None

    def find(self, host: bytes) -> tuple[VirtualServer, re.Match[bytes] | None]:
        """
        Return the server for *host*, a validated name in lower case or b"" for none.

        The match is that of the regular expression that led to the server, for `Exchange.capture`, or None.
        """
        server = self._exact.get(host)
        if server is None and self._wild is not None:
            server = self._wild.find(host)
        if server is not None:
            return server, None
        for expression, candidate in self._expressions:
            match = expression.search(host)
            if match is not None:
                return candidate, match
        return self._default, None


class Level:
    """The locations that stand side by side in one block, each with those nested in it."""

    __slots__ = ("_exact", "_expressions", "_prefixes", "_redirects")

    def __init__(self, locations: Sequence[Location], adds_slash: Callable[[Location], bool]) -> None:
        self._exact: dict[bytes, Found] = {}
        self._redirects: dict[bytes, Found] = {}
        self._expressions: list[tuple[re.Pattern[bytes], Location, Level | None]] = []
        prefixes: dict[bytes, Prefix] = {}
        for location in locations:
            pattern = octets(location.pattern)
            inner = Level(location.locations, adds_slash) if location.locations else None
            match location.kind:
                case MatchKind.NAMED:
                    continue
                case MatchKind.EXACT:
                    self._exact[pattern] = Found(location)
                case MatchKind.PREFIX | MatchKind.PREFIX_FINAL:
                    final = location.kind is MatchKind.PREFIX_FINAL
                    prefixes[pattern] = Prefix(Found(location), final, inner)
                case MatchKind.REGEX | MatchKind.REGEX_NOCASE:
                    assert location.regex is not None
                    self._expressions.append((location.regex, location, inner))
                    continue
            if pattern.endswith(b"/") and adds_slash(location):
                redirect = Found(location, None, uri.escape(pattern))
                if location.kind is MatchKind.EXACT:  # speaks for "/a/" too, whichever stands first
                    self._redirects[pattern[:-1]] = redirect
                else:
                    self._redirects.setdefault(pattern[:-1], redirect)
        self._prefixes = PrefixTable(prefixes)

    def find(self, path: bytes) -> Found | None:
        """Return the location for *path* here or further inside, None if nothing matches."""
        found = self._exact.get(path)
        if found is not None:
            return found
        prefix = self._prefixes.longest(path)
        if path in self._redirects and path not in self._prefixes:
            return self._redirects[path]
        if prefix is not None:
            found = prefix.found
            if prefix.inner is not None:
                found = prefix.inner.find(path) or found
                if _settled(found):
                    return found
            if prefix.final:
                return found
        return self._first_expression(path) or found

    def _first_expression(self, path: bytes) -> Found | None:
        for expression, location, inner in self._expressions:
            match = expression.search(path)
            if match is not None:
                nested = inner.find(path) if inner is not None else None
                if nested is None:
                    return Found(location, match)
                # nginx follows no redirect to a slash from inside a regular expression
                return Found(nested.location, nested.match or match)
        return None


class Prefix(NamedTuple):
    """A prefix location; *final* means ``^~``: the expressions beside it are not asked."""

    found: Found
    final: bool
    inner: Level | None


def _settled(found: Found) -> bool:
    """Whether a nested level's result ends the search, so that the outer expressions are not asked."""
    return found.match is not None or found.redirect is not None or found.location.kind is MatchKind.EXACT


class PrefixTable:
    """
    Longest prefix match in one binary search.

    The greatest key not above the path is a prefix of it, or at least begins with every key that is; so the
    way up through the prefixes of that key leads to the longest.
    """

    __slots__ = ("_keys", "_parents", "_values")

    def __init__(self, entries: Mapping[bytes, Prefix]) -> None:
        self._keys = sorted(entries)
        self._values = [entries[key] for key in self._keys]
        self._parents: list[int] = []
        chain: list[int] = []  # the keys that the present one begins with
        for index, key in enumerate(self._keys):
            while chain and not key.startswith(self._keys[chain[-1]]):
                chain.pop()
            self._parents.append(chain[-1] if chain else -1)
            chain.append(index)

    def __contains__(self, key: bytes) -> bool:
        index = bisect_right(self._keys, key) - 1
        return index >= 0 and self._keys[index] == key

    def longest(self, path: bytes) -> Prefix | None:
        """Return the entry with the longest key that *path* begins with."""
        index = bisect_right(self._keys, path) - 1
        while index >= 0:
            if path.startswith(self._keys[index]):
                return self._values[index]
            index = self._parents[index]
        return None
