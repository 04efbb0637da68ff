"""What h11 makes of a message head, for comparison with ours."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

import h11

from lbproxy.wire.body import CHUNKED, NO_BODY, UNTIL_CLOSE, Framing
from lbproxy.wire.heads import Head, HeadLimits


@dataclass(frozen=True)
class Reading:
    """A head as h11 reads it; *start* is (method, target, version) or (status, reason, version)."""

    start: tuple[bytes | int, bytes, bytes]
    fields: tuple[tuple[bytes, bytes], ...]
    framing: Framing


def as_mended(octets: bytes, limits: HeadLimits) -> bytes:
    """Return *octets* as h11 is to see them: no blank lines before, no lines whose visible name nginx drops."""
    lines = re.split(rb"(?<=\n)", octets.lstrip(b"\r\n"))
    name = rb"[0-9A-Za-z_-]+" if limits.underscores else rb"[0-9A-Za-z-]+"
    dropped = re.compile(rb"(?!" + name + rb":)[!-9;-~]+:" if limits.ignore_invalid else rb"(?!)")
    return lines[0] + b"".join(line for line in lines[1:] if not dropped.match(line))


def as_told(head: Head) -> tuple[tuple[bytes, bytes], ...]:
    """Return the fields of *head* with the one change that h11 makes."""
    return tuple((name, value.lower() if name == b"transfer-encoding" else value) for name, value in head.fields())


def read_request(head: bytes) -> Reading | None:
    """Return h11's reading of a complete request *head*, None if it refuses it."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Request)
    start = (bytes(event.method), bytes(event.target), bytes(event.http_version))
    return Reading(start, _fields(event.headers), _framing(connection, event.headers))


def read_response(head: bytes, method: bytes) -> Reading | None:
    """Return h11's reading of the answer to a *method* request, None if it refuses it."""
    connection = h11.Connection(h11.CLIENT)
    asked = [("Host", "x"), ("Connection", "upgrade"), ("Upgrade", "x")]
    connection.send(h11.Request(method=method, target="/", headers=asked))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError:
        return None
    assert isinstance(event, h11.Response | h11.InformationalResponse)
    start = (event.status_code, bytes(event.reason), bytes(event.http_version))
    interim = isinstance(event, h11.InformationalResponse)
    return Reading(start, _fields(event.headers), NO_BODY if interim else _framing(connection, event.headers))


def _fields(headers: Iterable[tuple[bytes, bytes]]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((bytes(name), bytes(value)) for name, value in headers)


def _framing(connection: h11.Connection, headers: Iterable[tuple[bytes, bytes]]) -> Framing:
    """Find out by feeding it which body h11 expects."""
    if isinstance(connection.next_event(), h11.EndOfMessage):
        return NO_BODY
    connection.receive_data(b"0\r\n\r\n")
    event = connection.next_event()
    if isinstance(event, h11.EndOfMessage):
        return CHUNKED
    assert isinstance(event, h11.Data)
    lengths = [int(value) for name, value in headers if name == b"content-length"]
    return lengths[0] if lengths else UNTIL_CLOSE


def read_chunked(octets: bytes) -> tuple[bytes, bytes] | None:
    """Return payload and surplus of a complete chunked body as h11 reads it, None if it does not."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + octets)
    payload = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Data):
                payload += event.data
            elif isinstance(event, h11.EndOfMessage):
                return payload, connection.trailing_data[0]
            elif not isinstance(event, h11.Request):
                return None
    except h11.RemoteProtocolError:
        return None


def read_message(octets: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Return ``METHOD target``, payload and surplus of a complete request as h11 reads it, None if it does not."""
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(octets)
    message = payload = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                message = event.method + b" " + event.target
            elif isinstance(event, h11.Data):
                payload += event.data
            elif isinstance(event, h11.EndOfMessage):
                return message, payload, connection.trailing_data[0]
            else:
                return None
    except h11.RemoteProtocolError:
        return None
