"""Bodies of requests: in memory, in files, and what may go wrong on the way in."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from lbproxy.proxy.requestbody import Spool
from lbproxy.proxy.temporary import find_room
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.limits import no_more_descriptors
from tests.support.scene import Scene, descriptors

OK = reply("ok")
PASS = "%s server { listen 80; location / { proxy_pass http://<b>; } }"


class TestSpool:
    """A whole body."""

    @given(pieces=st.lists(st.binary(min_size=1, max_size=50), max_size=10), memory=st.integers(0, 200))
    def test_is_read_as_it_was_written(self, pieces: list[bytes], memory: int) -> None:
        """As often as one likes, in memory or in a file."""
        spool = Spool(memory)
        for piece in pieces:
            spool.append(piece)
        body = b"".join(pieces)
        assert spool.size == len(body)
        assert spool.in_memory() == (body if len(body) <= memory else None)
        for _ in range(2):
            reader = spool.reader()
            read = b""
            while not reader.complete:
                read += reader.read_now()
            assert read == body
            assert reader.read_now() == b""
        spool.close()

    def test_a_large_one_takes_a_descriptor_and_gives_it_back(self) -> None:
        """The file has no name, so that nothing is left behind even by a crash."""
        before, names = descriptors(), set(Path(tempfile.gettempdir()).glob("lbproxy-*"))
        spool = Spool(10)
        spool.append(bytes(11))
        assert descriptors() == before + 1
        assert set(Path(tempfile.gettempdir()).glob("lbproxy-*")) <= names
        spool.close()
        assert descriptors() == before

    def test_a_full_disk(self) -> None:
        """Is met where it is written to, and not once more when the file is closed."""
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        spool = Spool(10)
        spool.append(bytes(1000))
        resource.setrlimit(resource.RLIMIT_FSIZE, (1500, limits[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                spool.append(bytes(1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        spool.close()

    def test_no_descriptor_at_first(self) -> None:
        """The body waits in memory until there is one."""
        find_room()
        spool = Spool(10)
        spool.append(b"a" * 8)
        with no_more_descriptors(), pytest.raises(OSError, match="Too many open files"):
            spool.append(b"b" * 8)
        spool.spill()
        spool.append(b"c")
        reader = spool.reader()
        assert reader.read_now() == b"a" * 8 + b"b" * 8 + b"c"
        spool.close()


class TestFiles:
    """client_body_in_file_only and client_body_temp_path: bodies for others to read."""

    CONF = """server { listen 80; client_body_buffer_size 10; client_body_temp_path <dir>/bodies 1 2; %s
              location / { add_header X-File $request_body_file; proxy_pass http://<b>; } }"""

    async def ask(self, scene: Scene, conf: str, *requests: bytes) -> list[str | None]:
        """Serve *conf* and return what $request_body_file was for each of *requests*."""
        self.backend = scene.answering(OK)
        await scene.serve(self.CONF % conf, b=self.backend)
        return [(await scene.ask(request)).get("X-File") for request in requests]

    @pytest.mark.parametrize("body", [b"", b"hello", bytes(range(256)) * 1000])
    @pytest.mark.parametrize("chunks", [False, True])
    async def test_on(self, scene: Scene, body: bytes, chunks: bool) -> None:
        """Every body, if there is one, lies in a file that stays; the server gets it all the same."""
        request = octets(chunks=[body] if body else []) if chunks else octets(method="POST", body=body)
        if not body and not chunks:
            request = octets("/", "Content-Length: 0", method="POST")
        name, none = await self.ask(scene, "client_body_in_file_only on;", request, octets())
        assert none is None
        assert name is not None
        path = Path(name)
        assert path.read_bytes() == self.backend.requests[0].body == body
        assert path.relative_to(scene.directory / "bodies").parts == (path.name[-1], path.name[-3:-1], path.name)
        assert "[notice]" in "".join(line for line in scene.log("error.log") if name in line)

    async def test_clean(self, scene: Scene) -> None:
        """Or is taken away when the request is over."""
        b = scene.backend()
        await scene.serve(self.CONF % "client_body_in_file_only clean;", b=b)
        client = await scene.client()
        await client.send(octets(method="POST", body=b"hello"))
        server = await b.accept()
        await server.request()
        (path,) = (scene.directory / "bodies").glob("*/*/*")
        assert path.read_bytes() == b"hello"
        await server.send(OK)
        assert (await client.answer()).get("X-File") == str(path)
        await wait_all_tasks_blocked()
        assert not path.exists()

    async def test_off(self, scene: Scene) -> None:
        """A large one has a file with a name that is gone already; a small one has none."""
        small, large = await self.ask(scene, "", octets(method="POST", body=b"hello"),
                                      octets(method="POST", body=b"hello world"))
        assert small is None
        assert large is not None
        assert Path(large).parent.is_dir()
        assert not Path(large).exists()

    async def test_a_server_that_fails(self, scene: Scene) -> None:
        """The next one gets the same file."""
        b = scene.answering(OK)
        conf = """upstream u { server <dead>; server <b> backup; }
                  server { listen 80; client_body_in_file_only clean; client_body_temp_path <dir>/bodies;
                  location / { proxy_pass http://u; proxy_set_header X-File $request_body_file; } }"""
        await scene.serve(conf, b=b, dead=scene.dead())
        assert (await scene.ask(octets(method="POST", body=b"hello"))).status == 200
        (request,) = b.requests
        assert request.body == b"hello"
        assert (request.get("X-File") or "").startswith(f"{scene.directory}/bodies/")
        assert list((scene.directory / "bodies").iterdir()) == []

    async def test_the_body_need_not_be_passed(self, scene: Scene) -> None:
        """Its file's name is enough for a server on the same machine, over uwsgi too."""
        u = scene.backend()
        conf = """server { listen 80; client_body_in_file_only on; client_body_temp_path <dir>/bodies; location / {
                  uwsgi_pass <u>; uwsgi_pass_request_body off; uwsgi_param FILE $request_body_file; } }"""
        await scene.serve(conf, u=u)
        client = await scene.client()
        await client.send(octets(method="POST", body=b"hello"))
        server = await u.accept()
        packet = await server.arrived()
        (path,) = (scene.directory / "bodies").iterdir()
        assert packet.endswith(str(path).encode() + packet.partition(str(path).encode())[2])
        assert b"hello" not in packet
        await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        server.close()
        assert (await client.answer()).status == 200
        assert path.read_bytes() == b"hello"

    async def test_the_access_log_has_it(self, scene: Scene) -> None:
        """Body and file, once they were read for a server."""
        log = "log_format l '$request_body|$request_body_file'; access_log <dir>/l l;"
        await scene.serve(log + self.CONF % "", b=scene.answering(OK))
        for body in (b"hello", b"hello world"):
            await scene.ask(octets(method="POST", body=body))
        small, large = scene.log("l")
        assert small == "hello|-"
        assert large.startswith(f"-|{scene.directory}/bodies/")

    async def test_a_place_that_is_none(self, scene: Scene) -> None:
        """500, and the log says why."""
        (scene.directory / "bodies").write_text("x")
        await scene.serve(self.CONF % "", b=scene.dead())
        assert (await scene.ask(octets(method="POST", body=b"hello world"))).status == 500
        assert "body not written to a temporary file (20: Not a directory)" in scene.errors()[0]


class TestVariables:
    """What the rest of the configuration sees of a body."""

    async def test_request_body(self, scene: Scene) -> None:
        """$request_body is a body that was read into memory, $content_length its true length."""
        b = scene.answering(OK)
        conf = PASS % "client_body_buffer_size 10; proxy_set_header X '<$request_body> $content_length';"
        await scene.serve(conf, b=b)
        for request in (octets(method="POST", body=b"hello"), octets(chunks=[b"hel", b"lo"]),
                        octets(method="POST", body=b"hello world"), octets()):
            await scene.ask(request)
        assert [request.get("X") for request in b.requests] == ["<hello> 5", "<hello> 5", "<> 11", "<>"]

    async def test_request_length(self, scene: Scene) -> None:
        """Head and body as they came, framing included, nothing of the next request."""
        await scene.serve("log_format f '$request_length'; access_log <dir>/f f;" + PASS % "", b=scene.answering(OK))
        requests = [octets(), octets(method="POST", body=b"hello"), octets(chunks=[b"hel", b"lo"]), octets()]
        client = await scene.client()
        await client.send(b"".join(requests))
        for _ in requests:
            await client.answer()
        assert scene.log("f") == [str(len(request)) for request in requests]


class TestTrouble:
    """Clients that don't send what they said."""

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_body_timeout(self, scene: Scene, buffering: str) -> None:
        """client_body_timeout is between two reads; then it is 408."""
        b = scene.backend()
        await scene.serve(PASS % f"client_body_timeout 20s; proxy_request_buffering {buffering};", b=b)
        client = await scene.client()
        await client.send(octets("/", "Content-Length: 100", method="POST"))
        for _ in range(3):
            await trio.sleep(15)
            await client.send(b"x")
        assert (await client.answer()).status == 408
        assert trio.current_time() == pytest.approx(65, abs=0.5)
        assert await client.ended()
        assert scene.in_flight == 0

    @pytest.mark.parametrize("buffering", ["on", "off"])
    @pytest.mark.parametrize("body", [b"xyz\r\n", b"5\r\nhelloX", b"5\r\nhello\r\n-1\r\n", b"5 ; x\r\n", b"\r\n"])
    async def test_malformed_chunks(self, scene: Scene, buffering: str, body: bytes) -> None:
        """Robustness 5. 400, and nothing behind them is a request."""
        b = scene.backend()
        await scene.serve(PASS % f"proxy_request_buffering {buffering};", b=b)
        client = await scene.client()
        request = octets("/", "Transfer-Encoding: chunked", method="POST") + body + b"\r\n0\r\n\r\n"
        answer = await client.ask(request + octets("/smuggled"))
        assert (answer.status, answer.get("Connection")) == (400, "close")
        assert await client.ended()
        assert len(scene.log()) == 1
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    async def test_malformed_chunks_after_the_answer_has_begun(self, scene: Scene) -> None:
        """
        An answer under way is not completed by a client's mistake, nor is its connection used again.

        Robustness 5.
        """
        b = scene.backend()
        await scene.serve(PASS % "proxy_request_buffering off;", b=b)
        client = await scene.client()
        await client.send(octets("/", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n")
        server = await b.accept()
        await server.head()
        await server.send(reply("ok"))
        assert (await client.answer()).status == 200
        await client.send(b"xyz\r\n" + octets("/smuggled"))
        assert await client.ended()
        assert await b.idle()

    async def test_a_client_that_leaves_amid_a_buffered_body(self, scene: Scene) -> None:
        """Robustness 5. No server hears of it."""
        b = scene.answering(OK)
        await scene.serve(PASS % "", b=b)
        client = await scene.client()
        await client.send(octets("/", "Content-Length: 100", method="POST") + b"hello")
        client.close()
        await wait_all_tasks_blocked()
        assert b.wires == []
        assert '" 499 0 ' in scene.log()[0]

    async def test_memory_does_not_hold_large_bodies(self, scene: Scene) -> None:
        """Beyond client_body_buffer_size a body is in a file, which is gone when the exchange is."""
        b = scene.backend()
        await scene.serve(PASS % "client_body_buffer_size 1k;", b=b)
        client = await scene.client()
        await wait_all_tasks_blocked()
        before = descriptors()
        await client.send(octets(method="POST", body=bytes(100000)))
        server = await b.accept()
        assert descriptors() == before + 3  # the file, and both ends of the connection to the server
        await server.request()
        await server.send(OK)
        await client.answer()
        await wait_all_tasks_blocked()
        assert descriptors() == before + 2
