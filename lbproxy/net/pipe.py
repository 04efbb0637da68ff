"""
From one socket into another without a copy: splice(2) through a pipe.

One pipe serves all streams of a worker, for it is empty again whenever somebody waits: what the second socket does not
take at once is read out of it.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING

from lbproxy.errors import StreamClosed, describe

if TYPE_CHECKING:
    from lbproxy.net.stream import Stream

SIZE = 1 << 20
"""Octets that a pipe is to hold."""


class Pipe:
    """
    A pipe.

    Raises:
        OSError: There is no descriptor for it.
    """

    def __init__(self) -> None:
        self._held = 0
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        with suppress(OSError):  # the system may not let us have so many; then it holds less
            fcntl.fcntl(self._in, fcntl.F_SETPIPE_SZ, SIZE)

    def fill(self, source: Stream, most: int) -> int | None:
        """
        Take up to *most* octets of what has come from *source*; to be followed by `empty`.

        Returns:
            How many there were, 0 at the end of the stream, None when one has to wait.

        Raises:
            StreamClosed: The connection was reset.
        """
        assert not self._held  # nobody may get octets that were meant for another
        try:
            self._held = os.splice(source.fd, self._in, most, flags=os.SPLICE_F_NONBLOCK)
        except BlockingIOError:
            source.readable = False
            return None
        except OSError as error:
            raise StreamClosed(f"splice() failed {describe(error)}", error.errno or 0) from None
        source.bytes_in += self._held
        return self._held

    def empty(self, sink: Stream) -> bytes:
        """Send what it holds to *sink*, and return what that did not take at once; raises StreamClosed."""
        try:
            while self._held:
                sent = os.splice(self._out, sink.fd, self._held, flags=os.SPLICE_F_NONBLOCK)
                self._held -= sent
                sink.bytes_out += sent
        except BlockingIOError:
            sink.writable = False
        except OSError as error:
            self._take_out()
            raise StreamClosed(f"splice() failed {describe(error)}", error.errno or 0) from None
        return self._take_out() if self._held else b""

    def _take_out(self) -> bytes:
        pieces = []
        while self._held:
            pieces.append(os.read(self._out, self._held))
            self._held -= len(pieces[-1])
        return b"".join(pieces)

    def close(self) -> None:
        """Close both of its ends."""
        os.close(self._in)
        os.close(self._out)
