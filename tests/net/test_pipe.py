"""From one socket into another without a copy."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.errors import StreamClosed
from lbproxy.net.pipe import SIZE, Pipe
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A pipe."""
    pipe = Pipe()
    yield pipe
    pipe.close()


@pytest.fixture
def ends(poller: Poller) -> Iterator[tuple[Stream, socket.socket, Stream, socket.socket]]:
    """A source with its other end, and a sink with its."""
    pairs = [socket.socketpair() for _ in range(2)]
    streams = []
    for ours, other in pairs:
        ours.setblocking(False)
        other.setblocking(False)
        streams.append(Stream(poller, ours))
    yield streams[0], pairs[0][1], streams[1], pairs[1][1]
    for stream, (_, other) in zip(streams, pairs, strict=True):
        stream.close()
        other.close()


Ends = tuple[Stream, socket.socket, Stream, socket.socket]


async def test_octets_pass(pipe: Pipe, ends: Ends) -> None:
    """As many as are wanted and as there are; None when one has to wait, 0 at the end."""
    source, server, sink, client = ends
    assert pipe.fill(source, 100) is None
    assert not source.readable
    server.send(b"hello world")
    assert (pipe.fill(source, 5), pipe.empty(sink)) == (5, b"")
    assert (pipe.fill(source, 100), pipe.empty(sink)) == (6, b"")
    assert client.recv(100) == b"hello world"
    assert (source.bytes_in, sink.bytes_out) == (11, 11)
    server.close()
    assert pipe.fill(source, 100) == 0


async def test_what_is_not_taken_comes_out(pipe: Pipe, ends: Ends) -> None:
    """And the pipe is empty for the next two."""
    source, server, sink, client = ends
    while sink.send_now(bytes(1 << 16)):
        pass
    already = sink.bytes_out
    server.send(b"hello")
    sink.writable = True
    assert (pipe.fill(source, 100), pipe.empty(sink)) == (5, b"hello")
    assert (sink.writable, sink.bytes_out) == (False, already)
    while already:
        already -= len(client.recv(1 << 20))
    server.send(b"world")
    assert (pipe.fill(source, 100), pipe.empty(sink)) == (5, b"")
    assert client.recv(100) == b"world"


async def test_nobody_gets_what_was_meant_for_who_is_gone(pipe: Pipe, ends: Ends) -> None:
    """Octets that could not be sent are not there for the next one."""
    source, server, sink, client = ends
    client.close()
    server.send(b"secret")
    assert pipe.fill(source, 100) == 6
    with pytest.raises(StreamClosed, match=r"splice\(\) failed \(32: Broken pipe\)"):
        pipe.empty(sink)
    server.send(b"hello")
    assert pipe.fill(source, 100) == 5
    back = Stream(source.poller, source.socket.dup())
    assert pipe.empty(back) == b""
    assert server.recv(100) == b"hello"
    back.close()


async def test_a_reset(pipe: Pipe, poller: Poller) -> None:
    """Is told as by other calls."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = socket.create_connection(listener.getsockname())
        sock, _ = listener.accept()
    sock.setblocking(False)
    source = Stream(poller, sock)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()
    with pytest.raises(StreamClosed, match=r"splice\(\) failed \(104: Connection reset by peer\)"):
        pipe.fill(source, 100)
    source.close()


async def test_it_holds_much(pipe: Pipe, ends: Ends) -> None:
    """A call each moves as much as a socket has."""
    source, server, sink, _ = ends
    sent = 0
    try:
        while True:
            sent += server.send(bytes(1 << 16))
    except BlockingIOError:
        pass
    assert pipe.fill(source, SIZE) == min(sent, SIZE)
    pipe.empty(sink)


def test_its_descriptors_are_given_back() -> None:
    """Both."""
    before = len(list(Path("/proc/self/fd").iterdir()))
    Pipe().close()
    assert len(list(Path("/proc/self/fd").iterdir())) == before
