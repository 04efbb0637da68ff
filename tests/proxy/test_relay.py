"""Bodies on their way to the client: at once, in bounds, and cut where they were cut."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

PASS = "%s server { listen 80; location / { proxy_pass http://<b>; } }"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"


async def answering(scene: Scene, head: bytes, more: str = "", version: str = "1.1", window: int = 0
                    ) -> tuple[Wire, Wire]:
    """Return client and server of a request whose answer has begun with *head*."""
    b = scene.backend()
    await scene.serve(PASS % more, b=b)
    client = await scene.client(window=window)
    await client.send(octets(version=version))
    server = await b.accept()
    await server.request()
    await server.send(head)
    await wait_all_tasks_blocked()
    return client, server


class TestAtOnce:
    """Nothing is held back in the hope of more, but a head whose body is sure to come."""

    @pytest.mark.parametrize(
        ("head", "more"),
        [(CHUNKED, ""), (CLOSE, ""), *((head, "proxy_buffering off;") for head in (LENGTH, CHUNKED, CLOSE))],
    )
    async def test_the_head_comes_first(self, scene: Scene, head: bytes, more: str) -> None:
        """A server that thinks about its body has its head delivered meanwhile."""
        client, _ = await answering(scene, head, more)
        assert (await client.arrived()).startswith(b"HTTP/1.1 200 OK\r\n")

    async def test_a_head_waits_for_its_body_of_known_length(self, scene: Scene) -> None:
        """Head and first piece of a buffered body leave together."""
        client, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        assert await client.arrived() == b""
        await server.send(b"hello")
        assert (await client.arrived()).endswith(b"\r\n\r\nhello")

    async def test_a_server_that_fails_before_its_body_is_replaced(self, scene: Scene) -> None:
        """The client has been told nothing yet, so another server may answer."""
        a, b = scene.backend(), scene.backend()
        upstream = "upstream u { server <a>; server <b>; } server { listen 80; location / { proxy_pass http://u; } }"
        await scene.serve(upstream, a=a, b=b)
        client = await scene.client()
        await client.send(octets())
        first = await a.accept()
        await first.request()
        await first.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        first.close()
        second = await b.accept()
        await second.request()
        await second.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
        assert (await client.answer()).body == b"hello"

    async def test_server_sent_events(self, scene: Scene) -> None:
        """Each event arrives when it was sent, buffering or not."""
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
        client, server = await answering(scene, head)
        await client.until(b"\r\n\r\n")
        for _ in range(5):
            await trio.sleep(30)
            await server.send(b"data: x\n\n")
            assert await client.arrived() == b"9\r\ndata: x\n\n\r\n"


class TestSlowClients:
    """How far the proxy reads ahead of who does not read."""

    async def taken(self, scene: Scene, more: str = "", head: bytes = CLOSE) -> int:
        """Return how many octets a server gets rid of while the client reads none."""
        _, server = await answering(scene, head, more, window=4096)
        return await server.fill()

    async def test_read_ahead_is_bounded_by_the_buffers(self, scene: Scene) -> None:
        """proxy_buffers is what is read ahead, beyond what sockets hold."""
        small = await self.taken(scene, "proxy_buffers 2 4k;")
        large = await self.taken(scene, "proxy_buffers 64 64k;")
        assert large - small > 3 << 20
        assert large < 16 << 20

    async def test_no_read_ahead_without_buffering(self, scene: Scene) -> None:
        """proxy_buffering off, or a server that says so by X-Accel-Buffering."""
        buffered = await self.taken(scene, "proxy_buffers 64 64k;")
        off = await self.taken(scene, "proxy_buffers 64 64k; proxy_buffering off;")
        for word in (b"no", b"No"):
            head = CLOSE[:-2] + b"X-Accel-Buffering: %b\r\n\r\n" % word
            said = await self.taken(scene, "proxy_buffers 64 64k;", head)
            assert buffered - said > 3 << 20
        ignored = await self.taken(scene, "proxy_buffers 64 64k; proxy_ignore_headers X-Accel-Buffering;",
                                   CLOSE[:-2] + b"X-Accel-Buffering: no\r\n\r\n")
        wanted = await self.taken(scene, "proxy_buffers 64 64k; proxy_buffering off;",
                                  CLOSE[:-2] + b"X-Accel-Buffering: yes\r\n\r\n")
        assert buffered - off > 3 << 20
        assert ignored - off > 3 << 20
        assert wanted - off > 3 << 20

    @pytest.mark.parametrize("more", ["", "proxy_buffering off;", "proxy_buffers 2 4k;"])
    @pytest.mark.parametrize("head", [LENGTH, CHUNKED])
    async def test_everything_arrives_in_the_end(self, scene: Scene, more: str, head: bytes) -> None:
        """However slow the client, the octets are the server's, all and in order."""
        body = bytes(range(256)) * 8192
        if head is LENGTH:
            answer = reply(body)
        else:
            pieces = [body[at:at + 100000] for at in range(0, len(body), 100000)]
            answer = CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
        b = scene.backend()
        await scene.serve(PASS % more, b=b)
        client = await scene.client(window=4096)
        await client.send(octets())
        server = await b.accept()
        await server.request()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, answer)
            await wait_all_tasks_blocked()
            assert (await client.answer()).body == body
        await client.send(octets("/next"))
        assert (await server.request()).target == "/next"

    async def test_a_server_is_done_when_its_answer_is_read(self, scene: Scene) -> None:
        """A client that dawdles over the last octets keeps no place at the server."""
        client, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: 4000000\r\n\r\n",
                                         "proxy_buffers 256 64k;", window=4096)
        await server.send(bytes(4000000))
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0
        assert len((await client.answer()).body) == 4000000


class TestCutAnswers:
    """A body that ends too early ends too early at the client as well."""

    @pytest.mark.parametrize("more", ["", "proxy_buffering off;"])
    @pytest.mark.parametrize("end", ["close", "reset"])
    async def test_length(self, scene: Scene, more: str, end: str) -> None:
        """Robustness B. The client gets what came, and misses the rest."""
        client, server = await answering(scene, LENGTH + b"hello", more)
        server.close() if end == "close" else server.reset()
        assert (await client.rest()).endswith(b"\r\n\r\nhello")
        assert "while reading upstream" in scene.errors()[0]
        assert scene.in_flight == 0

    @pytest.mark.parametrize("end", ["close", "reset"])
    async def test_chunks(self, scene: Scene, end: str) -> None:
        """No last chunk is made up."""
        client, server = await answering(scene, CHUNKED + b"5\r\nhello\r\n5\r\nwo")
        server.close() if end == "close" else server.reset()
        assert (await client.rest()).endswith(b"\r\n\r\n7\r\nhellowo\r\n")

    async def test_until_close(self, scene: Scene) -> None:
        """Robustness B. A server's reset is no end of a body that only the end delimits."""
        client, server = await answering(scene, CLOSE + b"hello")
        server.reset()
        assert (await client.rest()).endswith(b"\r\n\r\n5\r\nhello\r\n")

    async def test_until_close_to_http_1_0(self, scene: Scene) -> None:
        """Robustness B. Where only the end delimits the answer, the cut one ends in a reset."""
        client, server = await answering(scene, CHUNKED + b"5\r\nhello\r\n", version="1.0")
        server.close()
        assert (await client.rest()).endswith(b"\r\n\r\nhello")
        assert client.was_reset

    async def test_broken_chunks(self, scene: Scene) -> None:
        """Robustness B. What stood before the mistake is sent, the mistake told."""
        client, server = await answering(scene, CHUNKED + b"5\r\nhello\r\n")
        await server.send(b"xyz\r\n")
        got = await client.rest()
        assert got.endswith(b"\r\n\r\n5\r\nhello\r\n")
        assert "invalid chunk size line" in scene.errors()[0]
        assert await server.ended()

    async def test_read_timeout(self, scene: Scene) -> None:
        """proxy_read_timeout is between two reads."""
        client, server = await answering(scene, LENGTH, "proxy_read_timeout 20s;")
        for _ in range(3):
            await trio.sleep(15)
            await server.send(b"x")
            await wait_all_tasks_blocked()
        await client.rest()
        assert trio.current_time() == pytest.approx(65, abs=0.5)
        (line,) = scene.errors()
        assert "(110: Connection timed out) while reading upstream (proxy_read_timeout 20s has passed)" in line

    async def test_the_slow_client_gets_what_came_before_the_cut(self, scene: Scene) -> None:
        """What was read ahead is delivered before the connection ends."""
        client, server = await answering(scene, LENGTH, "proxy_buffers 64 64k;", window=4096)
        await server.send(b"x" * 3000000)
        server.close()
        await wait_all_tasks_blocked()
        got = await client.rest()
        assert got.partition(b"\r\n\r\n")[2] == b"x" * 3000000


class TestClientGone:
    """Clients that leave amid their answer."""

    @pytest.mark.parametrize("head", [LENGTH, CHUNKED, CLOSE])
    @pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
    async def test_while_the_server_is_silent(self, scene: Scene, head: bytes, leave: object) -> None:
        """The server is told at once."""
        client, server = await answering(scene, head)
        await trio.sleep(10)
        assert callable(leave)
        leave(client)
        assert await server.ended()
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        assert scene.errors() == []

    async def test_while_it_is_being_sent(self, scene: Scene) -> None:
        """A server that never pauses is told as well."""
        client, server = await answering(scene, CLOSE)
        async with trio.open_nursery() as nursery:
            async def talk() -> None:
                with pytest.raises(OSError):
                    await server.send(bytes(1 << 27))

            nursery.start_soon(talk)
            await client.read(1 << 21)
            client.close()
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    async def test_send_timeout_is_between_writes(self, scene: Scene) -> None:
        """A client that takes a little now and then is served on."""
        client, server = await answering(scene, CLOSE, "send_timeout 20s;", window=4096)
        await server.fill()
        for _ in range(4):
            await trio.sleep(15)
            await client.read(3 << 20)  # the kernel tells of room only when there is much
            await server.fill()
        assert scene.in_flight == 1
        await trio.sleep(25)
        assert scene.in_flight == 0
