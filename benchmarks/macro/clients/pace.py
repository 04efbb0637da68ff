"""
Requests at a fixed rate: python -m benchmarks.macro.clients.pace PORT RATE SECONDS.

The loop is open: a request leaves when it is its time, whether those before it have been answered or not, and its
latency counts from that time. So a proxy that stops for a moment pays for every request that came meanwhile, and not
for one only. Prints p50 and p99 in seconds, how many were answered, and how many were not.
"""

from __future__ import annotations

import ctypes
import re
import select
import socket
import sys
import time

from benchmarks.macro.figures import percentile

_PATIENCE = 5.0  # seconds that the last answers may take
_MOST = 900  # connections; select knows descriptors below 1024
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_ASK = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
_PR_SET_TIMERSLACK = 29


class Visit:
    """A connection, for one request at a time; *due* is when that request should have left."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 5)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.due = 0.0
        self._buffer = bytearray()

    def fileno(self) -> int:
        """For select."""
        return self.sock.fileno()

    def ask(self, due: float) -> None:
        """Send a request."""
        self.due = due
        self.sock.send(_ASK)

    def answered(self) -> bool:
        """
        Return whether the answer is complete.

        Raises:
            ConnectionError: The connection has ended, or the answer is none.
        """
        data = self.sock.recv(65536)
        self._buffer += data
        if not data or not b"HTTP/1.1 200".startswith(self._buffer[:12]):
            raise ConnectionError
        end = self._buffer.find(b"\r\n\r\n") + 4
        if end < 4:
            return False
        length = _LENGTH.search(self._buffer, 0, end)
        if len(self._buffer) - end < (int(length[1]) if length else 0):
            return False
        self._buffer.clear()
        return True


class Pace:
    """The load; see above. What came of it is in *latencies* (seconds) and *failures*."""

    def __init__(self, port: int, rate: float) -> None:
        self._port, self._rate = port, rate
        self._idle: list[Visit] = []
        self._busy: set[Visit] = set()
        self.latencies: list[float] = []
        self.failures = 0

    def run(self, seconds: float) -> None:
        """Send for *seconds* and wait for the last answers."""
        total, sent = round(self._rate * seconds), 0
        start = time.perf_counter() + 0.01
        while sent < total or (self._busy and time.perf_counter() < start + seconds + _PATIENCE):
            now = time.perf_counter()
            while sent < total and (due := start + sent / self._rate) <= now:
                self._ask(due)
                sent += 1
            wait = max(0.0, start + sent / self._rate - time.perf_counter()) if sent < total else 0.1
            self._listen(wait)
        self.failures += len(self._busy)

    def close(self) -> None:
        """Close all connections."""
        for visit in (*self._idle, *self._busy):
            visit.sock.close()

    def _ask(self, due: float) -> None:
        try:
            if not self._idle and len(self._busy) >= _MOST:
                raise ConnectionError
            visit = self._idle.pop() if self._idle else Visit(self._port)
            visit.ask(due)
        except OSError:
            self.failures += 1
        else:
            self._busy.add(visit)

    def _listen(self, seconds: float) -> None:
        for visit in select.select(self._busy, (), (), seconds)[0]:
            try:
                complete = visit.answered()
            except OSError:
                self.failures += 1
                self._busy.remove(visit)
                visit.sock.close()
            else:
                if complete:
                    self.latencies.append(time.perf_counter() - visit.due)
                    self._busy.remove(visit)
                    self._idle.append(visit)


def main() -> None:
    """Run it and print what came of it."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1)  # ns: wake up on time, not up to 50 µs late
    pace = Pace(int(sys.argv[1]), float(sys.argv[2]))
    pace.run(float(sys.argv[3]))
    ordered = sorted(pace.latencies) or [float("nan")]
    print(percentile(ordered, 0.5), percentile(ordered, 0.99), len(pace.latencies), pace.failures)


if __name__ == "__main__":
    main()
