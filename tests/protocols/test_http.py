"""What an HTTP server gets, and what of its answer the client gets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors, MalformedMessage
from lbproxy.wire.body import CHUNKED, NO_BODY
from lbproxy.wire.heads import HeadLimits, RequestHead
from lbproxy.wire.requests import parse_request
from tests.support.served import action_of, arrive, lines, protocol_of, request, response, sent, server_of

PASS = "proxy_pass http://backend;"


# The request line, each tried with nginx 1.22


@pytest.mark.parametrize(
    ("location", "target", "got"),
    [
        ("location / { proxy_pass http://backend; }", b"/a%2Fb//c/../d?x=1&y", b"/a%2Fb//c/../d?x=1&y"),
        ("location / { proxy_pass http://backend; }", b"/a?", b"/a?"),
        ("location / { proxy_pass http://backend; }", b"/a#f?x", b"/a"),
        ("location / { proxy_pass http://backend; }", b"http://other.test:99/a?q", b"/a?q"),
        ("location / { proxy_pass http://backend; }", b"http://other.test?q", b"/?q"),
        ("location /name/ { proxy_pass http://backend/remote/; }", b"/name/x%20y?q=1", b"/remote/x%20y?q=1"),
        ("location /name/ { proxy_pass http://backend/remote/; }", b"/name/../name//z", b"/remote/z"),
        ("location /name/ { proxy_pass http://backend/remote/; }", b"/name/a%3Fb%23c%25", b"/remote/a%3Fb%23c%25"),
        ("location /name/ { proxy_pass http://backend/remote/; }", b'/name/z"', b'/remote/z"'),
        ("location /name/ { proxy_pass http://backend/remote/; }", b'/name/%41"', b"/remote/A%22"),
        ("location /name/ { proxy_pass http://backend/remote/; }", b"/name/?", b"/remote/"),
        ("location /api2 { proxy_pass http://backend/haha; }", b"/api2/foo", b"/haha/foo"),
        ("location /api2 { proxy_pass http://backend/; }", b"/api2/foo", b"//foo"),
        ("location /api2 { proxy_pass http://backend/a?x=1; }", b"/api2/foo?z", b"/a?x=1/foo?z"),
        ("location = /one { proxy_pass http://backend/two; }", b"/one?a", b"/two?a"),
        ("location /u/ { proxy_pass http://unix:/a.sock:/x/; }", b"/u/y", b"/x/y"),
        ("location / { set $b backend; proxy_pass http://$b; }", b"/a%2Fb?x", b"/a%2Fb?x"),
        ("location / { set $b backend; proxy_pass http://$b/given$uri; }", b"/x%20y?z", b"/given/x%20y"),
        ("location ~ ^/re(.*) { proxy_pass http://backend; }", b"/re%20x?y", b"/re%20x?y"),
        ("location ~ ^/re/(.*) { proxy_pass http://backend/$1; }", b"/re/a%0d%20b?y", b"/a%0D%20b"),
        ("location / { set $args new; proxy_pass http://backend; }", b"/a%2Fb?old", b"/a/b?new"),
    ],
)
def test_request_target(location: str, target: bytes, got: bytes) -> None:
    """Without a URI part the client's octets; with one, it replaces the location's prefix in the decoded path."""
    assert lines(sent(location, request(target)))[0] == b"GET %b HTTP/1.1" % got


@pytest.mark.parametrize("location", ["~ ^/x", "~* ^/x", "@name"])
def test_no_uri_part_where_no_prefix_could_be_replaced(location: str) -> None:
    """Regular expressions and named locations."""
    with pytest.raises(ConfigErrors, match='"proxy_pass" cannot have URI part in location given by regular'):
        server_of(f"location {location} {{ proxy_pass http://backend/; }}")


def test_after_an_internal_redirect_the_new_uri_goes_out_escaped() -> None:
    """The client's octets are no longer what is meant."""
    plan = server_of(f"location / {{ {PASS} }}")
    ex = arrive(plan, request(b"/old?x"))
    ex.path, ex.args, ex.raw_path = b"/new page", b"", None
    assert action_of(plan, ex).protocol.encode_request(ex, NO_BODY).startswith(b"GET /new%20page HTTP/1.1\r\n")


def test_proxy_method() -> None:
    """It replaces the client's; a value that is no method is an error."""
    assert sent(f"location / {{ {PASS} proxy_method $arg_m; }}", request(b"/?m=PUT")).startswith(b"PUT /?m=PUT ")
    with pytest.raises(MalformedMessage) as caught:
        sent(f"location / {{ {PASS} proxy_method $arg_m; }}", request(b"/?m=a/b"))
    assert caught.value.status == 500
    with pytest.raises(ConfigErrors, match='invalid method in "proxy_method" directive'):
        server_of(f"location / {{ {PASS} proxy_method 'A B'; }}")


# Fields


def test_default_head_is_nginx_s() -> None:
    """Host is the upstream's name; what belongs to the client's connection stays behind; the rest is untouched."""
    head = request(
        b"/",
        b"Host: Www.example.com:8080\r\nConnection: keep-alive, X-Named, Cookie2\r\nX-Named: 1\r\nKeep-Alive: 5\r\n"
        b"TE: trailers\r\nProxy-Connection: x\r\nExpect: 100-continue\r\nUpgrade: foo\r\nX-CASE:  Kept  \r\n"
        b"Cookie: a=b\r\nCookie: c=d\r\nX-Forwarded-For: 9.9.9.9\r\nProxy-Authorization: Basic eA==\r\n",
    )
    assert lines(sent(f"location / {{ {PASS} }}", head)) == [
        b"GET / HTTP/1.1",
        b"Host: backend",
        b"X-CASE:  Kept  ",
        b"Cookie: a=b",
        b"Cookie: c=d",
        b"X-Forwarded-For: 9.9.9.9",
        b"Proxy-Authorization: Basic eA==",
    ]


@pytest.mark.parametrize(
    ("to", "host"),
    [
        ("http://backend", b"backend"),
        ("http://127.0.0.1:8001", b"127.0.0.1:8001"),
        ("http://127.0.0.1:80", b"127.0.0.1"),
        ("http://127.0.0.1", b"127.0.0.1"),
        ("http://[::1]:8001", b"[::1]:8001"),
        ("http://unix:/a.sock", b"localhost"),
        ("http://$arg_to", b"10.0.0.1:81"),
    ],
)
def test_host_names_the_target(to: str, host: bytes) -> None:
    """Also $proxy_host does, with $proxy_port beside it."""
    got = sent(f"location / {{ proxy_pass {to}; proxy_set_header X-Ph $proxy_host; }}", request(b"/?to=10.0.0.1:81"))
    assert lines(got)[1:] == [b"X-Ph: " + host, b"Host: " + host]


def test_a_host_of_variables_is_never_empty() -> None:
    """A client of HTTP/1.0 may have sent none, HTTP/1.1 needs one; without variables it goes as configured."""
    head = request(b"/", b"", version=b"1.0")
    assert lines(sent(f"location / {{ {PASS} proxy_set_header Host $http_host; }}", head))[1:] == [b"Host: backend"]
    assert lines(sent(f'location / {{ {PASS} proxy_set_header Host ""; }}', head))[1:] == []


def test_set_headers_come_first_in_their_order() -> None:
    """They replace the client's fields of that name, in any letter case; an empty value only removes."""
    got = sent(
        f"location / {{ {PASS} proxy_set_header X-A $http_x_a; proxy_set_header Host $host:$server_port;"
        ' proxy_set_header X-Const "a b"; proxy_set_header Accept ""; proxy_set_header X-Gone $arg_none;'
        " proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; }",
        request(
            b"/",
            b"Host: a.test\r\nx-a: 1\r\nX-A: 2\r\nX-FORWARDED-FOR: 9.9.9.9\r\nAccept: */*\r\nX-Gone: 1\r\nY: z\r\n",
        ),
    )
    assert lines(got)[1:] == [
        b"X-A: 1, 2",
        b"Host: a.test:8080",
        b"X-Const: a b",
        b"X-Forwarded-For: 9.9.9.9, 192.0.2.7",
        b"Y: z",
    ]


def test_a_level_with_set_headers_inherits_none() -> None:
    """As in nginx."""
    plan = server_of(
        "proxy_set_header X-Outer 1;"
        f"location /inherits {{ {PASS} }} location /own {{ {PASS} proxy_set_header X-Own 1; }}"
    )
    for path, field in ((b"/inherits", b"X-Outer: 1"), (b"/own", b"X-Own: 1")):
        ex = arrive(plan, request(path))
        assert lines(action_of(plan, ex).protocol.encode_request(ex, NO_BODY))[1:] == [field, b"Host: backend"]


def test_look_alikes_with_underscores_do_not_pass_beside_a_set_header() -> None:
    """Robustness 8. An application can't tell X_Real_IP from X-Real-IP."""
    got = sent(
        f"location / {{ {PASS} proxy_set_header X-Real-IP $remote_addr; }}",
        request(b"/", b"Host: a\r\nX_Real_IP: 6.6.6.6\r\nX_Other: 1\r\n", underscores=True),
    )
    assert lines(got)[1:] == [b"X-Real-IP: 192.0.2.7", b"Host: backend", b"X_Other: 1"]


def test_connection_can_not_remove_what_we_set() -> None:
    """Robustness 8. Robustness 11. RFC 9110 7.6.1 is about the client's fields."""
    got = sent(
        f"location / {{ {PASS} proxy_set_header X-Real-IP $remote_addr; }}",
        request(b"/", b"Host: a\r\nConnection: X-Real-IP, Host\r\nX-Real-IP: 6.6.6.6\r\n"),
    )
    assert lines(got)[1:] == [b"X-Real-IP: 192.0.2.7", b"Host: backend"]


def test_a_value_stays_in_its_line() -> None:
    """Robustness 10. Decoded line breaks become blanks."""
    got = sent(f"location / {{ {PASS} proxy_set_header X-Uri $uri; }}", request(b"/a%0d%0aX-Evil:%201"))
    assert lines(got)[1:] == [b"X-Uri: /a  X-Evil: 1", b"Host: backend"]


def test_pass_request_headers_off() -> None:
    """Only what is configured goes out."""
    got = sent(f"location / {{ {PASS} proxy_pass_request_headers off; }}", request(b"/", b"Host: a\r\nX: y\r\n"), 3)
    assert lines(got) == [b"GET / HTTP/1.1", b"Host: backend", b"Content-Length: 3"]


@pytest.mark.parametrize(
    ("framing", "field"),
    [
        (5, [b"Content-Length: 5"]),
        (0, [b"Content-Length: 0"]),
        (CHUNKED, [b"Transfer-Encoding: chunked"]),
        (NO_BODY, []),
    ],
)
def test_framing_is_told_as_the_body_is_sent(framing: int, field: list[bytes]) -> None:
    """Robustness 1. Neither the client's fields nor configured ones have a say in it."""
    got = sent(
        f"location / {{ {PASS} proxy_set_header Content-Length 9; proxy_set_header Transfer-Encoding x; }}",
        request(b"/", b"Host: a\r\nTransfer-Encoding: chunked\r\n", b"POST"),
        framing,
    )
    assert lines(got) == [b"POST / HTTP/1.1", b"Host: backend", *field]


def test_http_1_0_is_spoken_where_configured() -> None:
    """Then no connection is kept and no body chunked."""
    plan = server_of(f"location / {{ {PASS} proxy_http_version 1.0; }}")
    ex = arrive(plan, request())
    protocol = action_of(plan, ex).protocol
    assert lines(protocol.encode_request(ex, NO_BODY)) == [b"GET / HTTP/1.0", b"Host: backend"]
    assert not protocol.keepalive
    assert not protocol.chunked_requests


# Upgrades

WEBSOCKET = b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
H2C = b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: x\r\n"


@pytest.mark.parametrize(
    ("directives", "fields", "got"),
    [
        ("", WEBSOCKET, [b"Host: backend", b"Connection: upgrade", b"Upgrade: websocket"]),
        ("", H2C, [b"Host: backend"]),
        ("", b"Host: a\r\nUpgrade: websocket\r\n", [b"Host: backend"]),
        ("proxy_http_version 1.0;", WEBSOCKET, [b"Host: backend"]),
        ('proxy_set_header Connection "";', WEBSOCKET, [b"Host: backend"]),
        (
            "proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;",
            WEBSOCKET,
            [b"Upgrade: websocket", b"Connection: upgrade", b"Host: backend"],
        ),
        (
            "proxy_set_header Upgrade $http_upgrade;",
            b"Host: a\r\nConnection: Upgrade\r\nUpgrade: H2C\r\n",
            [b"Host: backend"],
        ),
    ],
)
def test_upgrades_pass_without_configuration(directives: str, fields: bytes, got: list[bytes]) -> None:
    """But never to h2c, and as configured where something is configured."""
    assert lines(sent(f"location / {{ {PASS} {directives} }}", request(b"/", fields)))[1:] == got


# Answers


def test_an_answer_loses_date_and_server_unless_they_are_passed() -> None:
    """What is passed is never made up by us (ngx_http_proxy_process_header)."""
    fields = b"Server: s\r\nDate: d\r\nX-Pad: p\r\nX-A: 1\r\n"
    plan = server_of(
        f"location / {{ {PASS} }} location /passes {{ {PASS} proxy_pass_header Server; proxy_pass_header Date; }}"
    )
    ex = arrive(plan, request())
    plain, passing = protocol_of(plan), protocol_of(plan, b"/passes")
    assert plain.client_fields(ex, response(fields)) == b"X-A: 1\r\n"
    assert not plain.passed
    assert plain.adds_own(b"server", response())
    assert passing.client_fields(ex, response(fields)) == b"Server: s\r\nDate: d\r\nX-A: 1\r\n"
    assert not passing.adds_own(b"date", response())


def test_a_head_larger_than_the_buffer_is_refused() -> None:
    """proxy_buffer_size bounds it."""
    protocol = protocol_of(server_of(f"location / {{ {PASS} proxy_buffer_size 100; }}"))
    assert protocol.parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"GET") is not None
    with pytest.raises(MalformedMessage):
        protocol.parse_head(b"HTTP/1.1 200 OK\r\nX: %b\r\n\r\n" % (b"a" * 100), b"GET")


def test_set_body_is_computed_for_each_request() -> None:
    """It is sent instead of the client's."""
    plan = server_of(f"location / {{ {PASS} proxy_set_body 'uri=$uri'; }}")
    ex = arrive(plan, request(b"/x"))
    make = action_of(plan, ex).protocol.set_body
    assert make is not None
    assert make(ex) == b"uri=/x"


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("proxy_set_header X $nope;", 'unknown "nope" variable'),
        ("proxy_set_header 'X Y' a;", 'invalid header name "X Y" in "proxy_set_header" directive'),
        ("proxy_set_header X 'a\x01b';", 'invalid value in "proxy_set_header" directive'),
        ("proxy_http_version 3;", 'invalid value "3"'),
        ("proxy_pass http://backend;", '"proxy_pass" directive is duplicate'),
    ],
)
def test_mistakes(directive: str, message: str) -> None:
    """Each is found while loading."""
    with pytest.raises(ConfigErrors) as caught:
        server_of(f"location / {{ {PASS} {directive} }}")
    assert [error.message.startswith(message) for error in caught.value.errors] == [True]


# Whatever a client sends

PLAN = server_of(
    f"location / {{ {PASS} proxy_set_header X-Real-IP $remote_addr; proxy_set_header X-Uri $uri; }}"
    "location /sub/ { proxy_pass http://backend/app/; }"
)
NAMES = [
    "Host", "Connection", "Content-Type", "TE", "X-Real-IP", "x-uri", "Upgrade", "Keep-Alive", "Cookie",
    "X-Forwarded-For",
]  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(["close", "keep-alive, x-real-ip", "upgrade, cookie", "websocket", "h2c", "a=b; c=d", ""]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20),
)


def _parse(octets: bytes) -> RequestHead | None:
    try:
        return parse_request(octets, HeadLimits())
    except MalformedMessage:
        return None


@given(
    st.text(st.sampled_from("ab/.%20d%0a%23?&\"+"), max_size=20),
    st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=8),
    st.booleans(),
)
def test_what_goes_out_is_one_sound_request(path: str, fields: list[tuple[str, str]], deep: bool) -> None:
    """Our own parser takes it whole; Host and X-Real-IP are ours, once; nothing named by Connection is left."""
    prefix = "/sub/" if deep else "/"
    block = "".join(f"{name}: {value}\r\n" for name, value in fields if name != "Host")
    head = _parse(f"GET {prefix}{path} HTTP/1.1\r\nHost: a.test\r\n{block}\r\n".encode())
    if head is None:
        return
    try:
        ex = arrive(PLAN, head)
    except MalformedMessage:
        return
    octets = action_of(PLAN, ex).protocol.encode_request(ex, NO_BODY)
    got = parse_request(octets, HeadLimits())
    assert got is not None
    assert got.size == len(octets)
    assert got.get_all(b"host") == [b"backend"]
    if ex.location.pattern == "/":
        assert got.get_all(b"x-real-ip") == [b"192.0.2.7"]
    left = {name for name, _ in got.fields()} - {b"host", b"x-real-ip", b"x-uri", b"connection", b"upgrade"}
    assert not left & set(head.connection_tokens)
    assert left <= {name for name, _ in head.fields()}
