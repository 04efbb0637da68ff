"""A server that takes bodies of any size and looks at none of them: python -m benchmarks.macro.clients.sink PORT."""

from __future__ import annotations

import re
import socket
import sys
import threading

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:", re.IGNORECASE)
_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 60\r\n\r\n" + b"s" * 60


def serve(port: int) -> None:
    """Answer for ever."""
    with socket.create_server(("127.0.0.1", port), backlog=64) as listener:
        while True:
            sock, _ = listener.accept()
            threading.Thread(target=converse, args=(sock,), daemon=True).start()


def converse(sock: socket.socket) -> None:
    """Take one request after the other; the kernel throws bodies away (MSG_TRUNC), so that they cost little here."""
    buffer = bytearray(1 << 20)
    with sock:
        while True:
            head = bytearray()
            while b"\r\n\r\n" not in head:
                data = sock.recv(65536)
                if not data:
                    return
                head += data
            end = head.index(b"\r\n\r\n")
            length = _LENGTH.search(head, 0, end)
            if _CHUNKED.search(head, 0, end):
                raise SystemExit("the sink knows no chunks")
            left = (int(length[1]) if length else 0) - (len(head) - end - 4)
            while left > 0:
                taken = sock.recv_into(buffer, min(left, len(buffer)), socket.MSG_TRUNC)
                if not taken:
                    return
                left -= taken
            sock.sendall(_ANSWER)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
