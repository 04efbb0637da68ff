"""
How the values of variables are found.

A getter takes the exchange and returns octets formatted as nginx formats them, or None where nginx's value is
"not found" (a "-" in logs, nothing elsewhere).  Sources: ngx_http_variables.c, ngx_http_upstream.c, and
ngx_http_log_module.c for those that only logs had once.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from functools import lru_cache

from lbproxy.config.octets import octets
from lbproxy.http.exchange import Attempt, Exchange, TcpInfo
from lbproxy.wire import uri
from lbproxy.wire.dates import DAYS, MONTHS
from lbproxy.wire.heads import Head, RequestHead
from lbproxy.wire.proxyline import Introduction, find_tlv, tlv_path

Getter = Callable[[Exchange], bytes | None]


def field_finder(name: str, *, first: bool = False) -> Callable[[bytes], bytes | None]:
    """
    Return a function from a field block to the value of field *name*, None if the block has no such field.

    Args:
        name: As in a variable: lower case, "_" for "-" as well as for itself.
        first: The first one counts, where there are several.

    Values of repeated fields are joined by ", ", cookies by "; " (ngx_http_variable_headers_internal).
    """
    # the line feed in front lets the engine jump from line to line
    line = re.compile(b"\n" + name.replace("_", "[-_]").encode() + rb":[ \t]*([^\r\n]*)", re.IGNORECASE)
    separator = b"; " if name == "cookie" else b", "

    def find(block: bytes) -> bytes | None:
        values: list[bytes] = line.findall(b"\n" + block)
        if len(values) == 1 or (first and values):
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


def request_field(name: str) -> Getter:
    """Return $http_*."""
    return OfHead(_in_block(name))


def sent_field(name: str) -> Getter:
    """
    Return $sent_http_*: of the answer's head as it went to the client.

    The type is the answer's own, in front of what ``add_header`` adds (ngx_http_variable_sent_content_type).
    """
    find = field_finder(name, first=name == "content_type")
    return lambda ex: find(ex.sent_fields)


def sent_trailer(name: str) -> Getter:
    """Return $sent_trailer_*: of what stood behind the answer's last chunk."""
    find = field_finder(name)
    return lambda ex: find(ex.sent_trailers)


def upstream_field(name: str) -> Getter:
    """Return $upstream_http_*: of the head that the last server sent."""
    find = _in_block(name)
    return lambda ex: ex.response.derive(find) if ex.response is not None else None


def arguments(ex: Exchange) -> bytes | None:
    """Return $args: an empty value is one only if something has set it."""
    return ex.args or (ex.args if ex.raw_path is None else None)


def argument(name: str) -> Getter:
    """Return $arg_*: the first of that name in any letter case, undecoded (ngx_http_arg)."""
    pattern = re.compile(b"(?:^|&)" + name.encode() + b"=([^&]*)", re.IGNORECASE | re.DOTALL)

    def get(ex: Exchange) -> bytes | None:
        match = pattern.search(ex.args) if ex.args else None
        return match[1] if match is not None else None

    return get


def cookie(name: str) -> Getter:
    """Return $cookie_*: the first of that name in any letter case (ngx_http_parse_multi_header_lines)."""
    pattern = re.compile(b"(?:^|[;,] *)" + name.encode() + b" *= *([^;]*)", re.IGNORECASE)

    def get(ex: Exchange) -> bytes | None:
        field = _COOKIES(ex.head.block)
        match = pattern.search(field) if field else None
        return match[1] if match is not None else None

    return get


def upstream_cookie(name: str) -> Getter:
    """Return $upstream_cookie_*: the value a Set-Cookie of the last server begins with."""
    pattern = re.compile(b"\nset-cookie:[ \t]*" + name.encode() + b" *= *([^;\r\n]*)", re.IGNORECASE)

    def get(ex: Exchange) -> bytes | None:
        match = pattern.search(b"\n" + ex.response.block) if ex.response is not None else None
        return match[1] if match is not None else None

    return get


def absent(_: Exchange) -> None:
    """What nginx finds nothing for on a plain connection without cache, temporary files or PROXY protocol."""


def every_attempt(show: Callable[[Attempt], bytes]) -> Getter:
    """Return a list over the attempts: ", " between them, " : " where an internal redirect lies between."""

    def get(ex: Exchange) -> bytes | None:
        if len(ex.attempts) == 1 and not ex.attempts_before:
            return show(ex.attempts[0])
        rounds = [*ex.attempts_before, ex.attempts]
        return b" : ".join(b", ".join(map(show, attempts)) for attempts in rounds if attempts) or None

    return get


def seconds(value: float | None) -> bytes:
    """Format a duration; "-" for one that is not over."""
    return b"-" if value is None else b"%.3f" % max(value, 0.0)


_COOKIES = field_finder("cookie")
_AUTHORIZATION = field_finder("authorization")
_FORWARDED_FOR = field_finder("x-forwarded-for")  # hyphens: no look-alike has a say in it
_BASIC = re.compile(rb"Basic +([A-Za-z0-9+/]+)(?:=|$)", re.IGNORECASE)


def credentials(head: RequestHead) -> tuple[bytes, bytes] | None:
    """Return user and password of HTTP Basic credentials (RFC 7617; ngx_http_auth_basic_user)."""
    field = _AUTHORIZATION(head.block)
    found = _BASIC.match(field) if field else None
    if found is None:
        return None
    encoded = found[1]
    try:
        user, colon, password = binascii.a2b_base64(encoded + b"=" * (-len(encoded) % 4)).partition(b":")
    except binascii.Error:
        return None
    return (user, password) if user and colon else None


def remote_user(head: RequestHead) -> bytes | None:
    """Return the user of HTTP Basic credentials."""
    found = credentials(head)
    return None if found is None else found[0]


def request_uri(ex: Exchange) -> bytes:
    """Return path and arguments as received; a fragment is no part of a request (RFC 9110 section 7.1)."""
    target = ex.head.target
    if target.startswith(b"/") and b"#" not in target:
        return target
    path, args = uri.split(target)
    return path if args is None else path + b"?" + args


def request_port(ex: Exchange) -> bytes:
    """Return the port that the target or the Host field names, b"" without one."""
    authority = uri.authority(ex.head.target) or ex.head.host or b""
    _, colon, port = authority.rpartition(b":")
    return port if colon and port.isdigit() else b""


def server_name(ex: Exchange) -> bytes:
    """Return the first name of the server, without the dot of ``.name``, with the ``~`` of an expression (nginx)."""
    name = ex.server.names[0].text
    return octets(name.removeprefix("."))


def remote_port(ex: Exchange) -> bytes:
    """Return the client's port, b"" for a unix socket, and where nobody has said which."""
    return b"%d" % ex.client.port if ex.client.port else b""


def connected_address(ex: Exchange) -> bytes:
    """Return $realip_remote_addr: of whoever is connected, maybe a balancer in front of the client."""
    return (ex.client.connected or ex.client).address


def connected_port(ex: Exchange) -> bytes:
    """Return $realip_remote_port."""
    port = (ex.client.connected or ex.client).port
    return b"%d" % port if port else b""


def introduced(show: Callable[[Introduction], bytes]) -> Getter:
    """Return $proxy_protocol_*: of what a balancer in front has said of the client."""

    def get(ex: Exchange) -> bytes | None:
        said = ex.client.introduction
        return None if said is None else show(said)

    return get


def introduced_tlv(name: str) -> Getter:
    """Return $proxy_protocol_tlv_*; raises KeyError for a name that means no type."""
    path = tlv_path(name)

    def get(ex: Exchange) -> bytes | None:
        said = ex.client.introduction
        return None if said is None else find_tlv(said.tlvs, path)

    return get


def tcp_info(show: Callable[[TcpInfo], int]) -> Getter:
    """Return $tcpinfo_*: of what the kernel knows of the client's connection now."""

    def get(ex: Exchange) -> bytes | None:
        known = ex.client.tcp_info()
        return None if known is None else b"%d" % show(known)

    return get


def limit_status(kind: str) -> Getter:
    """Return $limit_req_status or $limit_conn_status; *kind* is the field of an `Admission`."""

    def get(ex: Exchange) -> bytes | None:
        return None if ex.admission is None else getattr(ex.admission, kind) or None

    return get


def server_port(ex: Exchange) -> bytes:
    """Return the port that the client came to, b"" for a unix socket."""
    return b"%d" % ex.client.server_port if ex.client.server_port else b""


def forwarded_for(ex: Exchange) -> bytes:
    """Return $proxy_add_x_forwarded_for: what the client claims, then what we know."""
    claimed = _FORWARDED_FOR(ex.head.block)
    return ex.client.address if claimed is None else claimed + b", " + ex.client.address


def proxy_host(ex: Exchange) -> bytes | None:
    """Return what the address in proxy_pass calls its server, without the port if that is 80."""
    name = ex.upstream_name
    return b"localhost" if name.startswith(b"unix:") else name.removesuffix(b":80") or None


def proxy_port(ex: Exchange) -> bytes | None:
    """Return the port of the address in proxy_pass, 80 where it names none."""
    name = ex.upstream_name
    if not name or name.startswith(b"unix:"):
        return b"" if name else None
    _, colon, port = name.rpartition(b":")
    return port if colon and port.isdigit() else b"80"


def request_time(ex: Exchange) -> bytes:
    """Return the time from the request's first octets to the answer's last, 0.000 until then."""
    return seconds(ex.finished - ex.started) if ex.finished else b"0.000"


def connection_time(ex: Exchange) -> bytes:
    """Return how long the client has been connected."""
    return seconds((ex.finished or ex.started) - ex.client.opened)


@lru_cache(maxsize=8)
def time_local(second: int) -> bytes:
    """Return ``22/Nov/2026:07:46:00 +0000``; the month's name does not depend on the locale."""
    from datetime import datetime  # noqa: PLC0415 - 5 ms, which -t need not wait for

    at = datetime.fromtimestamp(second).astimezone()
    return f"{at:%d}/{MONTHS[at.month - 1]}/{at:%Y:%H:%M:%S %z}".encode()


@lru_cache(maxsize=8)
def date(second: int, *, local: bool) -> bytes:
    """Return ``Sunday, 22-Nov-2026 07:46:00 UTC``, of here or of Greenwich (ngx_http_ssi_date_gmt_local_variable)."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    at = datetime.fromtimestamp(second).astimezone() if local else datetime.fromtimestamp(second, UTC)
    zone = f"{at:%Z}" if local else "GMT"
    return f"{DAYS[at.weekday()]}, {at:%d}-{MONTHS[at.month - 1]}-{at:%Y %H:%M:%S} {zone}".encode()


@lru_cache(maxsize=8)
def time_iso8601(second: int) -> bytes:
    """Return ``2026-11-22T07:46:00+00:00``."""
    from datetime import datetime  # noqa: PLC0415 - as above

    return datetime.fromtimestamp(second).astimezone().isoformat().encode()
