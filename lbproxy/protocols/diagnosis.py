"""
Why a server failed, and what its operator may do about it: the sentence behind an error log line.

Facts of uWSGI are from its core/protocol.c and core/init.c, tried with pyuwsgi 2.0.30: it answers neither a packet
beyond ``buffer-size`` nor one of more than 128 variables, but closes or resets the connection; the same goes for an
HTTP request that comes to a uwsgi ``socket``.  Nor does it answer when the application raises before it has called
start_response().
"""

from __future__ import annotations

import errno
from collections.abc import Container
from dataclasses import dataclass

UWSGI_BUFFER_SIZE = 4096
UWSGI_MOST_VARIABLES = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """
    What is known of a failed attempt.

    Args:
        protocol: "http" or "uwsgi".
        address: Of the server, as printed.
        phase: Where it happened: "connect", "send", "head" or "body".
        errno: The system's error, 0 where the server just closed.
        timeout: The configured seconds that passed, None if it was no timeout.
        request_size: Octets of the encoded head or packet.
        variables: Number of uwsgi variables; 0 for HTTP.
        fresh: The connection was made for this request.
        silent: The server had not sent an octet.
        nameless: The request is a uwsgi packet without REQUEST_METHOD.
    """

    protocol: str
    address: str
    phase: str
    errno: int = 0
    timeout: float | None = None
    request_size: int = 0
    variables: int = 0
    fresh: bool = True
    silent: bool = True
    nameless: bool = False


def mend(failure: Failure) -> str:
    """Return what to do about *failure*, or "" when nothing is known beyond its cause."""
    if failure.phase == "connect":
        return _mend_connect(failure)
    if failure.timeout is not None:
        return _mend_timeout(failure, passed(failure.protocol, failure.phase, failure.timeout))
    if failure.silent and failure.fresh and failure.phase in {"send", "head"}:
        return _mend_silence(failure)
    return ""


_UNIX_MENDS = {
    errno.ECONNREFUSED: "nobody listens on {path}: the file is left over from a node that has ended; start the node",
    errno.ENOENT: "there is no {path}: is the node running, and is this its socket?",
    errno.EACCES: "the worker's user may not write to {path}: give uWSGI chmod-socket = 660 and a group of that user",
    errno.EAGAIN: "the listen queue of {path} is full, all workers of the node are busy: add processes, or raise its "
                  "listen = 100 together with net.core.somaxconn",
}
_MENDS = {
    errno.ECONNREFUSED: "nothing listens on {address}: is the node running, and on this port?",
    errno.EHOSTUNREACH: "there is no way to {address}: is the address right?",
    errno.ENETUNREACH: "there is no way to {address}: is the address right?",
}
_OWN_MENDS = {
    errno.EMFILE: "no descriptors left: raise worker_rlimit_nofile",
    errno.ENFILE: "the system has no descriptors left",
}


def _mend_connect(failure: Failure) -> str:
    if failure.timeout is not None:
        said = passed(failure.protocol, failure.phase, failure.timeout)
        return f"no answer to the connection request: is the host up and the port open? ({said})"
    unix = failure.address.startswith("unix:")
    mends = _OWN_MENDS | (_UNIX_MENDS if unix else _MENDS)
    text = mends.get(failure.errno, "")
    return text.format(address=failure.address, path=failure.address.removeprefix("unix:"))


def _mend_timeout(failure: Failure, said: str) -> str:
    if failure.phase == "head" and failure.silent:
        if failure.protocol == "uwsgi":
            return f"{said}; if the node listens with http-socket or http, use proxy_pass instead of uwsgi_pass"
        return f"{said}; all workers of the server may be busy"
    return said


def _mend_silence(failure: Failure) -> str:
    if failure.protocol == "http":
        return ("closed without a byte: if this is the uwsgi port of uWSGI (socket = ...), use uwsgi_pass here, or "
                "http-socket = ... there")
    if failure.request_size - 4 > UWSGI_BUFFER_SIZE:
        return (f"the uwsgi packet has {failure.request_size - 4} octets and uWSGI takes {UWSGI_BUFFER_SIZE} unless "
                "told otherwise: give it buffer-size = 32768")
    if failure.variables > UWSGI_MOST_VARIABLES:
        return f"the request has {failure.variables} variables and uWSGI takes at most {UWSGI_MOST_VARIABLES}"
    if failure.nameless:
        return ("the request has no variable REQUEST_METHOD: include uwsgi_params here too, a level with uwsgi_param "
                "lines of its own inherits none")
    return ("closed without a byte: did the application raise an exception? the node's log says; if this port speaks "
            "HTTP (http-socket = ..., http = ...), use proxy_pass here")


def passed(protocol: str, phase: str, timeout: float) -> str:
    """Return which directive's *timeout*, in seconds, has passed; protocol and phase as in `Failure`."""
    prefix = "uwsgi" if protocol == "uwsgi" else "proxy"
    kind = phase if phase in {"connect", "send"} else "read"
    return f"{prefix}_{kind}_timeout {timeout:g}s has passed"


def speaks_http(status: int, names: Container[bytes]) -> str:
    """
    Return what to do when a uwsgi server's answer looks like one of an HTTP server that could not read the packet.

    Args:
        names: Of the answer's fields, lower case.  A WSGI application may not set Connection (PEP 3333), and most
            HTTP servers set it when they refuse a request.
    """
    if status == 400 and b"connection" in names:
        return "it answered 400 like an HTTP server that can't read uwsgi: use proxy_pass for this port"
    return ""
