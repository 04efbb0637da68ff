"""
A service manager that passes sockets (sd_listen_fds(3)).

``python -m tests.support.activate ADDRESS... -- PROGRAM...``: ADDRESS is ``host:port`` or a path; each is bound, and
inherited as descriptor 3, 4, ... in this order.
"""

from __future__ import annotations

import os
import socket
import sys


def main() -> None:
    """Bind, and become the program."""
    end = sys.argv.index("--")
    sockets = [listening(address) for address in sys.argv[1:end]]
    spare = [os.dup(sock.fileno()) for sock in sockets]  # out of the way of 3, 4, ...
    spare = [os.dup2(number, 100 + index) for index, number in enumerate(spare)]
    for index, number in enumerate(spare):
        os.dup2(number, 3 + index)
        os.close(number)
    os.closerange(3 + len(sockets), 64)
    environ = {**os.environ, "LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(sockets))}
    os.execve(sys.argv[end + 1], sys.argv[end + 1 :], environ)


def listening(address: str) -> socket.socket:
    """Return a listening socket."""
    if "/" in address:
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(address)
    else:
        host, _, port = address.rpartition(":")
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, int(port)))
    sock.listen()
    return sock


if __name__ == "__main__":
    main()
