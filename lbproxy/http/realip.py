"""
``set_real_ip_from`` and ``real_ip_header``: whom a balancer in front asks for.

As src/http/modules/ngx_http_realip_module.c and src/http/ngx_http_core_module.c:ngx_http_get_forwarded_addr: what a
trusted client says of its own client is believed, from the right; with ``real_ip_recursive`` as long as the address
believed last is trusted too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.addresses import Endpoint, Resolver, resolve
from lbproxy.config.networks import Network, parse_network
from lbproxy.config.octets import octets, text_of
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import setting, setting_list
from lbproxy.config.values import flag
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.exchange import Exchange
from lbproxy.wire.addresses import mapped, pack, show
from lbproxy.wire.heads import RequestHead

PROXY_PROTOCOL = "proxy_protocol"
_FORWARDED_FOR = "x-forwarded-for"  # of which every one counts, of others the first


class Trusted(NamedTuple):
    """
    One ``set_real_ip_from``.

    Args:
        network: None: a name, still to be resolved.
        exact: As of `lbproxy.http.access.Rule`.
    """

    network: Network | None
    exact: bool
    text: str
    position: Position


def _trusted(directive: Directive) -> Trusted:
    arg = directive.args[0]
    try:
        return Trusted(*parse_network(arg.text), arg.text, arg.position)
    except ValueError:
        return Trusted(None, True, arg.text, arg.position)


def _field(arg: Argument) -> str:
    return arg.text.lower()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RealIpSettings:
    """
    Whose word is taken for whom.

    Args:
        trusted: Nobody unless something is said.
        header: The field's name in lower case, or `PROXY_PROTOCOL`.
    """

    trusted: tuple[Trusted, ...] = setting_list("set_real_ip_from", _trusted, arity=(1, 1))
    header: str = setting("real_ip_header", _field, "x-real-ip")
    recursive: bool = setting("real_ip_recursive", flag, False)


class RealIp:
    """
    Puts the client that is meant in the place of the one that is connected.

    Raises:
        InvalidValue: A name that cannot be resolved.
    """

    __slots__ = ("_claim", "_networks", "_recursive")

    def __init__(self, settings: RealIpSettings, resolver: Resolver) -> None:
        self._networks = [network for one in settings.trusted for network in _networks(one, resolver)]
        self._recursive = settings.recursive
        self._claim = _by_introduction if settings.header == PROXY_PROTOCOL else _by_field(settings.header)

    def __call__(self, ex: Exchange) -> None:
        """Change the client of *ex*, if one is named by somebody trusted and that has not been done yet."""
        client = ex.client
        if client.connected is not None or not self._trusts(client.packed):
            return
        claim = self._claim(ex)
        if claim is not None:
            found = self._follow(*claim)
            if found is not None:
                ex.client = client.instead(show(found[0]), *found)

    def _trusts(self, packed: bytes) -> bool:
        packed = mapped(packed) or packed
        return any(network.holds(packed) for network in self._networks)

    def _follow(self, names: bytes, port: int) -> tuple[bytes, int] | None:
        """
        Return the address to be believed, packed and with its port.

        Args:
            names: Addresses separated by commas or blanks, the nearest last.
            port: That of a single one which names none.
        """
        found = None
        for name in reversed(names.replace(b",", b" ").split(b" ")):
            if not name:
                continue
            try:
                packed, own_port = _parse(name)
            except ValueError:
                break
            found = packed, own_port or port
            if not self._recursive or not self._trusts(packed):
                break
        return found


Claim = Callable[[Exchange], "tuple[bytes, int] | None"]
"""Returns what is said of the client: addresses, and the port if that is said elsewhere."""


def _by_field(name: str) -> Claim:
    wanted = octets(name)

    def of_head(head: RequestHead) -> bytes | None:
        values = [value for found, value in head.fields() if found == wanted]
        if name != _FORWARDED_FOR:
            return values[0] if values else None
        return b",".join(values) or None

    def claim(ex: Exchange) -> tuple[bytes, int] | None:
        value = ex.head.derive(of_head)
        return None if value is None else (value, 0)

    return claim


def _by_introduction(ex: Exchange) -> tuple[bytes, int] | None:
    said = ex.client.introduction
    return None if said is None else (said.source, said.source_port)


def _parse(name: bytes) -> tuple[bytes, int]:
    """Return the address *name* packed, and its port or 0 (ngx_inet.c:ngx_parse_addr_port); raises ValueError."""
    text = text_of(name)
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("invalid address")
        return pack(host), _port(rest[1:]) if rest else 0
    host, colon, port = text.partition(":")
    if colon and ":" not in port:
        return pack(host), _port(port)
    return pack(text), 0


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) <= 65535:
        raise ValueError("invalid port")
    return int(text)


def _networks(trusted: Trusted, resolver: Resolver) -> Sequence[Network]:
    if trusted.network is not None:
        return (trusted.network,)
    try:
        addresses = resolve(Endpoint(trusted.text), 0, resolver)
    except LookupError:
        message = f'host not found in set_real_ip_from "{trusted.text}"'
        raise InvalidValue(message, trusted.position) from None
    return [parse_network(address.host)[0] for address in addresses]
