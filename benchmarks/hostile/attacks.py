"""
Hostile clients: each attack is one connection, or a few, that do one thing wrong and then leave.

An attack ends by itself within `_LONGEST` seconds.  What an attack finds out that must not be, such as a second answer
to what was refused, it reports; everything else is told by the good requests beside it, and by what the proxy holds.
"""

from __future__ import annotations

import random
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType

import trio

from benchmarks.hostile.faulty import FAULTS, RESET
from benchmarks.hostile.origin import body_of
from tests.corpus.smuggling import CASES

_LONGEST = 12.0  # seconds
_STOLEN = re.compile(rb"stolen +([\d.]+)")
_ANSWER = re.compile(rb"HTTP/1\.1 ([2-5]\d\d) [^\r]*\r\n")


class Wire:
    """
    A client's connection; a context manager.

    Args:
        window: Size of its receive buffer; 0: the system's.
    """

    def __init__(self, port: int, window: int = 0) -> None:
        self._port = port
        self.socket = trio.socket.socket()
        if window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)

    async def __aenter__(self) -> Wire:
        try:
            await self.socket.connect(("127.0.0.1", self._port))
        except BaseException:
            self.socket.close()
            raise
        return self

    async def __aexit__(self, kind: type[BaseException] | None, exc: BaseException | None,
                        trace: TracebackType | None) -> None:
        self.socket.close()

    async def send(self, data: bytes) -> None:
        """Send all of *data*."""
        view = memoryview(data)
        while view:
            view = view[await self.socket.send(view):]

    async def pieces(self, data: bytes, chance: random.Random, most: int = 6) -> None:
        """Send *data* in up to *most* pieces."""
        cuts = sorted(chance.randrange(len(data) + 1) for _ in range(chance.randrange(most)))
        for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True):
            await self.send(data[begin:end])
            await trio.sleep(0.001)

    async def rest(self, timeout: float = 4.0, most: int = 1 << 20) -> bytes:
        """Read until the other side closes, for *timeout* seconds and *most* octets at most."""
        data = b""
        with trio.move_on_after(timeout), suppress(OSError):
            while len(data) < most and (more := await self.socket.recv(65536)):
                data += more
        return data

    def reset(self) -> None:
        """Close with a reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.socket.close()


class Battle:
    """
    Where attackers find the proxy, and what they tell of it.

    Attributes:
        done: How often each attack was carried out.
        findings: What must not be.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.done: Counter[str] = Counter()
        self.findings: list[str] = []

    async def fight(self, seed: str, over: trio.Event) -> None:
        """Carry out one attack after the other, chosen by *seed*, until it is over."""
        chance = random.Random(seed)
        while not over.is_set():
            attack = chance.choice(ATTACKS)
            with trio.move_on_after(_LONGEST), suppress(OSError):
                await attack(self, chance)
            self.done[attack.__name__] += 1
            await trio.sleep(chance.random() * 0.2)


Attack = Callable[[Battle, random.Random], Awaitable[None]]


def _request(target: str, *fields: str, method: str = "GET", body: bytes = b"") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: hostile", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


async def smuggling(battle: Battle, chance: random.Random) -> None:
    """Send a case of the corpus, cut anywhere; what is refused must not be answered twice, nor served."""
    case = chance.choice(CASES)
    async with Wire(battle.port) as wire:
        await wire.pieces(case.octets, chance)
        with suppress(OSError):
            wire.socket.shutdown(socket.SHUT_WR)
        statuses = [int(status) for status in _ANSWER.findall(await wire.rest())]
    served = [status for status in statuses if status < 300]
    if len(served) > len(case.messages) or len(statuses) > len(case.messages) + bool(case.status):
        battle.findings.append(f"{case.name}: {statuses} instead of {len(case.messages)} and {case.status}")


async def slow_head(battle: Battle, chance: random.Random) -> None:
    """Send a head octet by octet until the proxy has had enough."""
    async with Wire(battle.port) as wire:
        for octet in _request("/", f"X-Slow: {'x' * chance.randrange(200)}"):
            await wire.send(bytes([octet]))
            await trio.sleep(chance.random() * 0.2)


async def slow_body(battle: Battle, chance: random.Random) -> None:
    """Send a body that way, to a server that has been asked already or will be."""
    target = chance.choice(["/faulty/fine", "/unspooled/fine", "/uwsgi/fine", "/good/0/x"])
    async with Wire(battle.port) as wire:
        await wire.send(_request(target, "Content-Length: 200", method="POST"))
        for _ in range(chance.randrange(60)):
            await wire.send(b"x")
            await trio.sleep(chance.random() * 0.2)


async def slow_reader(battle: Battle, chance: random.Random) -> None:
    """Ask for much, and read next to nothing of it."""
    async with Wire(battle.port, window=4096) as wire:
        await wire.send(_request(chance.choice(["/faulty/floods", "/unbuffered/floods", "/uwsgi/floods"])))
        for _ in range(chance.randrange(30)):
            await wire.socket.recv(10)
            await trio.sleep(0.2)


async def abort(battle: Battle, chance: random.Random) -> None:
    """Leave at any point, in order or with a reset."""
    fault = chance.choice(list(FAULTS))
    body = chance.randbytes(chance.choice([0, 10, 30_000]))
    target = chance.choice(["/good/100000/x", f"/faulty/{fault}", f"/unspooled/{fault}", f"/uwsgi/{fault}"])
    octets = _request(target, f"Content-Length: {len(body)}", method="POST", body=body)
    async with Wire(battle.port) as wire:
        await wire.send(octets[: chance.randrange(len(octets) + 1)])
        await trio.sleep(chance.choice([0.0, 0.001, 0.01, 0.1]))
        if chance.random() < 0.5:
            await wire.rest(0.05, most=chance.randrange(1, 50_000))
        if chance.random() < 0.5:
            wire.reset()


async def half_close(battle: Battle, chance: random.Random) -> None:
    """End the sending half at any point, and read what comes."""
    fault = chance.choice(list(FAULTS))
    octets = _request(f"/faulty/{fault}", "Content-Length: 10", method="POST", body=b"x" * 10)
    async with Wire(battle.port) as wire:
        await wire.send(octets[: chance.randrange(len(octets) + 1)])
        wire.socket.shutdown(socket.SHUT_WR)
        await wire.rest(4)


async def huge_head(battle: Battle, chance: random.Random) -> None:
    """A target, a name, a value, many fields, or blank lines beyond every limit."""
    octets = chance.choice([
        _request("/" + "x" * 100_000), _request("/", "X" * 100_000 + ": y"), _request("/", "X: " + "y" * 100_000),
        _request("/", *["X: y"] * 20_000), b"\r\n" * 50_000, b"x" * 100_000,
    ])
    async with Wire(battle.port) as wire:
        await wire.pieces(octets, chance)
        await wire.rest(4)


async def misbehaving_server(battle: Battle, chance: random.Random) -> None:
    """Ask a server that does something wrong; what it has said before it was asked may not come."""
    fault = chance.choice(list(FAULTS))
    place = chance.choice(["faulty", "unspooled", "unbuffered", "uwsgi"])
    body = chance.randbytes(chance.choice([0, 0, 100, 100_000]))
    method = "POST" if body else chance.choice(["GET", "HEAD", "GET", "DELETE"])
    octets = _request(f"/{place}/{fault}", f"Content-Length: {len(body)}", method=method, body=body)
    async with Wire(battle.port) as wire:
        asked = trio.current_time()
        await wire.send(octets)
        answer = await wire.rest(chance.choice([0.5, 5.0]))
    stolen = _STOLEN.search(answer)
    if (stolen is not None and float(stolen[1]) < asked) or (len(_ANSWER.findall(answer)) > 1 and method != "HEAD"):
        battle.findings.append(f"/{place}/{fault}: a second answer: {answer[:300]!r}")


async def pipeline(battle: Battle, chance: random.Random) -> None:
    """Ask and ask without reading, then leave."""
    async with Wire(battle.port) as wire:
        with trio.move_on_after(chance.random() * 3):
            await wire.send(_request("/good/20000/x") * 500)
            await trio.sleep(1)


async def tiny_chunks(battle: Battle, chance: random.Random) -> None:
    """Send thousands of chunks of one octet, with extensions and trailers now and then."""
    chunk = chance.choice([b"1\r\nx\r\n", b"1;a=b\r\nx\r\n", b"0000000001\r\nx\r\n"])
    target = chance.choice(["/good/0/x", "/unspooled/fine", "/uwsgi/fine"])
    async with Wire(battle.port) as wire:
        await wire.send(_request(target, "Transfer-Encoding: chunked", method="POST"))
        await wire.send(chunk * chance.randrange(5000) + b"0\r\nTrailer: x\r\n\r\n")
        await wire.rest(4)


async def too_large(battle: Battle, chance: random.Random) -> None:
    """Send a body over the limit, and go on sending; the refusal must be there to be read."""
    framing = chance.choice(["Content-Length: 10000000", "Transfer-Encoding: chunked"])
    async with Wire(battle.port) as wire:
        await wire.send(_request("/small/", framing, method="POST"))
        with suppress(OSError):
            for _ in range(chance.randrange(2, 200)):
                await wire.send(b"4000\r\n" + bytes(0x4000) + b"\r\n")
        if not (await wire.rest(4)).startswith(b"HTTP/1.1 413 "):
            battle.findings.append("a refusal of a large body could not be read")


async def noise(battle: Battle, chance: random.Random) -> None:
    """Send random octets, or a request of which some are changed."""
    octets = bytearray(_request("/good/20/x", "Content-Length: 3", "Cookie: a=b", method="POST", body=b"xyz"))
    for _ in range(chance.randrange(1, 8)):
        octets[chance.randrange(len(octets))] = chance.randrange(256)
    async with Wire(battle.port) as wire:
        await wire.pieces(chance.choice([bytes(octets), chance.randbytes(chance.randrange(1, 2000))]), chance)
        await wire.rest(1)


async def upgrade(battle: Battle, chance: random.Random) -> None:
    """Ask for another protocol, and fill the tunnel if there is one."""
    async with Wire(battle.port) as wire:
        await wire.send(_request("/faulty/upgrade", "Connection: upgrade", "Upgrade: x"))
        await wire.send(chance.randbytes(10_000))
        await wire.rest(1)


async def replaced_server(battle: Battle, chance: random.Random) -> None:
    """No attack: a good request that meets a faulty server first must be answered by the other one."""
    token = f"{chance.getrandbits(64):x}"
    async with Wire(battle.port) as wire:
        await wire.send(_request(f"/mixed/1000/{token}", "Connection: close"))
        answer = await wire.rest(10)
    if not answer.endswith(body_of(token, 1000)):
        battle.findings.append(f"a request was not passed on to the server that works: {answer[:200]!r}")


ATTACKS: tuple[Attack, ...] = (
    smuggling, smuggling, slow_head, slow_body, slow_reader, abort, abort, half_close, huge_head, misbehaving_server,
    misbehaving_server, misbehaving_server, pipeline, tiny_chunks, too_large, noise, upgrade, replaced_server,
)
