"""
What a server's failure is called: an error of its stream, in one phase of a request, as an `UpstreamError`.

Where it is known, what the operator may do about it is told along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbproxy.errors import (
    ConnectFailed,
    InvalidResponse,
    StreamError,
    StreamTimeout,
    UpstreamClosed,
    UpstreamError,
    UpstreamTimeout,
)
from lbproxy.protocols.diagnosis import Failure, mend
from lbproxy.wire import uwsgi

if TYPE_CHECKING:
    from lbproxy.balance.peer import Peer
    from lbproxy.protocols.forwarding import ForwardSettings, UpstreamProtocol

_WHILE = {
    "connect": "while connecting to upstream",
    "send": "while sending request to upstream",
    "head": "while reading response header from upstream",
    "body": "while reading upstream",
}


def invalid(what: str) -> InvalidResponse:
    """Return the error of a head that says *what* it should not."""
    return InvalidResponse(f"upstream {what} {_WHILE['head']}")


def failed(
    error: StreamError, phase: str, peer: Peer, protocol: UpstreamProtocol, request: bytes, *, fresh: bool, silent: bool
) -> UpstreamError:
    """
    Return what *error* of the stream to *peer* is to the proxy.

    Args:
        phase: "connect", "send", "head" or "body".
        request: The head or packet that was, or was to be, sent.
        fresh: The connection had not served a request before.
        silent: Not an octet had come.
    """
    http = protocol.name == "http"
    timed_out = isinstance(error, StreamTimeout)
    failure = Failure(
        protocol=protocol.name,
        address=peer.name.decode(errors="replace"),
        phase=phase,
        errno=error.errno,
        timeout=_timeout(protocol.settings, phase) if timed_out else None,
        request_size=len(request),
        variables=0 if http else uwsgi.count_variables(request),
        fresh=fresh,
        silent=silent,
        nameless=not http and b"REQUEST_METHOD" not in request,
    )
    kind = UpstreamTimeout if timed_out else ConnectFailed if phase == "connect" else UpstreamClosed
    reason = f"upstream timed out {error.reason}" if timed_out else error.reason
    return kind(f"{reason} {_WHILE[phase]}", mend(failure), error.errno)


def _timeout(settings: ForwardSettings, phase: str) -> float:
    timeouts = {"connect": settings.connect_timeout, "send": settings.send_timeout}
    return timeouts.get(phase, settings.read_timeout)
