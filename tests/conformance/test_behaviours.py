"""
What configurations in the field lean on and no other file here asks about, a class for each.

Ways of balancing, framing, names of servers, files, scripts, access and limits have files of their own.
"""

from __future__ import annotations

import select
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import ClassVar

import pytest

from tests.support.backends import Conversation, Reply, Request, held, reply
from tests.support.client import Client, chunked, get, octets
from tests.support.stage import Stage
from tests.support.twins import Twins
from tests.support.waiting import until

SIDES = ("127.0.0.1", "127.0.0.2")
"""Where nginx and lbproxy listen."""

UNREAD = ("content_length", "request_length")
"""Variables that nginx computes from how much of an unread body it happens to have seen."""


class TestRedirects:
    """Where only a slash is missing, and whether the rest of an absolute URL is there."""

    CONF = """
    server {
        listen <listen>;
        server_name example.com second;
        location /a/ { proxy_pass http://<a>; }
        location /a-b { return 200 ab; }
        location /a/b/ { proxy_pass http://<a>; }
        location = /exact/ { proxy_pass http://<a>; }
        location /uwsgi/ { uwsgi_pass <u>; }
        location /said/ { return 200 said; }
        location /relative/ {
            absolute_redirect off;
            proxy_pass http://<a>;
            location /relative/return { return 301 /x; }
            location /relative/rewrite { rewrite ^ /y?a permanent; }
            location /relative/in/ { proxy_pass http://<a>; }
        }
        location /port/ {
            port_in_redirect off;
            proxy_pass http://<a>;
            location /port/return { return 301 /x; }
            location /port/in/ { proxy_pass http://<a>; }
        }
        location /name/ {
            server_name_in_redirect on;
            proxy_pass http://<a>;
            location /name/return { return 302 /x; }
            location /name/in/ { proxy_pass http://<a>; }
        }
    }
    """
    PATHS = (
        "/a", "/a?x=1&y=%20", "/a-b", "/a/b", "/exact", "/uwsgi", "/said", "/relative", "/relative?x",
        "/relative/return", "/relative/rewrite", "/relative/in", "/port", "/port/return", "/port/in", "/name",
        "/name/return", "/name/in", "/caf%C3%A9/../a", "/a%2F..%2Fa",
    )  # fmt: skip

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        with Stage() as stage:
            yield Twins(stage, cls.CONF, {}, uwsgi=({},))

    @pytest.mark.parametrize("path", PATHS)
    def test_targets(self, twins: Twins, path: str) -> None:
        twins.check(octets(path))
        twins.check(octets(path, host="[::1]:8080", version="1.0"))
        twins.check(octets(path, host="second:77", method="POST", body=b"x"))


class TestDeadUpstream:
    """What the client, the log and the added fields say if no server is left."""

    CONF = """
    upstream dead { server <x>; server <y>; }
    upstream down { server <x> down; }
    upstream never { server <x> max_fails=0; server <y> max_fails=0; }
    server {
        listen <listen>;
        add_header X-Always a always;
        add_header X-Well b;
        location ~ ^/(?<name>\\w+)/ { proxy_pass http://$name; }
        location ^~ /page/ { error_page 502 = @fallback; proxy_pass http://dead; }
        location @fallback { proxy_set_header X-Before $upstream_addr; proxy_pass http://<a>; }
    }
    """

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        with Stage() as stage:
            yield Twins(stage, cls.CONF, {}, x=stage.dead(), y=stage.dead())

    @pytest.mark.parametrize("upstream", ["dead", "down", "never", "page"])
    @pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
    def test_is_told(self, twins: Twins, upstream: str, method: str) -> None:
        for _ in range(3):
            twins.check(octets(f"/{upstream}/", method=method, body=b"x" if method == "POST" else b""))

    def test_its_name_ends_the_list(self, twins: Twins) -> None:
        twins.run(octets("/dead/"))
        assert twins.check(octets("/dead/")).log[0]["upstream_addr"] == "dead"


class TestMaxConns:
    """Where requests go while others are in hand: to whoever may take more, else nowhere."""

    UPSTREAMS = (
        "server <a> max_conns=1; server <b> max_conns=1;",
        "server <a> max_conns=1; server <b> max_conns=1 backup;",
        "server <a> max_conns=1; server <a> max_conns=1;",
        "server <a> max_conns=2 weight=3; server <b> max_conns=1; server <c> backup max_conns=1;",
        "server <x> max_conns=1; server <b> max_conns=1; server <a> backup max_conns=1;",
        "least_conn; server <a> max_conns=1; server <b> max_conns=2;",
        "ip_hash; server <a> max_conns=1; server <b> max_conns=1;",
        "hash $uri; server <a> max_conns=1; server <b> max_conns=1;",
        "hash $uri consistent; server <a> max_conns=1; server <b> max_conns=1;",
        "random two; server <a> max_conns=1; server <b> max_conns=1;",
        "keepalive 3; server <a> max_conns=1; server <b> max_conns=1;",
        "zone z 64k; server <a> max_conns=1; server <b> max_conns=1;",
    )

    @pytest.fixture(scope="class")
    @classmethod
    def gate(cls) -> threading.Event:
        """Held requests are answered when it is set."""
        return threading.Event()

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls, gate: threading.Event) -> Iterator[Twins]:
        upstreams = "".join(f"upstream app{number} {{ {text} }}\n" for number, text in enumerate(cls.UPSTREAMS))
        conf = upstreams + "server { listen <listen>; location ~ ^/(?<name>\\w+)/ { proxy_pass http://$name; } }"
        pages: list[dict[str, Reply]] = [{"held": held(gate, reply(letter))} for letter in "abc"]
        with Stage() as stage:
            yield Twins(stage, conf, *pages, x=stage.dead())

    @pytest.mark.parametrize("number", range(len(UPSTREAMS)), ids=UPSTREAMS)
    def test_full_servers(self, twins: Twins, gate: threading.Event, number: int) -> None:
        port = int(twins.lbproxy.address[1])
        shares = [self.shares(twins, gate, (side, port), f"/app{number}/held") for side in SIDES]
        assert shares[0] == shares[1]
        assert shares[0]["502"] > 0

    def shares(self, twins: Twins, gate: threading.Event, proxy: tuple[str, int], path: str) -> Counter[str]:
        """Send five requests, none of which is answered before all are under way; return who was given how many."""
        gate.clear()
        with ExitStack() as stack:
            clients = [stack.enter_context(Client(proxy)) for _ in range(5)]
            for client in clients:
                before = len(twins.received())
                client.send(octets(path))
                until(lambda: len(twins.received()) > before or readable(client), "a server or a refusal")  # noqa: B023
            gate.set()
            answers = [client.answer() for client in clients]
        return Counter(answer.text if answer.status == 200 else str(answer.status) for answer in answers)


def readable(client: Client) -> bool:
    """Say whether *client* has been sent anything."""
    return select.select([client.socket], [], [], 0)[0] != []


class TestConnectionsToServers:
    """Which of them serve again: those whose answers came to a clean end, and not for ever."""

    CONF = """
    upstream kept { server <a>; keepalive 2; }
    upstream thrice { server <a>; keepalive 2; keepalive_requests 3; }
    server {
        listen <listen>;
        location /kept/ { proxy_pass http://kept; }
        location /unbuffered/ { proxy_buffering off; proxy_pass http://kept; }
        location /thrice/ { proxy_pass http://thrice; }
    }
    """
    PAGES: ClassVar[dict[str, Reply]] = {
        "length": reply("x"),
        "empty": reply(""),
        "s204": b"HTTP/1.1 204 No Content\r\n\r\n",
        "s304": b"HTTP/1.1 304 Not Modified\r\n\r\n",
        "s304-length": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n",
        "s500": reply("x", status="500 Oops"),
        "head": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one"),
        "no-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(),
        "upgrade": reply("x", "Upgrade: h2c", "Connection: upgrade"),
        "surplus": reply("x") + b"y",
        "old": reply("x", version="1.0"),
        "close": reply("x", "Connection: close"),
    }

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        with Stage() as stage:
            yield Twins(stage, cls.CONF, cls.PAGES)

    def count(self, twins: Twins, *requests: bytes) -> int:
        """Return how many connections both make for *requests* and one more, all from clients of their own."""
        made = []
        *_, method = requests[-1].split(b" ")[0].decode().rpartition("/")
        final = octets(f"{requests[-1].split(b' ')[1].decode().rpartition('/')[0]}/close")
        for side in SIDES:
            before = len(twins.backends["a"].connections)
            for request in (*requests, final):
                with Client((side, int(twins.lbproxy.address[1]))) as client:
                    client.send(request)
                    client.answer(method if request is not final else "GET")
            made.append(len(twins.backends["a"].connections) - before)
        assert made[0] == made[1]
        return made[0]

    @pytest.mark.parametrize("place", ["kept", "unbuffered"])
    @pytest.mark.parametrize("page", PAGES)
    def test_after_one_answer(self, twins: Twins, place: str, page: str) -> None:
        request = octets(f"/{place}/{page}", method="HEAD" if page == "head" else "GET")
        assert self.count(twins, request) == (2 if page in {"surplus", "old", "close"} else 1)

    def test_keepalive_requests(self, twins: Twins) -> None:
        assert self.count(twins, *[octets("/thrice/length")] * 8) == 3


class TestBodies:
    """A request's body in variables, replaced, left out, measured, refused."""

    CONF = """
    server {
        listen <listen>;
        client_body_buffer_size 16k;
        location /variables { proxy_set_header X-Body $request_body; proxy_set_header X-File $request_body_file;
                              proxy_set_header X-Length $content_length; proxy_pass http://<a>; }
        location /replaced { proxy_set_body "a=$request_body&"; proxy_pass http://<a>; }
        location /left-out { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://<a>; }
        location /no-fields { proxy_pass_request_headers off; proxy_pass http://<a>; }
        location /asked-early { set $early $content_length; proxy_set_header X-L "$early,$content_length";
                                proxy_pass http://<a>; }
        location /uwsgi { set $early $content_length; include uwsgi_params; uwsgi_param L "$early,$content_length";
                          uwsgi_pass <u>; }
        location /old { proxy_http_version 1.0; proxy_pass http://<a>; }
        location /method { proxy_method $arg_m; proxy_pass http://<a>; }
        location /returned { return 200 "$request_body|"; }
        location /refused { error_page 413 =200 /returned; client_max_body_size 3; proxy_pass http://<a>; }
        location /no-page { error_page 404 http://example.org/; return 404; }
        location /trick { error_page 418 = @app; return 418; }
        location /denied { deny all; error_page 403 = @app; }
        location @app { proxy_pass http://<a>; }
    }
    """
    BODIES = (
        octets("<>"), octets("<>", method="POST"), octets("<>", method="POST", body=b"12345"),
        octets("<>", chunks=[b"ab", b"cdef"]), octets("<>", chunks=[]), octets("<>", method="PUT", body=b"x" * 2000),
    )  # fmt: skip

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        with Stage() as stage:
            yield Twins(stage, cls.CONF, {}, uwsgi=({},))

    @pytest.mark.parametrize("path", [
        "/variables", "/replaced", "/left-out", "/no-fields", "/asked-early", "/old", "/method?m=POST",
        "/method?m=GET", "/returned", "/refused", "/no-page", "/trick", "/denied",
    ])  # fmt: skip
    def test_each(self, twins: Twins, path: str) -> None:
        for request in self.BODIES:
            twins.check(request.replace(b"<>", path.encode()), unlike=UNREAD)

    def test_uwsgi(self, twins: Twins) -> None:
        """The length is the true one, though a variable asked for it before the body was there."""
        for request in self.BODIES:
            whole = request.replace(b"<>", b"/uwsgi")
            if b"chunked" in request:
                theirs, ours = (seen.request for seen in twins.run(whole))
                assert theirs.get("content_length") == ours.get("content_length") == [str(len(ours.body))]
            else:
                twins.check(whole)

    @pytest.mark.parametrize("version", ["1.1", "1.0"])
    @pytest.mark.parametrize("expected", ["100-continue", "100-Continue", "100-continue, x", "200-ok", ""])
    def test_expect(self, twins: Twins, version: str, expected: str) -> None:
        """nginx counts the interim answer as octets of the body."""
        field = f"Expect: {expected}"
        for request in (
            octets("/", field, version=version),
            octets("/old", field, "Content-Length: 0", method="POST", version=version),
            octets("/left-out", field, method="POST", body=b"abc", version=version),
        ):
            twins.check(request, unlike={"body_bytes_sent"})


class TestFields:
    """Names that are none, and fields that may stand once."""

    CONF = """
    server {
        listen <listen>;
        ignore_invalid_headers <ignored>;
        location / { proxy_pass http://<a>; }
        location /connection { proxy_set_header Connection $http_connection; proxy_set_header TE $http_te;
                               proxy_pass http://<a>; }
        location /upgrade { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
                            proxy_pass http://<a>; }
    }
    """

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        with Stage() as stage:
            yield Twins(stage, cls.CONF, {}, ignored="on")

    def test_names(self, twins: Twins) -> None:
        for name in ("X.Y", "X@Y", "X_Y", "X(Y", "X{}", "X/Y", "-", '"a"', "X|Y"):
            twins.check(octets("/", f"{name}: 1", "X-After: 2"))
        for name in ("X Y", "X\x01Y", "", " x", "X-Y ", "X-Y\t", "X\x7f"):
            twins.check_refused(octets("/", f"{name}: 1"))

    def test_names_that_are_not_ignored(self, stage: Stage) -> None:
        """Deliberate: nginx passes on what is no name at all (RFC 9110, section 5.1); lbproxy answers 400."""
        twins = Twins(stage, self.CONF, {}, ignored="off")
        for name in ("X.Y", "X_Y", "-", "X|Y", "X!", "*"):
            twins.check(octets("/", f"{name}: 1", "X-After: 2"))
        for name in ("X@Y", "X(Y", "X{}", "X/Y", '"a"'):
            theirs, ours = twins.run(octets("/", f"{name}: 1"))
            assert (theirs.answer.status, ours.answer.status) == (200, 400)

    def test_repeats(self, twins: Twins) -> None:
        """Of others nginx 1.22 passes all on; since 1.23 their variables have all values, joined."""
        for name in ("Host", "If-Match", "If-None-Match", "If-Range", "If-Unmodified-Since", "If-Modified-Since",
                     "Expect", "Content-Range", "Authorization"):  # fmt: skip
            assert twins.check_refused(octets("/", f"{name}: a", f"{name}: b")).answer.status == 400
        joined = {"content_type", "http_user_agent", "http_referer"}
        for name in ("User-Agent", "Referer", "Range", "Upgrade", "Accept-Encoding", "Via", "Content-Type", "Depth"):
            twins.check(octets("/", f"{name}: a", f"{name}: b"), unlike=joined)

    @pytest.mark.parametrize("path", ["/", "/connection", "/upgrade"])
    def test_of_the_connection(self, twins: Twins, path: str) -> None:
        twins.check(octets(path, "Connection: close"))
        twins.check(octets(path, "TE: trailers", "Connection: TE"))
        twins.check(octets(path, "Connection: keep-alive", "Keep-Alive: 1"))


class TestErrorPages:
    """All forms of ``error_page``, and what becomes of the status."""

    CONF = """
    upstream dead { server <x>; server <y>; }
    error_page 404 /of-http;
    server {
        listen <listen>;
        server_name example.com;
        error_page 500 502 503 504 /of-server.html;
        error_page 403 =404 /denied;
        location = /of-http { return 200 "$uri $request_uri $status"; }
        location = /of-server.html { internal; add_header X-E $status always; return 200 "$status $upstream_status"; }
        location = /denied { return 200 denied; }
        location = /page { return 200 "$uri $args"; }
        location @named { return 200 "named $uri $status"; }
        location @missing { return 404; }
        location /404 { return 404; }
        location /403 { return 403; }
        location /503 { return 503; }
        location /502 { proxy_pass http://dead; }
        location /args { error_page 404 = /page?x=$uri&$args; return 404; }
        location /first { error_page 404 = @named; error_page 404 @missing; return 404; }
        location /status { error_page 404 =410 @named; return 404; }
        location /to307 { error_page 404 =307 http://example.org$uri; return 404; }
        location /to302 { error_page 404 http://example.org/?$args; return 404; }
        location /from301 { error_page 301 /page; return 301 /elsewhere; }
        location /intercept/ { error_page 404 /app; proxy_intercept_errors on; proxy_pass http://<a>; }
        location /its-status/ { error_page 404 = /app/s202; proxy_intercept_errors on; proxy_pass http://<a>; }
        location /app { proxy_pass http://<a>; }
        location /method { error_page 405 =200 /page; if ($request_method = POST) { return 405; } return 200 $uri; }
        location /recursive { recursive_error_pages on; error_page 404 @again; return 404; }
        location @again { recursive_error_pages on; error_page 404 @named; return 404; }
        location /many { error_page 400 401 402 403 404 405 /denied; return 402; }
        location /none { error_page 404 /nothing/there; return 404; }
        location /limited { error_page 403 /denied; limit_except GET { deny all; } proxy_pass http://<a>; }
        location /if { if ($arg_z) { error_page 404 /denied; return 404; } return 404; }
        location /blank { error_page 404 "/page?q=a b"; return 404; }
        <statuses>
    }
    """
    STATUSES = (200, 201, 203, 204, 205, 206, 207, 300, 301, 302, 303, 307, 308, 400, 401, 402, 405, 406, 407,
                409, 410, 411, 412, 413, 414, 415, 416, 418, 421, 426, 429, 451, 500, 501, 505, 507, 599,
                999)  # fmt: skip

    @pytest.fixture(scope="class")
    @classmethod
    def twins(cls) -> Iterator[Twins]:
        statuses = "".join(f"location = /s{n} {{ return {n}; }} location = /t{n} {{ return {n} x; }}"
                           for n in cls.STATUSES)  # fmt: skip
        pages: dict[str, Reply] = {
            "s404": reply("none", "Connection: close", status="404 None"),
            "s202": reply("taken", "Connection: close", status="202 Accepted"),
        }
        with Stage() as stage:
            yield Twins(stage, cls.CONF.replace("<statuses>", statuses), pages, x=stage.dead(), y=stage.dead())

    @pytest.mark.parametrize("path", [
        "404", "403", "503", "502", "args?q=1", "first", "status", "to307", "to302?a=b", "from301", "intercept/s404",
        "intercept/ok", "its-status/s404", "method", "recursive", "many", "none", "limited", "if", "if?z=1", "blank",
        "unknown", "of-http", "of-server.html",
    ])  # fmt: skip
    @pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
    def test_forms(self, twins: Twins, path: str, method: str) -> None:
        request = octets(f"/{path}", method=method, body=b"xyz" if method == "POST" else b"")
        of_static = path == "unknown" and method == "POST"  # nginx's $args are "" instead of missing there
        twins.check(request, octets("/page"), unlike={"args"} if of_static else ())

    @pytest.mark.parametrize("status", STATUSES)
    def test_statuses(self, twins: Twins, status: int) -> None:
        for method in ("GET", "HEAD"):
            twins.check(octets(f"/s{status}", method=method))
            twins.check(octets(f"/t{status}", method=method, version="1.0"))


class TestTunnels:
    """A switch of protocols, octet by octet and in the log."""

    CONF = """
    server {
        listen <listen>;
        location / { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
                     proxy_pass http://<a>; }
    }
    """

    def test_talk(self, stage: Stage) -> None:
        """Octets that came with the handshake go on in both directions; there is one line, with all of them."""
        twins = Twins(stage, self.CONF, {"tunnel": talk})
        told, logged = [], []
        for side, proxy in zip(SIDES, (twins.nginx, twins.lbproxy), strict=True):
            with Client((side, stage.listen[1])) as client:
                client.send(octets("/tunnel", "Connection: Upgrade", "Upgrade: x") + b"abc")
                head = client.read_until(b"\r\n\r\n").split(b"\r\n")
                first = client.read(len(b"hello got abc"))
                client.send(b"defg")
                told.append((sorted(line for line in head if line[:4] not in {b"Date", b"Serv"}), first, client.rest()))
            logged.append(proxy.stdout.lines.wait())
        assert told[0] == told[1]
        assert logged[0] == logged[1]
        assert told[1][1:] == (b"hello got abc", b"bye")
        assert logged[1][0].endswith("\t16")  # $body_bytes_sent

    @pytest.mark.parametrize("fields", [(), ("Connection: Upgrade", "Upgrade: x")])
    def test_no_switch(self, stage: Stage, fields: tuple[str, ...]) -> None:
        """Upgrade in an ordinary answer reaches the client, as an offer."""
        page = reply("x", "Upgrade: h2c", "Connection: upgrade, close")
        Twins(stage, self.CONF, {"offer": page}).check(octets("/offer", *fields))


def talk(conversation: Conversation, _request: Request) -> None:
    """A reply: switch, speak first, repeat three octets, take four, and say farewell."""
    conversation.send(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\nX-A: 1\r\n\r\nhello ")
    conversation.send(b"got " + conversation.read(3))
    conversation.read(4)
    conversation.send(b"bye")
    conversation.close()


def test_browsers_whose_connections_are_not_kept(stage: Stage) -> None:
    """``keepalive_disable``: its default is Internet Explorer up to 6 behind a POST."""
    conf = "server { listen <listen>; location / { return 200 x; }"
    conf += "".join(f" location /{word} {{ keepalive_disable {word}; return 200; }}" for word in ("none", "safari"))
    twins = Twins(stage, conf + "}")
    for agent in (
        "MSIE 5.5; x", "MSIE 6.0; x", "MSIE 6.0; SV1", "MSIE 7.0;", "MSIE 6.0; Opera", "MSIE 7.0 MSIE 6.0", "msie 6.0;",
        "Mac OS X Safari/1", "Safari/1 Mac OS X", "Mac OS X Chrome/1 Safari/1", "curl/8",
    ):  # fmt: skip
        for path in ("/", "/none", "/safari"):
            twins.check(octets(path, f"User-Agent: {agent}"), octets("/"))
            twins.check(octets(path, f"User-Agent: {agent}", method="POST", body=b"x"), octets("/"))


def test_clients_of_unix_sockets_have_one_address(stage: Stage) -> None:
    """``ip_hash`` sends all of them to one server, the same as nginx."""
    backends = {letter: stage.backend(reply(letter)) for letter in "abc"}
    conf = """
    upstream app { ip_hash; server <a>; server <b> weight=2; server <c>; }
    server {
        listen unix:<socket>;
        add_header X-Client "$remote_addr $server_port";
        location / { proxy_pass http://app; }
    }
    """
    paths = stage.path("nginx.sock"), stage.path("lbproxy.sock")
    stage.nginx(conf, **backends, socket=paths[0])
    stage.lbproxy(conf, **backends, socket=paths[1])
    theirs, ours = ([(told.text, told.get("X-Client")) for told in (get(path), get(path), get(path))] for path in paths)
    assert theirs == ours
    assert len(set(ours)) == 1
