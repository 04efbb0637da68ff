"""
``server`` blocks of http, and the sockets and names they share.

As src/http/ngx_http.c:ngx_http_add_addresses and ngx_http_server_names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lbproxy.config.listen import Listen, default_listen, is_hashable, parse_listen, parse_server_name
from lbproxy.config.locations import compile_locations, compile_statements
from lbproxy.config.model import Address, Listener, Location, MatchKind, ServerName, VirtualServer
from lbproxy.config.parser import Directive
from lbproxy.config.reader import BlockReader, Environment
from lbproxy.config.settings import Context, TypeMap, inherited
from lbproxy.errors import InvalidValue, Position, WrongContext


@dataclass(slots=True, eq=False)
class Draft:
    """A server before it is known where it is the default."""

    listens: list[Listen]
    names: list[tuple[ServerName, Position]]
    root: Location
    position: Position


@dataclass(slots=True)
class _Socket:
    """One address and the servers on it."""

    position: Position
    servers: list[Draft] = field(default_factory=list)
    default: Draft | None = None
    configured: Position | None = None  # the listen directive that set the options
    proxy_protocol: bool = False
    options: dict[str, Any] = field(default_factory=dict)


def compile_server(
    reader: BlockReader, directive: Directive, outer: TypeMap, environment: Environment
) -> Draft:
    """Return a ``server`` block; its mistakes stay with *reader*."""
    contents = reader.read(directive.block or (), Context.SERVER, inherited(outer))
    listens: list[Listen] = []
    for line in contents.named("listen"):
        with reader.catching():
            listens.append(parse_listen(line, environment.resolve))
    if not contents.named("listen"):
        listens.append(default_listen(directive.position, environment.default_port))
    names: list[tuple[ServerName, Position]] = []
    for line in contents.named("server_name"):
        for arg in line.args:
            with reader.catching():
                name = parse_server_name(arg, environment.hostname)
                if "/" in name.text and name.regex is None:
                    reader.warn(f'server name "{name.text}" has suspicious symbols', arg.position)
                names.append((name, arg.position))
    root = Location(
        kind=MatchKind.PREFIX,
        pattern="",
        locations=compile_locations(reader, contents.named("location"), contents.merged),
        script=compile_statements(reader, contents, None),
        position=directive.position,
        merged=contents.merged,
    )
    return Draft(listens, names or [(ServerName(text=""), directive.position)], root, directive.position)


def finish_servers(
    reader: BlockReader, drafts: list[Draft]
) -> tuple[tuple[Listener, ...], tuple[VirtualServer, ...]]:
    """Return every socket once, and the servers with what they are the default of."""
    sockets: dict[Address, _Socket] = {}
    for draft in drafts:
        for listen in draft.listens:
            for address in listen.addresses:
                with reader.catching():
                    _join(sockets, address, draft, listen)
    for address, socket in sockets.items():
        if len(socket.servers) > 1:
            _check_names(reader, address, socket)
    listeners = tuple(
        Listener(
            address=address, position=socket.position, proxy_protocol=socket.proxy_protocol, **socket.options
        )
        for address, socket in sockets.items()
    )
    return listeners, tuple(_server(draft, sockets) for draft in drafts)


def _join(sockets: dict[Address, _Socket], address: Address, draft: Draft, listen: Listen) -> None:
    """Put *draft* on the socket of *address*, and the socket's options into it."""
    socket = sockets.setdefault(address, _Socket(listen.position))
    if draft in socket.servers:
        raise WrongContext(f"a duplicate listen {address}", listen.position)
    socket.servers.append(draft)
    socket.proxy_protocol |= listen.proxy_protocol
    if listen.configures:
        if socket.configured is not None:
            hint = f"the first are in {socket.configured}"
            raise WrongContext(f"duplicate listen options for {address}", listen.position, hint)
        socket.configured = listen.position
        socket.options = listen.options
    if listen.default:
        if socket.default is not None:
            hint = f"the first one is in {socket.default.position}"
            raise WrongContext(f"a duplicate default server for {address}", listen.position, hint)
        socket.default = draft


def _server(draft: Draft, sockets: dict[Address, _Socket]) -> VirtualServer:
    listens = []
    for address in dict.fromkeys(address for listen in draft.listens for address in listen.addresses):
        socket = sockets[address]
        listens.append((address, draft is (socket.default or socket.servers[0])))
    return VirtualServer(
        listens=tuple(listens),
        names=tuple(name for name, _position in draft.names),
        root=draft.root,
        position=draft.position,
        merged=draft.root.merged,
    )


def _check_names(reader: BlockReader, address: Address, socket: _Socket) -> None:
    """Refuse names that can't tell servers on *address* apart; warn of those that an earlier server has."""
    seen: set[str] = set()
    for name, position in (named for draft in socket.servers for named in draft.names):
        if name.regex is not None:
            continue
        if name.text in seen:
            reader.warn(f'conflicting server name "{name.text}" on {address}, ignored', position)
        seen.add(name.text)
        if not is_hashable(name):
            with reader.catching():
                message = f'invalid server name or wildcard "{name.text}" on {address}'
                hint = 'a "*" stands for whole labels at the beginning or the end'
                raise InvalidValue(message, position, hint if "*" in name.text else "")
