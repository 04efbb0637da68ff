"""
IP addresses between text and octets: 4 octets, 16, or none for a unix socket.

As src/core/ngx_inet.c:ngx_inet_addr, ngx_inet6_addr and ngx_inet_ntop.
"""

from __future__ import annotations

_MAPPED = b"\0" * 10 + b"\xff\xff"  # RFC 4291 section 2.5.5.2


def pack(host: str) -> bytes:
    """Return the address *host*, without brackets, as octets; raises ValueError."""
    if ":" not in host:
        octets = host.split(".")
        if len(octets) != 4 or not all(octet.isascii() and octet.isdigit() for octet in octets):
            raise ValueError("invalid IPv4 address")
        return bytes(map(int, octets))  # ValueError beyond 255
    import ipaddress  # noqa: PLC0415 - costs milliseconds that only IPv6 needs

    address = ipaddress.IPv6Address(host)
    if address.scope_id is not None:
        raise ValueError("an address with a zone")
    return address.packed


def show(packed: bytes) -> bytes:
    """Return *packed* as text in its shortest form."""
    if len(packed) == 4:
        return b"%d.%d.%d.%d" % tuple(packed)
    inner = mapped(packed)
    if inner:
        return b"::ffff:" + show(inner)
    import ipaddress  # noqa: PLC0415 - as in `pack`

    return str(ipaddress.IPv6Address(packed)).encode()


def mapped(packed: bytes) -> bytes:
    """Return the IPv4 address that an IPv6 one stands for (``::ffff:192.0.2.1``); b"" if it is no such address."""
    return packed[12:] if len(packed) == 16 and packed.startswith(_MAPPED) else b""
