"""
Log files: the error log with its levels, access logs, and reopening all of them after a rotation.

Lines of access logs are gathered while the event loop goes through what has happened, and written with one system
call before it waits again; files are opened for appending, so that lines of several workers never mix.  An
unwritable log (a full disk, a closed pipe) never stops the service: what cannot be written is lost, and the error
log says so once.
"""

from __future__ import annotations

import gzip
import os
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple, Protocol

from lbproxy.config.core import LEVELS
from lbproxy.config.syslog import is_syslog
from lbproxy.errors import describe
from lbproxy.http.accesslog import LogKey
from lbproxy.proxy.logfamily import LogFamily

_RANK = {name: rank for rank, name in enumerate(reversed(LEVELS))}
_TURN_BUFFER = 65536  # octets: written earlier when a turn of the event loop brings more
_STANDARD = {"stderr": 2, "stdout": 1, "/dev/stderr": 2, "/dev/stdout": 1}


ErrorPlaces = tuple[tuple[str, str], ...]
"""Path and level of each of the error logs that stand together."""


def printable(value: bytes) -> str:
    """Return *value* as text for a line of the error log; what could forge one is escaped."""
    text = value.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class Sink(NamedTuple):
    """
    Where a log goes.

    Args:
        path: "stderr", "stdout", or a path.
        buffer: Octets gathered before they are written; 0: as many as come in one turn of the event loop.
        flush: Seconds after which gathered lines are written; 0.0: when the buffer is full.
        gzip: Level by which what is written is compressed, each time by itself; 0: it is not.
    """

    path: str
    buffer: int = 0
    flush: float = 0.0
    gzip: int = 0


class LogSink(Protocol):
    """
    What takes the lines of a log.

    Attributes:
        path: Where they go, for those who are to be told of a failure.
        per_turn: Gathered lines are to be written at the end of each turn of the event loop.
        failed: The system's number of why the last write failed; 0 after one that did not.
        told: Somebody has been told of the failure.
    """

    path: str
    per_turn: bool
    failed: int
    told: bool

    def reopen(self) -> None:
        """Open anew, as a rotation wants."""

    def tick(self) -> None:
        """Do what is due; called about once a second."""

    def flush(self) -> None:
        """Write what has been gathered."""

    def close(self) -> None:
        """Write what has been gathered and give up what is open."""


class LineSink(LogSink, Protocol):
    """A sink that knows by itself where each line goes."""

    def write(self, line: bytes) -> None:
        """Append *line*, which brings its own line end."""

    def tell(self, level: str, line: bytes) -> None:
        """Append *line*, which is of *level*, at once."""


class LogFile:
    """
    One file, or one of the standard streams, that lines are appended to.

    See `LogSink` for its attributes.

    Raises:
        OSError: The file cannot be opened.
    """

    def __init__(self, sink: Sink) -> None:
        self.path, self._flush_after = sink.path, sink.flush
        self._limit = sink.buffer or _TURN_BUFFER
        self._gzip = sink.gzip
        self.per_turn = sink.buffer == 0
        self._standard = _STANDARD.get(sink.path)
        self._lines: list[bytes] = []
        self._size = 0
        self._oldest = 0.0  # when the first of the gathered lines came
        self._fd = -1
        self.failed = 0
        self.told = False
        self.reopen()

    def reopen(self) -> None:
        """Open the path anew, as a rotation wants; on failure the old file stays in use."""
        if self._standard is not None:
            self._fd = self._standard
            return
        fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self.close()
        self._fd = fd

    def write(self, line: bytes) -> None:
        """Append *line*, which brings its own line end."""
        if self._flush_after and not self._lines:
            self._oldest = time.monotonic()
        self._lines.append(line)
        self._size += len(line)
        if self._size >= self._limit:
            self.flush()

    def tick(self) -> None:
        """Write what has been gathered for long enough; called about once a second."""
        if self._lines and self._flush_after and time.monotonic() - self._oldest >= self._flush_after:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered."""
        if self._lines:
            data = b"".join(self._lines)
            self._lines.clear()
            self._size = 0
            self._put(gzip.compress(data, self._gzip) if self._gzip else data)

    def tell(self, level: str, line: bytes) -> None:  # noqa: ARG002 - which the line says itself
        """See `LineSink`."""
        self.write(line)
        self.flush()

    def _put(self, data: bytes) -> None:
        try:
            while data:
                data = data[os.write(self._fd, data):]
            self.failed, self.told = 0, False
        except OSError as error:
            self.failed = error.errno or 0

    def close(self) -> None:
        """Write what has been gathered and close the file; the standard streams stay open."""
        self.flush()
        if self._standard is None and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


class ErrorLog:
    """
    The error log: lines as nginx writes them, to every file whose level allows it.

    Args:
        files: Each with the lowest level it takes.
    """

    def __init__(self, files: Iterable[tuple[LineSink, str]]) -> None:
        self._files = [(file, _RANK[level]) for file, level in files]
        self._lowest = min((rank for _, rank in self._files), default=len(LEVELS))

    def enabled(self, level: str) -> bool:
        """Tell whether a line of *level* would be written anywhere."""
        return _RANK[level] >= self._lowest

    def log(self, level: str, message: str) -> None:
        """Write ``2026/01/31 12:00:00 [error] 42#42: message``."""
        rank = _RANK[level]
        if rank < self._lowest:
            return
        stamp = time.strftime("%Y/%m/%d %H:%M:%S")
        pid = os.getpid()
        text = message.replace("\n", "\\n").replace("\r", "\\r")
        line = f"{stamp} [{level}] {pid}#{pid}: {text}\n".encode(errors="backslashreplace")
        for file, lowest in self._files:
            if rank >= lowest:
                file.tell(level, line)


def _syslog(path: str) -> LineSink:
    from lbproxy.proxy.syslog import Syslog  # noqa: PLC0415 - brings socket, which -t need not wait for

    return Syslog(path)


class Logs:
    """
    Every log of a process, opened once and reopened together.

    Args:
        errors: (path, level) of each error log.
        access: Where each access log goes, by the path that the configuration gives it ("": the default place).
        nearer: What servers and locations have instead of *errors*.
        families: Access logs whose path has variables.

    Raises:
        OSError: One of them cannot be opened; its filename says which.
    """

    def __init__(
        self,
        errors: Iterable[tuple[str, str]],
        access: Mapping[str, Sink],
        nearer: Iterable[ErrorPlaces] = (),
        families: Iterable[LogKey] = (),
    ) -> None:
        self._files: dict[str, LineSink] = {}
        self.families = {key: LogFamily(*key) for key in families}
        self.error = self._error_log(errors)
        self.access = {path: self._open(sink) for path, sink in access.items()}
        self._nearer = {places: self._error_log(places) for places in nearer}
        self._all: tuple[LogSink, ...] = (*self._files.values(), *self.families.values())
        self._per_turn = tuple(file for file in self._all if file.per_turn)

    def error_of(self, places: ErrorPlaces) -> ErrorLog:
        """Return the error log for requests whose location has the ``error_log`` directives *places*."""
        return self._nearer.get(places, self.error)

    def _error_log(self, places: Iterable[tuple[str, str]]) -> ErrorLog:
        return ErrorLog([(self._open(Sink(path)), level) for path, level in places])

    def _open(self, sink: Sink) -> LineSink:
        if sink.path not in self._files:
            self._files[sink.path] = _syslog(sink.path) if is_syslog(sink.path) else LogFile(sink)
        return self._files[sink.path]

    def reopen(self) -> None:
        """Reopen every file; those that cannot be opened are reported and written to as before."""
        for file in self._all:
            file.flush()
            try:
                file.reopen()
            except OSError as error:
                self.error.log("emerg", f'open() "{file.path}" failed {describe(error)}')

    def end_turn(self) -> None:
        """Write what this turn of the event loop has brought."""
        for file in self._per_turn:
            file.flush()

    def tick(self) -> None:
        """Write what buffered logs have gathered for long enough, and tell of those that cannot be written."""
        for file in self._all:
            file.tick()
            if file.failed and not file.told:
                file.told = True
                self.error.log("crit", f'write() to "{file.path}" failed ({file.failed}: {os.strerror(file.failed)})')

    def close(self) -> None:
        """Flush and close everything."""
        for file in self._all:
            file.close()
