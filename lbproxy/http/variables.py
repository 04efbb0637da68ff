"""
nginx's variables: name -> getter.

A getter takes the exchange and returns octets formatted as nginx formats them, or None where nginx's value is
"not found" (a "-" in logs, nothing elsewhere).  Sources: ngx_http_variables.c, ngx_http_upstream.c, and
ngx_http_log_module.c for those that only logs had once.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from operator import attrgetter

from lbproxy.config.octets import octets
from lbproxy.http.exchange import Attempt, Exchange
from lbproxy.wire import uri
from lbproxy.wire.heads import Head, RequestHead

Getter = Callable[[Exchange], bytes | None]

Constants = Mapping[str, bytes | Callable[[], bytes]]
"""Variables that come from the world outside: octets, or a function that is asked once per request."""


def field_finder(name: str) -> Callable[[bytes], bytes | None]:
    """
    Return a function from a field block to the value of field *name*, None if the block has no such field.

    Args:
        name: As in a variable: lower case, "_" for "-" as well as for itself.

    Values of repeated fields are joined by ", ", cookies by "; " (ngx_http_variable_headers_internal).
    """
    # the line feed in front lets the engine jump from line to line
    line = re.compile(b"\n" + name.replace("_", "[-_]").encode() + rb":[ \t]*([^\r\n]*)", re.IGNORECASE)
    separator = b"; " if name == "cookie" else b", "

    def find(block: bytes) -> bytes | None:
        values: list[bytes] = line.findall(b"\n" + block)
        if len(values) == 1:
            return values[0].rstrip(b" \t")
        return separator.join(value.rstrip(b" \t") for value in values) if values else None

    return find


def _in_block(name: str) -> Callable[[Head], bytes | None]:
    find = field_finder(name)
    return lambda head: find(head.block)


class OfHead:
    """
    The getter of a variable that depends on nothing but the request's field block.

    Args:
        make: Returns the value for a head.
    """

    __slots__ = ("make",)

    def __init__(self, make: Callable[[RequestHead], bytes | None]) -> None:
        self.make = make

    def __call__(self, ex: Exchange) -> bytes | None:
        """Return the value for the head of *ex*."""
        return ex.head.derive(self.make)


def _request_field(name: str) -> Getter:
    return OfHead(_in_block(name))


def _sent_field(name: str) -> Getter:
    find = field_finder(name)
    return lambda ex: find(ex.sent_fields)


def _upstream_field(name: str) -> Getter:
    find = _in_block(name)
    return lambda ex: ex.response.derive(find) if ex.response is not None else None


def _argument(name: str) -> Getter:
    """Return $arg_*: the first of that name in any letter case, undecoded (ngx_http_arg)."""
    argument = re.compile(b"(?:^|&)" + name.encode() + b"=([^&]*)", re.IGNORECASE | re.DOTALL)

    def get(ex: Exchange) -> bytes | None:
        match = argument.search(ex.args) if ex.args else None
        return match[1] if match is not None else None

    return get


def _cookie(name: str) -> Getter:
    """Return $cookie_*: the first of that name in any letter case (ngx_http_parse_multi_header_lines)."""
    cookie = re.compile(b"(?:^|[;,] *)" + name.encode() + b" *= *([^;]*)", re.IGNORECASE)

    def get(ex: Exchange) -> bytes | None:
        field = _COOKIES(ex.head.block)
        match = cookie.search(field) if field else None
        return match[1] if match is not None else None

    return get


def _upstream_cookie(name: str) -> Getter:
    """Return $upstream_cookie_*: the value a Set-Cookie of the last server begins with."""
    set_cookie = re.compile(b"\nset-cookie:[ \t]*" + name.encode() + b" *= *([^;\r\n]*)", re.IGNORECASE)

    def get(ex: Exchange) -> bytes | None:
        match = set_cookie.search(b"\n" + ex.response.block) if ex.response is not None else None
        return match[1] if match is not None else None

    return get


def _absent(_: Exchange) -> None:
    """What nginx finds nothing for on a plain connection without cache, temporary files or PROXY protocol."""


def _every_attempt(show: Callable[[Attempt], bytes]) -> Getter:
    """Return a list over the attempts: ", " between them, " : " where an internal redirect lies between."""

    def get(ex: Exchange) -> bytes | None:
        if len(ex.attempts) == 1 and not ex.attempts_before:
            return show(ex.attempts[0])
        rounds = [*ex.attempts_before, ex.attempts]
        return b" : ".join(b", ".join(map(show, attempts)) for attempts in rounds if attempts) or None

    return get


def _seconds(value: float | None) -> bytes:
    """Format a duration; "-" for one that is not over."""
    return b"-" if value is None else b"%.3f" % max(value, 0.0)


_COOKIES = field_finder("cookie")
_AUTHORIZATION = field_finder("authorization")
_FORWARDED_FOR = field_finder("x_forwarded_for")
_BASIC = re.compile(rb"Basic *([A-Za-z0-9+/]+)(?:=|$)", re.IGNORECASE)


def _remote_user(head: RequestHead) -> bytes | None:
    """Return the user of HTTP Basic credentials (RFC 7617; ngx_http_auth_basic_user)."""
    field = _AUTHORIZATION(head.block)
    credentials = _BASIC.match(field) if field else None
    if credentials is None:
        return None
    encoded = credentials[1]
    try:
        user, colon, _ = binascii.a2b_base64(encoded + b"=" * (-len(encoded) % 4)).partition(b":")
    except binascii.Error:
        return None
    return user if user and colon else None


def _request_uri(ex: Exchange) -> bytes:
    """Return path and arguments as received; a fragment is no part of a request (RFC 9110 section 7.1)."""
    target = ex.head.target
    if target.startswith(b"/") and b"#" not in target:
        return target
    path, args = uri.split(target)
    return path if args is None else path + b"?" + args


def _request_port(ex: Exchange) -> bytes:
    """Return the port that the target or the Host field names, b"" without one."""
    authority = uri.authority(ex.head.target) or ex.head.host or b""
    _, colon, port = authority.rpartition(b":")
    return port if colon and port.isdigit() else b""


def server_name(ex: Exchange) -> bytes:
    """Return the first name of the server, without the dot of ``.name``, with the ``~`` of an expression (nginx)."""
    name = ex.server.names[0].text
    return octets(name.removeprefix("."))


def _remote_port(ex: Exchange) -> bytes:
    return b"%d" % ex.client.port if ex.client.packed else b""


def _server_port(ex: Exchange) -> bytes:
    return b"%d" % ex.client.server_port if ex.client.server_port else b""


def _forwarded_for(ex: Exchange) -> bytes:
    """Return $proxy_add_x_forwarded_for: what the client claims, then what we know."""
    claimed = _FORWARDED_FOR(ex.head.block)
    return claimed + b", " + ex.client.address if claimed else ex.client.address


def _proxy_host(ex: Exchange) -> bytes | None:
    """Return what the address in proxy_pass calls its server, without the port if that is 80."""
    name = ex.upstream_name
    return b"localhost" if name.startswith(b"unix:") else name.removesuffix(b":80") or None


def _proxy_port(ex: Exchange) -> bytes | None:
    name = ex.upstream_name
    if not name or name.startswith(b"unix:"):
        return b"" if name else None
    _, colon, port = name.rpartition(b":")
    return port if colon and port.isdigit() else b"80"


def _request_time(ex: Exchange) -> bytes:
    return _seconds(ex.finished - ex.started) if ex.finished else b"0.000"


def _connection_time(ex: Exchange) -> bytes:
    return _seconds((ex.finished or ex.started) - ex.client.opened)


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=8)
def _time_local(second: int) -> bytes:
    """Return ``22/Nov/2026:07:46:00 +0000``; the month's name does not depend on the locale."""
    from datetime import datetime  # noqa: PLC0415 - 5 ms, which -t need not wait for

    at = datetime.fromtimestamp(second).astimezone()
    return f"{at:%d}/{_MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S %z}".encode()


@lru_cache(maxsize=8)
def _time_iso8601(second: int) -> bytes:
    """Return ``2026-11-22T07:46:00+00:00``."""
    from datetime import datetime  # noqa: PLC0415 - as above

    return datetime.fromtimestamp(second).astimezone().isoformat().encode()


VARIABLES: Mapping[str, Getter] = {
    # the request
    "args": lambda ex: ex.args or None,
    "content_length": attrgetter("content_length"),
    "content_type": _request_field("content_type"),
    "document_uri": attrgetter("path"),
    "host": attrgetter("host"),
    "http2": _absent,
    "http3": _absent,
    "is_args": lambda ex: b"?" if ex.args else b"",
    "is_request_port": lambda ex: b":" if _request_port(ex) else b"",
    "query_string": lambda ex: ex.args or None,
    "remote_user": OfHead(_remote_user),
    "request": attrgetter("head.line"),
    "request_body": lambda ex: ex.body or None,
    "request_body_file": _absent,
    "request_length": lambda ex: b"%d" % ex.request_length,
    "request_method": attrgetter("method"),
    "request_port": _request_port,
    "request_time": _request_time,
    "request_uri": _request_uri,
    "server_protocol": lambda ex: b"HTTP/1.1" if ex.head.version == 11 else b"HTTP/1.0",
    "uri": attrgetter("path"),
    # the connection
    "binary_remote_addr": lambda ex: ex.client.packed or ex.client.address,
    "connection": lambda ex: b"%d" % ex.client.number,
    "connection_requests": lambda ex: b"%d" % ex.client.requests,
    "connection_time": _connection_time,
    "https": lambda _: b"",
    "pipe": lambda ex: b"p" if ex.pipelined else b".",
    "proxy_protocol_addr": _absent,
    "proxy_protocol_port": _absent,
    "proxy_protocol_server_addr": _absent,
    "proxy_protocol_server_port": _absent,
    "remote_addr": attrgetter("client.address"),
    "remote_port": _remote_port,
    "scheme": lambda _: b"http",
    "server_addr": attrgetter("client.server_address"),
    "server_name": server_name,
    "server_port": _server_port,
    # the answer
    "body_bytes_sent": lambda ex: b"%d" % ex.body_bytes_sent,
    "bytes_sent": lambda ex: b"%d" % ex.bytes_sent,
    "gzip_ratio": _absent,
    "limit_rate": lambda _: b"0",
    "request_completion": lambda ex: b"OK" if ex.completed else b"",
    "status": lambda ex: b"%03d" % ex.status,
    # the clock
    "msec": lambda ex: b"%.3f" % ex.logged_at,
    "time_iso8601": lambda ex: _time_iso8601(int(ex.logged_at)),
    "time_local": lambda ex: _time_local(int(ex.logged_at)),
    # the servers behind
    "proxy_add_x_forwarded_for": _forwarded_for,
    "proxy_host": _proxy_host,
    "proxy_port": _proxy_port,
    "upstream_addr": _every_attempt(attrgetter("name")),
    "upstream_bytes_received": _every_attempt(lambda attempt: b"%d" % attempt.bytes_received),
    "upstream_bytes_sent": _every_attempt(lambda attempt: b"%d" % attempt.bytes_sent),
    "upstream_cache_status": _absent,
    "upstream_connect_time": _every_attempt(lambda attempt: _seconds(attempt.connect_time)),
    "upstream_header_time": _every_attempt(lambda attempt: _seconds(attempt.header_time)),
    "upstream_response_length": _every_attempt(lambda attempt: b"%d" % attempt.response_length),
    "upstream_response_time": _every_attempt(lambda attempt: _seconds(attempt.response_time)),
    "upstream_status": _every_attempt(lambda attempt: b"%d" % attempt.status if attempt.status else b"-"),
}

PREFIXES: Mapping[str, Callable[[str], Getter]] = {
    "arg_": _argument,
    "cookie_": _cookie,
    "http_": _request_field,
    "sent_http_": _sent_field,
    "sent_trailer_": lambda _: _absent,
    "proxy_protocol_tlv_": lambda _: _absent,
    "upstream_cookie_": _upstream_cookie,
    "upstream_http_": _upstream_field,
    "upstream_trailer_": lambda _: _absent,
}
"""Families of variables: prefix -> maker of the getter for the rest of the name."""


class VariableTable:
    """
    The variables of one configuration.

    Args:
        constants: What the world outside contributes: document_root, hostname, nginx_version, pid,
            realpath_root, request_id.
        defined: Names that `set` gives values to; b"" until it does.
        captured: Names of groups in regular expressions; not found until one matches.
    """

    def __init__(
        self, constants: Constants, defined: Iterable[str] = (), captured: Iterable[str] = ()
    ) -> None:
        root = constants.get("document_root", b"")
        assert isinstance(root, bytes)
        self._getters: dict[str, Getter] = {
            **{name.lower(): _value(name.lower(), None) for name in captured},
            **{name.lower(): _value(name.lower(), b"") for name in defined},
            **{name: _constant(name, value) for name, value in constants.items()},
            **VARIABLES,
            "request_filename": lambda ex: root + ex.path,
        }

    def lookup(self, name: str) -> Getter:
        """Return the getter of variable *name*, in any letter case; raises KeyError when there is none."""
        name = name.lower()
        getter = self._getters.get(name)
        if getter is not None:
            return getter
        for prefix, make in PREFIXES.items():
            if name.startswith(prefix) and len(name) > len(prefix):
                return make(name.removeprefix(prefix))
        raise KeyError(name)

    def suggest(self, name: str) -> str:
        """Return a hint for a name that `lookup` does not know; "" when nothing is near."""
        import difflib  # noqa: PLC0415 - only for mistakes

        near = difflib.get_close_matches(name.lower(), self._getters, n=1)
        return f'did you mean "${near[0]}"?' if near else ""


def _value(name: str, unset: bytes | None) -> Getter:
    def get(ex: Exchange) -> bytes | None:
        return ex.values.get(name, unset) if ex.values is not None else unset

    return get


def _constant(name: str, value: bytes | Callable[[], bytes]) -> Getter:
    if isinstance(value, bytes):
        return lambda _: value

    def get(ex: Exchange) -> bytes:
        if ex.values is None:
            ex.values = {}
        found = ex.values.get(name)
        if found is None:
            found = ex.values[name] = value()
        return found

    return get
