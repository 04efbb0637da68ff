"""
The frozen configuration: what the directives said, typed, merged and with places.

Nothing here knows a directive by name except the structural ones (server, listen, location, upstream).
Everything else is in settings objects, declared by the modules that obey them and reached through
``settings(Type)``.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeVar, cast

from lbproxy.config.parser import Directive
from lbproxy.errors import Position

T = TypeVar("T")

TypeMap = Mapping[type, Any]


class Address(NamedTuple):
    """
    Where to listen or connect: an IP address with a port, or the path of a unix socket.

    Args:
        host: A literal IPv4 or IPv6 address without brackets; "" for a unix socket.
        port: 0-65535; 0 for a unix socket (or, when listening, for any free port).
        path: The path of the unix socket; "" for IP.
    """

    host: str = ""
    port: int = 0
    path: str = ""

    @property
    def is_unix(self) -> bool:
        """Whether it is a unix socket."""
        return bool(self.path)

    @property
    def is_ipv6(self) -> bool:
        """Whether it is an IPv6 address."""
        return ":" in self.host

    def __str__(self) -> str:
        """Return what nginx prints: ``1.2.3.4:80``, ``[::1]:80``, ``unix:/path``."""
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if self.is_ipv6 else f"{self.host}:{self.port}"


class Settings:
    """The base of the blocks below: *merged* maps a settings class to its object."""

    __slots__ = ()
    merged: TypeMap

    def settings(self, kind: type[T]) -> T:
        """Return this block's merged object of settings class *kind*."""
        return cast("T", self.merged[kind])


class KeepAlive(NamedTuple):
    """
    Whether the system asks silent peers if they are still there (``so_keepalive=``).

    Args:
        idle: Seconds of silence before it asks, *interval*: between two questions, *probes*: how many without
            an answer; 0: the system's choice.
    """

    on: bool
    idle: int = 0
    interval: int = 0
    probes: int = 0


class Listener(NamedTuple):
    """
    One socket to listen on, with the options its `listen` directives agreed on.

    Args:
        ipv6only: Whether a socket on an IPv6 address refuses IPv4 clients.
        rcvbuf: Octets of SO_RCVBUF; 0: the system's choice.  *sndbuf*: the same of SO_SNDBUF.
        fastopen: How many connections may begin with data before their handshake is over; 0: the system's choice.
        deferred: A client is accepted when it has said something.
        so_keepalive: None: as the system has it.
        mode: Permissions of a unix socket's file; as nginx, anybody may connect unless the directory keeps them out.
        user: Who owns the file, *group*: which group; "" for those of the process that makes it.
        proxy_protocol: Clients are introduced by the PROXY protocol.
    """

    address: Address
    position: Position
    backlog: int = 511
    reuseport: bool = False
    ipv6only: bool = True
    rcvbuf: int = 0
    sndbuf: int = 0
    fastopen: int = 0
    deferred: bool = False
    so_keepalive: KeepAlive | None = None
    mode: int = 0o666
    user: str = ""
    group: str = ""
    proxy_protocol: bool = False


class MatchKind(enum.Enum):
    """How a location matches: ``= /a``, ``/a``, ``^~ /a``, ``~ re``, ``~* re``, ``@name``."""

    EXACT = "="
    PREFIX = ""
    PREFIX_FINAL = "^~"
    REGEX = "~"
    REGEX_NOCASE = "~*"
    NAMED = "@"


class Conditional(NamedTuple):
    """
    An ``if`` block.

    Args:
        condition: The directive, whose arguments are the condition.
        script: What runs if it holds.
        location: What is then in force; None in a server, where no block of its own can be.
    """

    condition: Directive
    script: tuple[Directive, ...]
    location: Location | None


Statement = Directive | Conditional
"""What a script is made of."""


class LimitExcept(NamedTuple):
    """
    A ``limit_except`` block.

    Args:
        methods: Those that it does not concern.
        location: What is in force for all others.
    """

    methods: frozenset[bytes]
    location: Location


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Location(Settings):
    """
    A `location` block, or the part of a `server` that answers where none matches (pattern "" and PREFIX).

    Args:
        pattern: The decoded prefix, the regular expression's text, or the name with its ``@``.
        regex: The compiled expression over the decoded path as octets; None unless a regex kind.
        locations: The nested ones, in the order of the text.
        script: The rewrite-phase directives (set, return, ...) that stand directly in it, in order.
        around: The location that an ``if`` or ``limit_except`` block stands in, without what is nested there; None
            for all others.
        limit_except: What requests with certain methods meet instead.
    """

    kind: MatchKind
    pattern: str
    regex: re.Pattern[bytes] | None = None
    locations: tuple[Location, ...] = ()
    script: tuple[Statement, ...] = ()
    around: Location | None = None
    limit_except: LimitExcept | None = None
    position: Position
    merged: TypeMap = field(repr=False)

    def inner(self) -> Iterator[Location]:
        """Yield the locations in it, those of its ``if`` and ``limit_except`` blocks included."""
        yield from self.locations
        if self.limit_except is not None:
            yield self.limit_except.location
        for statement in self.script:
            if isinstance(statement, Conditional) and statement.location is not None:
                yield statement.location


class ServerName(NamedTuple):
    """One name of a server: exact, wildcard ("*.b", "a.*", ".b"), or a regex over the lower-cased host."""

    text: str
    regex: re.Pattern[bytes] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class VirtualServer(Settings):
    """
    A `server` block of `http`.

    Args:
        listens: The sockets it answers on, each with whether it is the default there.
        names: At least one; (ServerName(text=""),) when none was given.
        root: What holds its locations and answers where none of them matches.
    """

    listens: tuple[tuple[Address, bool], ...]
    names: tuple[ServerName, ...]
    root: Location
    position: Position
    merged: TypeMap = field(repr=False)


class UpstreamServer(NamedTuple):
    """
    One `server` line of an `upstream` block; the counters live in `lbproxy.balance.peer.Peer`.

    Args:
        name: The address as written, for messages and the consistent hash.
        addresses: What it resolved to: one peer each, every one with the full weight.
        max_fails: Failures within *fail_timeout* that take it out of rotation; 0: never.
        fail_timeout: Seconds: the window, and the time out of rotation.
        max_conns: Requests in flight at most; 0: no limit.
    """

    name: str
    addresses: tuple[Address, ...]
    position: Position
    weight: int = 1
    max_fails: int = 1
    fail_timeout: float = 10.0
    max_conns: int = 0
    backup: bool = False
    down: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UpstreamConf(Settings):
    """
    An `upstream` block, or the implicit one behind ``proxy_pass http://host:port``.

    Args:
        method: The balancing directive (``ip_hash``, ``hash $x consistent``, ...); None for round robin.
        implicit: Made from a proxy_pass or uwsgi_pass address, not written as a block.
    """

    name: str
    servers: tuple[UpstreamServer, ...]
    method: Directive | None = None
    implicit: bool = False
    position: Position
    merged: TypeMap = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Config(Settings):
    """
    A whole configuration; ``settings(MainSettings)`` are those outside every block.

    Args:
        listeners: Every socket once, in the order of the text.
        upstreams: By name in lower case, as nginx compares them.
        directives: The tree after includes, for ``-T`` and the tools.
        ignored: Directives that only tune nginx, accepted without effect, in the order of the text.
        warnings: What deserves a word though it is not an error (nginx's ``[warn]`` lines).
    """

    listeners: tuple[Listener, ...]
    servers: tuple[VirtualServer, ...]
    upstreams: Mapping[str, UpstreamConf]
    directives: tuple[Directive, ...]
    ignored: tuple[Directive, ...] = ()
    warnings: tuple[str, ...] = ()
    merged: TypeMap = field(repr=False)
