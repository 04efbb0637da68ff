"""Targets: targets and hosts of requests, uwsgi packets, operations on field blocks."""

from __future__ import annotations

import re

from lbproxy.errors import MalformedMessage
from lbproxy.http.files.ranges import Multipart, parse_ranges
from lbproxy.wire import fields, grammar, proxyline, uri, uwsgi
from lbproxy.wire.addresses import pack, show
from lbproxy.wire.dates import http_date, parse_date
from tests.fuzz.ways import choose, same_however_cut
from tests.support.wire import uwsgi_packet

_YEAR_10000 = 253402300800  # a leap second at the end of 9999 is one that cannot be written
_HOST = re.compile(rb"[a-z0-9._~!$&'()*+,;=%:\[\]-]+")
_BLOCK = re.compile(grammar.field_lines(grammar.TOKEN))


def target(octets: bytes) -> None:
    """A split target loses nothing but its fragment; a path is decoded once, safe, and comes back from escaping."""
    try:
        path, args = uri.split(octets)
    except MalformedMessage as error:
        assert error.status == 400
        return
    joined = path if args is None else path + b"?" + args
    assert b"#" not in joined
    assert path == b"*" or (path.startswith(b"/") and b"?" not in path)
    if octets.startswith(b"/"):
        assert octets.startswith(joined)
        assert octets[len(joined) : len(joined) + 1] in {b"", b"#"}
    for merge in (True, False):
        _path(path, merge)


def _path(path: bytes, merge: bool) -> None:
    try:
        normal = uri.normalise(path, merge)
    except MalformedMessage as error:
        assert error.status == 400
        return
    segments = normal.split(b"/")
    assert not {b".", b".."} & set(segments)
    assert not (merge and b"" in segments[1:-1])
    assert b"\0" not in normal
    escaped = uri.escape(normal)
    assert not re.search(rb"[\x00-\x20\x7f-\xff?#]", escaped)
    assert uri.normalise(escaped, merge) == normal
    if b"%" not in normal:
        assert uri.normalise(normal, merge) == normal, "normalising again changes it"


def host(octets: bytes) -> None:
    """A host is lower case, without port, of harmless octets, and stays what it is when it is read again."""
    try:
        name = uri.parse_host(octets)
    except MalformedMessage as error:
        assert error.status == 400
        return
    assert _HOST.fullmatch(name), name
    assert name == name.lower()
    assert octets.lower().startswith(name)
    assert uri.parse_host(name) == name
    assert uri.authority(b"http://" + octets + b"/") == octets


def url(octets: bytes) -> None:
    """Escaping leaves no octet that could end a line; doing so again changes nothing."""
    shown = uri.escape_controls(octets)
    assert not re.search(rb"[\x00-\x1f\x7f]", shown)
    assert uri.escape_controls(shown) == shown


def packet(octets: bytes) -> None:
    """What can be decoded fills its packet, and encodes to the same octets; a beginning is no packet."""
    try:
        found = uwsgi.decode_packet(octets)
    except MalformedMessage as error:
        assert error.status == 400
        return
    if found is None:
        return
    params, first, second, size = found
    assert all(name for name, _ in params)
    assert uwsgi_packet(params, first, second) == octets[:size]
    assert uwsgi.decode_packet(octets[:size]) == found
    for end in {0, 3, size // 2, size - 1}:
        assert uwsgi.decode_packet(octets[:end]) is None


def block(data: bytes) -> None:
    """
    Names cut out of a field block take their lines with them and leave the others as they are.

    An input is names, divided by commas, in the first line, and the lines of the block behind it.
    """
    names, _, octets = data.partition(b"\n")
    wanted = [name for name in names.strip(b"\r").split(b",") if re.fullmatch(grammar.TOKEN, name)]
    lines = [line.removesuffix(b"\r") + b"\r\n" for line in octets.split(b"\n")]
    octets = b"".join(line for line in lines if _BLOCK.fullmatch(line))
    pairs = fields.parse_block(octets)
    exact = {name.lower() for name in wanted}
    raw = [line + b"\r\n" for line in octets.split(b"\r\n")[:-1]]
    left = b"".join(line for line, (name, _) in zip(raw, pairs, strict=True) if name not in exact)
    assert fields.removal(wanted)(octets) == fields.without(octets, exact) == left
    written = b"".join(fields.line(name, value) for name, value in pairs)
    assert fields.parse_block(written) == pairs
    assert all(fields.value_ok(value) for _, value in pairs)
    assert fields.value_ok(data.translate(fields.BREAKS))


def introduction(octets: bytes) -> None:
    """What a balancer in front says is complete at the same octet however it is cut, and says sound addresses."""

    def outcome(parts: list[bytes]) -> object:
        buf = b""
        for part in parts:
            buf += part
            try:
                found = proxyline.parse_introduction(buf)
            except MalformedMessage as error:
                assert error.status == 400
                assert not re.search(r"[\r\n]", error.reason)
                return error.status
            if found is not None:
                return found
        return None

    found = same_however_cut(octets, outcome)
    if not isinstance(found, tuple):
        return
    client, size = found
    assert 0 < size <= len(octets)
    assert proxyline.parse_introduction(octets[:size]) == found, "what follows matters"
    if client is None:
        return
    for name in (client.source, client.destination):
        assert show(pack(name.decode("ascii"))) == name
    assert pack(client.source.decode("ascii")) == client.packed
    assert 0 <= client.source_port <= 65535 >= client.destination_port >= 0
    for kind in ("0x1", "authority", "ssl_cn"):
        value = proxyline.find_tlv(client.tlvs, proxyline.tlv_path(kind))
        assert value is None or value in client.tlvs


def date(octets: bytes) -> None:
    """A date of any form is a second; written in the one form that we write, it is the same."""
    seconds = parse_date(octets)
    if seconds is not None and seconds < _YEAR_10000:
        assert parse_date(http_date(seconds)) == seconds


def ranges(data: bytes) -> None:
    """Parts lie within the file and are no more than the whole together; a body of several has the length it says."""
    length, octets = choose(data, (100, 0, 1, 10**12))
    found = parse_ranges(octets, length, 5)
    if not found:
        return
    assert len(found) <= 5
    assert all(0 <= part.start < part.end <= length for part in found)
    assert sum(part.end - part.start for part in found) <= length
    several = Multipart(found, length, b"a/b", 7)
    assert several.length == sum(len(head) + part.end - part.start for head, part in several) + len(several.end)
    assert all(head.count(b"Content-Range: bytes ") == 1 for head, _ in several)
