"""
Listening sockets that somebody else has opened.

That is a service manager (sd_listen_fds(3)), or the program that this one is to replace: nginx does the same with
$NGINX (src/core/nginx.c:ngx_add_inherited_sockets).
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from typing import NamedTuple

from lbproxy.config.model import Address
from lbproxy.errors import LbproxyError

VARIABLE = "LBPROXY"
"""What a program tells its successor: its pid, then ``descriptor=address`` of each socket, as JSON in a list."""

_FIRST = 3  # SD_LISTEN_FDS_START


class InheritanceError(LbproxyError):
    """What was handed over is not what it should be; the text says how."""


class Inheritance(NamedTuple):
    """
    What was handed over to this process.

    Args:
        sockets: By address, as configured if a predecessor says so, else as bound.
        predecessor: The pid of the program that serves on them until it is told to go; 0: they are nobody's.
    """

    sockets: Mapping[Address, Sequence[socket.socket]]
    predecessor: int = 0


NOTHING = Inheritance({})


def inherit(environ: MutableMapping[str, str]) -> Inheritance:
    """
    Take what *environ* says was handed over; the variables are removed, so that no child takes it again.

    Raises:
        InheritanceError: A descriptor is no listening socket, or a variable can't be read.
    """
    ours = environ.pop(VARIABLE, "")
    manager = [environ.pop(name, "") for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")]
    try:
        if ours:
            return _from_predecessor(ours)
        if manager[0] == str(os.getpid()):
            found = [_socket(number) for number in range(_FIRST, _FIRST + int(manager[1]))]
            return Inheritance(_by_address((_bound(sock), sock) for sock in found))
    except ValueError as error:
        raise InheritanceError(f"the sockets that were handed over can't be taken: {error}") from error
    return NOTHING


def will(predecessor: int, sockets: Mapping[Address, Sequence[socket.socket]]) -> str:
    """Return the value of `VARIABLE` that hands *sockets* over to a child of process *predecessor*."""
    import json  # noqa: PLC0415 - for an upgrade only

    entries = [[sock.fileno(), *address] for address, several in sockets.items() for sock in several]
    return json.dumps([predecessor, entries])


def _from_predecessor(text: str) -> Inheritance:
    import json  # noqa: PLC0415 - for an upgrade only

    pid, entries = json.loads(text)
    pairs = ((Address(host, port, path), _socket(number)) for number, host, port, path in entries)
    return Inheritance(_by_address(pairs), predecessor=pid if pid == os.getppid() else 0)


def _by_address(pairs: Iterator[tuple[Address, socket.socket]]) -> Mapping[Address, Sequence[socket.socket]]:
    found: dict[Address, list[socket.socket]] = {}
    for address, sock in pairs:
        found.setdefault(address, []).append(sock)
    return found


def _socket(number: int) -> socket.socket:
    """Return descriptor *number* as a socket, which no program started from here will have."""
    try:
        sock = socket.socket(fileno=number)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        raise ValueError(f"descriptor {number}: {error.strerror}") from error
    if not listening:
        sock.detach()
        raise ValueError(f"descriptor {number} is no listening socket")
    sock.set_inheritable(False)
    sock.setblocking(False)
    return sock


def _bound(sock: socket.socket) -> Address:
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return Address(path=name if isinstance(name, str) else os.fsdecode(name))
    return Address(name[0], name[1])
