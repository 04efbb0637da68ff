r"""
The PROXY protocol: what a balancer in front says of its client before the client's first octet.

Version 1 is a line, ``PROXY TCP4 192.0.2.7 192.0.2.1 40000 80\r\n``; version 2 is 16 octets (signature, version and
command, family and transport, length), then addresses and TLVs.  Sources: the specification "The PROXY protocol,
Versions 1 & 2" of HAProxy, sections 2.1 and 2.2; src/core/ngx_proxy_protocol.c.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from lbproxy.errors import MalformedMessage
from lbproxy.wire.addresses import pack, show

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LONGEST_LINE = 107  # octets of version 1 (section 2.1), the line end included
LONGEST_HEADER = 4096  # octets of version 2 (NGX_PROXY_PROTOCOL_MAX_HEADER)

_FIRST = b"PROXY "
_LINE = re.compile(rb"PROXY TCP([46]) (\S++) (\S++) ([0-9]{1,5}) ([0-9]{1,5})\r\n")
_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*+)?\r\n")
_FIXED = struct.Struct("!12sBBH")
_PROXY = 1  # the command; the other, LOCAL, speaks of no client
_ADDRESSES = {0x11: struct.Struct("!4s4sHH"), 0x21: struct.Struct("!16s16sHH")}
"""By family and transport: TCP over IPv4 and over IPv6."""


class Introduction(NamedTuple):
    """
    Who the client is.

    Args:
        source, source_port: The client, as it came to the balancer; the address as text.
        destination, destination_port: Where it came to.
        packed: The client's address as octets.
        tlvs: What version 2 says besides, as it came.
    """

    source: bytes
    source_port: int
    destination: bytes
    destination_port: int
    packed: bytes
    tlvs: bytes = b""


def parse_introduction(buf: bytes) -> tuple[Introduction | None, int] | None:
    """
    Return what *buf* begins with and how many octets that is; None while there is more to come.

    The introduction itself is None where the balancer speaks for itself (LOCAL), or of a client that has no TCP
    address (UNKNOWN, UDP, unix).

    Raises:
        MalformedMessage: It begins otherwise.
    """
    if buf.startswith(SIGNATURE):
        return _parse_binary(buf)
    if buf.startswith(_FIRST):
        return _parse_line(buf)
    if SIGNATURE.startswith(buf) or _FIRST.startswith(buf):
        return None
    raise broken(buf)


def _parse_line(buf: bytes) -> tuple[Introduction | None, int] | None:
    end = buf.find(b"\n", 0, LONGEST_LINE) + 1
    if not end:
        if len(buf) >= LONGEST_LINE:
            raise broken(buf)
        return None
    line = buf[:end]
    match = _LINE.fullmatch(line)
    if match is None:
        if _UNKNOWN.fullmatch(line):
            return None, end
        raise broken(buf)
    family, *texts = match.groups()
    try:
        source, destination = (pack(text.decode("latin-1")) for text in texts[:2])
    except ValueError:
        raise broken(buf) from None
    ports = int(texts[2]), int(texts[3])
    if max(ports) > 65535 or {len(source), len(destination)} != {4 if family == b"4" else 16}:
        raise broken(buf)
    return Introduction(show(source), ports[0], show(destination), ports[1], source), end


def _parse_binary(buf: bytes) -> tuple[Introduction | None, int] | None:
    if len(buf) < _FIXED.size:
        return None
    _, command, kind, length = _FIXED.unpack_from(buf)
    if command >> 4 != 2:
        raise MalformedMessage(f"unknown PROXY protocol version: {command >> 4}")
    size = _FIXED.size + length
    if size > LONGEST_HEADER:
        raise MalformedMessage("header is too large")
    if len(buf) < size:
        return None
    layout = _ADDRESSES.get(kind)
    if command & 15 != _PROXY or layout is None:
        return None, size
    if length < layout.size:
        raise MalformedMessage("header is too short for its addresses")
    source, destination, source_port, destination_port = layout.unpack_from(buf, _FIXED.size)
    tlvs = buf[_FIXED.size + layout.size : size]
    return Introduction(show(source), source_port, show(destination), destination_port, source, tlvs), size


def broken(buf: bytes) -> MalformedMessage:
    """Return the complaint about *buf*, which is no introduction, or not all of one."""
    line = re.split(rb"[\r\n]", buf, maxsplit=1)[0][:LONGEST_LINE]
    return MalformedMessage(f'broken header: "{line.decode("latin-1")}"')


# what version 2 says besides (section 2.2)

_SSL = 0x20
_AHEAD = 5  # octets of an SSL TLV before those inside it: client u8, verify u32
_KINDS: Mapping[str, int] = MappingProxyType({"alpn": 1, "authority": 2, "unique_id": 5, "ssl": _SSL, "netns": 0x30})
_SSL_KINDS: Mapping[str, int] = MappingProxyType({"version": 0x21, "cn": 0x22, "cipher": 0x23, "sig_alg": 0x24,
                                                  "key_alg": 0x25})  # fmt: skip


def tlv_path(name: str) -> tuple[int, ...]:
    """
    Return where to look for the TLV that ``$proxy_protocol_tlv_NAME`` means: its type, or that of one inside another.

    Raises:
        KeyError: There is no such name; ``0x01`` and the like always are.
    """
    if re.fullmatch("0x[0-9a-f]{1,2}", name):
        return (int(name, 16),)
    if name.startswith("ssl_"):
        return _SSL, _SSL_KINDS[name.removeprefix("ssl_")]
    return (_KINDS[name],)


def find_tlv(tlvs: bytes, path: tuple[int, ...]) -> bytes | None:
    """Return the value of the first TLV at *path*, None if there is none."""
    wanted, *inner = path
    start = 0
    while len(tlvs) - start >= 3:
        kind, length = struct.unpack_from("!BH", tlvs, start)
        value = tlvs[start + 3 : start + 3 + length]
        if kind == wanted:
            return find_tlv(value[_AHEAD:], tuple(inner)) if inner else value
        start += 3 + length
    return None
