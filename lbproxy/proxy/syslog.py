"""
Log lines as datagrams: to a syslog server over UDP, or to the system's by a unix socket.

A message is nginx's (src/core/ngx_syslog.c): ``<priority>Nov 22 11:43:53 host tag: line``, RFC 3164's form, cut off at
2048 octets.  Who does not take a datagram at once loses it; nobody waits.
"""

from __future__ import annotations

import os
import socket
import time
from contextlib import suppress

from lbproxy.config.parser import Argument
from lbproxy.config.syslog import PORT, SEVERITIES, SyslogTarget, parse_syslog
from lbproxy.errors import Position, Source
from lbproxy.wire.dates import MONTHS

_LONGEST = 2048


class Syslog:
    """
    One syslog server, to which lines go one by one.

    Args:
        path: ``syslog:server=...``, as configured and checked at load.

    Attributes:
        per_turn, failed, told: As of `lbproxy.proxy.logfile.LogFile`.

    Raises:
        OSError: The server's name is not known.
    """

    per_turn = False

    def __init__(self, path: str) -> None:
        self.path = path
        self._target = parse_syslog(Argument(path, Position(Source(path), 0, 0)))
        self._family, self._address = _resolve(self._target)
        self._socket: socket.socket | None = None
        self._second, self._stamp = 0, b""
        self._head = b"%b: " % self._target.tag.encode()
        if self._target.hostname:
            self._head = b"%b %b" % (os.uname().nodename.encode(), self._head)
        self.failed = 0
        self.told = False

    def write(self, line: bytes) -> None:
        """Send *line* with the configured severity."""
        self._send(self._target.severity, line)

    def tell(self, level: str, line: bytes) -> None:
        """Send *line* with the severity of *level*."""
        self._send(SEVERITIES.index(level), line)

    def _send(self, severity: int, line: bytes) -> None:
        message = b"<%d>%b %b%b" % (self._target.facility * 8 + severity, self._now(), self._head, line.rstrip(b"\n"))
        for _ in range(2):  # a server that has been restarted is found again
            try:
                if self._socket is None:
                    self._socket = self._connect()
                self._socket.send(message[:_LONGEST])
            except OSError as error:
                self.failed = error.errno or 0
                if isinstance(error, BlockingIOError):
                    return
                self._drop()
            else:
                self.failed, self.told = 0, False
                return

    def _connect(self) -> socket.socket:
        sock = socket.socket(self._family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        try:
            sock.connect(self._address)
        except OSError:
            sock.close()
            raise
        return sock

    def _now(self) -> bytes:
        """Return the time in local time, to the second."""
        now = int(time.time())
        if now != self._second:
            at = time.localtime(now)
            stamp = f"{MONTHS[at.tm_mon - 1]} {at.tm_mday:2} {at.tm_hour:02}:{at.tm_min:02}:{at.tm_sec:02}"
            self._second, self._stamp = now, stamp.encode()
        return self._stamp

    def _drop(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.close()
            self._socket = None

    def reopen(self) -> None:
        """Connect anew with the next line."""
        self._drop()

    def flush(self) -> None:
        """Nothing is held back."""

    def tick(self) -> None:
        """Nothing is held back."""

    def close(self) -> None:
        """Give up the socket."""
        self._drop()


def _resolve(target: SyslogTarget) -> tuple[int, str | tuple[str, int]]:
    """Return the family and address of the server."""
    server = target.server
    if server.path:
        return socket.AF_UNIX, server.path
    found = socket.getaddrinfo(server.host, server.port or PORT, type=socket.SOCK_DGRAM)
    family, _, _, _, address = found[0]
    return family, (str(address[0]), int(address[1]))
