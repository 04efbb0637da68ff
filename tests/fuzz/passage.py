"""Targets: what goes on to a server for a request, and to a client for an answer, whatever came in."""

from __future__ import annotations

import re

from lbproxy.errors import MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.variables import VARIABLES
from lbproxy.plan import ForwardAction, Plan
from lbproxy.wire import fields, grammar, uri
from lbproxy.wire.body import CHUNKED, NO_BODY
from lbproxy.wire.heads import HeadLimits, RequestHead, ResponseHead
from lbproxy.wire.requests import parse_request
from tests.fuzz.ways import choose
from tests.support import h11_reading
from tests.support.exchanges import answered
from tests.support.served import action_of, arrive, request, server_of, variables

_HTTP = (
    "location / { proxy_pass http://backend; include proxy_params; proxy_set_header X-Uri $uri$is_args$args; }",
    "location / { proxy_pass http://backend/app/; proxy_set_header X-Real-IP $remote_addr; }",
    "location / { proxy_pass http://backend; proxy_http_version 1.0; proxy_set_header X-A $http_x_a$cookie_a; }",
    "location / { proxy_pass http://backend$request_uri; proxy_set_header Host $host; }",
)
_UWSGI = "location / { uwsgi_pass backend; include uwsgi_params; uwsgi_param HTTP_X_REAL_IP $remote_addr; }"
_LOG = "access_log every.log every;"
_UPSTREAMS = (
    f"log_format every '{' '.join(f'${name}' for name in VARIABLES)} $http_x_a $cookie_a $arg_a $sent_http_vary';"
    "upstream backend { server 127.0.0.1:8001; }"
)
_PLANS: dict[str, Plan] = {}

GENEROUS = HeadLimits(line=65536, field=65536, total=262144, underscores=True, ignore_invalid=False)
_BREAK = re.compile(rb"[\x00\r\n]")
_BLOCK = re.compile(grammar.field_lines(grammar.TOKEN))
_NEVER = frozenset({b"HTTP_PROXY", b"HTTP_TRANSFER_ENCODING", b"HTTP_X_FORWARDED_SSL"})


def _plan(locations: str) -> Plan:
    if locations not in _PLANS:
        _PLANS[locations] = server_of(f"{_LOG} {locations}", _UPSTREAMS)
    return _PLANS[locations]


def _arrive(octets: bytes, locations: str, *, underscores: bool) -> Exchange | None:
    """Return the exchange of the request that *octets* begin with, None if they are none, or none to pass on."""
    plan = _plan(locations)
    try:
        head = parse_request(octets, HeadLimits(underscores=underscores))
        ex = None if head is None else arrive(plan, head)
    except MalformedMessage:
        return None
    return ex if ex is not None and isinstance(plan.routes[ex.location].action, ForwardAction) else None


def to_http(data: bytes) -> None:
    """An HTTP server gets one request that h11 reads as we meant it, with fields of the client that may pass."""
    (locations, underscores), octets = choose(data, [(one, under) for one in _HTTP for under in (False, True)])
    ex = _arrive(octets, locations, underscores=underscores)
    if ex is None:
        return
    head, framing = ex.head, ex.head.framing
    if framing == CHUNKED and "proxy_http_version 1.0" in locations:
        framing = 5  # read before it is sent: then its length is known
    try:
        sent = action_of(_plan(locations), ex).protocol.encode_request(ex, framing)
    except MalformedMessage as error:
        assert error.status in {400, 500}
        return
    got = parse_request(sent, GENEROUS)
    assert got is not None
    assert got.size == len(sent), "more than one head"
    assert (got.method, got.framing) == (head.method, framing)
    reading = h11_reading.read_request(sent)
    assert reading is not None, "h11 refuses it"
    assert reading.framing == (framing or NO_BODY)
    assert b"#" not in got.target
    assert got.get_all(b"host") == [_expected_host(locations, ex)]
    _check_fields(locations, head, got)
    _check_log(ex, locations)


def _expected_host(locations: str, ex: Exchange) -> bytes:
    if "params" in locations:
        return uri.authority(ex.head.target) or ex.head.host or b"backend"
    return ex.host if "$host" in locations else b"backend"


def _check_fields(locations: str, head: RequestHead, got: RequestHead) -> None:
    """Assert that nothing of the client passes for ours, and what concerned its connection alone stays behind."""
    if "params" in locations or "X-Real-IP" in locations:
        assert got.get_all(b"x-real-ip") == [b"192.0.2.7"]
        assert not got.get_all(b"x_real_ip")
    if "params" in locations:
        (forwarded,) = got.get_all(b"x-forwarded-for")
        assert forwarded.endswith(b"192.0.2.7")
        assert got.get_all(b"x-forwarded-proto") == [b"http"]
    own = {b"host", b"content-length", b"transfer-encoding", b"connection", b"upgrade", b"x-real-ip", b"x-uri", b"x-a",
           b"x-forwarded-for", b"x-forwarded-proto"}
    left = {name for name, _ in got.fields()} - own
    assert not left & (fields.HOP_BY_HOP | set(head.connection_tokens))
    assert left <= {name for name, _ in head.fields()}
    assert (got.upgrade is not None) <= (head.upgrade is not None)


def to_uwsgi(data: bytes) -> None:
    """An application gets each variable once, none that lies about the request or from a look-alike."""
    underscores, octets = choose(data, (False, True))
    ex = _arrive(octets, _UWSGI, underscores=underscores)
    if ex is None:
        return
    head = ex.head
    framing = 5 if head.framing == CHUNKED else head.framing
    try:
        got = variables(action_of(_plan(_UWSGI), ex).protocol.encode_request(ex, framing))
    except MalformedMessage as error:
        assert error.status == (400 if _BREAK.search(ex.path) else 431)
        return
    assert not _NEVER & set(got)
    assert got[b"HTTP_X_REAL_IP"] == b"192.0.2.7"
    assert got[b"CONTENT_LENGTH"] == (b"%d" % framing if framing >= 0 else b"")
    assert (got[b"REQUEST_METHOD"], got[b"PATH_INFO"]) == (head.method, ex.path)
    assert not [name for name, value in got.items() if _BREAK.search(value)]
    named = {name.upper().replace(b"-", b"_") for name, _ in head.fields()}
    ours = {b"HOST", b"X_REAL_IP", b"X_FORWARDED_PROTO", b"UPGRADE"}
    hidden = {name.upper().replace(b"-", b"_") for name in head.connection_tokens} - ours
    made = {name.removeprefix(b"HTTP_") for name in got if name.startswith(b"HTTP_")} - ours
    assert made <= named
    dashes = {name for name, _ in head.fields() if b"_" in name}
    assert not (made & hidden) or dashes, "a field named by Connection became a variable"
    _check_log(ex, _UWSGI)


def _check_log(ex: Exchange, locations: str) -> None:
    """Assert that the access log gets one line of visible characters, whatever variables it shows."""
    answered(ex)
    for log in _plan(locations).routes[ex.location].access_logs:
        line = log.line(ex)
        assert line.endswith(b"\n")
        assert not re.search(rb"[\x00-\x1f\x7f]", line[:-1]), line


def _answer(head: ResponseHead, ex: Exchange, locations: str) -> None:
    """Assert that the block of *head* for the client of *ex* is sound, and says nothing of connections."""
    block = action_of(_plan(locations), ex).protocol.client_fields(ex, head)
    assert _BLOCK.fullmatch(block), block
    names = {name for name, _ in fields.parse_block(block)}
    assert not names & (fields.HOP_BY_HOP - {b"upgrade"} | {b"content-length"} | set(head.connection_tokens))
    assert names <= {name for name, _ in head.fields()}
    assert [value for name, value in fields.parse_block(block) if name == b"set-cookie"] == (
        head.get_all(b"set-cookie") if b"set-cookie" not in head.connection_tokens else []
    )
    written = b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\n%b\r\n" % (head.status, head.reason, block)
    assert h11_reading.read_response(written, b"GET") is not None


_REDIRECTING = (
    "location / { proxy_pass http://backend/app/; }",
    "location / { proxy_pass http://backend; proxy_redirect ~*^(/a)(.*) $1$uri$2; proxy_hide_header X-Hidden; }",
    _UWSGI,
)


def from_server(data: bytes) -> None:
    """The client gets a sound block of an answer's fields, without those of a connection, redirects rewritten."""
    locations, octets = choose(data, _REDIRECTING)
    ex = arrive(_plan(locations), request(b"/%0d%0aX:%20y"))
    try:
        head = action_of(_plan(locations), ex).protocol.parse_head(octets, b"GET")
    except MalformedMessage as error:
        assert error.status == 502
        return
    if head is not None:
        _answer(head, ex, locations)
