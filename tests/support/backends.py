"""
Scripted servers: they record exactly what they are sent and do exactly what the test says.

A `Backend` runs a *script* for each connection, in a thread.  Most tests need no script of their own: `answers`
makes one from replies, each of which is the octets to send or a function such as `close`, `reset` or `hang`.
Requests are read here by a parser of our own, a plain one, so that tests don't agree with the product by
construction.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.support.client import Address
from tests.support.message import Message
from tests.support.waiting import TIMEOUT, Journal


class Gone(Exception):
    """The proxy closed the connection; ends a script quietly."""


@dataclass(frozen=True)
class Request(Message):
    """
    What a backend received.

    Attributes:
        line: The request line; b"" for uwsgi.
        fields: Field lines, or uwsgi variables, as received and in order.
        body: The body without its framing.
        raw: All octets, framing included.
        server: Where it arrived, as `Backend.address`.
    """

    line: bytes
    fields: tuple[tuple[bytes, bytes], ...]
    body: bytes = b""
    raw: bytes = field(default=b"", repr=False)
    server: str = ""

    @property
    def target(self) -> str:
        """The request target; REQUEST_URI for uwsgi."""
        if not self.line:
            return self.get("REQUEST_URI") or ""
        return self.line.split(b" ")[1].decode("latin-1")


class Conversation:
    """One connection to a backend, as its script sees it; every read raises `Gone` when the proxy has closed."""

    def __init__(self, backend: Backend, connection: socket.socket) -> None:
        self.backend, self.socket = backend, connection
        self._buffer, self._raw = bytearray(), bytearray()

    def read(self, size: int) -> bytes:
        """Read exactly *size* octets."""
        while len(self._buffer) < size:
            self._more()
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._raw += data
        return data

    def read_until(self, end: bytes) -> bytes:
        """Read up to and including *end*."""
        searched = 0
        while (found := self._buffer.find(end, searched)) < 0:
            searched = max(0, len(self._buffer) - len(end))
            self._more()
        return self.read(found + len(end))

    def read_large(self, size: int) -> bytes:
        """Read *size* octets like `read`, in linear time; they are left out of `Request.raw`."""
        data = self._buffer[:size]
        del self._buffer[:size]
        while len(data) < size:
            more = self.socket.recv(min(1 << 18, size - len(data)))
            if not more:
                raise Gone
            data += more
        return bytes(data)

    def _more(self) -> None:
        data = self.socket.recv(1 << 18)
        if not data:
            raise Gone
        self._buffer += data

    def head(self) -> Request:
        """Read a request without its body and without recording it."""
        return self.backend.read_head(self)

    def request(self) -> Request:
        """Read and record the next request."""
        self._raw.clear()
        head = self.backend.read_head(self)
        body = self.backend.read_body(self, head)
        request = Request(head.line, head.fields, body, bytes(self._raw), self.backend.address)
        self.backend.requests.append(request)
        return request

    def send(self, data: bytes) -> None:
        """Send all of *data*."""
        self.socket.sendall(data)

    def give(self, reply: Reply, request: Request) -> None:
        """Answer *request*; octets that say ``Connection: close`` are followed by a close."""
        if callable(reply):
            reply(self, request)
            return
        self.send(reply)
        if b"\r\nconnection: close" in reply.lower():
            self.close()

    def reset(self) -> None:
        """Close with a reset, and end the script."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise Gone

    def close(self) -> None:
        """Close in order, and end the script."""
        raise Gone

    def until_gone(self) -> bytes:
        """Wait until the proxy closes, record that in `Backend.closed`, and return what it sent before."""
        data, self._buffer = bytes(self._buffer), bytearray()
        try:
            while more := self.socket.recv(1 << 16):
                data += more
        except ConnectionResetError:
            pass
        self.backend.closed.append(data)
        return data


Script = Callable[[Conversation], None]
Reply = bytes | Callable[[Conversation, Request], None]


def answers(*replies: Reply) -> Script:
    """Make a script that gives the backend's first request the first reply and so on; the last one for ever."""
    left = list(replies)
    lock = threading.Lock()

    def script(conversation: Conversation) -> None:
        while True:
            request = conversation.request()
            with lock:
                reply = left.pop(0) if len(left) > 1 else left[0]
            conversation.give(reply, request)

    return script


def by_path(pages: Mapping[str, Reply], other: Reply) -> Script:
    """Make a script that answers by the last segment of the path, with *other* for all that *pages* don't name."""

    def script(conversation: Conversation) -> None:
        while True:
            request = conversation.request()
            page = pages.get(request.target.partition("?")[0].rpartition("/")[2], other)
            conversation.give(page, request)

    return script


def close(conversation: Conversation, _request: Request) -> None:
    """A reply: close without a word."""
    conversation.close()


def reset(conversation: Conversation, _request: Request) -> None:
    """A reply: reset the connection."""
    conversation.reset()


def hang(conversation: Conversation, _request: Request) -> None:
    """A reply: say nothing until the proxy gives up (`Backend.closed`)."""
    conversation.until_gone()
    conversation.close()


def endless(conversation: Conversation) -> None:
    """Answer one request for ever; the connection counts as closed once nobody takes any more."""
    conversation.request()
    conversation.send(b"HTTP/1.1 200 OK\r\n\r\n")
    try:
        while True:
            conversation.send(b"x" * 65536)
    finally:
        conversation.backend.closed.append(b"")


def closing(data: bytes) -> Reply:
    """A reply: send *data*, then close."""

    def reply(conversation: Conversation, _request: Request) -> None:
        conversation.send(data)
        conversation.close()

    return reply


def held(gate: threading.Event, then: bytes, first: bytes = b"") -> Callable[[Conversation, Request], None]:
    """A reply: send *first*, wait for the *gate* to be opened by the test, then send *then*."""

    def reply(conversation: Conversation, _request: Request) -> None:
        conversation.send(first)
        assert gate.wait(TIMEOUT), "nobody opened the gate"
        conversation.send(then)

    return reply


def reply(body: bytes | str = b"", *fields: str, status: str = "200 OK", version: str = "1.1") -> bytes:
    """Write a response with a Content-Length."""
    content = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/{version} {status}", *fields, f"Content-Length: {len(content)}", "", ""]
    return "\r\n".join(head).encode("latin-1") + content


def unsized(body: bytes | str, *fields: str, status: str = "200 OK") -> Reply:
    """A reply whose body ends with the connection."""
    content = body.encode() if isinstance(body, str) else body
    return closing("\r\n".join([f"HTTP/1.1 {status}", *fields, "", ""]).encode("latin-1") + content)


class Backend:
    """
    A server that runs *script* for every connection; a context manager.

    Attributes:
        requests: What it received, in order of completion; several backends may share one journal.
        connections: One entry per accepted connection.
        closed: One entry per connection whose end a script waited for with `Conversation.until_gone`: the
            octets that came before it.
    """

    def __init__(self, script: Script, at: Address, requests: Journal[Request] | None = None) -> None:
        self._script = script
        self.at = at
        self.requests = Journal[Request]() if requests is None else requests
        self.connections: Journal[object] = Journal()
        self.closed: Journal[bytes] = Journal()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.socket(socket.AF_UNIX if isinstance(at, str) else socket.AF_INET, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(at)
            self._listener.listen(128)
        except BaseException:
            self._listener.close()
            raise
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()

    @property
    def address(self) -> str:
        """As a configuration writes it: host:port or unix:path."""
        return f"unix:{self.at}" if isinstance(self.at, str) else f"{self.at[0]}:{self.at[1]}"

    def _accept(self) -> None:
        while True:
            try:
                connection, peer = self._listener.accept()
            except OSError:  # shut down
                return
            connection.settimeout(TIMEOUT)
            self._open.add(connection)
            self.connections.append(peer)
            thread = threading.Thread(target=self._converse, args=(connection,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _converse(self, connection: socket.socket) -> None:
        with connection:
            try:
                self._script(Conversation(self, connection))
            except (Gone, OSError):  # the proxy went away, or the test is over
                pass
            finally:
                self._open.discard(connection)

    def read_head(self, conversation: Conversation) -> Request:
        """Read an HTTP request head."""
        line, *lines = conversation.read_until(b"\r\n\r\n")[:-4].split(b"\r\n")
        pairs = (entry.partition(b":") for entry in lines)
        return Request(line, tuple((name, value.strip(b" \t")) for name, _, value in pairs))

    def read_body(self, conversation: Conversation, head: Request) -> bytes:
        """Read the body that the head announces."""
        if (head.get("Transfer-Encoding") or "").lower() == "chunked":
            pieces = []
            while size := int(conversation.read_until(b"\r\n"), 16):
                pieces.append(conversation.read(size))
                conversation.read(2)
            while conversation.read_until(b"\r\n") != b"\r\n":
                pass
            return b"".join(pieces)
        return conversation.read_large(int(head.get("Content-Length") or 0))

    def stop_listening(self) -> None:
        """Refuse new connections; those that are open stay."""
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:  # already done
            return
        self._acceptor.join(TIMEOUT)
        self._listener.close()
        if isinstance(self.at, str):
            Path(self.at).unlink(missing_ok=True)

    def close(self) -> None:
        """Close everything and wait for the scripts to end."""
        self.stop_listening()
        for connection in list(self._open):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:  # its script closed it meanwhile
                continue
        for thread in self._threads:
            thread.join(TIMEOUT)
            assert not thread.is_alive(), "a backend's script hangs"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class UwsgiBackend(Backend):
    """The same for uwsgi: `Request.fields` are the packet's variables, the answer is followed by a close."""

    modifiers: tuple[int, int] = (0, 0)

    def read_head(self, conversation: Conversation) -> Request:
        """Read a uwsgi packet; its modifiers are kept in `modifiers`."""
        modifier1, size, modifier2 = struct.unpack("<BHB", conversation.read(4))
        self.modifiers = (modifier1, modifier2)
        packet = conversation.read(size)
        texts: list[bytes] = []
        while packet:
            (length,) = struct.unpack_from("<H", packet)
            texts.append(packet[2 : 2 + length])
            packet = packet[2 + length :]
        return Request(b"", tuple(zip(texts[::2], texts[1::2], strict=True)))

    def read_body(self, conversation: Conversation, head: Request) -> bytes:
        """Read the body that CONTENT_LENGTH announces."""
        return conversation.read_large(int(head.get("CONTENT_LENGTH") or 0))
