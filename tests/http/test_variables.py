"""Variables, formatted as nginx formats them."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator

import pytest

from lbproxy.http.exchange import Admission, Attempt, Exchange
from lbproxy.http.variables import PREFIXES, VARIABLES, VariableTable
from lbproxy.wire.proxyline import Introduction
from tests.support.exchanges import answered, client, exchange, response, virtual_server

TABLE = VariableTable({"hostname": b"box"})


def value(name: str, ex: Exchange | None = None) -> bytes | None:
    return TABLE.lookup(name)(ex or answered(exchange()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("args", b"b=1&c"),
        ("query_string", b"b=1&c"),
        ("is_args", b"?"),
        ("uri", b"/x y"),
        ("document_uri", b"/x y"),
        ("request_uri", b"/a/../x%20y?b=1&c"),
        ("request", b"POST /a/../x%20y?b=1&c HTTP/1.1"),
        ("request_method", b"POST"),
        ("request_length", b"61"),
        ("request_time", b"0.250"),
        ("request_body", None),
        ("request_body_file", None),
        ("request_completion", b"OK"),
        ("scheme", b"http"),
        ("https", b""),
        ("host", b"example.com"),
        ("hostname", b"box"),
        ("content_type", b"text/plain"),
        ("content_length", None),
        ("server_protocol", b"HTTP/1.1"),
        ("server_name", b"example.org"),
        ("server_addr", b"192.0.2.1"),
        ("server_port", b"8080"),
        ("remote_addr", b"192.0.2.7"),
        ("remote_port", b"40000"),
        ("binary_remote_addr", b"\xc0\x00\x02\x07"),
        ("remote_user", None),
        ("connection", b"12"),
        ("connection_requests", b"3"),
        ("connection_time", b"10.250"),
        ("pipe", b"."),
        ("status", b"200"),
        ("bytes_sent", b"310"),
        ("body_bytes_sent", b"60"),
        ("limit_rate", b"0"),
        ("msec", b"1795333560.500"),
        ("proxy_protocol_addr", None),
        ("tcpinfo_rtt", None),
        ("ssl_protocol", None),
        ("proxy_host", None),
        ("upstream_addr", None),
        ("upstream_status", None),
        ("upstream_cache_status", None),
        ("secure_link_expires", None),
        ("uid_got", None),
        ("upstream_http_x", None),
        ("upstream_cookie_x", None),
        ("sent_http_x", None),
        ("http_x", None),
        ("arg_b", b"1"),
        ("ARG_B", b"1"),
        ("arg_c", None),
        ("cookie_x", None),
    ],
)
def test_values_of_a_plain_request(name: str, expected: bytes | None) -> None:
    """What nginx shows for the same request; None is nginx's "not found"."""
    server = virtual_server(".example.org", "other")
    ex = exchange(b"/a/../x%20y?b=1&c", b"Content-Type: text/plain\r\n", b"POST", server=server)
    assert value(name, answered(ex)) == expected


def test_nothing_is_known_before_the_answer() -> None:
    """In a request header $request_time is 0.000 and $status 000, as in nginx."""
    ex = exchange()
    assert value("request_time", ex) == b"0.000"
    assert value("status", ex) == b"000"
    assert value("request_completion", ex) == b""
    assert value("connection_time", ex) == b"10.000"


def test_a_question_mark_alone_is_no_argument() -> None:
    """$is_args is empty for "/?" and for "/"."""
    assert value("is_args", exchange(b"/?")) == b""
    assert value("is_args", exchange(b"/")) == b""
    assert value("args", exchange(b"/")) is None


def test_addresses_of_a_unix_socket() -> None:
    """There are no ports, and the binary address is the text."""
    ex = exchange(peer=client("unix:", 0, b""))
    ex.client.server_port = 0
    assert value("remote_addr", ex) == b"unix:"
    assert value("binary_remote_addr", ex) == b"unix:"
    assert value("remote_port", ex) == value("server_port", ex) == b""


@pytest.mark.parametrize(
    ("name", "shown"), [(r"~^www\d", rb"~^www\d"), (".a.b", b"a.b"), ("*.a", b"*.a"), ("", b"")]
)
def test_the_server_is_called_by_its_first_name(name: str, shown: bytes) -> None:
    """Without the dot of a name with its subdomains, with the mark of an expression (as nginx)."""
    assert value("server_name", exchange(server=virtual_server(name, "second"))) == shown


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        (b"/a?b", b"/a?b"),
        (b"/a#c", b"/a"),
        (b"http://h:81/a?b#c", b"/a?b"),
        (b"http://h:81?b", b"/?b"),
        (b"*", b"*"),
    ],
)
def test_the_request_uri_has_neither_authority_nor_fragment(target: bytes, shown: bytes) -> None:
    """What can be passed on as a request target in origin-form."""
    assert value("request_uri", exchange(target)) == shown


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        (b"/", b"h:81", b"81"),
        (b"/", b"h", b""),
        (b"/", b"[::1]", b""),
        (b"/", b"[::1]:82", b"82"),
        (b"/", None, b""),
        (b"http://a:83/", b"h:81", b"83"),
    ],
)
def test_the_port_that_the_client_named(target: bytes, host: bytes | None, port: bytes) -> None:
    """$request_port and $is_request_port, from an absolute target or the Host field."""
    ex = exchange(target)
    ex.head.host = host
    assert value("request_port", ex) == port
    assert value("is_request_port", ex) == (b":" if port else b"")


# Fields

FIELDS = (
    b"Host: h\r\nX-Two:  one \r\nUser-Agent: curl/8\r\nx-two: two\r\nCookie: a=1; b = 2\r\nX-Empty:\r\n"
    b"Accept: */*\r\nCOOKIE: c=3,d=4\r\nUnder_Score: u\r\n"
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("http_host", b"h"),
        ("http_user_agent", b"curl/8"),
        ("http_x_two", b"one, two"),
        ("http_cookie", b"a=1; b = 2; c=3,d=4"),
        ("http_x_empty", b""),
        ("http_under_score", b"u"),
        ("http_agent", None),
        ("http_accep", None),
        ("cookie_a", b"1"),
        ("cookie_B", b"2"),
        ("cookie_d", b"4"),
        ("cookie_c", b"3,d=4"),
        ("cookie_e", None),
    ],
)
def test_fields_of_the_request(name: str, expected: bytes | None) -> None:
    """Names in any letter case, "_" for "-"; repeated ones joined, cookies by ";"."""
    assert value(name, exchange(fields=FIELDS)) == expected


def test_arguments_by_name() -> None:
    """The first of that name counts, in any letter case; the value stays as it came."""
    ex = exchange(b"/?xa=0&A=%31&a=2&b=&c")
    assert value("arg_a", ex) == b"%31"
    assert value("arg_b", ex) == b""
    assert value("arg_c", ex) is None
    assert value("arg_a", exchange(b"/")) is None


def test_fields_of_the_answers() -> None:
    """$upstream_http_* is what the last server said, $sent_http_* what the client got."""
    ex = exchange()
    ex.response = response(fields=b"Set-Cookie: id=7; Path=/\r\nSet-Cookie: B=8\r\nX-A: 1\r\n")
    ex.sent_fields = b"Content-Type: text/html\r\nX-A: 2\r\n"
    assert value("upstream_http_x_a", ex) == b"1"
    assert value("upstream_http_set_cookie", ex) == b"id=7; Path=/, B=8"
    assert value("upstream_cookie_ID", ex) == b"7"
    assert value("upstream_cookie_b", ex) == b"8"
    assert value("upstream_cookie_path", ex) is None
    assert value("sent_http_x_a", ex) == b"2"
    assert value("sent_http_content_type", ex) == b"text/html"
    ex.sent_fields += b"Content-Type: text/plain\r\n"  # of add_header
    assert value("sent_http_content_type", ex) == b"text/html"


def test_forwarded_for_ends_in_the_address_we_saw() -> None:
    """$proxy_add_x_forwarded_for."""
    assert value("proxy_add_x_forwarded_for") == b"192.0.2.7"
    ex = exchange(fields=b"X-Forwarded-For: a\r\nX-Forwarded-For: b\r\n")
    assert value("proxy_add_x_forwarded_for", ex) == b"a, b, 192.0.2.7"


def credentials(text: bytes) -> bytes:
    return base64.b64encode(text)


@pytest.mark.parametrize(
    ("authorization", "user"),
    [
        (b"Basic " + credentials(b"joe:secret"), b"joe"),
        (b"basic  " + credentials(b"joe:"), b"joe"),
        (b"Basic " + credentials(b"joe:secret").rstrip(b"="), b"joe"),
        (b"Basic " + credentials(b":secret"), None),
        (b"Basic " + credentials(b"joe"), None),
        (b"Basic !!", None),
        (b"Basic a", None),
        (b"Basic", None),
        (b"Bearer abc", None),
    ],
)
def test_the_remote_user_is_that_of_basic_credentials(authorization: bytes, user: bytes | None) -> None:
    """Anything that is not well-formed Basic leaves $remote_user not found."""
    ex = exchange(fields=b"Authorization: %b\r\n" % authorization)
    assert value("remote_user", ex) == user


# Upstream


def attempt(
    name: bytes, status: int, *times: float | None, octets: tuple[int, int, int] = (0, 0, 0)
) -> Attempt:
    made = Attempt(name, 100.0)
    made.status = status
    made.connect_time, made.header_time, made.response_time = times
    made.bytes_sent, made.bytes_received, made.response_length = octets
    return made


def test_lists_over_the_attempts() -> None:
    """", " between the servers tried, "-" for what an attempt did not reach."""
    ex = exchange()
    ex.attempts = [
        attempt(b"10.0.0.1:80", 502, None, None, 0.002),
        attempt(b"10.0.0.2:80", 200, 0.0014, 0.0121, None, octets=(150, 300, 60)),
    ]
    assert value("upstream_addr", ex) == b"10.0.0.1:80, 10.0.0.2:80"
    assert value("upstream_status", ex) == b"502, 200"
    assert value("upstream_connect_time", ex) == b"-, 0.001"
    assert value("upstream_header_time", ex) == b"-, 0.012"
    assert value("upstream_response_time", ex) == b"0.002, -"
    assert value("upstream_bytes_sent", ex) == b"0, 150"
    assert value("upstream_bytes_received", ex) == b"0, 300"
    assert value("upstream_response_length", ex) == b"0, 60"


def test_an_internal_redirect_shows_in_the_lists() -> None:
    """" : " between the groups of servers; a group in which nobody was asked leaves no trace."""
    ex = exchange()
    first, second = attempt(b"a", 0, None, None, None), attempt(b"b", 200, 0.0, 0.0, 0.0)
    ex.attempts_before, ex.attempts = [[first, second], []], [second]
    assert value("upstream_addr", ex) == b"a, b : b"
    assert value("upstream_status", ex) == b"-, 200 : 200"
    ex.attempts = []
    assert value("upstream_addr", ex) == b"a, b"
    ex.attempts_before, ex.attempts = [], [first]
    assert value("upstream_addr", ex) == b"a"


@pytest.mark.parametrize(
    ("name", "host", "port"),
    [
        (b"backend", b"backend", b"80"),
        (b"h:80", b"h", b"80"),
        (b"h:8080", b"h:8080", b"8080"),
        (b"[::1]:81", b"[::1]:81", b"81"),
        (b"unix:/a", b"localhost", b""),
    ],
)
def test_what_the_server_is_called(name: bytes, host: bytes, port: bytes) -> None:
    """$proxy_host and $proxy_port, as ngx_http_proxy_set_vars makes them."""
    ex = exchange()
    ex.upstream_name = name
    assert (value("proxy_host", ex), value("proxy_port", ex)) == (host, port)


# Time


def test_times_are_local_and_spelt_in_english() -> None:
    """$time_local and $time_iso8601, to the second."""
    ex = answered(exchange())
    local, iso = value("time_local", ex), value("time_iso8601", ex)
    assert local is not None
    assert re.fullmatch(rb"2[12]/Nov/2026:\d\d:\d\d:00 [+-]\d{4}", local)
    assert iso is not None
    assert re.fullmatch(rb"2026-11-2[12]T\d\d:\d\d:00[+-]\d\d:\d\d", iso)
    assert value("date_gmt", ex) == b"Sunday, 22-Nov-2026 07:46:00 GMT"
    here = value("date_local", ex)
    assert here is not None
    assert re.fullmatch(rb"(Saturday|Sunday), 2[12]-Nov-2026 \d\d:\d\d:00 [A-Z0-9+-]+", here)


# The table


def test_values_set_by_the_request() -> None:
    """A `set` variable is empty until it is set, a capture not found."""
    table = VariableTable({}, defined=["mine"], captured=["Group"])
    ex = exchange()
    assert table.lookup("mine")(ex) == b""
    assert table.lookup("group")(ex) is None
    ex.values = {"mine": b"1", "group": b"2"}
    assert table.lookup("MINE")(ex) == b"1"
    assert table.lookup("group")(ex) == b"2"


def test_set_may_use_a_name_from_a_family() -> None:
    """`set $http_x` wins over the request's field, as in nginx; until it is run, the field counts."""
    ex = exchange(fields=b"X: 1\r\n")
    get = VariableTable({}, defined=["http_x"]).lookup("http_x")
    assert get(ex) == b"1"
    ex.values = {"http_x": b""}
    assert get(ex) == b""


def test_a_constant_that_is_a_function_is_asked_once_per_request() -> None:
    """$request_id stays the same within a request."""
    ids: Iterator[bytes] = iter([b"1", b"2"])
    get = VariableTable({"request_id": lambda: next(ids)}).lookup("request_id")
    first, second = exchange(), exchange()
    assert [get(first), get(first), get(second)] == [b"1", b"1", b"2"]


@pytest.mark.parametrize("name", ["", "nothing", "http_", "arg_", "1"])
def test_unknown_names_are_key_errors(name: str) -> None:
    """A family's prefix alone is no variable."""
    with pytest.raises(KeyError):
        TABLE.lookup(name)


def test_hints_only_for_near_misses() -> None:
    """A guess must be close."""
    assert TABLE.suggest("upstream_adr") == 'did you mean "$upstream_addr"?'
    assert TABLE.suggest("zzzzzz") == ""


def test_who_is_connected_and_who_is_meant() -> None:
    """set_real_ip_from leaves the first to be asked for; a port that nobody has told is empty."""
    ex = exchange()
    assert (value("realip_remote_addr", ex), value("realip_remote_port", ex)) == (b"192.0.2.7", b"40000")
    ex.client = ex.client.instead(b"203.0.113.9", b"\xcb\0q\t", 0)
    names = ("remote_addr", "remote_port", "binary_remote_addr", "realip_remote_addr", "realip_remote_port")
    assert [value(name, ex) for name in names] == [b"203.0.113.9", b"", b"\xcb\0q\t", b"192.0.2.7", b"40000"]


def test_what_a_balancer_in_front_has_said() -> None:
    """By the PROXY protocol; names of TLVs are known at load."""
    ex = exchange()
    ex.client.introduction = Introduction(b"203.0.113.9", 4000, b"192.0.2.1", 80, b"\xcb\0q\t", b"\1\0\2h2")
    names = ("addr", "port", "server_addr", "server_port", "tlv_alpn", "tlv_0x01", "tlv_authority")
    said = [value(f"proxy_protocol_{name}", ex) for name in names]
    assert said == [b"203.0.113.9", b"4000", b"192.0.2.1", b"80", b"h2", b"h2", None]
    with pytest.raises(KeyError):
        TABLE.lookup("proxy_protocol_tlv_x")


def test_what_limits_have_said() -> None:
    """Nothing where none was applied."""
    ex = exchange()
    ex.admission = Admission()
    ex.admission.requests = b"PASSED"
    assert (value("limit_req_status", ex), value("limit_conn_status", ex)) == (b"PASSED", None)


def test_the_method_of_a_request_made_inside() -> None:
    """Is that of the request it is about (ngx_http_variable_request_method)."""
    assert value("request_method", exchange(method=b"PUT").inside(b"/a")) == b"PUT"


def test_every_variable_gives_octets_or_nothing() -> None:
    """No getter fails on a request that was refused before anything was known of it."""
    ex = exchange()
    ex.host, ex.path = b"", b""
    for name in [*VARIABLES, *(prefix + "0x1" for prefix in PREFIXES)]:
        assert isinstance(value(name, ex), bytes | None), name


def test_status_is_what_an_error_page_makes_of_it() -> None:
    """Also where a part of its file is sent: nginx logs 200 beside a 206 then."""
    ex = exchange()
    ex.status, ex.forced_status = 206, 200
    assert value("status", ex) == b"200"
