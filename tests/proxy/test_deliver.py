"""A server's answer written anew for the client: framing, fields, upgrades."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbproxy.proxy.relay import LAST_WORDS
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

OK = reply("ok")
PASS = "log_format f '$status $body_bytes_sent'; server { listen 80; %s location / { proxy_pass http://<b>; } }"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = octets("/ws", "Connection: upgrade", "Upgrade: echo")
SWITCH = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"


class TestFraming:
    """How the client learns where an answer ends."""

    async def test_length(self, scene: Scene) -> None:
        """A Content-Length stays; head and body leave in one write."""
        await scene.serve(PASS % "", b=scene.answering(OK))
        client = await scene.client()
        await client.send(octets())
        got = await client.arrived()
        assert b"\r\nContent-Length: 2\r\n" in got
        assert got.endswith(b"\r\n\r\nok")

    async def test_chunks(self, scene: Scene) -> None:
        """
        Chunks are framed anew: what arrived together is one chunk; extensions and trailers stay behind.

        Robustness 3.
        """
        b = scene.backend()
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        await server.send(CHUNKED + b"1;a=b\r\na\r\n2\r\nbc\r\n")
        assert (await client.arrived()).endswith(b"\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n"
                                                 b"3\r\nabc\r\n")
        await server.send(b"1\r\nd\r\n0\r\nTrailer: x\r\n\r\n")
        assert await client.arrived() == b"1\r\nd\r\n0\r\n\r\n"

    async def test_until_close_becomes_chunks(self, scene: Scene) -> None:
        """What ends with the server's connection need not end with the client's."""
        b = scene.answering(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello")
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        for _ in range(2):
            answer = await client.ask(octets())
            assert (answer.text, answer.get("Transfer-Encoding")) == ("hello", "chunked")

    @pytest.mark.parametrize("answer", [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n",
    ])
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    async def test_no_chunks_for_who_cannot_take_them(self, scene: Scene, answer: bytes, version: str) -> None:
        """Robustness B. HTTP/1.0, or ``chunked_transfer_encoding off``: the answer ends with the connection."""
        await scene.serve(PASS % ("" if version == "1.0" else "chunked_transfer_encoding off;"),
                          b=scene.answering(answer))
        client = await scene.client()
        await client.send(octets("/", "Connection: keep-alive", version=version))
        got = await client.rest()
        assert b"Transfer-Encoding" not in got
        assert b"\r\nConnection: close\r\n" in got
        assert got.endswith(b"\r\n\r\nhello")
        assert not client.was_reset

    @pytest.mark.parametrize(("method", "answer", "fields"), [
        ("HEAD", reply(bytes(1000)).rstrip(b"\0"), b"\r\nContent-Length: 1000\r\n"),
        ("HEAD", CHUNKED, b""),
        ("HEAD", b"HTTP/1.1 200 OK\r\n\r\n", b""),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n", b"\r\nETag: x\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b""),
    ])
    async def test_answers_without_a_body(self, scene: Scene, method: str, answer: bytes, fields: bytes) -> None:
        """Robustness 6. HEAD, 204 and 304 have none, whatever their fields say; both connections live on."""
        b = scene.answering(answer, OK)
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        await client.send(octets(method=method) + octets())
        head = await client.until(b"\r\n\r\n")
        assert fields in head
        assert b"Transfer-Encoding" not in head
        assert (await client.answer()).text == "ok"
        assert len(b.wires) == 1

    async def test_an_empty_chunked_body(self, scene: Scene) -> None:
        """Has its last chunk."""
        await scene.serve(PASS % "", b=scene.answering(CHUNKED + b"0\r\n\r\n"))
        client = await scene.client()
        await client.send(octets())
        assert (await client.arrived()).endswith(b"\r\n\r\n0\r\n\r\n")


class TestFields:
    """The head's fields."""

    async def test_own_and_servers_fields(self, scene: Scene) -> None:
        """Server and Date are the proxy's; the rest is the server's, in its order, hop-by-hop ones left out."""
        answer = reply("ok", "Server: other", "Date: then", "X-A: 1", "Connection: x-b", "X-B: hop", "Keep-Alive: x",
                       "Set-Cookie: a", "Set-Cookie: b", "X-Accel-Buffering: no")
        await scene.serve(PASS % "server_tokens off;", b=scene.answering(answer))
        got = await scene.ask(octets())
        names = [name for name, _ in got.fields]
        assert names == [b"Server", b"Date", b"Content-Length", b"Connection", b"X-A", b"Set-Cookie", b"Set-Cookie"]
        assert got.get("Server") == "lbproxy"
        assert got.get_all("Set-Cookie") == ["a", "b"]

    async def test_passed_fields(self, scene: Scene) -> None:
        """proxy_pass_header lets the server speak for itself, and nobody for it."""
        conf = PASS % "proxy_pass_header Server; proxy_pass_header Date;"
        await scene.serve(conf, b=scene.answering(reply("ok", "Server: other")))
        answer = await scene.ask(octets())
        assert (answer.get("Server"), answer.get("Date")) == ("other", None)

    async def test_reason(self, scene: Scene) -> None:
        """The phrase is the server's own."""
        await scene.serve(PASS % "", b=scene.answering(reply("ok", status="299 Quite Good")))
        answer = await scene.ask(octets())
        assert (answer.status, answer.reason) == (299, b"Quite Good")


class TestUpgrade:
    """Connections that become tunnels."""

    async def ask(
        self, scene: Scene, more: str = "", request: bytes = UPGRADE, answer: bytes = SWITCH
    ) -> tuple[Wire, Wire]:
        """Return client and server of an upgrade that has been asked for and answered."""
        b = scene.backend()
        await scene.serve(PASS % more, b=b)
        client = await scene.client()
        await client.send(request)
        server = await b.accept()
        await server.head()
        await server.send(answer)
        return client, server

    async def open(self, scene: Scene, more: str = "", request: bytes = UPGRADE) -> tuple[Wire, Wire]:
        """Return both ends of a tunnel."""
        client, server = await self.ask(scene, more, request)
        answer = await client.answer()
        assert (answer.status, answer.get("Connection"), answer.get("Upgrade")) == (101, "upgrade", "echo")
        return client, server

    async def test_the_protocol_is_named_once(self, scene: Scene) -> None:
        """Strict clients take two Upgrade fields for no upgrade."""
        client, _ = await self.ask(scene)
        head = (await client.until(b"\r\n\r\n")).lower()
        assert (head.count(b"\r\nupgrade:"), head.count(b"\r\nconnection:")) == (1, 1)

    async def test_a_switch_to_nothing_is_refused(self, scene: Scene) -> None:
        """101 must say which protocol follows (RFC 9110 section 15.2.2)."""
        client, _ = await self.ask(scene, answer=b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\n\r\n")
        assert (await client.answer()).status == 502

    async def test_octets_go_both_ways(self, scene: Scene) -> None:
        """As they come, whatever they are."""
        client, server = await self.open(scene)
        await client.send(b"\r\n\x00ping")
        assert await server.arrived() == b"\r\n\x00ping"
        await server.send(b"pong")
        assert await client.arrived() == b"pong"

    @pytest.mark.parametrize("more", [(), ("Content-Length: 0",)])
    async def test_octets_that_came_with_the_handshake(self, scene: Scene, more: tuple[str, ...]) -> None:
        """Are passed on in both directions, also behind a request that says it has no body."""
        b = scene.backend()
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        await client.send(octets("/ws", "Connection: upgrade", "Upgrade: echo", *more) + b"early ")
        server = await b.accept()
        await server.head()
        await client.send(b"bird")
        await wait_all_tasks_blocked()
        await server.send(SWITCH + b"worm")
        await client.answer()
        assert await client.read(4) == b"worm"
        assert await server.read(10) == b"early bird"

    async def test_each_side_may_end_first(self, scene: Scene) -> None:
        """What the other side still says arrives; then both are closed."""
        client, server = await self.open(scene)
        client.finish()
        assert await server.ended()
        await server.send(b"last words")
        server.finish()
        assert await client.rest() == b"last words"
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    @pytest.mark.parametrize("first", ["client", "server"])
    async def test_a_side_that_has_closed_ends_the_other(self, scene: Scene, first: str) -> None:
        """A close looks like the end of one direction: whoever is left may still speak, but not be silent for long."""
        ends = await self.open(scene, "proxy_read_timeout 1h;")
        leaving, left = ends if first == "client" else ends[::-1]
        leaving.close()
        assert await left.ended()
        assert trio.current_time() < 0.1
        assert scene.in_flight == 1
        await trio.sleep(LAST_WORDS + 0.1)
        assert scene.in_flight == 0

    async def test_last_words_may_be_many(self, scene: Scene) -> None:
        """As long as they keep coming."""
        client, server = await self.open(scene)
        client.finish()
        assert await server.ended()
        for _ in range(5):
            await trio.sleep(LAST_WORDS - 1)
            await server.send(b"x")
        server.close()
        assert await client.rest() == b"xxxxx"

    async def test_not_before_the_whole_request_is_there(self, scene: Scene) -> None:
        """Robustness 7. Octets of a body would be octets of the tunnel, or the other way round."""
        b = scene.backend()
        await scene.serve(PASS % "proxy_request_buffering off;", b=b)
        client = await scene.client()
        await client.send(octets("/", "Connection: upgrade", "Upgrade: echo", "Content-Length: 10", method="POST"))
        server = await b.accept()
        await server.head()
        await server.send(SWITCH)
        assert (await client.answer()).status == 502
        assert await server.ended()

    async def test_a_reset_ends_both(self, scene: Scene) -> None:
        """Nobody is left waiting."""
        client, server = await self.open(scene)
        server.reset()
        assert await client.ended()
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    async def test_idle_timeout(self, scene: Scene) -> None:
        """An octet in either direction keeps it alive; without any it ends after proxy_read_timeout."""
        client, server = await self.open(scene, "proxy_read_timeout 20s;")
        for _ in range(3):
            await trio.sleep(15)
            await client.send(b"x")
            await server.read(1)
        await trio.sleep(15)
        await server.send(b"y")
        await client.read(1)
        start = trio.current_time()
        assert await client.ended()
        assert await server.ended()
        assert trio.current_time() - start == pytest.approx(20, abs=0.5)

    async def test_is_logged_once_with_all_octets(self, scene: Scene) -> None:
        """At its end, as one request."""
        client, server = await self.open(scene, "access_log <dir>/f f;")
        await server.send(b"12345")
        await client.read(5)
        await client.send(b"x")
        await server.read(1)
        assert scene.log("f") == []
        client.close()
        assert await server.ended()
        server.close()
        await wait_all_tasks_blocked()
        assert scene.log("f") == ["101 5"]

    async def test_refused_upgrade(self, scene: Scene) -> None:
        """Any other answer is an ordinary one, and the connections stay what they were."""
        b = scene.answering(reply("no", "Upgrade: other", "Connection: upgrade", status="426 Upgrade Required"), OK)
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        answer = await client.ask(UPGRADE)
        assert (answer.status, answer.get("Upgrade")) == (426, "other")
        assert (await client.ask(octets())).text == "ok"

    @pytest.mark.parametrize("offer", ["h2c", "H2C, websocket", "websocket, h2c"])
    async def test_h2c_is_not_passed_on(self, scene: Scene, offer: str) -> None:
        """Robustness 7. HTTP/2 in a tunnel would be requests that nobody looks at."""
        b = scene.answering(OK)
        await scene.serve(PASS % "", b=b)
        await scene.ask(octets("/", "Connection: upgrade, http2-settings", f"Upgrade: {offer}", "HTTP2-Settings: AAA"))
        (request,) = b.requests
        assert request.get("Upgrade") is None
        assert request.get("HTTP2-Settings") is None

    async def test_a_tunnel_is_not_kept(self, scene: Scene) -> None:
        """Robustness 6. Its connection never serves a request again."""
        client, server = await self.open(scene)
        client.close()
        assert await server.ended()


async def test_head_has_no_body_whatever_the_server_was_asked(scene: Scene) -> None:
    """With proxy_method the server may send one; it stays behind, and its connection ends.  Robustness 6."""
    b = scene.backend()
    await scene.serve(PASS % "proxy_method POST;", b=b)
    client = await scene.client()
    await client.send(octets(method="HEAD"))
    server = await b.accept()
    assert (await server.request()).line.startswith(b"POST ")
    await server.send(OK)
    got = await client.arrived()
    assert b"\r\nContent-Length: 2\r\n" in got
    assert got.endswith(b"\r\n\r\n")
    assert await server.ended()
