"""
A whole `Server` in this process, with raw connections at both of its ends: a test reads like the trace of a wire.

The test plays the client and, most often, the servers behind the proxy as well, one line after the other; a server
that has nothing special to do runs a script.  Time is virtual (see tests/proxy/conftest.py): timeouts cost nothing,
and what would wait for ever fails after `PATIENCE`.

However a test ends, `open_scene` checks what must hold in every case: no request is counted as in flight, nothing is
left to drain, no bug was logged, and every descriptor was given back.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from unittest.mock import patch

import h11
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Chance
from lbproxy.balance.rows import Row
from lbproxy.config.model import Address
from lbproxy.plan import Plan
from lbproxy.protocols.upstreams import UpstreamPlan
from lbproxy.proxy.logfile import Logs, Sink
from lbproxy.proxy.server import Server
from tests.support.backends import Request
from tests.support.client import Answer
from tests.support.loading import load_text
from tests.support.stage import fill

PATIENCE = 500.0
"""Virtual seconds that a test waits for anything; longer than any timeout it configures."""

_GRAIN = 0.001  # real seconds without an event before the clock jumps: what is under way over loopback arrives

RESET = struct.pack("ii", 1, 0)


def virtual_clock() -> MockClock:
    """Return a clock that jumps to the next deadline once nothing happens any more."""
    return MockClock(autojump_threshold=_GRAIN)


class Ended(Exception):
    """The other side ended the connection while more was expected."""


class Wire:
    """One end of a connection, raw; every wait is bounded by `PATIENCE`."""

    def __init__(self, sock: trio.socket.SocketType) -> None:
        self.socket = sock
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # Nagle goes by real time
        self._buffer = bytearray()
        self.was_reset = False

    async def send(self, data: bytes) -> None:
        """Send all of *data*."""
        view = memoryview(data)
        with trio.fail_after(PATIENCE):
            while view:
                view = view[await self.socket.send(view):]

    async def fill(self) -> int:
        """Send until the other side takes no more; return how many octets went out."""
        total = 0
        while True:
            await wait_all_tasks_blocked()
            with suppress(BlockingIOError):
                while True:
                    total += os.write(self.socket.fileno(), bytes(65536))
            await wait_all_tasks_blocked()
            if not select.select([], [self.socket], [], 0)[1]:
                return total

    def _take(self) -> bytes:
        data = bytes(self._buffer)
        self._buffer.clear()
        return data

    async def _more(self) -> bool:
        """Receive; False at the end of the stream."""
        try:
            with trio.fail_after(PATIENCE):
                data = await self.socket.recv(1 << 18)
        except ConnectionResetError:
            self.was_reset = True
            return False
        self._buffer += data
        return data != b""

    async def read(self, size: int) -> bytes:
        """Read exactly *size* octets; raises `Ended`."""
        while len(self._buffer) < size:
            if not await self._more():
                raise Ended(f"after {bytes(self._buffer[-200:])!r}")
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    async def until(self, end: bytes) -> bytes:
        """Read up to and including *end*; raises `Ended`."""
        while end not in self._buffer:
            if not await self._more():
                raise Ended(f"after {bytes(self._buffer[-200:])!r}")
        return await self.read(self._buffer.index(end) + len(end))

    async def arrived(self) -> bytes:
        """Return what has come once nothing moves any more, without waiting for time to pass."""
        await wait_all_tasks_blocked()
        with suppress(BlockingIOError):
            while data := os.read(self.socket.fileno(), 1 << 18):
                self._buffer += data
                await wait_all_tasks_blocked()
        return self._take()

    async def rest(self) -> bytes:
        """Read to the end of the connection; `was_reset` says which end that was."""
        while await self._more():
            pass
        return self._take()

    async def ended(self) -> bool:
        """Wait for the next octets; True if the connection ended instead."""
        return not self._buffer and not await self._more()

    async def answer(self, method: str = "GET") -> Answer:
        """Read one answer to a *method* request with h11; raises `Ended`, or RemoteProtocolError for a faulty one."""
        reader = _AnswerReader(method)
        while (answer := reader.feed(self._take())) is None:
            if not await self._more():
                answer = reader.end()
                break
        self._buffer += reader.left
        return answer

    async def ask(self, request: bytes, method: str = "GET") -> Answer:
        """Send *request* and read its answer."""
        await self.send(request)
        return await self.answer(method)

    async def head(self) -> Request:
        """Read a request's head only, as a server."""
        raw = await self.until(b"\r\n\r\n")
        line, *lines = raw[:-4].split(b"\r\n")
        pairs = (entry.partition(b":") for entry in lines)
        return Request(line, tuple((name, value.strip(b" \t")) for name, _, value in pairs), raw=raw)

    async def request(self) -> Request:
        """Read a whole request, as a server."""
        head = await self.head()
        if (head.get("Transfer-Encoding") or "").lower() == "chunked":
            body = b"".join([piece async for piece in self._chunks()])
        else:
            body = await self.read(int(head.get("Content-Length") or 0))
        return Request(head.line, head.fields, body, head.raw)

    async def _chunks(self) -> AsyncIterator[bytes]:
        while size := int(await self.until(b"\r\n"), 16):
            yield await self.read(size)
            assert await self.read(2) == b"\r\n"
        assert await self.read(2) == b"\r\n"

    def finish(self) -> None:
        """Send FIN; what the other side says is still read."""
        self.socket.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Close at once; what was not read makes that a reset."""
        self.socket.close()

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()


class _AnswerReader:
    """Reads one answer with h11, in any portions."""

    def __init__(self, method: str) -> None:
        self._parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
        upgrade = [("Host", "x"), ("Connection", "upgrade"), ("Upgrade", "x")]  # lets a 101 through
        self._parser.send(h11.Request(method=method, target="/", headers=upgrade))
        self._parser.send(h11.EndOfMessage())
        self._raw = self._body = b""
        self._interim: list[int] = []
        self._final: h11.Response | h11.InformationalResponse | None = None
        self.left = b""

    def feed(self, data: bytes) -> Answer | None:
        """Return the answer once it is complete."""
        self._raw += data
        if data:
            self._parser.receive_data(data)
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                return None
            if isinstance(event, h11.Data):
                self._body += bytes(event.data)
            elif isinstance(event, h11.Response):
                self._final = event
            elif isinstance(event, h11.InformationalResponse):
                if event.status_code == 101:
                    self._final = event
                    return self._finish()
                self._interim.append(event.status_code)
            elif isinstance(event, h11.EndOfMessage):
                return self._finish()
            else:
                raise Ended(f"without an answer, after {self._raw[-200:]!r}")

    def end(self) -> Answer:
        """Take the end of the stream, which may be the answer's end or not."""
        self._parser.receive_data(b"")
        try:
            answer = self.feed(b"")
        except h11.RemoteProtocolError:
            answer = None
        if answer is None:
            raise Ended(f"amid an answer, after {self._raw[-200:]!r}")
        return answer

    def _finish(self) -> Answer:
        final = self._final
        assert final is not None
        self.left = self._parser.trailing_data[0]
        return Answer(final.status_code, final.reason, tuple(final.headers.raw_items()), self._body,
                      tuple(self._interim), final.http_version, self._raw)


Script = Callable[[Wire], Awaitable[None]]


class Backend:
    """
    A server behind the proxy.

    Attributes:
        address: As a configuration writes it.
        requests: What scripts made by `answering` have received, all connections together.
        wires: Every connection accepted so far.
    """

    def __init__(self, listener: trio.socket.SocketType, address: str) -> None:
        self._listener, self.address = listener, address
        self.requests: list[Request] = []
        self.wires: list[Wire] = []

    @property
    def open(self) -> int:
        """How many connections are open at this end."""
        return sum(wire.socket.fileno() != -1 for wire in self.wires)

    async def accept(self) -> Wire:
        """Wait for the next connection from the proxy."""
        with trio.fail_after(PATIENCE):
            sock, _ = await self._listener.accept()
        wire = Wire(sock)
        self.wires.append(wire)
        return wire

    async def idle(self) -> bool:
        """Return whether nobody connects, however long one looks (without letting time pass)."""
        await wait_all_tasks_blocked()
        return not select.select([self._listener], [], [], 0)[0]

    async def run(self, script: Script) -> None:
        """Accept for ever, and run *script* on each connection."""
        async with trio.open_nursery() as nursery:
            with suppress(trio.ClosedResourceError):  # it refuses from now on
                while True:
                    sock, _ = await self._listener.accept()
                    wire = Wire(sock)
                    self.wires.append(wire)
                    nursery.start_soon(self._converse, script, wire)

    async def _converse(self, script: Script, wire: Wire) -> None:
        with suppress(Ended, OSError, trio.ClosedResourceError):  # the proxy went away, or the test is over
            await script(wire)
        wire.close()

    def refuse(self) -> None:
        """Stop listening; open connections stay."""
        self._listener.close()

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        for wire in self.wires:
            wire.close()


class Proxy:
    """A running `Server` and how to reach it."""

    def __init__(self, server: Server, logs: Logs, sockets: dict[Address, list[socket.socket]]) -> None:
        self.server, self.logs, self.sockets = server, logs, sockets
        self.finished = trio.Event()

    @property
    def addresses(self) -> list[tuple[str, int] | str]:
        """Where it listens, in the order of the configuration."""
        return [sock.getsockname() for several in self.sockets.values() for sock in several]

    @property
    def port(self) -> int:
        """The first of its ports."""
        return int(self.addresses[0][1])

    async def run(self, task_status: trio.TaskStatus[None]) -> None:
        """Serve."""
        try:
            await self.server.run(task_status.started)
        finally:
            self.finished.set()


class Scene:
    """
    What one test uses; see `open_scene`.

    In configurations ``<name>`` stands for the address of the backend given by that keyword, ``<dir>`` for the
    scene's directory.  Whatever ``listen`` says, sockets are bound to free ports of 127.0.0.1 (or that unix path).

    Attributes:
        groups: The peers of every upstream in use, for what only counters can tell.
        clients: Connections made by `client`.
    """

    def __init__(self, nursery: trio.Nursery, directory: Path) -> None:
        self._nursery, self.directory = nursery, directory
        self.groups: list[PeerGroup] = []
        self.proxies: list[Proxy] = []
        self.backends: list[Backend] = []
        self.clients: list[Wire] = []
        self._reserved: list[socket.socket] = []
        self.forgiven: list[str] = []

    # servers behind the proxy

    def backend(self, script: Script | None = None, *, backlog: int = 64) -> Backend:
        """Return a listening server; without *script* the test accepts its connections itself."""
        listener = _listening(Address(host="127.0.0.1"), backlog)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)  # or the kernel would hold megabytes
        host, port = listener.getsockname()
        backend = Backend(trio.socket.from_stdlib_socket(listener), f"{host}:{port}")
        self.backends.append(backend)
        if script is not None:
            self._nursery.start_soon(backend.run, script)
        return backend

    def answering(self, *replies: bytes) -> Backend:
        """
        Return a server that records requests and gives *replies* in turn, then the last one for ever.

        A reply that says ``Connection: close`` is followed by a close, one that is b"" is only that.
        """
        left = list(replies)

        async def script(wire: Wire) -> None:
            while True:
                backend.requests.append(await wire.request())
                reply = left.pop(0) if len(left) > 1 else left[0]
                await wire.send(reply)
                if not reply or b"\r\nconnection: close\r\n" in reply.lower():
                    return

        backend = self.backend(script)
        return backend

    def dead(self) -> str:
        """Return an address that refuses connections."""
        reserved = socket.socket()
        reserved.bind(("127.0.0.1", 0))
        self._reserved.append(reserved)
        host, port = reserved.getsockname()
        return f"{host}:{port}"

    # the proxy

    def plan(self, conf: str, /, **names: object) -> Plan:
        """Return the plan of *conf*."""
        return load_text(fill(conf, {"dir": self.directory, **names}), str(self.directory / "site.conf"))

    async def serve(self, conf: str | Plan, /, *, row: Row | None = None, **names: object) -> Proxy:
        """Start a server with *conf* and wait until it serves; *row* is what it shares with others."""
        plan = conf if isinstance(conf, Plan) else self.plan(conf, **names)
        sockets = {listener.address: [_listening(listener.address)] for listener in plan.config.listeners}
        access = {
            log.path: Sink(log.path if log.path.startswith("/") else str(self.directory / (log.path or "access.log")),
                           log.buffer, log.flush, log.gzip)
            for log in plan.access_logs if log.place is None
        }
        families = [log.key for log in plan.access_logs if log.place is not None]
        logs = Logs([(str(self.directory / "error.log"), "debug")], access, families=families)
        proxy = Proxy(Server(plan, sockets, logs, row), logs, sockets)
        self.proxies.append(proxy)
        await self._nursery.start(proxy.run)
        return proxy

    async def client(self, proxy: Proxy | None = None, *, number: int = 0, window: int = 0) -> Wire:
        """
        Connect to the proxy.

        Args:
            number: Which of its addresses.
            window: Size of the receive buffer, to be a slow reader.
        """
        address = (proxy or self.proxies[-1]).addresses[number]
        sock = trio.socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        wire = Wire(sock)
        self.clients.append(wire)
        with trio.fail_after(PATIENCE):
            await sock.connect(address)
        return wire

    async def ask(self, request: bytes, method: str = "GET") -> Answer:
        """Send *request* on a connection of its own, read the answer, and close."""
        wire = await self.client()
        answer = await wire.ask(request, method)
        wire.close()
        await wait_all_tasks_blocked()
        return answer

    # logs

    def log(self, name: str = "access.log") -> list[str]:
        """Return the lines of a log."""
        path = self.directory / name
        return path.read_text("latin-1").splitlines() if path.exists() else []

    def errors(self, *levels: str) -> list[str]:
        """Return the lines of the error log, those of *levels* or of "error" and worse."""
        wanted = levels or ("error", "crit", "alert", "emerg")
        return [line for line in self.log("error.log") if any(f"[{level}]" in line for level in wanted)]

    def forgive(self, message: str) -> None:
        """Expect an alert with *message*."""
        self.forgiven.append(message)

    @property
    def in_flight(self) -> int:
        """Requests that the upstreams count as being answered."""
        return sum(peer.conns for group in self.groups for peer in group.peers)

    # the end

    def close(self) -> None:
        """Close both ends of everything."""
        for wire in self.clients:
            wire.close()
        for backend in self.backends:
            backend.close()
        for reserved in self._reserved:
            reserved.close()

    async def check(self) -> None:
        """Assert that nothing is left behind by clients and servers that are gone."""
        self.close()
        await wait_all_tasks_blocked()
        assert self.in_flight == 0, [peer for group in self.groups for peer in group.peers]
        for proxy in self.proxies:
            if not proxy.finished.is_set():
                proxy.server.drain()
                with trio.fail_after(PATIENCE):
                    await proxy.finished.wait()
        alerts = self.errors("alert", "emerg")
        assert [line for line in alerts if not any(words in line for words in self.forgiven)] == []


@asynccontextmanager
async def open_scene() -> AsyncIterator[Scene]:
    """Open a scene; at its end everything is closed and checked."""
    before = descriptors()
    with tempfile.TemporaryDirectory(prefix="lb-") as directory:
        async with trio.open_nursery() as nursery:
            scene = Scene(nursery, Path(directory))
            made = UpstreamPlan.new_group

            def new_group(plan: UpstreamPlan, rng: Chance, row: Row | None = None) -> PeerGroup:
                group = made(plan, rng, row)
                scene.groups.append(group)
                return group

            try:
                with patch.object(UpstreamPlan, "new_group", new_group):
                    yield scene
                await scene.check()
            finally:
                scene.close()
                for proxy in scene.proxies:
                    proxy.logs.close()
                    for sock in (sock for several in proxy.sockets.values() for sock in several):
                        sock.close()
            nursery.cancel_scope.cancel()
    assert descriptors() == before


def descriptors() -> int:
    """Return how many files and sockets this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def _listening(address: Address, backlog: int = 64) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX if address.is_unix else socket.AF_INET)
    sock.setblocking(False)
    sock.bind(address.path if address.is_unix else ("127.0.0.1", 0))
    sock.listen(backlog)
    return sock
