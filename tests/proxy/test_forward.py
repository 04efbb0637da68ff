"""One exchange and the servers it may go to: failover, retries, kept connections, and counters that end at zero."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

OK = reply("ok")
PASS = "server { listen 80; location / { proxy_pass http://<b>; } }"
POST = octets(method="POST", body=b"hello")


def upstream(*servers: str, more: str = "", inside: str = "") -> str:
    """Return an upstream of *servers*, and a server that passes everything to it and logs what became of it."""
    lines = "".join(f"server {server};" for server in servers)
    return f"""log_format f '$upstream_addr $upstream_status'; access_log <dir>/f f;
               upstream u {{ {lines} {inside} }}
               server {{ listen 80; {more} location / {{ proxy_pass http://u; }} }}"""


async def keep(scene: Scene, wire: Wire) -> Wire:
    """Answer one request on *wire* so that the proxy keeps the connection."""
    await wire.request()
    await wire.send(OK)
    await wait_all_tasks_blocked()
    return wire


class TestFailover:
    """What moves a request on to the next server."""

    async def test_refused_connection(self, scene: Scene) -> None:
        """Robustness 19. Nothing was sent, so any method moves on."""
        dead, b = scene.dead(), scene.answering(OK)
        await scene.serve(upstream("<dead> max_fails=0", "<b>"), dead=dead, b=b)
        for request in (octets(), POST):
            assert (await scene.ask(request)).status == 200
        assert scene.log("f")[0] == f"{dead}, {b.address} 502, 200"
        assert b.requests[-1].body == b"hello"

    @pytest.mark.parametrize("end", [Wire.close, Wire.reset])
    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-"])
    async def test_a_server_that_dies_before_its_head_is_complete(self, scene: Scene, end: object, said: bytes) -> None:
        """Robustness 19. A GET is put to the next server, whatever of a head had come."""
        a, b = scene.backend(), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>"), a=a, b=b)
        client = await scene.client()
        await client.send(octets())
        server = await a.accept()
        await server.request()
        await server.send(said)
        await wait_all_tasks_blocked()
        assert callable(end)
        end(server)
        assert (await client.answer()).status == 200
        assert scene.log("f") == [f"{a.address}, {b.address} 502, 200"]

    async def test_a_post_that_was_sent_is_not_repeated(self, scene: Scene) -> None:
        """Robustness 19. The first server may have carried it out."""
        a, b = scene.answering(b""), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>"), a=a, b=b)
        assert (await scene.ask(POST)).status == 502
        assert b.requests == []

    async def test_non_idempotent(self, scene: Scene) -> None:
        """Unless the configuration says that it may be."""
        a, b = scene.answering(b""), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>", more="proxy_next_upstream error non_idempotent;"), a=a, b=b)
        assert (await scene.ask(POST)).status == 200
        assert b.requests[0].body == b"hello"

    async def test_a_body_in_a_file_is_sent_again(self, scene: Scene) -> None:
        """The next server gets it from its start."""
        a, b = scene.backend(), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>"), a=a, b=b)
        body = bytes(range(256)) * 400
        client = await scene.client()
        await client.send(octets(method="PUT", body=body))
        server = await a.accept()
        await server.head()
        await server.read(50000)
        server.reset()
        assert (await client.answer()).status == 200
        assert b.requests[0].body == body

    async def test_a_streamed_body_is_not_sent_twice(self, scene: Scene) -> None:
        """Robustness 19. What has gone to the first server is not at hand any more."""
        a, b = scene.answering(b""), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>", more="proxy_request_buffering off;"), a=a, b=b)
        assert (await scene.ask(octets(method="PUT", body=b"hello"))).status == 502
        assert b.requests == []

    @pytest.mark.parametrize("status", ["500 A", "502 B", "503 C", "504 D", "403 E", "404 F", "429 G"])
    async def test_statuses(self, scene: Scene, status: str) -> None:
        """An error status moves on where it is listed, and is passed on by the last server."""
        a, b = scene.answering(reply("a", status=status)), scene.answering(reply("b", status=status))
        name = f"http_{status[:3]}"
        await scene.serve(upstream("<a>", "<b>", more=f"proxy_next_upstream {name};"), a=a, b=b)
        answer = await scene.ask(octets())
        assert (answer.status, answer.reason, answer.text) == (int(status[:3]), status[4:].encode(), "b")
        assert len(a.requests) == len(b.requests) == 1

    async def test_statuses_not_listed_are_answers(self, scene: Scene) -> None:
        """By default only errors and timeouts move on."""
        a, b = scene.answering(reply("a", status="503 Busy")), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>"), a=a, b=b)
        assert (await scene.ask(octets())).status == 503
        assert b.requests == []

    async def test_invalid_header(self, scene: Scene) -> None:
        """An unreadable answer moves on if that is configured, and is 502 either way in the end."""
        a, b = scene.answering(b"SSH-2.0-x\r\n"), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>", more="proxy_next_upstream invalid_header;"), a=a, b=b)
        assert (await scene.ask(octets())).status == 200
        a, b = scene.answering(b"SSH-2.0-x\r\n"), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b>"), a=a, b=b)
        assert (await scene.ask(octets())).status == 502

    async def test_off(self, scene: Scene) -> None:
        """One server, one try."""
        await scene.serve(upstream("<a>", "<b>", more="proxy_next_upstream off;"), a=scene.dead(), b=scene.dead())
        assert (await scene.ask(octets())).status == 502
        assert len(scene.log("f")[0].split(",")) == 1

    async def test_tries(self, scene: Scene) -> None:
        """proxy_next_upstream_tries counts the first attempt."""
        servers = [scene.dead() for _ in range(4)]
        await scene.serve(upstream(*servers, more="proxy_next_upstream_tries 2;"))
        await scene.ask(octets())
        assert scene.log("f") == [f"{servers[0]}, {servers[1]} 502, 502"]

    async def test_next_upstream_timeout(self, scene: Scene) -> None:
        """After it no other server is tried."""
        a, b = scene.backend(), scene.answering(OK)
        more = "proxy_next_upstream_timeout 10s; proxy_read_timeout 11s;"
        await scene.serve(upstream("<a>", "<b>", more=more), a=a, b=b)
        assert (await scene.ask(octets())).status == 504
        assert b.requests == []

    async def test_everybody_dead(self, scene: Scene) -> None:
        """Robustness 20. Each is tried once; then the request is answered at once, and so are the next ones."""
        dead = [scene.dead(), scene.dead()]
        await scene.serve(upstream(*dead))
        assert (await scene.ask(octets())).status == 502
        assert (await scene.ask(octets())).status == 502
        assert scene.log("f") == [f"{dead[0]}, {dead[1]} 502, 502", "u 502"]
        assert "no live upstreams while connecting to upstream" in scene.errors()[-1]

    async def test_a_failed_server_comes_back(self, scene: Scene) -> None:
        """Robustness 20. After fail_timeout it is asked again."""
        a, b = scene.answering(b"", OK), scene.answering(OK)
        await scene.serve(upstream("<a> fail_timeout=20s", "<b>"), a=a, b=b)
        for _ in range(5):
            assert (await scene.ask(octets())).status == 200
        assert len(a.requests) == 1
        await trio.sleep(22)
        for _ in range(4):
            await scene.ask(octets())
        assert len(a.requests) >= 2

    async def test_backup(self, scene: Scene) -> None:
        """Robustness 20. A backup gets requests only while the others fail."""
        a, b = scene.answering(OK), scene.answering(OK)
        await scene.serve(upstream("<a>", "<b> backup"), a=a, b=b)
        await scene.ask(octets())
        assert b.requests == []
        a.refuse()
        for wire in a.wires:
            wire.close()
        await wait_all_tasks_blocked()
        assert (await scene.ask(octets())).status == 200
        assert len(b.requests) == 1


class TestKeptConnections:
    """The pool of an upstream, as requests see it."""

    async def test_reused(self, scene: Scene) -> None:
        """One connection serves request after request, of several clients."""
        b = scene.answering(OK)
        await scene.serve(upstream("<b>"), b=b)
        for _ in range(5):
            assert (await scene.ask(octets())).status == 200
        assert len(b.wires) == 1

    async def test_not_for_http_1_0(self, scene: Scene) -> None:
        """``proxy_http_version 1.0`` asks each request on a connection of its own."""
        b = scene.answering(OK)
        await scene.serve(upstream("<b>", more="proxy_http_version 1.0;"), b=b)
        for _ in range(2):
            assert (await scene.ask(octets())).status == 200
        assert len(b.wires) == 2

    async def test_keepalive_zero(self, scene: Scene) -> None:
        """The upstream may forbid it."""
        b = scene.answering(OK)
        await scene.serve(upstream("<b>", inside="keepalive 0;"), b=b)
        for _ in range(2):
            await scene.ask(octets())
        assert len(b.wires) == 2

    async def test_keepalive_requests(self, scene: Scene) -> None:
        """A connection serves only so many."""
        b = scene.answering(OK)
        await scene.serve(upstream("<b>", inside="keepalive_requests 2;"), b=b)
        for _ in range(4):
            await scene.ask(octets())
        assert len(b.wires) == 2

    async def test_keepalive_timeout(self, scene: Scene) -> None:
        """An idle one is closed after a while, whether or not somebody asks."""
        b = scene.backend()
        await scene.serve(upstream("<b>", inside="keepalive_timeout 20s;"), b=b)
        client = await scene.client()
        await client.send(octets())
        server = await keep(scene, await b.accept())
        start = trio.current_time()
        assert await server.ended()
        assert trio.current_time() - start == pytest.approx(20, abs=1.1)

    async def test_keepalive_time(self, scene: Scene) -> None:
        """An old one is closed after the answer that finds it old."""
        b = scene.answering(OK)
        await scene.serve(upstream("<b>", inside="keepalive_time 10s;"), b=b)
        await scene.ask(octets())
        await trio.sleep(11)
        await scene.ask(octets())
        assert len(b.wires) == 1
        await scene.ask(octets())
        assert len(b.wires) == 2

    async def test_closed_while_idle(self, scene: Scene) -> None:
        """Robustness 19. Is noticed at once, and costs nobody anything: no error, no failure, not even for a POST."""
        b = scene.backend()
        await scene.serve(upstream("<b>", "<dead> backup"), b=b, dead=scene.dead())
        client = await scene.client()
        await client.send(octets())
        (await keep(scene, await b.accept())).close()
        await wait_all_tasks_blocked()
        await client.answer()
        await client.send(POST)
        server = await b.accept()
        assert (await server.request()).body == b"hello"
        await server.send(OK)
        assert (await client.answer()).status == 200
        assert scene.errors() == []

    async def test_stale(self, scene: Scene) -> None:
        """
        A kept connection that dies under a GET is no fault of the server: the request goes out once more.

        Robustness 19.
        """
        b = scene.backend()
        await scene.serve(upstream("<b> max_fails=1", "<dead> backup"), b=b, dead=scene.dead())
        client = await scene.client()
        await client.send(octets())
        server = await keep(scene, await b.accept())
        await client.answer()
        await client.send(octets("/again"))
        await server.request()
        server.close()
        server = await b.accept()
        assert (await server.request()).target == "/again"
        await server.send(OK)
        assert (await client.answer()).status == 200
        assert scene.errors() == []
        assert scene.log("f")[-1] == f"{b.address} 200"
        assert [peer.fails for group in scene.groups for peer in group.peers] == [0, 0]

    async def test_stale_under_a_post(self, scene: Scene) -> None:
        """Robustness 19. A POST that went out on it is not repeated."""
        b = scene.backend()
        await scene.serve(upstream("<b>"), b=b)
        client = await scene.client()
        await client.send(octets())
        server = await keep(scene, await b.accept())
        await client.answer()
        await client.send(POST)
        await server.request()
        server.close()
        assert (await client.answer()).status == 502
        assert await b.idle()

    async def test_a_new_connection_that_dies_is_a_failure(self, scene: Scene) -> None:
        """The request does not go round in circles."""
        b = scene.answering(b"")
        await scene.serve(upstream("<b>"), b=b)
        assert (await scene.ask(octets())).status == 502
        assert len(b.requests) == 1

    async def test_spoken_to_while_idle(self, scene: Scene) -> None:
        """Robustness 6. A server that says something unasked loses the connection: it could be taken for an answer."""
        b = scene.backend()
        await scene.serve(upstream("<b>"), b=b)
        client = await scene.client()
        await client.send(octets())
        server = await keep(scene, await b.accept())
        await client.answer()
        await server.send(reply("poison"))
        assert await server.ended()
        await client.send(octets())
        await keep(scene, await b.accept())
        assert (await client.answer()).text == "ok"

    @pytest.mark.parametrize("answer", [
        reply("ok") + b"x",
        reply("") + b"x",
        reply("", status="204 No Content").replace(b"Content-Length: 0\r\n", b"") + b"x",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nx",
        b"HTTP/1.1 304 Not Modified\r\n\r\nx",
        reply("ok", "Connection: close"),
        reply("ok", version="1.0"),
    ])
    async def test_not_reused_after(self, scene: Scene, answer: bytes) -> None:
        """Robustness 6. Octets behind an answer reach nobody and end the connection; so does the server's wish."""
        b = scene.backend()
        await scene.serve(upstream("<b>"), b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        await server.send(answer)
        got = await client.arrived()
        assert not got.endswith(b"x")
        assert await server.ended()
        await client.send(octets())
        await keep(scene, await b.accept())
        assert (await client.answer()).text == "ok"

    @pytest.mark.parametrize("answer", [
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 100\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nTrailer: x\r\n\r\n",
        reply("ok", "Connection: keep-alive", version="1.0"),
        reply(bytes(100000)),
    ])
    async def test_reused_after(self, scene: Scene, answer: bytes) -> None:
        """An answer that has come to its end leaves a connection fit for the next request."""
        b = scene.answering(answer, OK)
        await scene.serve(upstream("<b>"), b=b)
        client = await scene.client()
        await client.ask(octets())
        assert (await client.ask(octets())).text == "ok"
        assert len(b.wires) == 1

    async def test_last_chunk_that_comes_late(self, scene: Scene) -> None:
        """The final CRLF belongs to the body: the connection is fit for use once it has come."""
        b = scene.backend()
        await scene.serve(upstream("<b>"), b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n")
        assert await client.arrived()
        await server.send(b"\r\n")
        await wait_all_tasks_blocked()
        await client.send(octets("/next"))
        assert (await server.request()).target == "/next"


class TestCounters:
    """Requests in flight: counted while they are, and not a moment longer."""

    CONF = upstream("<b> max_conns=1", more="proxy_read_timeout 20s; send_timeout 20s; client_body_timeout 20s;")

    async def test_max_conns(self, scene: Scene) -> None:
        """Above the limit there is no queue."""
        b = scene.backend()
        await scene.serve(self.CONF, b=b)
        first = await scene.client()
        await first.send(octets())
        server = await b.accept()
        assert scene.in_flight == 1
        assert (await scene.ask(octets())).status == 502
        await server.request()
        await server.send(OK)
        await first.answer()
        assert scene.in_flight == 0

    @pytest.mark.parametrize("stage", ["asked", "answering", "kept"])
    @pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
    async def test_client_gone(self, scene: Scene, stage: str, leave: object) -> None:
        """A client that leaves, wherever, frees its place at once."""
        b = scene.backend()
        await scene.serve(self.CONF, b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        if stage == "answering":
            await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123")
        elif stage == "kept":
            await server.send(OK)
        await trio.sleep(1)
        assert callable(leave)
        leave(client)
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0
        if stage != "kept":
            assert await server.ended()

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n123"])
    async def test_server_silent(self, scene: Scene, said: bytes) -> None:
        """A server that stops talking is given up."""
        b = scene.backend()
        await scene.serve(self.CONF, b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        await server.send(said)
        assert await server.ended()
        assert trio.current_time() == pytest.approx(20, abs=0.5)
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    async def test_client_silent_in_its_body(self, scene: Scene) -> None:
        """Who stops sending an unbuffered body loses its place."""
        b = scene.backend()
        await scene.serve("proxy_request_buffering off;" + self.CONF, b=b)
        client = await scene.client()
        await client.send(octets("/", "Content-Length: 10", method="POST") + b"12345")
        server = await b.accept()
        assert (await server.head()).target == "/"
        assert (await client.answer()).status == 408
        assert trio.current_time() == pytest.approx(20, abs=0.5)
        assert await server.read(5) == b"12345"
        assert await server.ended()
        assert scene.in_flight == 0

    async def test_client_that_does_not_read(self, scene: Scene) -> None:
        """Who takes nothing for send_timeout is cut off."""
        b = scene.backend()
        await scene.serve(self.CONF, b=b)
        client = await scene.client(window=4096)
        await client.send(octets())
        server = await b.accept()
        await server.request()
        await server.send(b"HTTP/1.1 200 OK\r\n\r\n")
        await server.fill()
        await trio.sleep(30)
        assert scene.in_flight == 0
        await client.rest()
        assert client.was_reset

    async def test_a_client_that_leaves_the_last_octets(self, scene: Scene) -> None:
        """Who does not take the end of its answer is cut off; the server has been free since it had said all."""
        b = scene.answering(reply(bytes(5000000)))
        await scene.serve("log_format c '<$request_completion>'; access_log <dir>/c c; proxy_buffers 64 64k;"
                          "send_timeout 20s;" + PASS, b=b)
        client = await scene.client(window=4096)
        await client.send(octets())
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0
        assert scene.log("c") == []
        await trio.sleep(30)
        assert scene.log("c") == ["<>"]
        await client.rest()
        assert client.was_reset

    @pytest.mark.parametrize("stage", ["asked", "answering", "uploading", "early", "tunnel", "lingering", "resolving"])
    async def test_stopped(self, scene: Scene, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Stopping the server in the middle of anything closes and logs it."""
        async def for_ever(*_: object, **__: object) -> None:
            await trio.sleep_forever()

        monkeypatch.setattr(trio.socket, "getaddrinfo", for_ever)
        b = scene.backend()
        conf = """log_format f '$status'; access_log <dir>/f f; client_max_body_size 10; proxy_request_buffering off;
                  server { listen 80; location / { proxy_pass http://<b>; }
                           location /name { proxy_pass http://$arg_name; } }"""
        proxy = await scene.serve(conf, b=b)
        client = await scene.client()
        request = {
            "uploading": octets("/", "Content-Length: 10", method="POST") + b"12345",
            "early": octets("/", "Content-Length: 10", method="POST") + b"12345",
            "tunnel": octets("/", "Connection: upgrade", "Upgrade: x"),
            "lingering": octets("/", "Content-Length: 1000", method="POST"),
            "resolving": octets("/name?name=somewhere.test"),
        }.get(stage, octets())
        await client.send(request)
        if stage not in ("lingering", "resolving"):
            server = await b.accept()
            await server.head()
            said = {
                "answering": b"HTTP/1.1 200 OK\r\n\r\nhello", "early": b"HTTP/1.1 200 OK\r\n\r\nhello",
                "tunnel": b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            }.get(stage, b"")
            await server.send(said)
        await wait_all_tasks_blocked()
        proxy.server.stop()
        await proxy.finished.wait()
        assert scene.in_flight == 0
        await client.rest()
        if stage not in ("lingering", "resolving"):
            await server.rest()
        assert len(scene.log("f")) == 1

    async def test_retries_and_errors(self, scene: Scene) -> None:
        """However an attempt ends, its server is released before the next one is asked."""
        a, b = scene.answering(b"", b"rubbish\r\n\r\n", reply("x", status="500 Oops")), scene.dead()
        more = "proxy_next_upstream error invalid_header http_500;"
        await scene.serve(upstream("<a> max_fails=0 max_conns=1", "<b> max_fails=0 max_conns=1", more=more), a=a, b=b)
        for _ in range(8):
            assert (await scene.ask(octets())).status in (500, 502)
            assert scene.in_flight == 0


async def test_attempts_are_logged(scene: Scene) -> None:
    """$upstream_* are lists with an entry for each try; octets are counted on each."""
    conf = """log_format g '$upstream_addr|$upstream_status|$upstream_response_time|$upstream_header_time|'
                           '$upstream_connect_time|$upstream_response_length|$upstream_bytes_received';
              access_log <dir>/g g; upstream u { server <a>; server <b>; }
              server { listen 80; location / { proxy_pass http://u; proxy_read_timeout 20s; } }"""
    a, b = scene.backend(), scene.answering(OK)
    await scene.serve(conf, a=a, b=b)
    assert (await scene.ask(octets())).status == 200
    assert scene.log("g") == [
        f"{a.address}, {b.address}|504, 200|20.000, 0.000|-, 0.000|0.000, 0.000|0, 2|0, {len(OK)}"
    ]


async def test_a_timeout_names_what_was_waited_for(scene: Scene) -> None:
    """The error log says which directive would wait longer."""
    b = scene.backend()
    await scene.serve("server { listen 80; location / { proxy_pass http://<b>; proxy_read_timeout 20s; } }", b=b)
    assert (await scene.ask(octets())).status == 504
    (line,) = scene.errors()
    assert "upstream timed out (110: Connection timed out) while reading response header from upstream" in line
    assert "proxy_read_timeout" in line
