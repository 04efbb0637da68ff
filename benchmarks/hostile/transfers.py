"""Bodies of a gibibyte, both ways, to peers that stand still now and then; every octet is checked."""

from __future__ import annotations

import re
import zlib
from collections.abc import AsyncIterator, Iterator

import trio

from benchmarks.hostile.attacks import Wire

_BLOCK = bytes(range(256)) * 1024
_STAND_EVERY = 256 << 20  # octets after which the reading side stands still
_PATIENCE = 300.0  # seconds for one body


def _blocks(size: int) -> Iterator[bytes]:
    """Yield a body of *size* octets in which no octet can be lost, doubled or moved unnoticed."""
    for number in range(size // len(_BLOCK)):
        yield number.to_bytes(8, "big") + _BLOCK[8:]


def checksum(size: int) -> int:
    """Return the CRC-32 of the body of *size* octets."""
    crc = 0
    for block in _blocks(size):
        crc = zlib.crc32(block, crc)
    return crc


class Large:
    """
    The server: it sends large bodies for GET and checks those of POST.

    Args:
        size: Octets of a body.
        pause: Seconds that it stands still in the middle.
    """

    def __init__(self, size: int, pause: float) -> None:
        self._size, self._pause = size, pause

    async def serve(self, port: int) -> None:
        """Accept on *port*, for ever."""
        await trio.serve_tcp(self._converse, port, host="127.0.0.1")

    async def _converse(self, stream: trio.SocketStream) -> None:
        reader = Reader(stream.socket, self._pause)
        try:
            head = await reader.head()
            if head.startswith(b"GET"):
                await self._send(stream, chunked=b"chunked" in head.split(b"\r\n")[0])
            else:
                crc, size = await reader.body(head)
                said = b"%d %d" % (crc, size)
                await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(said), said))
        except (trio.BrokenResourceError, EOFError, OSError):
            pass
        await stream.aclose()

    async def _send(self, stream: trio.SocketStream, *, chunked: bool) -> None:
        framing = b"Transfer-Encoding: chunked" if chunked else b"Content-Length: %d" % self._size
        await stream.send_all(b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n")
        async for piece in _framed(self._size, chunked=chunked):
            await stream.send_all(piece)


async def _framed(size: int, *, chunked: bool) -> AsyncIterator[bytes]:
    for block in _blocks(size):
        yield b"%x\r\n%b\r\n" % (len(block), block) if chunked else block
        await trio.sleep(0)
    if chunked:
        yield b"0\r\n\r\n"


class Reader:
    """Reads heads and bodies from *sock*, standing still for *pause* seconds now and then."""

    def __init__(self, sock: trio.socket.SocketType, pause: float) -> None:
        self._sock, self._pause = sock, pause
        self._buf = b""

    async def _more(self) -> None:
        data = await self._sock.recv(1 << 18)
        if not data:
            raise EOFError
        self._buf += data

    async def _until(self, end: bytes) -> bytes:
        while end not in self._buf:
            await self._more()
        data, _, self._buf = self._buf.partition(end)
        return data

    async def head(self) -> bytes:
        """Return the next head."""
        return await self._until(b"\r\n\r\n")

    async def body(self, head: bytes) -> tuple[int, int]:
        """Read the body behind *head*; return its CRC-32 and its size."""
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        if length is not None:
            return await self._sized(int(length[1]), 0, 0)
        crc = size = 0
        while chunk := int(await self._until(b"\r\n"), 16):
            crc, size = await self._sized(chunk, crc, size)
            await self._until(b"\r\n")
        return crc, size

    async def _sized(self, left: int, crc: int, size: int) -> tuple[int, int]:
        while left:
            if not self._buf:
                await self._more()
            piece, self._buf = self._buf[:left], self._buf[left:]
            crc, left = zlib.crc32(piece, crc), left - len(piece)
            if size // _STAND_EVERY != (size + len(piece)) // _STAND_EVERY:
                await trio.sleep(self._pause)
            size += len(piece)
        return crc, size


KINDS = ("download", "download chunked", "upload", "upload chunked", "upload spooled")


async def transfer(port: int, kind: str, size: int, pause: float) -> str:
    """Carry out one; return what went wrong, "" if nothing did."""
    chunked = kind.endswith("chunked")
    with trio.move_on_after(_PATIENCE):
        try:
            async with Wire(port) as wire:
                if kind.startswith("download"):
                    return await _download(wire, size, pause, chunked=chunked)
                target = "/spooled/" if kind.endswith("spooled") else "/large/"
                return await _upload(wire, size, target, chunked=chunked)
        except (OSError, EOFError, ValueError) as error:
            return f"{kind}: {error!r}"
    return f"{kind}: not done in {_PATIENCE:.0f} s"


async def _download(wire: Wire, size: int, pause: float, *, chunked: bool) -> str:
    reader = Reader(wire.socket, pause)
    await wire.send(b"GET /large/%b HTTP/1.1\r\nHost: large\r\n\r\n" % (b"chunked" if chunked else b"sized"))
    found = await reader.body(await reader.head())
    return "" if found == (checksum(size), size) else f"download damaged: {found}"


async def _upload(wire: Wire, size: int, target: str, *, chunked: bool) -> str:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    await wire.send(f"POST {target} HTTP/1.1\r\nHost: large\r\n{framing}\r\n\r\n".encode())
    async for piece in _framed(size, chunked=chunked):
        await wire.send(piece)
    answer = await wire.rest(120, most=1)
    while not re.search(rb"\r\n\r\n\d+ \d+$", answer) and (more := await wire.socket.recv(4096)):
        answer += more
    return "" if answer.endswith(b"\r\n\r\n%d %d" % (checksum(size), size)) else f"upload damaged: {answer[-60:]!r}"
