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
from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import setting, setting_list
from lbproxy.config.values import flag
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.exchange import Exchange
from lbproxy.http.forwarded import Proxies
from lbproxy.wire.addresses import show
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


def parse_trusted(directive: Directive) -> Trusted:
    """Parse ``set_real_ip_from address | network | unix: | name`` (ngx_http_realip_from)."""
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

    trusted: tuple[Trusted, ...] = setting_list("set_real_ip_from", parse_trusted, arity=(1, 1))
    header: str = setting("real_ip_header", _field, "x-real-ip")
    recursive: bool = setting("real_ip_recursive", flag, False)


class RealIp:
    """
    Puts the client that is meant in the place of the one that is connected.

    Raises:
        InvalidValue: A name that cannot be resolved.
    """

    __slots__ = ("_claim", "_proxies")

    def __init__(self, settings: RealIpSettings, resolver: Resolver) -> None:
        networks = [network for one in settings.trusted for network in _networks(one, resolver)]
        self._proxies = Proxies(networks, settings.recursive)
        self._claim = _by_introduction if settings.header == PROXY_PROTOCOL else _by_field(settings.header)

    def __call__(self, ex: Exchange) -> None:
        """Change the client of *ex*, if one is named by somebody trusted and that has not been done yet."""
        client = ex.client
        if client.connected is None and self._proxies.trusts(client.packed):
            found = self._proxies.follow(*self._claim(ex))
            if found is not None:
                packed, port = found
                ex.client = client.instead(show(packed), packed, port)


Claim = Callable[[Exchange], tuple[Sequence[bytes], int]]
"""Returns what is said of the client: addresses, as `Proxies.follow` takes them, and the port if that stands apart."""


def _by_field(name: str) -> Claim:
    wanted = octets(name)

    def of_head(head: RequestHead) -> Sequence[bytes]:
        values = [value for found, value in head.fields() if found == wanted]
        return values if name == _FORWARDED_FOR else values[:1]

    return lambda ex: (ex.head.derive(of_head), 0)


def _by_introduction(ex: Exchange) -> tuple[Sequence[bytes], int]:
    said = ex.client.introduction
    return ((), 0) if said is None else ((said.source,), said.source_port)


def _networks(trusted: Trusted, resolver: Resolver) -> Sequence[Network]:
    if trusted.network is not None:
        return (trusted.network,)
    try:
        addresses = resolve(Endpoint(trusted.text), 0, resolver)
    except LookupError:
        message = f'host not found in set_real_ip_from "{trusted.text}"'
        raise InvalidValue(message, trusted.position) from None
    return [parse_network(address.host)[0] for address in addresses]
