"""
Clients who have asked once and keep their connections: python -m benchmarks.macro.clients.crowd PORT SIZE.

Prints a line when all are there, and when its input ends another with how many were sent away meanwhile.
"""

from __future__ import annotations

import socket
import sys

_ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"


def gather(port: int, size: int) -> list[socket.socket]:
    """Return *size* connections, each of which has had an answer."""
    crowd = []
    for _ in range(size):
        sock = socket.create_connection(("127.0.0.1", port), 30)
        sock.sendall(_ASK)
        sock.recv(4096)  # the answer is small
        sock.setblocking(False)
        crowd.append(sock)
    return crowd


def lost(crowd: list[socket.socket]) -> int:
    """Return how many of *crowd* have been sent away."""
    return sum(map(_ended, crowd))


def _ended(sock: socket.socket) -> bool:
    try:
        return sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def main() -> None:
    """Come, stay and go."""
    crowd = gather(int(sys.argv[1]), int(sys.argv[2]))
    print("here", flush=True)
    sys.stdin.read()
    print(lost(crowd))


if __name__ == "__main__":
    main()
