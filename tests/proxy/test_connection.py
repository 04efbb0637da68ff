"""The life of a client's connection: heads, keep-alive, pipelining, refusals, and ways to end."""

from __future__ import annotations

import errno
import tempfile
from itertools import pairwise

import pytest
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from lbproxy.proxy.dispatch import Dispatcher
from tests.support.backends import reply
from tests.support.client import Answer, chunked, octets
from tests.support.scene import Scene, Wire, open_scene, virtual_clock

OK = reply("ok")
PASS = "server { listen 80; location / { proxy_pass http://<b>; } }"
RETURN = 'server { listen 80; %s location / { return 200 "hello"; } }'


def closing(answer: Answer) -> bool:
    """Return whether *answer* says that the connection ends; it says one or the other."""
    said = answer.get("Connection")
    assert said in ("close", "keep-alive")
    return said == "close"


class TestKeepAlive:
    """One connection, many requests."""

    async def test_requests_follow_each_other(self, scene: Scene) -> None:
        """HTTP/1.1 is persistent, and says so."""
        await scene.serve(PASS, b=scene.answering(OK))
        client = await scene.client()
        for _ in range(3):
            answer = await client.ask(octets())
            assert (answer.body, closing(answer)) == (b"ok", False)

    async def test_connection_close_ends_it(self, scene: Scene) -> None:
        """The answer repeats the client's wish, and the close follows without delay."""
        await scene.serve(PASS, b=scene.answering(OK))
        client = await scene.client()
        assert closing(await client.ask(octets("/", "Connection: close")))
        assert await client.ended()
        assert not client.was_reset
        assert trio.current_time() < 1

    async def test_http_1_0_ends_by_close(self, scene: Scene) -> None:
        """The answer to HTTP/1.0 still calls itself HTTP/1.1."""
        await scene.serve(PASS, b=scene.answering(OK))
        client = await scene.client()
        answer = await client.ask(octets(version="1.0"))
        assert (answer.body, answer.version, closing(answer)) == (b"ok", b"1.1", True)
        assert await client.ended()

    async def test_http_1_0_may_ask_for_more(self, scene: Scene) -> None:
        """``Connection: keep-alive`` of an HTTP/1.0 client is granted aloud."""
        await scene.serve(PASS, b=scene.answering(OK))
        client = await scene.client()
        for _ in range(2):
            assert not closing(await client.ask(octets("/", "Connection: keep-alive", version="1.0")))

    async def test_keepalive_requests(self, scene: Scene) -> None:
        """The last answer announces the close."""
        await scene.serve(RETURN % "keepalive_requests 3;")
        client = await scene.client()
        assert [closing(await client.ask(octets())) for _ in range(3)] == [False, False, True]
        assert await client.ended()

    async def test_keepalive_timeout_zero(self, scene: Scene) -> None:
        """No connection is kept."""
        await scene.serve(RETURN % "keepalive_timeout 0;")
        client = await scene.client()
        assert closing(await client.ask(octets()))
        assert await client.ended()

    async def test_keepalive_timeout_ends_an_idle_connection(self, scene: Scene) -> None:
        """An idle connection is closed in order after the timeout, without a line in any log."""
        await scene.serve(RETURN % "keepalive_timeout 20s;")
        client = await scene.client()
        await client.ask(octets())
        start = trio.current_time()
        assert await client.ended()
        assert trio.current_time() - start == pytest.approx(20, abs=0.1)
        assert not client.was_reset
        assert len(scene.log()) == 1
        assert scene.log("error.log") == []

    async def test_keepalive_timeout_is_that_of_the_last_request(self, scene: Scene) -> None:
        """Not that of the first server of the socket: of the location that answered."""
        conf = "server { listen 80; server_name other; } server { listen 80; server_name example.com; %s }"
        await scene.serve(conf % "keepalive_timeout 20s; location / { } location /a { keepalive_timeout 5s; }")
        for target, seconds in (("/", 20), ("/a", 5)):
            client = await scene.client()
            await client.ask(octets(target))
            start = trio.current_time()
            assert await client.ended()
            assert trio.current_time() - start == pytest.approx(seconds, abs=0.1)

    async def test_keepalive_disable(self, scene: Scene) -> None:
        """Old Internet Explorers behind a POST unless told otherwise, and Safari if told to."""
        await scene.serve(
            "server { listen 80; return 200; server_name example.com; }"
            " server { listen 80; server_name none; keepalive_disable none; return 200; }"
            " server { listen 80; server_name safari; keepalive_disable safari; return 200; }"
        )

        async def kept(agent: str, method: str, host: str) -> bool:
            body = b"x" if method == "POST" else b""
            request = octets("/", f"User-Agent: {agent}", method=method, host=host, body=body)
            return not closing(await scene.ask(request))

        msie, safari = "Mozilla/4.0 (compatible; MSIE 5.5; Windows)", "Mozilla/5.0 (Mac OS X 10) Safari/1"
        assert not await kept(msie, "POST", "example.com")
        assert await kept(msie, "GET", "example.com")
        assert await kept(msie, "POST", "none")
        assert await kept(safari, "POST", "example.com")
        assert not await kept(safari, "GET", "safari")
        assert await kept(msie, "POST", "safari")

    async def test_keepalive_time(self, scene: Scene) -> None:
        """A connection older than keepalive_time gets one more answer."""
        await scene.serve(RETURN % "keepalive_time 30s;")
        client = await scene.client()
        assert not closing(await client.ask(octets()))
        await trio.sleep(31)
        assert closing(await client.ask(octets()))

    async def test_announced_timeout(self, scene: Scene) -> None:
        """The second parameter of keepalive_timeout is what the client is told."""
        await scene.serve(RETURN % "keepalive_timeout 75s 20s;")
        answer = await scene.ask(octets())
        assert answer.get("Keep-Alive") == "timeout=20"

    async def test_a_client_that_leaves_between_requests_is_not_missed(self, scene: Scene) -> None:
        """Neither log says a word."""
        await scene.serve(RETURN % "")
        for leave in (Wire.close, Wire.reset, Wire.finish):
            client = await scene.client()
            await wait_all_tasks_blocked()
            leave(client)
            await wait_all_tasks_blocked()
        assert scene.log() == scene.log("error.log") == []


class TestPipelining:
    """Several requests before the first answer."""

    async def test_answers_come_in_order(self, scene: Scene) -> None:
        """Robustness 6. Requests that came in one piece are answered one after the other."""
        await scene.serve('server { listen 80; location / { return 200 "$uri "; } }')
        client = await scene.client()
        await client.send(b"".join(octets(f"/{n}") for n in range(20)))
        assert [(await client.answer()).text for _ in range(20)] == [f"/{n} " for n in range(20)]

    async def test_the_next_request_waits_for_its_turn(self, scene: Scene) -> None:
        """A pipelining client is not served ahead: one request of it is at a server at any time."""
        b = scene.backend()
        await scene.serve(PASS, b=b)
        client = await scene.client()
        await client.send(octets("/1") + octets("/2"))
        server = await b.accept()
        assert (await server.request()).target == "/1"
        assert await server.arrived() == b""
        assert await b.idle()
        await server.send(OK)
        assert (await server.request()).target == "/2"

    async def test_what_comes_behind_the_last_request_is_dropped(self, scene: Scene) -> None:
        """Behind ``Connection: close`` nothing is served, and the answer is not lost by a reset."""
        b = scene.answering(OK)
        await scene.serve(PASS, b=b)
        client = await scene.client()
        await client.send(octets("/1", "Connection: close") + octets("/2"))
        assert (await client.answer()).body == b"ok"
        assert await client.ended()
        assert not client.was_reset
        assert [request.target for request in b.requests] == ["/1"]

    async def test_a_body_nobody_reads_keeps_requests_in_step(self, scene: Scene) -> None:
        """
        The rest of an unwanted body is skipped, framed either way, and the next request found behind it.

        Robustness 5.
        """
        await scene.serve(RETURN % "")
        client = await scene.client()
        evil = octets("/smuggled")
        await client.send(octets("/", method="POST", body=evil) + octets("/", chunks=[evil, evil]) + octets())
        for _ in range(3):
            assert (await client.answer()).body == b"hello"
        assert await client.arrived() == b""
        assert len(scene.log()) == 3

    async def test_pipe_variable(self, scene: Scene) -> None:
        """$pipe tells pipelined requests from others."""
        await scene.serve('server { listen 80; return 200 "$pipe"; }')
        client = await scene.client()
        await client.send(octets() + octets())
        assert [(await client.answer()).text for _ in range(2)] == [".", "p"]


class TestRefusals:
    """Heads that are none."""

    @pytest.mark.parametrize(
        ("request_", "status"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", 400),
            (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
            (b"\x16\x03\x01\x02\x00\x01\x00\x01", 400),
            (b"get / HTTP/1.1\r\n", 400),
            (b"GET / HTTP/3.0\r\n\r\n", 505),
            (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 405),
            (b"GET /" + b"x" * 9000, 414),
            (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000, 400),
            (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
            (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400),
            (b"GET /.. HTTP/1.1\r\nHost: a\r\n\r\n", 400),
            (b"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        ],
    )
    async def test_is_answered_and_the_connection_closed(self, scene: Scene, request_: bytes, status: int) -> None:
        """
        What is no request gets its status, and nothing behind it is served.

        Robustness 4. Robustness 5. Robustness 7.
        """
        b = scene.answering(OK)
        await scene.serve(PASS, b=b)
        client = await scene.client()
        await client.send(request_)
        answer = await client.answer()
        assert (answer.status, closing(answer)) == (status, True)
        await client.send(octets("/smuggled"))
        assert await client.ended()
        assert not client.was_reset
        assert b.requests == []
        (line,) = scene.log()
        assert f'" {status} ' in line
        assert scene.errors() == []

    async def test_fields_too_large_have_a_page_of_their_own(self, scene: Scene) -> None:
        """nginx's inner status 494 is sent as 400."""
        await scene.serve(PASS, b=scene.dead())
        client = await scene.client()
        answer = await client.ask(b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 9000 + b"\r\n\r\n")
        assert (answer.status, answer.reason) == (400, b"Bad Request")
        assert "Request Header Or Cookie Too Large" in answer.text

    async def test_a_refusal_may_have_an_error_page(self, scene: Scene) -> None:
        """``error_page 400`` of the default server counts, although no request is known."""
        await scene.serve('server { listen 80; error_page 400 /bad; location = /bad { return 200 "bad: $uri"; } }')
        client = await scene.client()
        answer = await client.ask(b"GET / HTTP/1.1\r\n\r\n")
        assert (answer.status, answer.body) == (400, b"bad: /bad")

    async def test_the_line_of_a_refused_request_is_logged_escaped(self, scene: Scene) -> None:
        """Robustness 12. Whatever octets a client sends stay on one line of either log."""
        await scene.serve(PASS, b=scene.dead())
        client = await scene.client()
        await client.ask(b'\x16\x03\x01"\\\xff x\r\nforged\r\n\r\n')
        assert '"\\x16\\x03\\x01\\x22\\x5C\\xFF x" 400 ' in scene.log()[0]
        (line,) = scene.log("error.log")
        assert line.isprintable()
        assert "forged" not in line

    async def test_an_invalid_target_with_a_body_can_be_answered(self, scene: Scene) -> None:
        """A client that is still sending its body can read why it was refused."""
        await scene.serve(PASS, b=scene.dead())
        client = await scene.client()
        await client.send(octets("/..", "Content-Length: 1000000", method="POST"))
        assert (await client.answer()).status == 400
        await client.send(bytes(500000))
        assert await client.ended()
        assert not client.was_reset


class TestHeadTimeouts:
    """Clients that are slow to ask."""

    async def test_a_silent_client_is_closed(self, scene: Scene) -> None:
        """Who never speaks is closed after client_header_timeout, and not logged."""
        await scene.serve(RETURN % "client_header_timeout 15s;")
        client = await scene.client()
        assert await client.ended()
        assert trio.current_time() == pytest.approx(15, abs=0.1)
        assert scene.log() == []

    async def test_dripping_does_not_help(self, scene: Scene) -> None:
        """client_header_timeout is for the whole head, however it comes."""
        await scene.serve(RETURN % "client_header_timeout 15s;")
        client = await scene.client()
        for octet in b"GET / HTTP/1.1\r\n"[:15]:
            await client.send(bytes([octet]))
            assert await client.arrived() == b""
            await trio.sleep(1)
        assert (await client.answer()).status == 408
        assert trio.current_time() == pytest.approx(15, abs=0.1)

    async def test_half_a_head(self, scene: Scene) -> None:
        """Who stops in the middle is told so."""
        await scene.serve(RETURN % "client_header_timeout 15s;")
        client = await scene.client()
        await client.send(b"GET / HTTP/1.1\r\nHo")
        assert (await client.answer()).status == 408
        assert trio.current_time() == pytest.approx(15, abs=0.1)
        assert await client.ended()

    async def test_a_client_that_leaves_within_its_head(self, scene: Scene) -> None:
        """There is nobody to answer, and no request to log."""
        await scene.serve(RETURN % "")
        client = await scene.client()
        await client.send(b"GET / HTTP/1.1\r\nHo")
        client.close()
        await wait_all_tasks_blocked()
        assert scene.log() == []


class TestLogs:
    """What is told about a request."""

    async def test_context_of_an_error(self, scene: Scene) -> None:
        """An error line says who asked which server for what, and where it was to go."""
        dead = scene.dead()
        conf = "server { listen 80; server_name first.test; location / { proxy_pass http://<b>/base/; } }"
        await scene.serve(conf, b=dead)
        assert (await scene.ask(octets("/a?b=c", host="first.test:80"))).status == 502
        (line,) = scene.errors()
        assert "[error] " in line
        said = line.partition(": *1 ")[2]
        assert said.startswith("connect() failed (111: Connection refused) while connecting to upstream (nothing ")
        assert said.endswith(
            '), client: 127.0.0.1, server: first.test, request: "GET /a?b=c HTTP/1.1", '
            f'upstream: "http://{dead}/base/a?b=c", host: "first.test:80"'
        )

    async def test_a_mistake_of_ours_ends_one_connection_only(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Robustness 23. An unexpected exception is told in one line of level alert, and others are served on."""
        await scene.serve(RETURN % "")
        other = await scene.client()
        with monkeypatch.context() as patch:
            async def broken(*_: object) -> None:
                raise ZeroDivisionError("oops")

            patch.setattr(Dispatcher, "answer", broken)
            client = await scene.client()
            await client.send(octets())
            assert await client.ended()
        scene.forgive("bug: ZeroDivisionError: oops at test_connection.py:")
        assert len(scene.errors("alert")) == 1
        assert (await other.ask(octets())).status == 200

    async def test_sizes_and_times(self, scene: Scene) -> None:
        """$request_length, $bytes_sent and the times of the answer are exact."""
        conf = """log_format f '$request_length $bytes_sent $body_bytes_sent $request_time $connection_requests
                                $request_completion'; access_log <dir>/f f;""" + PASS
        b = scene.backend()
        await scene.serve(conf, b=b)
        client = await scene.client()
        request = octets("/", method="POST", body=b"12345")
        await client.send(request)
        server = await b.accept()
        await server.request()
        await trio.sleep(3)
        await server.send(reply("hello"))
        answer = await client.answer()
        length, sent, body, seconds, count, completion = " ".join(scene.log("f")).split()
        assert (int(length), int(sent), int(body)) == (len(request), len(answer.raw), 5)
        assert float(seconds) == pytest.approx(3, abs=0.2)
        assert (count, completion) == ("1", "OK")


async def test_the_target_names_the_server(scene: Scene) -> None:
    """Robustness 9. An absolute target overrides Host (RFC 9112 section 3.2.2)."""
    await scene.serve("""server { listen 80; server_name a; return 200 "a $host $uri"; }
                         server { listen 80; server_name b; return 200 "b $host $uri"; }""")
    assert (await scene.ask(octets("http://B:99/x", host="a"))).text == "b b /x"
    assert (await scene.ask(octets("/x", host="A.:80"))).text == "a a /x"


async def test_a_regular_expression_of_a_server_name_captures(scene: Scene) -> None:
    """What server_name matched is at hand in its locations."""
    await scene.serve(r'server { listen 80; server_name ~^(?<user>\w+)\.home$; return 200 "$user $1"; }')
    assert (await scene.ask(octets(host="Jane.home"))).text == "jane jane"


async def test_no_disk_for_a_body_is_an_error_of_ours(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A temporary file that cannot be made is told, and answered with 500."""
    def full(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    await scene.serve(PASS, b=scene.dead())
    assert (await scene.ask(octets("/", method="POST", body=bytes(100000)))).status == 500
    (line,) = scene.errors()
    assert "[error]" in line
    assert "(28: No space left on device)" in line


# the same octets in any portions

_BODIES = st.binary(max_size=30)
_ONE = st.one_of(
    st.builds(lambda n: (octets(f"/{n}"), f"/{n}", b""), st.integers(0, 99)),
    st.builds(lambda n: (octets(f"/{n}").replace(b"\r\n", b"\n"), f"/{n}", b""), st.integers(0, 99)),
    st.builds(lambda body: (octets("/b", method="POST", body=body), "/b", body), _BODIES),
    st.builds(lambda bodies: (octets("/c", chunks=bodies), "/c", b"".join(bodies)),
              st.lists(st.binary(min_size=1, max_size=20), max_size=3)),
    st.builds(lambda body: (octets("/d", method="PUT", body=body), "/d", body), st.just(b"x" * 20000)),
)


def _pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    return [data[start:end] for start, end in pairwise(edges)]


async def _converse(unbuffered: bool, messages: list[tuple[bytes, str, bytes]], cuts: list[int]) -> None:
    """Send *messages* in portions, and compare what the server gets with what was sent."""
    conf = """server { listen 80; location / { proxy_pass http://<b>; }
                       location /return/ { return 200 "here"; } }"""
    if unbuffered:
        conf = "proxy_request_buffering off; " + conf
    async with open_scene() as scene:
        b = scene.answering(reply("yes"))
        await scene.serve(conf, b=b)
        client = await scene.client()
        for piece in _pieces(b"".join(message for message, _, _ in messages), cuts):
            await client.send(piece)
            await wait_all_tasks_blocked()
        for _ in messages:
            answer = await client.answer()
            assert (answer.status, answer.body) == (200, b"yes")
        assert await client.arrived() == b""
        assert [(request.target, request.body) for request in b.requests] == [
            (target, body) for _, target, body in messages
        ]


@pytest.mark.parametrize("unbuffered", [False, True])
@settings(max_examples=25, deadline=None)
@given(messages=st.lists(_ONE, min_size=1, max_size=5), cuts=st.lists(st.integers(0, 100000), max_size=8))
@example(messages=[(octets("/a"), "/a", b""), (octets("/c", chunks=[b"xyz"]), "/c", b"xyz")], cuts=list(range(200)))
def test_requests_do_not_depend_on_how_they_are_cut(
    unbuffered: bool, messages: list[tuple[bytes, str, bytes]], cuts: list[int]
) -> None:
    """Pipelined requests arrive at the server whole and in order, in whatever portions their octets came."""
    trio.run(_converse, unbuffered, messages, cuts, clock=virtual_clock())


async def _see_answers(answers: bytes, count: int, cuts: list[int]) -> list[tuple[int, bytes]]:
    """Return status and body of *count* answers whose octets a server sends in portions."""
    async with open_scene() as scene:
        b = scene.backend()
        await scene.serve(PASS, b=b)
        client = await scene.client()
        seen = []
        server: Wire | None = None
        for size in range(count):
            await client.send(octets(f"/{size}"))
            if server is None:
                server = await b.accept()
            await server.request()
            for piece in _pieces(answers, cuts):
                await server.send(piece)
                await wait_all_tasks_blocked()
            answer = await client.answer()
            seen.append((answer.status, answer.body))
        assert len(b.wires) == 1
        return seen


@settings(max_examples=30, deadline=None)
@given(body=st.binary(max_size=60), form=st.integers(0, 3), cuts=st.lists(st.integers(0, 1000), max_size=8))
@example(body=b"hello", form=1, cuts=list(range(100)))
@example(body=b"hello", form=3, cuts=list(range(200)))
def test_answers_do_not_depend_on_how_they_are_cut(body: bytes, form: int, cuts: list[int]) -> None:
    """An answer reaches the client whole and its connection is used again, in whatever portions it came."""
    chunks = [body[:7], body[7:]] if len(body) > 7 else [body] if body else []
    answers = [
        reply(body),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(*chunks),
        reply(body).replace(b"\r\n", b"\n", 2),
        b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + reply(body),
    ]
    seen = trio.run(_see_answers, answers[form], 2, cuts, clock=virtual_clock())
    assert seen == [(200, body), (200, body)]


class TestNamesPerServer:
    """Which field names pass is the business of the server that the request names."""

    CONF = """
        server { listen 80; server_name strict; location / { proxy_pass http://<b>; } }
        server { listen 80; server_name lenient; underscores_in_headers on; location / { proxy_pass http://<b>; } }
        server { listen 80; server_name careless; ignore_invalid_headers off; location / { proxy_pass http://<b>; } }
    """

    @pytest.mark.parametrize(("host", "passed"), [("strict", False), ("lenient", True), ("careless", True)])
    async def test_underscores(self, scene: Scene, host: str, passed: bool) -> None:
        """A server beside the default one reads the fields its own way."""
        b = scene.backend()
        await scene.serve(self.CONF, b=b)
        client = await scene.client()
        await client.send(octets("/", "a_b: 1", host=host))
        server = await b.accept()
        assert (await server.head()).get("a_b") == ("1" if passed else None)
