"""What a uwsgi server gets; what nginx 1.22 sends for the same requests, and where lbproxy departs from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors, MalformedMessage
from lbproxy.wire import uwsgi
from lbproxy.wire.body import NO_BODY
from tests.support.served import action_of, arrive, protocol_of, request, sent, server_of, variables

PASS = "uwsgi_pass backend;"
USUAL = f"location / {{ include uwsgi_params; {PASS} }}"



def test_the_usual_variables_in_nginx_order() -> None:
    """uwsgi_params in its order, HTTP_HOST, then the client's fields; no SCRIPT_NAME."""
    head = request(
        b"/a%20b?x=1",
        b"Host: Www.Example.com:8080\r\nAccept: */*\r\nCookie: a=b\r\nX-A: 1\r\nCookie: c=d\r\nx-a: 2\r\n",
    )
    got = variables(sent(USUAL, head))
    assert list(got.items()) == [
        (b"QUERY_STRING", b"x=1"),
        (b"REQUEST_METHOD", b"GET"),
        (b"CONTENT_TYPE", b""),
        (b"CONTENT_LENGTH", b""),
        (b"REQUEST_URI", b"/a%20b?x=1"),
        (b"PATH_INFO", b"/a b"),
        (b"DOCUMENT_ROOT", b"/srv/html"),
        (b"SERVER_PROTOCOL", b"HTTP/1.1"),
        (b"REQUEST_SCHEME", b"http"),
        (b"REMOTE_ADDR", b"192.0.2.7"),
        (b"REMOTE_PORT", b"40000"),
        (b"SERVER_PORT", b"8080"),
        (b"SERVER_NAME", b"first.test"),
        (b"HTTP_HOST", b"www.example.com:8080"),
        (b"HTTP_ACCEPT", b"*/*"),
        (b"HTTP_COOKIE", b"a=b; c=d"),
        (b"HTTP_X_A", b"1, 2"),
    ]


def test_without_params_only_fields_go_out() -> None:
    """As in nginx; Content-Type and -Length are fields like any other."""
    head = request(
        b"/x", b"Host: a\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n", b"POST"
    )
    assert variables(sent(f"location / {{ {PASS} }}", head, 3)) == {
        b"HTTP_HOST": b"a",
        b"HTTP_CONTENT_TYPE": b"text/plain",
        b"HTTP_CONTENT_LENGTH": b"3",
        b"HTTP_CONNECTION": b"close",
    }


@pytest.mark.parametrize(
    ("framing", "fields", "length", "field"),
    [
        (3, b"Content-Length: 3\r\n", b"3", b"3"),
        (0, b"Content-Length: 0\r\n", b"0", b"0"),
        (7, b"Transfer-Encoding: chunked\r\n", b"7", None),  # read whole before it goes out
        (NO_BODY, b"Content-Length: 3\r\n", b"", None),  # uwsgi_pass_request_body off
        (NO_BODY, b"", b"", None),
    ],
)
def test_content_length_is_that_of_the_body_as_sent(
    framing: int, fields: bytes, length: bytes, field: bytes | None
) -> None:
    """Robustness D. Whatever the client said; Transfer-Encoding is over when the body is decoded."""
    got = variables(sent(USUAL, request(b"/", b"Host: a\r\n" + fields, b"POST"), framing))
    assert got[b"CONTENT_LENGTH"] == length
    assert got.get(b"HTTP_CONTENT_LENGTH") == field
    assert b"HTTP_TRANSFER_ENCODING" not in got


@pytest.mark.parametrize(
    ("params", "name", "value"),
    [
        ("uwsgi_param A $arg_x;", b"A", b"1"),
        ("uwsgi_param A $arg_none;", b"A", b""),
        ("uwsgi_param A $arg_none if_not_empty;", b"A", None),
        ('uwsgi_param HTTPS "" if_not_empty; uwsgi_param HTTPS on;', b"HTTPS", b"on"),
        ("uwsgi_param A first; uwsgi_param A second;", b"A", b"second"),
        ("uwsgi_param A first; uwsgi_param A $arg_none if_not_empty;", b"A", b"first"),
        ("uwsgi_param A first; uwsgi_param A $arg_x if_not_empty;", b"A", b"1"),
        ("uwsgi_param A $arg_x if_not_empty; uwsgi_param A $arg_none if_not_empty;", b"A", b"1"),
        ("uwsgi_param HTTP_X_A mine;", b"HTTP_X_A", b"mine"),
        ("uwsgi_param HTTP_X_A $arg_none if_not_empty;", b"HTTP_X_A", None),
        ("uwsgi_param HTTP_PROXY mine;", b"HTTP_PROXY", b"mine"),
        ("uwsgi_param HTTP_HOST $server_name;", b"HTTP_HOST", b"first.test"),
        ("uwsgi_param CONTENT_LENGTH 99;", b"CONTENT_LENGTH", b""),
    ],
)
def test_configured_variables(params: str, name: bytes, value: bytes | None) -> None:
    """A name goes out once, the last that has a value; a client's field never stands in for a configured one."""
    head = request(b"/?x=1", b"Host: a\r\nX-A: client\r\nProxy: evil\r\n")
    assert variables(sent(f"location / {{ {params} {PASS} }}", head)).get(name) == value


def test_what_would_lie_to_an_application_stays_out() -> None:
    """Robustness D. HTTP_PROXY (CVE-2016-5385), uWSGI's switches for https, and what Connection names."""
    head = request(
        b"/",
        b"Host: a\r\nProxy: evil\r\nX-Forwarded-Proto: https\r\nX-Forwarded-SSL: on\r\nUpgrade: foo\r\n"
        b"Connection: X-Named\r\nX-Named: 1\r\n",
    )
    assert variables(sent(f"location / {{ {PASS} }}", head)) == {
        b"HTTP_HOST": b"a",
        b"HTTP_X_FORWARDED_PROTO": b"http",
        b"HTTP_CONNECTION": b"X-Named",
    }


@pytest.mark.parametrize("name", [b"Transfer_Encoding", b"X_Forwarded-SSL", b"Content_Length", b"x_forwarded_proto"])
def test_nor_does_a_look_alike_of_it_get_in(name: bytes) -> None:
    """Robustness D. Robustness 8. Underscores, where they are allowed at all, are no way round that."""
    head = request(b"/", b"Host: h\r\n%b: 9\r\nX_Mine: 1\r\n" % name, underscores=True)
    assert variables(sent(f"location / {{ {PASS} }}", head)) == {b"HTTP_HOST": b"h", b"HTTP_X_MINE": b"1"}


def test_the_scheme_of_a_proxy_before_us_can_be_let_through() -> None:
    """By configuring it."""
    params = "uwsgi_param HTTP_X_FORWARDED_PROTO $http_x_forwarded_proto if_not_empty;"
    head = request(b"/", b"Host: a\r\nX-Forwarded-Proto: https\r\n")
    assert variables(sent(f"location / {{ {params} {PASS} }}", head))[b"HTTP_X_FORWARDED_PROTO"] == b"https"


def test_an_upgrade_is_passed_on() -> None:
    """uWSGI's WebSockets want both variables."""
    got = variables(sent(USUAL, request(b"/", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n")))
    assert (got[b"HTTP_UPGRADE"], got[b"HTTP_CONNECTION"]) == (b"websocket", b"Upgrade")


@pytest.mark.parametrize(
    ("fields", "got"),
    [
        (b"X-Real-IP: proxy\r\nX_Real_IP: client\r\n", b"proxy"),
        (b"X_Real_IP: client\r\nX-Real-IP: proxy\r\nX-Real-IP: two\r\n", b"proxy, two"),
        (b"X_Real_IP: client\r\n", b"client"),
    ],
)
def test_a_look_alike_does_not_mix_with_the_real_field(fields: bytes, got: bytes) -> None:
    """Where underscores_in_headers lets names with underscores in at all."""
    head = request(b"/", b"Host: a\r\n" + fields, underscores=True)
    assert variables(sent(USUAL, head))[b"HTTP_X_REAL_IP"] == got


@pytest.mark.parametrize(
    ("target", "fields", "host"),
    [
        (b"/", b"Host: A.test\r\n", b"a.test"),
        (b"/", b"Host: a.test.:81\r\n", b"a.test:81"),
        (b"/", b"Host: [::1]:81\r\n", b"[::1]:81"),
        (b"http://b.test:82/", b"Host: b.test\r\n", b"b.test:82"),
        (b"/", b"", b"first.test"),
    ],
)
def test_http_host_is_what_routing_saw(target: bytes, fields: bytes, host: bytes) -> None:
    """Robustness 9. $host$is_request_port$request_port: an absolute target overrides the field."""
    head = request(target, fields, version=b"1.1" if fields else b"1.0")
    assert variables(sent(USUAL, head))[b"HTTP_HOST"] == host


def test_modifiers_and_no_fields() -> None:
    """uwsgi_modifier1/2 frame the packet; uwsgi_pass_request_headers off leaves HTTP_HOST."""
    octets = sent(
        f"location / {{ {PASS} uwsgi_param A b; uwsgi_modifier1 5; uwsgi_modifier2 7;"
        " uwsgi_pass_request_headers off; }"
    )
    assert uwsgi.decode_packet(octets) == (
        [(b"A", b"b"), (b"HTTP_HOST", b"www.example.com")], 5, 7, len(octets)
    )  # fmt: skip


def test_a_packet_beyond_its_length_field_is_refused() -> None:
    """Robustness D. Never wrapped."""
    head = request(b"/" + b"a" * 8000)
    with pytest.raises(MalformedMessage) as caught:
        sent(f"location / {{ {PASS} uwsgi_param A {'$uri' * 9}; }}", head)
    assert caught.value.status == 431


def test_answers() -> None:
    """An application may name itself; X-Accel-* stay here; nothing else is hidden."""
    protocol = protocol_of(server_of(USUAL))
    head = protocol.parse_head(b"Status: 404 No\r\nServer: s\r\nX-Accel-Expires: 1\r\nX-A: 1\r\n\r\n", b"GET")
    assert head is not None
    assert head.status == 404
    plan = server_of(USUAL)
    ex = arrive(plan, request())
    assert protocol.client_fields(ex, head) == b"Status: 404 No\r\nServer: s\r\nX-A: 1\r\n"
    assert (protocol.adds_own(b"server", head), protocol.adds_own(b"date", head)) == (False, True)
    hiding = protocol_of(server_of(f"location / {{ {PASS} uwsgi_hide_header Server; }}"))
    assert hiding.adds_own(b"server", head)
    assert not protocol.keepalive


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("uwsgi_param A $nope;", 'unknown "nope" variable'),
        ("uwsgi_param A b if_empty;", 'invalid parameter "if_empty"'),
        ("uwsgi_param '' b;", '"uwsgi_param" needs a name'),
        ("uwsgi_modifier1 256;", "value must be between 0 and 255"),
    ],
)
def test_mistakes(directive: str, message: str) -> None:
    """Each is found while loading."""
    with pytest.raises(ConfigErrors) as caught:
        server_of(f"location / {{ {PASS} {directive} }}")
    assert [error.message.startswith(message) for error in caught.value.errors] == [True]


PLAN = server_of(f"location / {{ include uwsgi_params; uwsgi_param HTTP_X_REAL_IP $remote_addr; {PASS} }}")
NAMES = [
    "Connection", "Content-Type", "Cookie", "Proxy", "TE", "Upgrade", "X-A", "X-Real-IP", "X_A", "X_Real_IP", "x-a",
]  # fmt: skip


@given(
    st.lists(
        st.tuples(st.sampled_from(NAMES), st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)),
        max_size=10,
    )
)
def test_any_fields_make_a_packet_with_each_name_once(fields: list[tuple[str, str]]) -> None:
    """
    What is configured stays as configured, and every value comes from one spelling of a name, in order.

    Robustness D.
    """
    block = "".join(f"{name}: {value}\r\n" for name, value in fields).encode()
    head = request(b"/", b"Host: a.test\r\n" + block, underscores=True)
    ex = arrive(PLAN, head)
    got = variables(action_of(PLAN, ex).protocol.encode_request(ex, NO_BODY))
    assert got[b"HTTP_X_REAL_IP"] == b"192.0.2.7"
    assert b"HTTP_PROXY" not in got
    if b"x-a" in head.connection_tokens or b"x_a" in head.connection_tokens:
        return
    values = head.get_all(b"x-a") or head.get_all(b"x_a")
    assert got.get(b"HTTP_X_A") == (b", ".join(values) if values else None)


@pytest.mark.parametrize("target", [b"/a%0d%0ab", b"/%0A", b"/x/%0d"])
def test_no_variable_has_a_line_end(target: bytes) -> None:
    """An application may write PATH_INFO into a log or a field of its answer.  Robustness 10."""
    for lines in ("", "rewrite (?s)^/(.*)$ /app break; uwsgi_param ASKED $1;"):
        plan = server_of(f"location / {{ include uwsgi_params; {lines} uwsgi_pass 127.0.0.1:1; }}")
        ex = arrive(plan, request(target))
        with pytest.raises(MalformedMessage) as caught:
            action_of(plan, ex).protocol.encode_request(ex, NO_BODY)
        assert caught.value.status == 400
