"""
What the kernel knows of a TCP connection.

Layout: struct tcp_info of linux/tcp.h; eight octets, then words of 32 bits.
"""

from __future__ import annotations

import socket
import struct
from contextlib import suppress

from lbproxy.http.exchange import TcpInfo

_STRUCT = struct.Struct("=8x24I")
_RTT, _RTTVAR, _SND_CWND, _RCV_SPACE = 15, 16, 18, 22  # places among the words


def tcp_info(sock: socket.socket) -> TcpInfo | None:
    """Return what is known of *sock*; None if it is none of TCP, or closed."""
    with suppress(OSError):
        words = _STRUCT.unpack(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _STRUCT.size))
        return TcpInfo(words[_RTT], words[_RTTVAR], words[_SND_CWND], words[_RCV_SPACE])
    return None
