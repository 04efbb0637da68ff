"""
Large bodies over one connection: python -m benchmarks.macro.clients.transfer PORT get|put PATH SECONDS.

One after the other until the seconds have passed, at least one; prints how many and in how many seconds. The kernel
throws away what is received (MSG_TRUNC) and sends from a file, so that the client is not what is measured.
"""

from __future__ import annotations

import os
import re
import socket
import sys
import tempfile
import time
from typing import NoReturn

from benchmarks.macro.backends import TRANSFER

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Broken(Exception):
    """The answer is not what was asked for."""


def answer(sock: socket.socket, buffer: bytearray) -> int:
    """Take an answer; return the octets of its body. Raises Broken."""
    head = bytearray()
    while b"\r\n\r\n" not in head:
        head += sock.recv(65536) or _broken("closed before the answer")
    end = head.index(b"\r\n\r\n") + 4
    length = _LENGTH.search(head, 0, end)
    if not head.startswith(b"HTTP/1.1 200") or length is None:
        _broken(bytes(head[:80]).decode("latin-1"))
    size = int(length[1])
    left = size - (len(head) - end)
    while left > 0:
        left -= sock.recv_into(buffer, min(left, len(buffer)), socket.MSG_TRUNC) or _broken("closed within the answer")
    return size


def get(sock: socket.socket, path: str, buffer: bytearray) -> None:
    """Fetch one large body."""
    sock.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    if answer(sock, buffer) != TRANSFER:
        _broken("of another size")


def put(sock: socket.socket, path: str, buffer: bytearray) -> None:
    """Send one large body."""
    sock.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {TRANSFER}\r\n\r\n".encode())
    with tempfile.TemporaryFile() as hole:
        hole.truncate(TRANSFER)
        sent = 0
        while sent < TRANSFER:
            sent += os.sendfile(sock.fileno(), hole.fileno(), sent, TRANSFER - sent)
    answer(sock, buffer)


def run(port: int, way: str, path: str, seconds: float) -> tuple[int, float]:
    """Return how many bodies went in how many seconds."""
    buffer = bytearray(1 << 20)
    with socket.create_connection(("127.0.0.1", port)) as sock:
        start = time.perf_counter()
        count, passed = 0, 0.0
        while not count or passed < seconds:
            (get if way == "get" else put)(sock, path, buffer)
            count += 1
            passed = time.perf_counter() - start
    return count, passed


def _broken(why: str) -> NoReturn:
    raise Broken(why)


if __name__ == "__main__":
    print(*run(int(sys.argv[1]), sys.argv[2], sys.argv[3], float(sys.argv[4])))
