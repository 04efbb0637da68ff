"""Sockets that are tried first and waited for then."""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lbproxy.errors import LocalAddressError, StreamClosed, StreamTimeout
from lbproxy.net.readiness import MOST_READY_CALLS, Poller
from lbproxy.net.stream import RECV_SIZE, Stream, connect


def exhaust(stream: Stream) -> int:
    """Fill the socket until it takes no more; return how much it took."""
    total = 0
    while sent := stream.send_now(bytes(65536)):
        total += sent
    return total


def drain(sock: socket.socket) -> bytes:
    """Return what is there to read."""
    data = b""
    with suppress(BlockingIOError):
        while piece := sock.recv(1 << 20):
            data += piece
    return data


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens on 127.0.0.1."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        yield sock


@pytest.fixture
def tcp(poller: Poller, listener: socket.socket) -> Iterator[tuple[Stream, socket.socket]]:
    """A stream over TCP, and the plain socket at its other end."""
    with socket.create_connection(listener.getsockname()) as other:
        sock, _ = listener.accept()
        sock.setblocking(False)
        stream = Stream(poller, sock)
        yield stream, other
        stream.close()


class TestReading:
    """recv and recv_now."""

    async def test_into_a_buffer(self, stream: Stream, other: socket.socket) -> None:
        """As much as there is, and as fits; None when one has to wait, 0 at the end."""
        room = memoryview(bytearray(5))
        assert stream.recv_into_now(room) is None
        other.send(b"helloyou")
        assert (stream.recv_into_now(room), bytes(room)) == (5, b"hello")
        assert (stream.recv_into_now(room), bytes(room[:3]), stream.readable) == (3, b"you", False)
        other.close()
        assert stream.recv_into_now(room) == 0
        assert stream.bytes_in == 8

    async def test_into_a_buffer_after_a_reset(self, tcp: tuple[Stream, socket.socket]) -> None:
        """It is told as when octets are returned."""
        stream, other = tcp
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        await wait_all_tasks_blocked()
        with pytest.raises(StreamClosed, match="recv\\(\\) failed"):
            stream.recv_into_now(memoryview(bytearray(5)))

    async def test_now(self, stream: Stream, other: socket.socket) -> None:
        """What is there, None when one has to wait, b"" at the end."""
        assert stream.recv_now() is None
        other.send(b"hello")
        assert stream.recv_now(2) == b"he"
        assert stream.recv_now() == b"llo"
        assert stream.recv_now() is None
        other.close()
        assert stream.recv_now() == b""

    async def test_waits(self, stream: Stream, other: socket.socket) -> None:
        """Until something comes."""
        async with trio.open_nursery() as nursery:
            async def read() -> None:
                assert await stream.recv(60) == b"hello"

            nursery.start_soon(read)
            await wait_all_tasks_blocked()
            other.send(b"hello")
        assert stream.bytes_in == 5

    async def test_reads_on_after_a_full_buffer(self, stream: Stream, other: socket.socket) -> None:
        """A read that got as much as it asked for may have left something."""
        other.send(bytes(RECV_SIZE))
        other.send(b"x")
        assert len(await stream.recv(60)) == RECV_SIZE
        assert await stream.recv(60) == b"x"

    async def test_timeout(self, stream: Stream, autojump_clock: MockClock) -> None:
        """Says that a read waited."""
        with pytest.raises(StreamTimeout, match="110: Connection timed out") as caught:
            await stream.recv(30)
        assert caught.value.reading
        assert trio.current_time() == pytest.approx(30)

    async def test_reset(self, tcp: tuple[Stream, socket.socket]) -> None:
        """Is told in the system's words."""
        stream, other = tcp
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(StreamClosed, match=r"recv\(\) failed \(104: Connection reset by peer\)") as caught:
            await stream.recv(60)
        assert caught.value.errno == errno.ECONNRESET

    async def test_cancelled_while_giving_way(self, stream: Stream, other: socket.socket) -> None:
        """A reader that is cancelled has not taken octets with it, wherever that happens."""
        other.send(bytes(range(200)))
        got = b""
        while len(got) < 2 * MOST_READY_CALLS:
            with trio.move_on_after(0):  # every checkpoint inside raises
                got += await stream.recv(60, 1)
            stream.readable = True
        got += await stream.recv(60)
        assert got == bytes(range(200))


class TestFiles:
    """sendfile and sendfile_now."""

    @pytest.fixture
    def file(self, tmp_path: Path) -> Iterator[int]:
        """A megabyte, open."""
        path = tmp_path / "file"
        path.write_bytes(bytes(range(256)) * 4096)
        descriptor = os.open(path, os.O_RDONLY)
        yield descriptor
        os.close(descriptor)

    async def test_all_of_it(self, stream: Stream, other: socket.socket, file: int) -> None:
        """From where it is to begin to where it is to end, however slowly it is taken."""
        sent: list[int] = []

        async def send() -> None:
            sent.append(await stream.sendfile(file, 100, 900_000, 60))

        got = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            while len(got) < 900_000:
                await wait_all_tasks_blocked()
                got += drain(other)
        assert got == (bytes(range(256)) * 4096)[100:900_100]
        assert sent == [stream.bytes_out] == [900_000]

    async def test_no_more_than_there_is(self, stream: Stream, other: socket.socket, file: int) -> None:
        """The end of the file is no reason to wait."""
        assert await stream.sendfile(file, (1 << 20) - 5, 100, 60) == 5
        assert await stream.sendfile(file, 1 << 20, 100, 60) == 0
        assert len(drain(other)) == 5

    async def test_timeout(self, stream: Stream, other: socket.socket, file: int, autojump_clock: MockClock) -> None:
        """When nothing of it is taken."""
        with pytest.raises(StreamTimeout) as caught:
            await stream.sendfile(file, 0, 1 << 20, 30)
        assert not caught.value.reading
        assert trio.current_time() == pytest.approx(30)

    async def test_closed(self, tcp: tuple[Stream, socket.socket], file: int) -> None:
        """Is told in the system's words."""
        stream, other = tcp
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(StreamClosed, match=r"sendfile\(\) failed \(\d+: "):
            await stream.sendfile(file, 0, 1 << 20, 60)

    async def test_others_have_their_turn(
        self, stream: Stream, poller: Poller, file: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """However fast the other side takes it."""
        monkeypatch.setattr(os, "sendfile", lambda _out, _in, _offset, count: count)
        turns: list[int] = []

        async def take_turn() -> None:
            turns.append(stream.bytes_out)
            poller.ready_calls = 0

        monkeypatch.setattr(poller, "take_turn", take_turn)
        await stream.sendfile(file, 0, 100 << 20, 60)
        gaps = [later - earlier for earlier, later in pairwise([0, *turns])]
        assert max(gaps) <= 4 << 20
        assert stream.bytes_out - turns[-1] <= 4 << 20


class TestWriting:
    """send and send_now."""

    async def test_now(self, stream: Stream, other: socket.socket) -> None:
        """As much as the socket takes; 0 when one has to wait."""
        assert stream.send_now(b"hello") == 5
        assert other.recv(10) == b"hello"
        total = exhaust(stream)
        assert stream.send_now(b"x") == 0
        assert stream.bytes_out == total + 5

    async def test_all_of_it(self, stream: Stream, other: socket.socket) -> None:
        """However much it is, and however slowly it is taken."""
        data = os.urandom(1 << 20)
        got = b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.send, data, 60)
            while len(got) < len(data):
                await wait_all_tasks_blocked()
                got += drain(other)
        assert got == data
        assert stream.bytes_out == len(data)

    async def test_timeout(self, stream: Stream, other: socket.socket, autojump_clock: MockClock) -> None:
        """Counts from the last octet that was taken."""
        exhaust(stream)

        async def read_once() -> None:
            await trio.sleep(20)
            drain(other)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_once)
            with pytest.raises(StreamTimeout) as caught:
                await stream.send(bytes(1 << 22), 30)
        assert not caught.value.reading
        assert trio.current_time() == pytest.approx(50)

    async def test_nobody_there(self, stream: Stream, other: socket.socket) -> None:
        """Is told in the system's words."""
        other.close()
        with pytest.raises(StreamClosed, match=r"send\(\) failed \(32: Broken pipe\)") as caught:
            await stream.send(b"x", 60)
        assert caught.value.errno == errno.EPIPE

    async def test_a_full_socket_whose_reader_leaves(self, stream: Stream, other: socket.socket) -> None:
        """Wakes the writer."""
        async with trio.open_nursery() as nursery:
            async def write() -> None:
                with pytest.raises(StreamClosed):
                    await stream.send(bytes(1 << 22), 60)

            nursery.start_soon(write)
            await wait_all_tasks_blocked()
            other.close()


class TestEnding:
    """close, abort and shut_writing."""

    async def test_pending_input(self, stream: Stream, other: socket.socket) -> None:
        """Octets and the end of the stream both count; looking takes nothing away."""
        assert not stream.pending_input()
        other.send(b"x")
        assert stream.pending_input()
        assert stream.recv_now() == b"x"
        assert not stream.pending_input()
        other.close()
        assert stream.pending_input()

    async def test_has_octets(self, tcp: tuple[Stream, socket.socket]) -> None:
        """They are still there when the connection has been reset behind them."""
        stream, other = tcp
        assert not stream.has_octets()
        stream.send_now(b"unread")
        other.send(b"last words")
        other.close()
        with pytest.raises(StreamClosed):
            stream.send_now(b"x")
        assert stream.has_octets()
        assert stream.recv_now() == b"last words"
        assert not stream.has_octets()

    async def test_shut_writing(self, stream: Stream, other: socket.socket) -> None:
        """The other side sees the end, and can still answer."""
        stream.send_now(b"last")
        stream.shut_writing()
        assert other.recv(10) == b"last"
        assert other.recv(10) == b""
        other.send(b"reply")
        assert stream.recv_now() == b"reply"

    async def test_close_delivers_what_was_sent(self, tcp: tuple[Stream, socket.socket]) -> None:
        """And then ends in order."""
        stream, other = tcp
        stream.send_now(b"last")
        stream.close()
        stream.close()
        assert other.recv(10) == b"last"
        assert other.recv(10) == b""

    async def test_abort_resets(self, tcp: tuple[Stream, socket.socket]) -> None:
        """So that nobody takes what he got for everything."""
        stream, other = tcp
        stream.send_now(b"half")
        stream.abort()
        stream.abort()
        assert other.recv(10) == b"half"
        with pytest.raises(ConnectionResetError):
            other.recv(10)

    async def test_shut_writing_after_a_reset(self, tcp: tuple[Stream, socket.socket]) -> None:
        """Raises like every other call."""
        stream, other = tcp
        other.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        other.close()
        with pytest.raises(StreamClosed, match=r"shutdown\(\) failed"):
            stream.shut_writing()


class TestConnect:
    """Making connections."""

    async def test_ip(self, poller: Poller, listener: socket.socket) -> None:
        """Without delay for small writes; keep-alive only if asked for."""
        for keepalive in (False, True):
            stream = await connect(poller, socket.AF_INET, listener.getsockname(), 60, keepalive=keepalive)
            assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            assert bool(stream.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)) is keepalive
            accepted, _ = listener.accept()
            with accepted:
                accepted.send(b"hello")
                assert await stream.recv(60) == b"hello"
            stream.close()

    async def test_unix(self, poller: Poller, tmp_path: Path) -> None:
        """By the path."""
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(path)
            listener.listen()
            stream = await connect(poller, socket.AF_UNIX, path, 60)
            stream.send_now(b"hello")
            accepted, _ = listener.accept()
            with accepted:
                assert accepted.recv(10) == b"hello"
            stream.close()

    @pytest.mark.parametrize(("family", "target", "words"), [
        (socket.AF_UNIX, "/nowhere/at/all", "(2: No such file or directory)"),
        (socket.AF_UNIX, "/" + "x" * 200, "AF_UNIX path too long"),
        (socket.AF_INET, ("127.0.0.1", 0), "(111: Connection refused)"),
    ])
    async def test_failures(
        self, poller: Poller, family: int, target: str | tuple[str, int], words: str
    ) -> None:
        """Are told, and leave no descriptor open (the fixture would meet a warning)."""
        with pytest.raises(StreamClosed) as caught:
            await connect(poller, family, target, 60)
        assert caught.value.reason.startswith("connect() failed (")
        if words.startswith("("):
            assert words in caught.value.reason

    async def test_from_an_address(self, poller: Poller, listener: socket.socket) -> None:
        """With a port or without; transparent is for addresses of others."""
        target = listener.getsockname()
        first = await connect(poller, socket.AF_INET, target, 60, source=("127.0.0.77", 0))
        host, port = first.socket.getsockname()
        first.close()
        assert host == "127.0.0.77"
        second = await connect(poller, socket.AF_INET, target, 60, source=("127.0.0.78", port))
        assert second.socket.getsockname() == ("127.0.0.78", port)
        second.close()

    @pytest.mark.parametrize(("source", "words"), [
        (("192.0.2.1", 0), "bind(192.0.2.1) failed (99: Cannot assign requested address)"),
        (("::1", 0), "bind(::1) failed (97: Address family not supported by protocol)"),
    ])
    async def test_from_an_impossible_address(
        self, poller: Poller, listener: socket.socket, source: tuple[str, int], words: str
    ) -> None:
        """Nobody is asked."""
        with pytest.raises(LocalAddressError) as caught:
            await connect(poller, socket.AF_INET, listener.getsockname(), 60, source=source)
        assert caught.value.reason == words

    async def test_transparent_needs_a_privilege(
        self, poller: Poller, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What the system has against it is told."""
        monkeypatch.setattr(socket, "IP_TRANSPARENT", -1)
        with pytest.raises(LocalAddressError, match=r"^setsockopt\(IP_TRANSPARENT\) failed \(92: Protocol not av"):
            await connect(
                poller, socket.AF_INET, listener.getsockname(), 60, source=("127.0.0.7", 0), transparent=True
            )

    async def test_refused(self, poller: Poller) -> None:
        """With the number that tells why."""
        with socket.socket() as reserved:
            reserved.bind(("127.0.0.1", 0))
            with pytest.raises(StreamClosed, match=r"connect\(\) failed \(111: Connection refused\)") as caught:
                await connect(poller, socket.AF_INET, reserved.getsockname(), 60)
        assert caught.value.errno == errno.ECONNREFUSED

    @pytest.fixture
    async def hanging(self, poller: Poller) -> object:
        """An address where connecting hangs: the queue of its listener is full."""
        with socket.socket() as listener, socket.socket() as one, socket.socket() as two:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            for blocker in (one, two):
                blocker.setblocking(False)
                blocker.connect_ex(listener.getsockname())
            yield listener.getsockname()

    async def test_timeout(self, poller: Poller, hanging: tuple[str, int], autojump_clock: MockClock) -> None:
        """A server that does not accept is waited for only so long."""
        with pytest.raises(StreamTimeout):
            await connect(poller, socket.AF_INET, hanging, 30)
        assert trio.current_time() == pytest.approx(30)

    async def test_who_waits_is_told_what_for(self, poller: Poller, hanging: tuple[str, int]) -> None:
        """So that it can be interrupted."""
        async with trio.open_nursery() as nursery:
            async def wait() -> None:
                with pytest.raises(ZeroDivisionError):
                    await connect(poller, socket.AF_INET, hanging, 60, waiting=streams.append)

            streams: list[Stream] = []
            nursery.start_soon(wait)
            await wait_all_tasks_blocked()
            streams[0].interrupt(ZeroDivisionError())
        assert streams[0].closed

    async def test_cancelled(self, poller: Poller, hanging: tuple[str, int]) -> None:
        """Leaves nothing behind."""
        with trio.move_on_after(0):
            await connect(poller, socket.AF_INET, hanging, 60)
