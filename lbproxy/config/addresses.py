"""
Addresses as written: ``host:port``, ``[::1]:80``, ``unix:/path`` (src/core/ngx_inet.c:ngx_parse_url).

Names are kept as names; `resolve` asks the injected resolver for those that are no literal addresses.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lbproxy.config.model import Address
from lbproxy.config.octets import octets

Resolver = Callable[[str, int], Sequence[Address]]
"""``(name, port) -> addresses``; raises LookupError when the name has none."""

UNIX_PATH_LIMIT = 107
"""Octets in ``sun_path`` without its final NUL (Linux, unix(7))."""

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|0*[0-9]{1,2})"
_IPV4 = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}")
_PORT = re.compile(r"[0-9]{1,5}")


class Endpoint(NamedTuple):
    """
    An address as written.

    Args:
        host: A name, an IPv4 address, an IPv6 one without brackets, or "*" (listen); "" for a unix socket.
        port: None where none was written.
        path: The path of a unix socket; "" for IP.
    """

    host: str = ""
    port: int | None = None
    path: str = ""


def port_number(text: str, lowest: int = 1) -> int:
    """Return the port *text*; raises ValueError("invalid port")."""
    if not _PORT.fullmatch(text) or not lowest <= int(text) <= 65535:
        raise ValueError("invalid port")
    return int(text)


def parse_endpoint(text: str, lowest_port: int = 1) -> Endpoint:
    """
    Split *text* into host and port, or take the path behind ``unix:``.

    Raises:
        ValueError: With nginx's phrase: "no host", "invalid host", "invalid port", ...
    """
    if text.startswith("unix:"):
        return Endpoint(path=_unix_path(text[5:]))
    if "/" in text:
        raise ValueError("invalid host")
    if text.startswith("["):
        literal, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("invalid host")
        return Endpoint(ipv6(literal), port_number(rest[1:], lowest_port) if rest else None)
    host, colon, port = text.partition(":")
    if not host:
        raise ValueError("no host")
    if re.search(r"[\s\[\]]", host):
        raise ValueError("invalid host")
    return Endpoint(host, port_number(port, lowest_port) if colon else None)


def _unix_path(path: str) -> str:
    if not path:
        raise ValueError("no path in the unix domain socket")
    if len(octets(path)) > UNIX_PATH_LIMIT:
        raise ValueError("too long path in the unix domain socket")
    return path


def ipv6(literal: str) -> str:
    """Return an IPv6 address in its shortest form; raises ValueError("invalid IPv6 address")."""
    import ipaddress  # noqa: PLC0415 - costs milliseconds that only IPv6 needs

    try:
        return str(ipaddress.IPv6Address(literal))
    except ValueError:
        raise ValueError("invalid IPv6 address") from None


def is_literal(host: str) -> bool:
    """Return whether *host* is an address and needs no resolver."""
    return ":" in host or _IPV4.fullmatch(host) is not None


def resolve(endpoint: Endpoint, default_port: int, resolver: Resolver) -> tuple[Address, ...]:
    """
    Return the addresses of *endpoint*, in the resolver's order and each once.

    Raises:
        LookupError: The name has no address.
    """
    if endpoint.path:
        return (Address(path=endpoint.path),)
    port = default_port if endpoint.port is None else endpoint.port
    if is_literal(endpoint.host):
        return (Address(_plain_ipv4(endpoint.host), port),)
    found = tuple(dict.fromkeys(resolver(endpoint.host, port)))
    if not found:
        raise LookupError(f"host not found: {endpoint.host}")
    return found


def _plain_ipv4(host: str) -> str:
    """Return an IPv4 address without leading zeros; other hosts as they are."""
    return host if ":" in host else ".".join(str(int(octet)) for octet in host.split("."))
