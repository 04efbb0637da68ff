"""Bodies on their way to the client: at once, in bounds, and cut where they were cut."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbproxy.net.pipe import Pipe
from lbproxy.net.stream import Stream
from lbproxy.proxy.relay import PATIENCE
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

PASS = "%s server { listen 80; location / { proxy_pass http://<b>; } }"
LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CLOSE = b"HTTP/1.1 200 OK\r\n\r\n"
WINDOW = 1 << 16  # of a client that is slow, but not so slow that TCP's own timers count


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


class TestTemporaryFiles:
    """What a slow client has not taken goes to a file, so that its server is free."""

    BODY = bytes(range(256)) * 32_000

    @pytest.mark.parametrize("framing", ["length", "chunks", "close"])
    @pytest.mark.parametrize("version", ["1.0", "1.1"])
    async def test_the_server_is_released(self, scene: Scene, framing: str, version: str) -> None:
        """Soon, though the client reads nothing; when it does, it gets all, and its connection goes on."""
        head = {"length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY),
                "chunks": CHUNKED, "close": CLOSE}[framing]
        client, server = await answering(scene, head, version=version, window=WINDOW)
        if framing == "chunks":
            await server.send(b"".join(b"%x\r\n%b\r\n" % (len(self.BODY) // 4, piece) for piece in quarters(self.BODY)))
            await server.send(b"0\r\n\r\n")
        else:
            await server.send(self.BODY)
        if framing == "close":
            server.close()
        await trio.sleep(2 * PATIENCE)
        assert scene.in_flight == 0
        await trio.sleep(30)
        assert (await client.answer()).body == self.BODY
        if version == "1.1":
            await client.send(octets("/next"))
            again = server if framing != "close" else await scene.backends[0].accept()
            assert (await again.request()).target == "/next"
        (line,) = scene.errors("warn")
        assert "an upstream response is buffered to a temporary file" in line

    async def test_another_client_has_the_connection_meanwhile(self, scene: Scene) -> None:
        """That is what it is good for."""
        _, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY),
                                    window=WINDOW)
        await server.send(self.BODY)
        await trio.sleep(1)
        other = await scene.client()
        await other.send(octets("/other"))
        assert (await server.request()).target == "/other"
        await server.send(reply("ok"))
        assert (await other.answer()).text == "ok"

    @pytest.mark.parametrize("more", ["proxy_max_temp_file_size 0;", "proxy_buffering off;"])
    async def test_off(self, scene: Scene, more: str) -> None:
        """The server waits for the client."""
        _, server = await answering(scene, CLOSE, more, window=WINDOW)
        taken = await server.fill()
        await trio.sleep(10)
        assert taken + await server.fill() < 16 << 20
        assert scene.errors("warn") == []

    async def test_the_file_is_bounded(self, scene: Scene) -> None:
        """By proxy_max_temp_file_size; then the server waits as well."""
        _, server = await answering(scene, CLOSE, "proxy_max_temp_file_size 20m;", window=WINDOW)
        before = await server.fill()
        taken = 0
        await trio.sleep(1)
        while more := await server.fill():
            taken += more
            await trio.sleep(1)
        assert before < 16 << 20
        assert 19 << 20 < taken < 21 << 20

    async def test_a_fast_client_needs_none(self, scene: Scene) -> None:
        """Though its socket may be full now and then."""
        client, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, self.BODY)
            assert (await client.answer()).body == self.BODY
        assert scene.errors("warn") == []

    async def test_a_client_that_goes(self, scene: Scene) -> None:
        """Takes its file with it: the scene counts descriptors."""
        client, server = await answering(scene, LENGTH, window=WINDOW)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, self.BODY)
            await trio.sleep(5)
            assert scene.errors("warn") != []
            client.reset()
        assert await server.ended()
        assert scene.in_flight == 0

    async def test_a_cut_answer(self, scene: Scene) -> None:
        """What came before the cut is delivered, then the connection ends."""
        client, server = await answering(scene, LENGTH, window=WINDOW)
        await server.send(self.BODY)
        server.close()
        await trio.sleep(5)
        assert (await client.rest()).partition(b"\r\n\r\n")[2] == self.BODY

    async def test_a_directory_that_is_not_there(self, scene: Scene) -> None:
        """It is logged, and the server waits for its client; nothing is lost."""
        (scene.directory / "file").write_text("x")
        client, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(self.BODY),
                                         "proxy_temp_path <dir>/file;", window=WINDOW)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, self.BODY)
            await trio.sleep(5)
            assert scene.in_flight == 1
            assert (await client.answer()).body == self.BODY
        (line,) = scene.errors("crit")
        assert "not written to a temporary file (20: Not a directory)" in line

    async def test_read_timeout(self, scene: Scene) -> None:
        """A silent server is not kept because its client takes something now and then."""
        client, server = await answering(scene, LENGTH, "proxy_read_timeout 20s;", window=WINDOW)
        await server.send(self.BODY)
        for _ in range(9):
            await trio.sleep(3)
            if scene.errors():
                break
            await client.read(1 << 20)
        assert "(110: Connection timed out) while reading upstream" in scene.errors()[0]
        assert trio.current_time() == pytest.approx(21, abs=3)

    async def test_uwsgi(self, scene: Scene) -> None:
        """The same, and the file lies where it should."""
        u = scene.backend()
        (scene.directory / "place").mkdir()
        conf = "server { listen 80; location / { uwsgi_pass <u>; uwsgi_temp_path <dir>/place 1; %s } }"
        await scene.serve(conf % "", u=u)
        client = await scene.client(window=WINDOW)
        await client.send(octets())
        server = await u.accept()
        await server.arrived()
        await server.send(b"HTTP/1.1 200 OK\r\n\r\n" + self.BODY)
        server.close()
        await trio.sleep(1)
        assert [path.is_dir() for path in (scene.directory / "place").iterdir()] == [True]
        assert list((scene.directory / "place").glob("*/*")) == []
        assert (await client.answer()).body == self.BODY
        assert f"temporary file {scene.directory}/place/" in scene.errors("warn")[0]


def quarters(body: bytes) -> list[bytes]:
    """Return *body* in four pieces."""
    size = len(body) // 4
    return [body[at : at + size] for at in range(0, len(body), size)]


class TestLimitedReading:
    """proxy_limit_rate, uwsgi_limit_rate."""

    @pytest.mark.parametrize("head", [LENGTH, CHUNKED])
    async def test_the_server_is_read_at_that_rate(self, scene: Scene, head: bytes) -> None:
        """Whatever the client would take."""
        client, server = await answering(scene, head, "proxy_limit_rate 100k;")
        body = bytes(1 << 20) if head is LENGTH else b"100000\r\n" + bytes(1 << 20) + b"\r\n"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, body)
            await client.until(b"\r\n\r\n")
            await client.read(500 << 10)
        assert trio.current_time() == pytest.approx(4, abs=0.6)
        client.close()
        await trio.sleep(2)

    async def test_variables(self, scene: Scene) -> None:
        """And uwsgi: a size from anywhere."""
        u = scene.backend()
        await scene.serve("server { listen 80; location / { uwsgi_pass <u>; uwsgi_limit_rate $arg_r; } }", u=u)
        for rate, seconds in (("100k", 9), ("0", 0), ("", 0), ("x", 0)):
            started = trio.current_time()
            client = await scene.client()
            await client.send(octets(f"/?r={rate}"))
            server = await u.accept()
            await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1024000\r\n\r\n" + bytes(1024000))
            assert len((await client.answer()).body) == 1024000
            server.close()
            assert trio.current_time() - started == pytest.approx(seconds, abs=0.8)

    async def test_only_with_buffering(self, scene: Scene) -> None:
        """As in nginx."""
        client, server = await answering(scene, b"HTTP/1.1 200 OK\r\nContent-Length: 1024000\r\n\r\n",
                                         "proxy_limit_rate 1k; proxy_buffering off;")
        await server.send(bytes(1024000))
        assert len((await client.answer()).body) == 1024000
        assert trio.current_time() < 1

    async def test_a_client_that_goes(self, scene: Scene) -> None:
        """Is noticed while the server is not read."""
        client, server = await answering(scene, LENGTH, "proxy_limit_rate 1k;")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, bytes(100_000))
            await trio.sleep(10)
            client.close()
            assert await server.ended()
            assert trio.current_time() < 13
            nursery.cancel_scope.cancel()


class TestLargeBodies:
    """What is not changed on its way is not copied either."""

    BODY = bytes(range(256)) * 16_000

    @pytest.mark.parametrize("framing", ["length", "close"])
    async def test_they_arrive_whole(self, scene: Scene, framing: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """Spliced for the most part; what the server says behind them stays out."""
        spliced = watch_splices(monkeypatch)
        b = scene.backend()
        await scene.serve(PASS % "", b=b)
        for surplus in (b"", b"HTTP/1.1 200 surplus\r\n\r\n"):
            client = await scene.client()
            await client.send(octets(version="1.0"))
            server = await b.accept()
            await server.request()
            async with trio.open_nursery() as nursery:
                if framing == "length":
                    nursery.start_soon(server.send, reply(self.BODY) + surplus)
                    assert (await client.answer()).body == self.BODY
                else:
                    await server.send(CLOSE + self.BODY)
                    server.close()
                    assert (await client.rest()).endswith(b"\r\n\r\n" + self.BODY)
            if surplus and framing == "length":
                assert await server.ended()
            server.close()
        assert sum(spliced) > len(self.BODY)

    @pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
    async def test_a_client_that_goes(self, scene: Scene, leave: Callable[[Wire], None]) -> None:
        """Leaves nothing to the next one."""
        client, server = await answering(scene, LENGTH)
        async with trio.open_nursery() as nursery:
            async def talk() -> None:
                with pytest.raises(OSError):
                    await server.send(b"x" * 100_000_000)

            nursery.start_soon(talk)
            await client.read(3 << 20)
            leave(client)
        client = await scene.client()
        await client.send(octets())
        server = await scene.backends[0].accept()
        await server.request()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.send, reply(self.BODY))
            assert (await client.answer()).body == self.BODY


def watch_splices(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the list that the sizes of what is taken into the pipe are added to."""
    spliced: list[int] = []
    fill = Pipe.fill

    def watched(pipe: Pipe, source: Stream, most: int) -> int | None:
        size = fill(pipe, source, most)
        spliced.append(size or 0)
        return size

    monkeypatch.setattr(Pipe, "fill", watched)
    return spliced


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
