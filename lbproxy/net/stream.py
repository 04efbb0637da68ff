"""
Non-blocking stream sockets with a timeout per wait: try first, then wait.

`OSError` is translated here and nowhere else, into `StreamClosed` with the text nginx would log.  A stream does not
know whose socket it is; the proxy's two boundaries add that.
"""

from __future__ import annotations

import errno
import os
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from lbproxy.errors import LocalAddressError, StreamClosed, describe
from lbproxy.net.channel import Channel
from lbproxy.net.readiness import MOST_READY_CALLS, Poller

RECV_SIZE = 65536
_FILE_PIECE, _FILE_WEIGHT = 1 << 19, 8  # octets of a file sent at once, and as how many ready calls that counts
_BIND_ADDRESS_NO_PORT = 24  # IP_BIND_ADDRESS_NO_PORT: connect() chooses, as among ports used with other servers
_IPV6_TRANSPARENT = 75
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST

SockAddr = str | tuple[str, int]


def _closed(call: str, error: OSError) -> StreamClosed:
    return StreamClosed(f"{call}() failed {describe(error)}", error.errno or 0)


class Stream(Channel):
    """
    A connected socket.

    Attributes:
        bytes_in, bytes_out: Octets that crossed it so far.
    """

    __slots__ = ("bytes_in", "bytes_out", "socket")

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        super().__init__(poller, sock.fileno())
        self.socket = sock
        self.bytes_in = self.bytes_out = 0
        poller.descriptors.streams += 1

    async def recv(self, timeout: float, size: int = RECV_SIZE) -> bytes:
        """
        Return the next octets, at most *size*; b"" at the end of the stream.

        Raises:
            StreamTimeout: Nothing came for *timeout* seconds.
            StreamClosed: The connection was reset.
        """
        while True:
            if self.readable:
                poller = self.poller
                if poller.ready_calls >= MOST_READY_CALLS:
                    await poller.take_turn()  # before reading: who is cancelled here must not lose octets
                data = self.recv_now(size)
                if data is not None:
                    poller.ready_calls += 1
                    return data
            self.begin_read(timeout)  # wait_readable(), without a coroutine of its own: every request comes by here
            await self.parked_reader()

    def recv_now(self, size: int = RECV_SIZE) -> bytes | None:
        """Return what is there, b"" at the end of the stream, None when one has to wait."""
        try:
            data = self.socket.recv(size)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            raise _closed("recv", error) from None
        if len(data) < size:
            self.drained()
        self.bytes_in += len(data)
        return data

    def recv_into_now(self, room: memoryview) -> int | None:
        """Fill *room* with what is there, and return how much that is; 0 and None as `recv_now` b"" and None."""
        try:
            size = self.socket.recv_into(room)
        except BlockingIOError:
            self.readable = False
            return None
        except OSError as error:
            raise _closed("recv", error) from None
        if size < len(room):
            self.drained()
        self.bytes_in += size
        return size

    async def send(self, data: bytes | memoryview, timeout: float) -> None:
        """
        Send all of *data*.

        Raises:
            StreamTimeout: Nothing of it could be sent for *timeout* seconds.
            StreamClosed: The other side does not take it any more.
        """
        sent = self.send_now(data)
        if sent == len(data):
            poller = self.poller
            poller.ready_calls += 1
            if poller.ready_calls > MOST_READY_CALLS:
                await poller.take_turn()
            return
        rest = memoryview(data)[sent:]
        while rest:
            await self.wait_writable(timeout)
            rest = rest[self.send_now(rest):]

    def send_now(self, data: bytes | memoryview) -> int:
        """Return how many octets of *data* the socket took at once; 0 when one has to wait."""
        try:
            sent = self.socket.send(data)
        except BlockingIOError:
            self.writable = False
            return 0
        except OSError as error:
            raise _closed("send", error) from None
        self.bytes_out += sent
        if sent < len(data):
            self.writable = False
        return sent

    async def sendfile(self, file: int, offset: int, count: int, timeout: float) -> int:
        """
        Send *count* octets of the open *file* from *offset* on, without their passing through here.

        Returns:
            How many were sent: fewer if the file ends before.

        Raises:
            StreamTimeout, StreamClosed: As `send`.
        """
        poller, end, start = self.poller, offset + count, offset
        while offset < end:
            if not self.writable:
                await self.wait_writable(timeout)
            sent = self.sendfile_now(file, offset, min(end - offset, _FILE_PIECE))
            if sent == 0:
                break
            if sent is not None:
                offset += sent
                poller.ready_calls += _FILE_WEIGHT
                if poller.ready_calls > MOST_READY_CALLS:
                    await poller.take_turn()
        return offset - start

    def sendfile_now(self, file: int, offset: int, count: int) -> int | None:
        """Return how many of those octets the socket took at once; 0 at the file's end, None when one has to wait."""
        try:
            sent = os.sendfile(self.fd, file, offset, count)
        except BlockingIOError:
            self.writable = False
            return None
        except OSError as error:
            raise _closed("sendfile", error) from None
        self.bytes_out += sent
        return sent

    def pending_input(self) -> bool:
        """Ask the system, not the last edge, whether octets or the end of the stream wait to be read."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def has_octets(self) -> bool:
        """Ask the system whether octets wait to be read; they may, though the other side has reset the connection."""
        try:
            return self.socket.recv(1, socket.MSG_PEEK) != b""
        except OSError:
            return False

    def shut_writing(self) -> None:
        """Send FIN; reading goes on."""
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            raise _closed("shutdown", error) from None

    def close(self) -> None:
        """Close at once; what was sent is still delivered. Closing twice does nothing."""
        if not self.closed:
            self.forget()
            self.socket.close()
            self.poller.descriptors.streams -= 1

    def abort(self) -> None:
        """Close with RST, so that the other side cannot take what it got for a complete message."""
        if not self.closed:
            with suppress(OSError):  # the other side was faster
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.close()


async def connect(
    poller: Poller,
    family: int,
    target: SockAddr,
    timeout: float,
    *,
    keepalive: bool = False,
    source: tuple[str, int] | None = None,
    transparent: bool = False,
    waiting: Callable[[Stream], None] | None = None,
) -> Stream:
    """
    Connect to *target*: (address, port) for the IP families, a path for AF_UNIX.

    Args:
        keepalive: Set SO_KEEPALIVE.
        source: The address and port (0: any) that the connection comes from; None: the system chooses.
        transparent: That address need not be this machine's.
        waiting: Called with what may be interrupted, if the other side does not accept at once.

    Raises:
        StreamTimeout: No answer within *timeout* seconds.
        LocalAddressError: *source* can't be used.
        StreamClosed: Refused, unreachable, or out of descriptors; its errno says which.
    """
    try:
        sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as refusal:
        sock = await _socket_after(refusal, poller, family, timeout)
    stream = Stream(poller, sock)
    try:
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if keepalive:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            if source is not None:
                _bind(sock, source, transparent=transparent)
        code = sock.connect_ex(target)
        if code == errno.EINPROGRESS:
            stream.writable = False
            if waiting is not None:
                waiting(stream)
            await stream.wait_writable(timeout)
            code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    except OSError as error:  # a path too long for a unix socket
        stream.close()
        raise _closed("connect", error) from None
    except BaseException:
        stream.close()
        raise
    if code:
        stream.close()
        raise _closed("connect", OSError(code, os.strerror(code)))
    stream.readable = False  # the server has nothing to say before it was asked
    return stream


def _bind(sock: socket.socket, source: tuple[str, int], *, transparent: bool) -> None:
    """Have *sock* connect from *source* (ngx_event_connect.c:ngx_event_connect_peer)."""
    host, port = source
    try:
        if transparent and sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, _IPV6_TRANSPARENT, 1)
        elif transparent:
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_TRANSPARENT, 1)
    except OSError as error:
        hint = " (workers need CAP_NET_RAW)" if error.errno == errno.EPERM else ""
        raise LocalAddressError(f"setsockopt(IP_TRANSPARENT) failed {describe(error)}{hint}") from None
    try:
        if (":" in host) != (sock.family == socket.AF_INET6):  # bind() itself would ask the resolver about it
            raise OSError(errno.EAFNOSUPPORT, os.strerror(errno.EAFNOSUPPORT))  # noqa: TRY301 - as the system's
        if not port:
            sock.setsockopt(socket.IPPROTO_IP, _BIND_ADDRESS_NO_PORT, 1)
        sock.bind(source)
    except OSError as error:
        raise LocalAddressError(f"bind({host}) failed {describe(error)}", error.errno or 0) from None


async def _socket_after(refusal: OSError, poller: Poller, family: int, timeout: float) -> socket.socket:
    """Return a socket for `connect`, which has met *refusal*."""
    make = partial(socket.socket, family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        return await poller.descriptors.after(refusal, make, timeout)
    except OSError as error:
        raise _closed("socket", error) from None
