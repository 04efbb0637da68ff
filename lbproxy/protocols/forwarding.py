"""
What forwarding is made of whatever the server speaks: the common settings, and the interface of a protocol.

`ForwardSettings` are the directives that proxy_* and uwsgi_* share; a subclass with a prefix names them.  An
`UpstreamProtocol` is compiled once per location: its methods are what a request costs.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import setting, setting_args, setting_list
from lbproxy.config.temporary import TempPlace, parse_temp_place
from lbproxy.config.values import Misfit, duration, field_name, flag, number, size
from lbproxy.http.accel import orders, with_charset
from lbproxy.http.exchange import Exchange
from lbproxy.http.pace import SizeOf, size_template
from lbproxy.http.template import Template
from lbproxy.protocols.local import Bind, LocalOf, parse_bind
from lbproxy.protocols.target import Pass, Target
from lbproxy.wire import fields, uri
from lbproxy.wire.body import Framing
from lbproxy.wire.heads import ResponseHead

if TYPE_CHECKING:
    from lbproxy.config.model import Location

CONDITIONS = (
    "error", "timeout", "invalid_header", "non_idempotent", "updating", "http_500", "http_502", "http_503",
    "http_504", "http_403", "http_404", "http_429", "off",
)  # fmt: skip
"""What ``*_next_upstream`` knows (ngx_http_proxy_next_upstream_masks); "updating" is for caches."""

IGNORABLE = (
    "X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Accel-Buffering", "X-Accel-Charset",
    "Expires", "Cache-Control", "Set-Cookie", "Vary",
)  # fmt: skip
"""What ``*_ignore_headers`` knows (ngx_http_upstream_ignore_headers_masks)."""

CONTROL_FIELDS = (
    b"x-accel-expires", b"x-accel-redirect", b"x-accel-limit-rate", b"x-accel-buffering", b"x-accel-charset",
)  # fmt: skip
"""Fields that a server addresses to the proxy; the client does not get them."""

HostValue = TypeVar("HostValue", bytes, bytes | None)

_NEVER_COPIED = fields.HOP_BY_HOP - {b"upgrade"} | {b"content-length"}
"""Fields of one connection, or written anew; a server that asks for an upgrade (426) is heard."""

_SINGLE = tuple(
    b"\n" + name + b":"
    for name in (
        b"content-type", b"last-modified", b"etag", b"server", b"date", b"location", b"expires",
        b"accept-ranges", b"content-encoding", b"status",
    )
)  # fmt: skip
"""Fields of which only the first counts (ngx_http_upstream_headers_in, process_header_line)."""


def _conditions(directive: Directive) -> frozenset[str]:
    for arg in directive.args:
        if arg.text not in CONDITIONS:
            raise Misfit('invalid value "{value}"', arg, f"it must be one of {', '.join(CONDITIONS)}")
    return frozenset(directive.texts)


def _ignored(directive: Directive) -> frozenset[bytes]:
    known = {name.lower(): name for name in IGNORABLE}
    for arg in directive.args:
        if arg.text.lower() not in known:
            raise Misfit('invalid value "{value}"', arg, f"it must be one of {', '.join(IGNORABLE)}")
    return frozenset(text.lower().encode() for text in directive.texts)


def _buffers(directive: Directive) -> tuple[int, int]:
    count, octets = number(directive.args[0]), _positive_size(directive.args[1])
    if count < 2:
        raise Misfit("there must be at least 2 \"{directive}\"", directive.args[0])
    return count, octets


def _positive_size(arg: Argument) -> int:
    octets = size(arg)
    if not octets:
        raise Misfit('"{directive}" directive invalid value', arg)
    return octets


def _lower_name(directive: Directive) -> bytes:
    return field_name(directive.args[0]).lower()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ForwardSettings:
    """
    The directives of every protocol; ``*`` is the protocol's prefix.  Times are seconds, sizes octets.

    Args:
        destination: Of the location's own ``*_pass``; each protocol declares that for itself.
        read_timeout: Between two reads of the answer, not for the whole of it.
        next_upstream: Conditions on which another server is tried.
        next_upstream_tries: 0: as many as there are servers.
        next_upstream_timeout: Since the first try; 0.0: no limit.
        buffer_size: What the head of an answer may take.
        buffers: Number and size: how much of an answer is read ahead of the client and stays in memory.
        max_temp_file_size: How much more of it goes to a temporary file meanwhile; 0: nothing.
        temp_path: Where that file lies; None: it does not matter.
        limit_rate: Octets per second that are read of an answer, if it is buffered.
        hide_header, pass_header: Names in lower case.
    """

    prefix: ClassVar[str] = "*"

    destination: Pass | None = None
    connect_timeout: float = setting("*_connect_timeout", duration, 60.0)
    send_timeout: float = setting("*_send_timeout", duration, 60.0)
    read_timeout: float = setting("*_read_timeout", duration, 60.0)
    next_upstream: frozenset[str] = setting_args(
        "*_next_upstream", _conditions, frozenset({"error", "timeout"})
    )
    next_upstream_tries: int = setting("*_next_upstream_tries", number, 0)
    next_upstream_timeout: float = setting("*_next_upstream_timeout", duration, 0.0)
    buffering: bool = setting("*_buffering", flag, True)
    request_buffering: bool = setting("*_request_buffering", flag, True)
    buffer_size: int = setting("*_buffer_size", _positive_size, 4096)
    buffers: tuple[int, int] = setting_args("*_buffers", _buffers, (8, 4096), arity=(2, 2))
    max_temp_file_size: int = setting("*_max_temp_file_size", size, 1 << 30)
    temp_path: TempPlace | None = setting_args("*_temp_path", parse_temp_place, None, arity=(1, 4))
    limit_rate: Template | None = setting("*_limit_rate", size_template, None)
    bind: Bind | None = setting_args("*_bind", parse_bind, None, arity=(1, 2))
    hide_header: tuple[bytes, ...] = setting_list("*_hide_header", _lower_name, (), arity=(1, 1))
    pass_header: tuple[bytes, ...] = setting_list("*_pass_header", _lower_name, (), arity=(1, 1))
    ignore_headers: frozenset[bytes] = setting_args("*_ignore_headers", _ignored, frozenset())
    pass_request_headers: bool = setting("*_pass_request_headers", flag, True)
    pass_request_body: bool = setting("*_pass_request_body", flag, True)
    ignore_client_abort: bool = setting("*_ignore_client_abort", flag, False)
    intercept_errors: bool = setting("*_intercept_errors", flag, False)
    socket_keepalive: bool = setting("*_socket_keepalive", flag, False)


def is_own(location: Location, kind: type[ForwardSettings]) -> bool:
    """Return whether *location* itself says where its requests go, and has it not, as an ``if``, from around it."""
    destination, around = location.settings(kind).destination, location.around
    return destination is not None and (around is None or destination is not around.settings(kind).destination)


class UpstreamProtocol(Protocol):
    """How the requests of one location look to its servers, and their answers to the client."""

    @property
    def name(self) -> str:
        """Return "http" or "uwsgi"."""

    @property
    def default_port(self) -> int | None:
        """Return the port of servers that are written without one; None: they must have one."""

    @property
    def settings(self) -> ForwardSettings:
        """Return what is configured for the location."""

    @property
    def keepalive(self) -> bool:
        """Return whether a connection may serve more than one request."""

    @property
    def chunked_requests(self) -> bool:
        """Return whether a body may be sent before its length is known (framing CHUNKED)."""

    @property
    def target(self) -> Callable[[Exchange], Target]:
        """Return what says where a request goes; it raises MalformedMessage (500) if that is nowhere."""

    @property
    def method(self) -> Callable[[Exchange], bytes] | None:
        """Return what makes the method that goes to the server; None: it is the client's."""

    @property
    def set_body(self) -> Callable[[Exchange], bytes] | None:
        """Return what makes the body that is sent instead of the client's; None: it is the client's."""

    @property
    def local(self) -> LocalOf | None:
        """Return what says where connections come from; None: always from anywhere."""

    @property
    def read_rate(self) -> SizeOf | None:
        """Return what says how many octets per second of a buffered answer are read; None: there is no limit."""

    @property
    def passed(self) -> Collection[bytes]:
        """Return those of ``server`` and ``date`` that may come from the server; if any, ask `adds_own`."""

    def encode_request(self, ex: Exchange, framing: Framing) -> bytes:
        """
        Return the head (or packet) of the request; its body follows as *framing* says.

        Raises:
            MalformedMessage: It can't be written; the status is the client's answer.
        """

    def parse_head(self, buf: bytes, method: bytes, searched: int = 0) -> ResponseHead | None:
        """
        Return the head at the start of *buf*, None if it is not complete.

        Args:
            buf: What the server has sent so far.
            method: As sent to the server: the answer to HEAD has no body.
            searched: Octets of *buf* that an earlier call has seen.

        Raises:
            MalformedMessage: It is no answer of this protocol, or larger than the buffer for it.
        """

    def client_fields(self, ex: Exchange, head: ResponseHead) -> bytes:
        """Return the field block for the client, without what its connection decides (framing and so on)."""

    def adds_own(self, name: bytes, head: ResponseHead) -> bool:
        """Return whether the proxy writes its own field *name* (``server`` or ``date``) into the answer."""


def as_routed(
    template: Template, value_of: Callable[[Exchange], HostValue]
) -> Callable[[Exchange], HostValue | bytes]:
    """
    Return *value_of*, but what an absolute target says where that overrides the Host field which *value_of* gives.

    A server must not be told another host than the request was routed by (RFC 9112 section 3.2.2).  ``$host`` is what
    it was routed by.
    """
    if template.variables == ("host",):
        return value_of

    def get(ex: Exchange) -> HostValue | bytes:
        value, head = value_of(ex), ex.head
        if head.target.startswith(b"/") or (value or None) != head.host:
            return value
        return uri.authority(head.target) or value

    return get


def compile_hiding(
    settings: ForwardSettings, hidden: Collection[bytes]
) -> Callable[[ResponseHead], bytes]:
    """
    Return what makes the client's block of a head: no hidden or hop-by-hop fields, no repetitions.

    Args:
        settings: With ``*_hide_header`` and ``*_pass_header``.
        hidden: What the protocol hides unless it is passed.
    """
    names = (set(hidden) | set(settings.hide_header)) - set(settings.pass_header)
    remove = fields.removal([*_NEVER_COPIED, *names])
    obeys_charset = b"x-accel-charset" not in settings.ignore_headers

    def visible(head: ResponseHead) -> bytes:
        block = remove(head.block)
        ordered = orders(head)
        if ordered is not None and obeys_charset:
            block = with_charset(block, ordered.charset)
        if head.connection_tokens:
            block = fields.without(block, head.connection_tokens)
        lowered = b"\n" + block.lower()
        for name in _SINGLE:
            if lowered.count(name) > 1:
                return _first_of_each(block)
        return block

    return lambda head: head.derive(visible)


def _first_of_each(block: bytes) -> bytes:
    """Return *block* with only the first of each field that may stand but once."""
    seen: set[bytes] = set()
    kept = []
    for line in block.split(b"\r\n"):
        name = b"\n" + line.partition(b":")[0].lower() + b":"
        if name in _SINGLE:
            if name in seen:
                continue
            seen.add(name)
        kept.append(line)
    return b"\r\n".join(kept)
