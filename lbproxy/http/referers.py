"""
``valid_referers`` and ``$invalid_referer``.

As src/http/modules/ngx_http_referer_module.c; the variable is "1" where the Referer is none of those allowed, and
empty where it is, or where nothing is configured.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from lbproxy.config.listen import is_hashable
from lbproxy.config.model import Location, ServerName, VirtualServer
from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.settings import Context, setting_list
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter, field_finder
from lbproxy.http.hostnames import HostTable

_REFERER = field_finder("referer")
_URL = re.compile(rb"https?://", re.IGNORECASE)
_SHORTEST = len("http://i.ru")


class Referers(NamedTuple):
    """
    One ``valid_referers`` directive.

    Args:
        words: Of ``none``, ``blocked`` and ``server_names``.
        names: Host names in lower case with the paths that must follow, b"" for any.
        expressions: For what stands behind ``http://``.
    """

    words: frozenset[str]
    names: tuple[tuple[Argument, bytes], ...]
    expressions: tuple[re.Pattern[bytes], ...]
    position: Position


def _referers(directive: Directive) -> Referers:
    words, names, expressions = set(), [], []
    for arg in directive.args:
        if not arg.text:
            raise InvalidValue('invalid referer ""', arg.position)
        if arg.text in ("none", "blocked", "server_names"):
            words.add(arg.text)
        elif arg.text == "~":
            raise InvalidValue('empty regex in "~"', arg.position)
        elif arg.text.startswith("~"):
            expressions.append(compile_regex(arg, arg.text[1:], nocase=True))
        else:
            host, slash, path = arg.text.partition("/")
            if not is_hashable(ServerName(host)):
                raise InvalidValue(f'invalid hostname or wildcard "{host}"', arg.position)
            names.append((arg._replace(text=host.lower()), octets(slash + path)))
    return Referers(frozenset(words), tuple(names), tuple(expressions), directive.position)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RefererSettings:
    """Who may link here."""

    referers: tuple[Referers, ...] = setting_list(
        "valid_referers", _referers, (), contexts=Context.SERVER | Context.LOCATION
    )


@dataclass(slots=True)
class _Check:
    """What all directives of a block say together."""

    words: set[str] = field(default_factory=set)
    hosts: HostTable[bytes] = field(default_factory=HostTable)
    expressions: list[re.Pattern[bytes]] = field(default_factory=list)
    of_server: list[re.Pattern[bytes]] = field(default_factory=list)

    def allows(self, referer: bytes | None) -> bool:
        if referer is None:
            return "none" in self.words
        url = _URL.match(referer) if len(referer) >= _SHORTEST else None
        if url is None:
            return "blocked" in self.words
        rest = referer[url.end():]
        host = re.split(b"[/:]", rest, maxsplit=1)[0]
        path = self.hosts.find(host.lower())
        if path is not None:
            _, slash, after = rest[len(host):].partition(b"/")
            return (slash + after).startswith(path)
        if any(regex.search(host.lower()) for regex in self.of_server):
            return True
        return any(regex.search(rest) for regex in self.expressions)


def compile_referers(blocks: Iterable[tuple[VirtualServer, Location]]) -> Getter:
    """
    Return the getter of $invalid_referer.

    Raises:
        InvalidValue: A name stands twice in a block, or none at all.
    """
    checks: dict[Location, Callable[[bytes | None], bool]] = {}
    made: dict[tuple[int, VirtualServer], _Check] = {}
    for server, location in blocks:
        referers = location.settings(RefererSettings).referers
        if referers:
            key = id(referers), server
            if key not in made:
                made[key] = _compile(referers, server)
            checks[location] = made[key].allows

    def get(ex: Exchange) -> bytes:
        allows = checks.get(ex.location)
        return b"" if allows is None or allows(_REFERER(ex.head.block)) else b"1"

    return get


def _compile(referers: tuple[Referers, ...], server: VirtualServer) -> _Check:
    check = _Check()
    for one in referers:
        check.words |= one.words
        check.expressions += one.expressions
        for name, path in one.names:
            if not check.hosts.add(octets(name.text), path):
                raise InvalidValue(f'conflicting parameter "{name.text}"', name.position)
    if "server_names" in check.words:
        check.of_server = [name.regex for name in server.names if name.regex is not None]
        for own in server.names:
            if own.regex is None:
                check.hosts.add(octets(own.text), b"")
    elif not (check.hosts.exact or check.hosts.wild or check.expressions):
        message = (
            'the "none" or "blocked" referers are specified in the "valid_referers" directive without any valid referer'
        )
        raise InvalidValue(message, referers[0].position)
    return check
