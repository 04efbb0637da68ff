"""
One request with its answer: the only mutable object that a request has.

`Client` is what is known of the connection, `Exchange` the request as it moves through the proxy, `Attempt`
one try at one server.  Everything is octets as they appear on the wire; texts are made only where a log or
a variable asks.  Times are monotonic seconds, except `Exchange.logged_at`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lbproxy.config.model import Location, VirtualServer
    from lbproxy.wire.heads import RequestHead, ResponseHead
    from lbproxy.wire.proxyline import Introduction


class TcpInfo(NamedTuple):
    """What the kernel knows of a TCP connection: times in microseconds, the window in segments, the space in octets."""

    rtt: int
    rttvar: int
    snd_cwnd: int
    rcv_space: int


class Client:
    """
    A client's connection, as variables and balancers see it.

    Args:
        address: Its address in text, ``unix:`` for a unix socket.
        packed: The address as 4 or 16 octets; b"" for a unix socket.
        server_address, server_port: Where it connected to.
        number: Serial number of the connection in this worker ($connection).
        opened: When it was accepted.

    Attributes:
        requests: How many it has sent ($connection_requests).
        introduction: What a balancer in front has said of it (PROXY protocol); None if nothing.
        connected: Who is connected, where that is somebody else than who is meant (``set_real_ip_from``).
        tcp_info: Asks the kernel about the connection; it knows nothing of one that is not TCP.
    """

    __slots__ = ("address", "connected", "introduction", "number", "opened", "packed", "port", "requests",
                 "server_address", "server_port", "tcp_info")

    def __init__(
        self,
        address: bytes,
        port: int,
        packed: bytes,
        server_address: bytes,
        server_port: int,
        *,
        number: int,
        opened: float,
    ) -> None:
        self.address, self.port, self.packed = address, port, packed
        self.server_address, self.server_port = server_address, server_port
        self.number, self.opened = number, opened
        self.requests = 0
        self.introduction: Introduction | None = None
        self.connected: Client | None = None
        self.tcp_info: Callable[[], TcpInfo | None] = _nothing

    def instead(self, address: bytes, packed: bytes, port: int) -> Client:
        """Return the client that is meant on this connection; *port* is 0 where it is not known."""
        meant = Client(
            address, port, packed, self.server_address, self.server_port, number=self.number, opened=self.opened
        )
        meant.requests, meant.introduction, meant.connected = self.requests, self.introduction, self
        meant.tcp_info = self.tcp_info
        return meant


def _nothing() -> None:
    """What is known of a connection about which nobody can be asked."""


class Attempt:
    """
    One try at one server: an entry of the ``$upstream_*`` lists.

    Args:
        name: The peer's address as nginx prints it, or the upstream's name when no peer was left.
        started: When it began; the other times are durations in seconds, None until they are known.
    """

    __slots__ = ("bytes_received", "bytes_sent", "connect_time", "header_time", "name", "response_length",
                 "response_time", "started", "status")

    def __init__(self, name: bytes, started: float) -> None:
        self.name, self.started = name, started
        self.status = 0
        self.connect_time: float | None = None
        self.header_time: float | None = None
        self.response_time: float | None = None
        self.bytes_sent = 0
        self.bytes_received = 0
        self.response_length = 0


class Admission:
    """
    What limits have made of a request; one of an auth_request counts with the request it is about.

    Attributes:
        requests, connections: $limit_req_status, $limit_conn_status; b"" where no limit was applied.
        leave: Called by `end`.
    """

    __slots__ = ("connections", "leave", "requests")

    def __init__(self) -> None:
        self.requests = self.connections = b""
        self.leave: list[Callable[[], None]] = []

    def end(self) -> None:
        """The request is over: it no longer counts."""
        while self.leave:
            self.leave.pop()()


class Exchange:
    """
    One request on its way.

    Attributes:
        method: As received; an internal redirect may make it GET.
        path: The decoded, normalised path ($uri); changed by internal redirects.
        args: The octets after "?", without it; None when the target has no "?".
        host: $host: the name from the target or the Host field, lower case, without port; else the server's
            name.
        raw_path: The target's path as received, while nothing has changed the URI; None from then on.
        location: The one in force; it changes with internal redirects.
        captures: Groups of the last regular expression that matched ($1 is captures[0]); see `capture`.
        values: Variables set by this request (set, named captures); None until there is one.
        body: The request body when it was read whole into memory ($request_body); None otherwise.
        body_file: The name of the file that it was read into, even if that has been taken away again; None without.
        content_length: $content_length: the client's field, or the true length once a chunked body was read
            whole.
        attempts: In order; `attempts_before` are those made before each internal redirect.
        upstream_name: $proxy_host: the upstream's name, or host:port as written in the address of the action.
        response: The head that the last server sent; None for answers made here.
        status: What the client was (or would have been) told; 0 until decided.
        forced_status: What the client is told whatever a server says (``error_page 404 =200 /x``); 0: nothing
            forced.
        sent_trailers: Field block behind the answer's last chunk; b"" without one.
        sent_fields: Field block of the answer's head as it went to the client; b"" until then.
        head_length: Octets of the answer's head that went to the client.
        bytes_sent, body_bytes_sent: Octets put on the client's connection, with and without the head.
        request_length: Octets of the request line, fields and body that were read.
        internal: It was redirected inside, by an error page or otherwise.
        valid_location: The path still begins with the location's prefix, for which a URI part in ``proxy_pass``
            stands; a ``break`` after a change of the path makes that path final.
        main: The request that this one, which is made inside, is about (``auth_request``); None for a client's.
        admission: None until limits look at it.
        limit_rate: Octets per second that its answer may take, 0: any number; None: it has not been asked yet how many
            are configured.
        carried: Field lines of an earlier answer, a server's that redirected inside or a redirect with an error
            page, which the final one has as well.
        added: Field lines that its answer has, whoever makes it.
        in_error_page: An error page is being made: a further error gets no page of its own.
        pipelined: Its first octets came with the end of the request before it ($pipe).
        completed: The answer was sent to its end ($request_completion).
        finished: When the last octet was sent; 0.0 until then.
        logged_at: Wall clock, seconds since 1970 (UTC), for $msec and $time_*: set when the head was read,
            and again with *finished*.
    """

    __slots__ = ("added", "admission", "args", "attempts", "attempts_before", "body", "body_bytes_sent", "body_file",
                 "bytes_sent", "captures", "carried", "client", "completed", "content_length", "finished",
                 "forced_status", "head", "head_length", "host", "in_error_page", "internal", "keep_alive",
                 "limit_rate", "location", "logged_at", "main", "method", "path", "pipelined", "raw_path",
                 "redirects", "request_length", "response", "sent_fields", "sent_trailers", "server", "started",
                 "status", "upstream_name", "valid_location", "values")

    def __init__(self, client: Client, head: RequestHead, server: VirtualServer, started: float) -> None:
        self.client, self.head, self.server, self.started = client, head, server, started
        self.method = head.method
        self.raw_path: bytes | None = head.raw_path
        self.args = head.args
        self.path: bytes = b""
        self.host: bytes = b""
        self.location: Location = server.root
        self.captures: tuple[bytes | None, ...] = ()
        self.values: dict[str, bytes] | None = None
        self.body: bytes | None = None
        self.body_file: bytes | None = None
        self.content_length: bytes | None = head.content_length
        self.attempts: list[Attempt] = []
        self.attempts_before: list[list[Attempt]] = []
        self.upstream_name: bytes = b""
        self.response: ResponseHead | None = None
        self.status = self.forced_status = 0
        self.sent_fields: bytes = b""
        self.sent_trailers: bytes = b""
        self.head_length = 0
        self.bytes_sent = 0
        self.body_bytes_sent = 0
        self.request_length = head.size
        self.keep_alive = head.keep_alive
        self.pipelined = self.completed = self.internal = self.in_error_page = False
        self.valid_location = True
        self.main: Exchange | None = None
        self.admission: Admission | None = None
        self.limit_rate: int | None = None
        self.carried = self.added = b""
        self.redirects = 0
        self.finished = 0.0
        self.logged_at = 0.0

    def inside(self, path: bytes) -> Exchange:
        """
        Return a request for *path* that is made inside, about this one (ngx_http_subrequest).

        It has the same fields but no body; variables and what limits have said are common to both.
        """
        if self.values is None:
            self.values = {}
        if self.admission is None:
            self.admission = Admission()
        inner = Exchange(self.client, self.head, self.server, self.started)
        inner.main, inner.values, inner.admission = self, self.values, self.admission
        inner.method, inner.path, inner.raw_path, inner.args = b"GET", path, None, None
        inner.host, inner.logged_at = self.host, self.logged_at
        inner.content_length, inner.request_length = None, self.request_length
        inner.internal = True
        return inner

    def capture(self, match: re.Match[bytes]) -> None:
        """Take $1 to $9 and the named groups of *match*: what every regular expression that matches sets."""
        self.captures = match.groups()
        if match.re.groupindex:
            named = {name.lower(): value for name, value in match.groupdict(b"").items()}
            if self.values is None:
                self.values = named
            else:
                self.values.update(named)  # in place: a request made inside shares them
