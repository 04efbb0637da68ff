"""A raw HTTP client: it sends octets as given and reads answers with h11, so that nothing is made nicer on the way."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

import h11

from tests.support.message import Message
from tests.support.waiting import TIMEOUT

Address = tuple[str, int] | str
"""(host, port), or the path of a unix socket."""

_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: many clients that are connected elsewhere may share a port


def octets(
    target: str = "/", *fields: str, method: str = "GET", host: str = "example.com", version: str = "1.1",
    body: bytes = b"", chunks: Sequence[bytes] | None = None,
) -> bytes:  # fmt: skip
    """
    Write one request.

    Args:
        fields: Whole lines such as "Accept: x".
        body: Brings its Content-Length along, unless empty.
        chunks: Are sent instead of a body; GET becomes POST then.
    """
    if chunks is not None:
        method = "POST" if method == "GET" else method
        fields, body = (*fields, "Transfer-Encoding: chunked"), chunked(*chunks)
    elif body:
        fields = (*fields, f"Content-Length: {len(body)}")
    lines = [f"{method} {target} HTTP/{version}", f"Host: {host}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(*chunks: bytes, trailer: bytes = b"") -> bytes:
    """Write *chunks* as a chunked body, with its last chunk."""
    return b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in chunks) + b"0\r\n" + trailer + b"\r\n"


@dataclass(frozen=True)
class Answer(Message):
    """A response as it came in; *head* is the final head's octets, *interim* the statuses of 1xx before it."""

    status: int
    reason: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes
    interim: tuple[int, ...] = ()
    version: bytes = b"1.1"
    raw: bytes = field(default=b"", repr=False)

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "backslashreplace")


class Client:
    """
    One connection to a server; a context manager.

    Args:
        address: Where to.
        source: Local address to come from, for example "127.0.0.9".
        timeout: Seconds that any one operation may take before the test fails.
    """

    def __init__(self, address: Address, *, source: str | None = None, timeout: float = TIMEOUT) -> None:
        if isinstance(address, str):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        else:
            family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
            self.socket = socket.socket(family, socket.SOCK_STREAM)
        try:
            self.socket.settimeout(timeout)
            if source is not None:
                self.socket.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
                self.socket.bind((source, 0))
            self.socket.connect(address)
        except BaseException:
            self.socket.close()
            raise
        self._left = b""

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.socket.sendall(data)

    def _receive(self) -> bytes:
        if self._left:
            data, self._left = self._left, b""
            return data
        return self.socket.recv(1 << 18)

    def read(self, size: int) -> bytes:
        """Read exactly *size* octets; fewer only at the end of the connection."""
        data = b""
        while len(data) < size and (more := self._receive()):
            data += more
        data, self._left = data[:size], data[size:] + self._left
        return data

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including *end*; raises AssertionError when the connection ends before."""
        data = b""
        while end not in data:
            more = self._receive()
            assert more, f"the connection ended after {data!r}"
            data += more
        size = data.index(end) + len(end)
        data, self._left = data[:size], data[size:] + self._left
        return data

    def rest(self) -> bytes:
        """Read until the other side closes (a reset counts as that) and return it."""
        data = [self._left]
        self._left = b""
        try:
            while more := self.socket.recv(1 << 18):
                data.append(more)
        except ConnectionResetError:
            pass
        return b"".join(data)

    def answer(self, method: str = "GET") -> Answer:
        """Read one answer to a request of *method*; raises h11.RemoteProtocolError when it is faulty or cut."""
        parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        upgrade = [("Host", "x"), ("Connection", "upgrade"), ("Upgrade", "x")]  # lets a 101 through
        parser.send(h11.Request(method=method, target="/", headers=upgrade))
        parser.send(h11.EndOfMessage())
        raw: list[bytes] = []
        interim: list[int] = []
        body: list[bytes] = []
        final: h11.Response | h11.InformationalResponse | None = None
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                data = self._receive()
                raw.append(data)
                parser.receive_data(data)
            elif isinstance(event, h11.Response) or (
                isinstance(event, h11.InformationalResponse) and event.status_code == 101
            ):
                final = event
                if event.status_code == 101:
                    break
            elif isinstance(event, h11.InformationalResponse):
                interim.append(event.status_code)
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
            elif isinstance(event, h11.EndOfMessage):
                break
            else:
                raise AssertionError(f"the connection ended without an answer, after {b''.join(raw)!r}")
        assert final is not None
        self._left = parser.trailing_data[0]
        fields = tuple(final.headers.raw_items())
        return Answer(
            final.status_code, final.reason, fields, b"".join(body), tuple(interim), final.http_version, b"".join(raw)
        )

    def ask(self, target: str = "/", *fields: str, method: str = "GET", body: bytes = b"") -> Answer:
        """Send one request made by `octets` and return its answer."""
        self.send(octets(target, *fields, method=method, body=body))
        return self.answer(method)

    def at_end(self) -> bool:
        """Wait for the next octets; say whether there were none because the other side closed."""
        try:
            self._left = self._receive()
        except ConnectionResetError:
            return True
        return not self._left

    def reset(self) -> None:
        """Close with a reset instead of an orderly end."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """Close the connection."""
        self.socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def get(address: Address, target: str = "/", *fields: str, source: str | None = None) -> Answer:
    """Send one GET on a connection of its own and return the answer."""
    return ask(address, octets(target, *fields), source=source)


def ask(address: Address, request: bytes, *, method: str = "GET", source: str | None = None) -> Answer:
    """Send the octets of one request on a connection of their own and return the answer."""
    with Client(address, source=source) as client:
        client.send(request)
        return client.answer(method)


def bodies(address: Address, count: int, target: str = "/", *, source: str | None = None) -> list[str]:
    """Return the bodies of *count* GETs, each on a connection of its own."""
    return [get(address, target, source=source).text for _ in range(count)]


def statuses(answers: Iterable[Answer]) -> list[int]:
    """Return the statuses of *answers*."""
    return [answer.status for answer in answers]


def refuses(address: Address) -> bool:
    """Say whether nobody listens at *address*."""
    try:
        Client(address).close()
    except ConnectionRefusedError:
        return True
    return False
