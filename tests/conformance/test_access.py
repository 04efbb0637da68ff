"""Who may come, how often, and whom a balancer in front speaks for, as nginx decides it."""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Iterator

import pytest

from lbproxy.wire.proxyline import SIGNATURE
from tests.support.backends import Reply, reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

USERS = """\
# name:password

plain:{PLAIN}secret
sha:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=
ssha:{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0
apr1:$apr1$Sy9uAK3v$1Hbv3kId7QW76qVBnppOv1
md5:$1$saltsalt$9xy1btjgzLYfb7hivXtC//:a comment
sha256:$5$uWOE7N8uggTgsoiP$JcMeER8r2bhpWKtRgn0vBYKJ5gmUHQwrrH2qS4Ouy24
sha512:$6$xjGCWqe6k9TgULPx$NTa3hjmzaqchu0huglxv1G2f2GAP7u5SIme5YFVnqdTzKtLnYP3AIRUTsp1gBIOT8O8YsBPtzvxydedjSBCAs/
bcrypt:$2y$05$/mnMOW9o3SKWTHBEs9xgZufwpvZZe7m7T1ZAGJPcEJPISzB9tPzTi
des:SNRVba7YUPvYU
unknown:$99$what$is$this
"""

CONF = """
limit_req_zone $arg_key zone=slow:32k rate=1r/m;
limit_req_zone $arg_other zone=other:64k rate=6r/m;
limit_conn_zone $arg_key zone=conns:1m;
proxy_set_header X-Addr $remote_addr;
proxy_set_header X-Peer $realip_remote_addr;
proxy_set_header X-User $remote_user;
server {
    listen <listen>;
    location / { proxy_pass http://<a>; }

    location /allow { allow 127.0.0.9; allow 10.0.0.0/8; deny all; proxy_pass http://<a>; }
    location /deny { deny 127.0.0.8/30; proxy_pass http://<a>; }
    location /all { allow all; deny 127.0.0.1; proxy_pass http://<a>; }
    location /family { deny ::/0; deny unix:; proxy_pass http://<a>; }
    location /order { deny all; allow 127.0.0.1; proxy_pass http://<a>; }
    location /before { deny all; return 200 "returned"; }
    location /page { deny all; error_page 403 /sorry; proxy_pass http://<a>; }
    location /file { deny all; }
    location /methods { limit_except GET POST { allow 127.0.0.9; deny all; } proxy_pass http://<a>; }
    location /methods/other { limit_except PUT { proxy_pass http://<b>; } proxy_pass http://<a>; }
    location /methods/basic {
        limit_except GET { auth_basic writers; auth_basic_user_file <dir>/users; } proxy_pass http://<a>;
    }
    location /methods/script { limit_except GET { allow all; } set $said hello; return 200 $said; }

    location /basic {
        auth_basic "The $arg_realm realm"; auth_basic_user_file <dir>/users; proxy_pass http://<a>;
        location /basic/off { auth_basic off; proxy_pass http://<a>; }
        location /basic/page { error_page 401 /sorry; proxy_pass http://<a>; }
        location /basic/missing { auth_basic_user_file <dir>/missing; proxy_pass http://<a>; }
        location /basic/directory { auth_basic_user_file <dir>; proxy_pass http://<a>; }
    }
    location /any {
        satisfy any; allow 127.0.0.9; deny all; auth_basic any; auth_basic_user_file <dir>/users; proxy_pass http://<a>;
        location /any/address { auth_basic off; proxy_pass http://<a>; }
        location /any/request { auth_basic off; auth_request /inner/204; proxy_pass http://<a>; }
    }
    location /every {
        allow 127.0.0.9; deny all; auth_basic all; auth_basic_user_file <dir>/users; proxy_pass http://<a>;
    }

    location /ask/ {
        auth_request_set $who $upstream_http_x_user;
        auth_request_set $how $upstream_status;
        proxy_set_header X-Who "$who $how $uri";
        location /ask/200 { auth_request /inner/200; proxy_pass http://<a>; }
        location /ask/204 { auth_request /inner/204; proxy_pass http://<a>; }
        location /ask/301 { auth_request /inner/301; proxy_pass http://<a>; }
        location /ask/401 { auth_request /inner/401; proxy_pass http://<a>; }
        location /ask/403 { auth_request /inner/403; proxy_pass http://<a>; }
        location /ask/404 { auth_request /inner/404; proxy_pass http://<a>; }
        location /ask/500 { auth_request /inner/500; proxy_pass http://<a>; }
        location /ask/made { auth_request /made; proxy_pass http://<a>; }
        location /ask/forbidden { auth_request /forbidden; proxy_pass http://<a>; }
        location /ask/page { auth_request /inner/401; error_page 401 = @login; proxy_pass http://<a>; }
        location /ask/off { auth_request off; proxy_pass http://<a>; }
    }
    location /inner/ {
        internal; proxy_pass http://<b>/; proxy_pass_request_body off; proxy_set_header Content-Length "";
        proxy_set_header X-Original "$request_method $request_uri $uri";
    }
    location = /made { return 200 ok; }
    location = /forbidden {
        deny all; proxy_pass http://<b>/204; proxy_pass_request_body off; proxy_set_header Content-Length "";
    }
    location @login { return 302 /login?for=$request_uri; }

    add_header X-Limits "$limit_req_status $limit_conn_status" always;
    location /rate { limit_req zone=slow burst=2 nodelay; proxy_pass http://<a>; }
    location /rate/none { limit_req zone=slow; proxy_pass http://<a>; }
    location /rate/two {
        limit_req zone=slow burst=3 nodelay; limit_req zone=other burst=1 nodelay; limit_req_status 429;
        proxy_pass http://<a>;
    }
    location /rate/dry { limit_req zone=slow burst=1; limit_req_dry_run on; proxy_pass http://<a>; }
    location /conns { limit_conn conns 1; proxy_pass http://<a>; }
    location = /sorry { return 200 sorry; }
}
"""

PAGES: dict[str, Reply] = {
    "200": reply("yes", "X-User: ann"), "204": reply("", "X-User: ann", status="204 No Content"),
    "301": reply("", "Location: /x", status="301 Moved Permanently"),
    "401": reply("no", 'WWW-Authenticate: Token realm="b"', "X-User: bob", status="401 Unauthorized"),
    "403": reply("no", status="403 Forbidden"), "404": reply("no", status="404 Not Found"),
    "500": reply("no", status="500 Internal Server Error"),
}


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        (stage.directory / "users").write_text(USERS)
        yield Twins(stage, CONF, {}, PAGES)


def basic(name: str, password: str = "secret") -> str:
    """Return the field with these credentials."""
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


@pytest.mark.parametrize("path", ["/allow", "/deny", "/all", "/family", "/order", "/before", "/page", "/file"])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
def test_addresses(twins: Twins, path: str, source: str) -> None:
    """The first rule that fits decides; ``return`` comes before any of them."""
    twins.check(octets(path), source=source)


@pytest.mark.parametrize("path", ["/methods", "/methods/other", "/methods/basic", "/methods/script"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "FOO"])
def test_methods(twins: Twins, path: str, method: str) -> None:
    """GET includes HEAD; a method that nobody knows is none of those named."""
    twins.check(octets(path, method=method))


@pytest.mark.parametrize(
    "name",
    ["plain", "sha", "ssha", "apr1", "md5", "sha256", "sha512", "bcrypt", "des", "unknown", "nobody", "# name",
     "Plain"],
)  # fmt: skip
@pytest.mark.parametrize("password", ["secret", "secrets", "", "Secret", "sec:ret"])
def test_passwords(twins: Twins, name: str, password: str) -> None:
    """In every scheme that the system knows."""
    twins.check(octets("/basic", basic(name, password)))


@pytest.mark.parametrize(
    "field",
    ["X: y", "Authorization: Basic", "Authorization: Basic ", "Authorization: Basic   cGxhaW46c2VjcmV0",
     "Authorization: BASIC cGxhaW46c2VjcmV0", "Authorization: Bearer cGxhaW46c2VjcmV0", "Authorization: Basic cGxhaW4=",
     "Authorization: Basic OnNlY3JldA==", "Authorization: Basic !!!", "Authorization: Basic cGxhaW46c2VjcmV",
     "Authorization: Basic cGxhaW46c2VjcmV0 x", "Authorization: BasiccGxhaW46c2VjcmV0", "Authorization:"],
)  # fmt: skip
def test_credentials(twins: Twins, field: str) -> None:
    """What is no user with a password is not asked further."""
    twins.check(octets("/basic?realm=north", field))


@pytest.mark.parametrize("path", ["/basic/off", "/basic/page", "/basic/missing", "/basic/directory"])
@pytest.mark.parametrize("field", ["X: y", basic("plain"), basic("plain", "wrong")])
def test_users(twins: Twins, path: str, field: str) -> None:
    """A file that is missing forbids, one that cannot be read is a mistake; error pages keep the challenge."""
    twins.check(octets(path, field))


@pytest.mark.parametrize("path", ["/any", "/any/address", "/any/request", "/every"])
@pytest.mark.parametrize("field", ["X: y", basic("plain"), basic("plain", "wrong")])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
def test_satisfy(twins: Twins, path: str, field: str, source: str) -> None:
    """One thing is enough, or all have to be in order."""
    twins.check(octets(path, field), source=source)


@pytest.mark.parametrize(
    "answer", ["200", "204", "301", "401", "403", "404", "500", "made", "forbidden", "page", "off"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_auth_request(twins: Twins, answer: str, method: str) -> None:
    """Another location says who may come, and what is known of them."""
    body = b"some body" if method == "POST" else b""
    twins.check(octets(f"/ask/{answer}?a=b", "X-Token: t", "Cookie: c=d", method=method, body=body))


def test_rate(twins: Twins) -> None:
    """What exceeds the burst is refused; every key has a burst of its own, no key no limit."""
    for path in ["/rate?key=a"] * 5 + ["/rate/none?key=b"] * 2 + ["/rate/none?key=a", "/rate?other=x", "/rate?key="]:
        twins.check(octets(path))


def test_rates(twins: Twins) -> None:
    """Of several limits each has to agree; who is refused by one is not counted by the others."""
    for target in ["?key=m&other=1"] * 4 + ["?key=m&other=2"] * 4 + ["?key=m", "?other=3", "?other=3", "?other=3"]:
        twins.check(octets(f"/rate/two{target}"))


def test_rate_dry_run(twins: Twins) -> None:
    """Nobody is refused or held up, but the variable tells who would be."""
    for _ in range(4):
        twins.check(octets("/rate/dry?key=dry"))


def test_connections(twins: Twins) -> None:
    """One request at a time is one connection."""
    for _ in range(2):
        twins.check(octets("/conns?key=a"))


def test_error_logs(twins: Twins) -> None:
    """All of the above is told in the same words."""
    theirs, ours = (_errors(proxy.stderr.matching(r"\[(error|crit)\]")) for proxy in (twins.nginx, twins.lbproxy))
    assert ours == theirs


def _errors(lines: list[str]) -> list[str]:
    """Return what *lines* say, without times, numbers, directories and what nginx believes to be about."""
    meant = [line for line in lines if "Is a directory" not in line and '"unknown"' not in line]
    return [re.sub(r"^.*?\*\d+ |/[12](?=/html)| while sending to client", "", line) for line in meant]


REAL = """
add_header X-Client "$remote_addr|$realip_remote_addr" always;
server {
    listen <listen>;
    server_name header;
    set_real_ip_from 127.0.0.1;
    allow 203.0.113.0/24; allow 2001:db8::/32; allow 127.0.0.0/8; deny all;
    location / { proxy_pass http://<a>; }
    location /field { real_ip_header X-Client-IP; proxy_pass http://<a>; }
}
server {
    listen <listen>;
    server_name list;
    set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8:1::/48;
    real_ip_header X-Forwarded-For;
    location / { proxy_pass http://<a>; }
}
server {
    listen <listen>;
    server_name recursive;
    set_real_ip_from 127.0.0.1; set_real_ip_from 10.0.0.0/8; set_real_ip_from 2001:db8:1::/48;
    real_ip_header X-Forwarded-For; real_ip_recursive on;
    location / { proxy_pass http://<a>; }
}
server {
    listen <listen>;
    server_name place;
    location / { set_real_ip_from 127.0.0.0/8; deny 203.0.113.7; proxy_pass http://<a>; }
    location /return { set_real_ip_from 127.0.0.0/8; return 200 $remote_addr; }
    location /port { set_real_ip_from 127.0.0.0/8; add_header X-Port "$remote_port"; proxy_pass http://<a>; }
}
"""


@pytest.fixture(scope="module")
def real() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, REAL, {})


ADDRESSES = [
    "203.0.113.7", "198.51.100.1", "203.0.113.7:8000", "203.0.113.7:0", "203.0.113.7:99999", "2001:db8::1",
    "2001:DB8:0:0::1", "[2001:db8::1]", "[2001:db8::1]:80", "[2001:db8::1]x", "::ffff:203.0.113.7", "", "unknown",
    "203.0.113", "203.0.113.256", "0203.0.113.7", "203.0.113.7 ", "fe80::1%lo", "localhost", "unix:/x",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("host", ["header", "list", "place"])
def test_real_address(real: Twins, address: str, host: str) -> None:
    """What a field says counts for the log, the variables and who may come; if it is an address at all."""
    name = "X-Forwarded-For" if host == "list" else "X-Real-IP"
    real.check(octets("/", f"{name}: {address}", host=host))


@pytest.mark.parametrize(
    "fields",
    [
        ("X-Forwarded-For: 203.0.113.7, 198.51.100.1",),
        ("X-Forwarded-For: 203.0.113.7, 198.51.100.1, 10.0.0.1",),
        ("X-Forwarded-For: 10.0.0.3, 10.0.0.2, 10.0.0.1",),
        ("X-Forwarded-For: 203.0.113.7,,10.0.0.1 ,",),
        ("X-Forwarded-For: 203.0.113.7 10.0.0.1",),
        ("X-Forwarded-For: 203.0.113.7, nobody, 10.0.0.1",),
        ("X-Forwarded-For: nobody, 10.0.0.1:99",),
        ("X-Forwarded-For: 198.51.100.1, 2001:db8:1::7, 10.0.0.1:77",),
        ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 203.0.113.7, 10.0.0.1"),
        ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: 10.0.0.1"),
        ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: nobody"),
        ("X-Forwarded-For: 198.51.100.1", "X-Forwarded-For: "),
        ("X-Forwarded-For: ,",),
        ("X-Forwarded-For: , 203.0.113.7",),
    ],
)
@pytest.mark.parametrize("host", ["list", "recursive"])
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.9"])
def test_lists(real: Twins, fields: tuple[str, ...], host: str, source: str) -> None:
    """The last address counts, and those before it as long as what they are told by is trusted."""
    real.check(octets("/", *fields, host=host), source=source)


@pytest.mark.parametrize("target", ["/field", "/field?x"])
def test_any_field(real: Twins, target: str) -> None:
    """The first of them, whatever its name; a location's own word is heard if the server's has changed nothing."""
    real.check(octets(target, "X-Client-IP: 203.0.113.9", "X-Client-IP: 203.0.113.8", host="header"))
    real.check(octets(target, "X-Client-IP: 203.0.113.9", "X-Real-IP: 203.0.113.8", host="header"))


def test_a_location_of_its_own(real: Twins) -> None:
    """It speaks after ``return``, and before who may come is asked."""
    real.check(octets("/", "X-Real-IP: 203.0.113.7", host="place"))
    real.check(octets("/return", "X-Real-IP: 203.0.113.7", host="place"))


def test_the_port(real: Twins) -> None:
    """It is known only if the field says it."""
    for address in ("203.0.113.7:8000", "203.0.113.7", "[2001:db8::1]:1"):
        real.check(octets("/port", f"X-Real-IP: {address}", host="place"))


def test_each_request_has_its_own(real: Twins) -> None:
    """On one connection."""
    requests = [octets("/", f"X-Real-IP: 203.0.113.{number}", host="header") for number in (1, 2)]
    real.check(*requests, octets("/", host="header"), octets("/", "X-Real-IP: 198.51.100.1", host="header"))


PROXIED = """
access_log off;
server {
    listen <listen> proxy_protocol;
    server_name trusted;
    set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;
    add_header X-Client "$remote_addr|$realip_remote_addr" always;
    add_header X-Said
        "$proxy_protocol_addr|$proxy_protocol_port|$proxy_protocol_server_addr|$proxy_protocol_server_port" always;
    location / { proxy_pass http://<a>; }
}
server { listen <listen>; server_name other; location / { return 200 $proxy_protocol_addr; } }
"""


@pytest.fixture(scope="module")
def proxied() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, PROXIED, {})


FOUR = struct.pack("!4s4sHH", bytes((203, 0, 113, 7)), bytes((192, 0, 2, 1)), 40000, 80)
SIX = struct.pack("!16s16sHH", b"\x20\x01\x0d\xb8" + bytes(11) + b"\1", b"\xfe\x80" + bytes(13) + b"\1", 40000, 80)


def version2(command: int, kind: int, data: bytes) -> bytes:
    """Write a header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, kind, len(data)) + data


@pytest.mark.parametrize(
    "header",
    [
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 80\r\n",
        b"PROXY TCP6 2001:db8::1 fe80::1 40000 80\r\n",
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff:f...f:ffff 1 2\r\n",
        version2(0x21, 0x11, FOUR),
        version2(0x21, 0x21, SIX),
        version2(0x21, 0x11, FOUR + b"\x03\x00\x04abcd"),
        version2(0x20, 0x00, b""),
        version2(0x20, 0x11, FOUR),
        version2(0x21, 0x31, bytes(216)),
        version2(0x21, 0x12, FOUR),
        version2(0x22, 0x11, FOUR),
        version2(0x11, 0x11, FOUR),
        version2(0x21, 0x11, FOUR[:11]),
        b"",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 80\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 400000 80\r\n",
        b"PROXY TCP4 203.0.113.7 192.0.2.1 40000\r\n",
        b"PROXY TCP4 203.0.113.7\r\n",
        b"PROXY UDP4 203.0.113.7 192.0.2.1 40000 80\r\n",
        b"proxy TCP4 203.0.113.7 192.0.2.1 40000 80\r\n",
    ],
)
def test_proxy_protocol(proxied: Twins, header: bytes) -> None:
    """Both versions; who does not speak them is not heard."""
    requests = header + octets("/", host="trusted"), octets("/", host="other")
    proxied.check(*requests)
