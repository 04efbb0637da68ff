"""One request put to one server: how it goes out, what may come back before it is out, and who may give up."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import chunked, octets
from tests.support.scene import Backend, Ended, Scene, Wire

OK = reply("ok")
LARGE = bytes(range(256)) * (6 << 12)  # 6 MiB: more than sockets hold


def passing(*more: str) -> str:
    """Return a server that passes everything to ``<b>``, with the settings *more*."""
    return "\n".join(["client_max_body_size 0;", *more, "server { listen 80; location / { proxy_pass http://<b>; } }"])


async def started(scene: Scene, conf: str, request: bytes) -> tuple[Wire, Wire]:
    """Serve *conf*, send *request*, and return both ends' wires: client and server."""
    b = scene.backend()
    await scene.serve(conf, b=b)
    client = await scene.client()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, request)
        server = await b.accept()
        nursery.cancel_scope.cancel()
    return client, server


@asynccontextmanager
async def uploading(scene: Scene, buffering: str) -> AsyncIterator[tuple[Backend, Wire, Wire]]:
    """Begin to send LARGE; yield the backend, the client, and the server that has read the head; then send the rest."""
    b = scene.backend()
    await scene.serve(passing(f"proxy_request_buffering {buffering};"), b=b)
    client = await scene.client()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.send, octets(method="PUT", body=LARGE))
        server = await b.accept()
        await server.head()
        yield b, client, server


class TestSending:
    """How head and body leave."""

    async def test_head_and_small_body_leave_together(self, scene: Scene) -> None:
        """They are one write: the server finds both when it looks for the first time."""
        _, server = await started(scene, passing(), octets(method="POST", body=b"hello"))
        assert (await server.arrived()).endswith(b"\r\n\r\nhello")

    async def test_unbuffered_head_leaves_with_what_was_read(self, scene: Scene) -> None:
        """Without buffering the head does not wait for the body, and each later piece leaves at once."""
        request = octets("/", "Content-Length: 10", method="POST") + b"12345"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        head = await server.arrived()
        assert b"Content-Length: 10\r\n" in head
        assert head.endswith(b"\r\n\r\n12345")
        for octet in (b"6", b"7", b"8", b"9", b"0"):
            await client.send(octet)
            assert await server.arrived() == octet
        await server.send(OK)
        assert (await client.answer()).status == 200

    async def test_unbuffered_chunks(self, scene: Scene) -> None:
        """Robustness 3. Chunks are framed anew as they come; the last chunk leaves with the last data."""
        request = octets("/", "Transfer-Encoding: chunked", method="POST") + b"1;ext=x\r\na\r\n2\r\nbc\r\n"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        assert (await server.arrived()).endswith(b"\r\n\r\n3\r\nabc\r\n")
        await client.send(b"1\r\nd\r\n0\r\nTrailer: x\r\n\r\n")
        assert await server.arrived() == b"1\r\nd\r\n0\r\n\r\n"
        await server.send(OK)
        assert (await client.answer()).status == 200

    async def test_buffered_body_reaches_nobody_before_it_is_whole(self, scene: Scene) -> None:
        """A slow client costs a server nothing."""
        b = scene.answering(OK)
        await scene.serve(passing(), b=b)
        client = await scene.client()
        await client.send(octets("/", "Content-Length: 10", method="POST") + b"12345")
        await wait_all_tasks_blocked()
        assert b.wires == []
        await client.send(b"67890")
        assert (await client.answer()).status == 200
        assert b.requests[0].body == b"1234567890"

    @pytest.mark.parametrize("buffering", ["on", "off"])
    @pytest.mark.parametrize("form", ["length", "chunked"])
    async def test_large_bodies_arrive_whole(self, scene: Scene, buffering: str, form: str) -> None:
        """Through a file or straight on, octet by octet."""
        b = scene.answering(OK)
        await scene.serve(passing(f"proxy_request_buffering {buffering};"), b=b)
        request = octets(method="PUT", body=LARGE) if form == "length" else octets(chunks=[LARGE[:1 << 20]] * 4)
        client = await scene.client()
        await client.send(request)
        assert (await client.answer()).status == 200
        assert b.requests[0].body == (LARGE if form == "length" else LARGE[:1 << 20] * 4)

    async def test_chunked_body_to_http_1_0(self, scene: Scene) -> None:
        """Gets its length, buffering or not."""
        b = scene.answering(OK)
        await scene.serve(passing("proxy_http_version 1.0;", "proxy_request_buffering off;"), b=b)
        await scene.ask(octets(chunks=[b"abc", b"de"]))
        (request,) = b.requests
        assert (request.body, request.get("Content-Length")) == (b"abcde", "5")
        assert request.get("Transfer-Encoding") is None

    async def test_set_body_and_no_body(self, scene: Scene) -> None:
        """proxy_set_body replaces the client's body, proxy_pass_request_body off leaves it behind."""
        b = scene.answering(OK)
        await scene.serve(passing("proxy_set_body '<$arg_a>';"), b=b)
        await scene.ask(octets("/?a=b", method="POST", body=b"hello"))
        await scene.serve(passing("proxy_pass_request_body off;"), b=b)
        await scene.ask(octets(method="POST", body=b"hello"))
        made, left = b.requests
        assert (made.body, made.get("Content-Length")) == (b"<b>", "3")
        assert (left.body, left.get("Content-Length")) == (b"", None)

    async def test_send_timeout(self, scene: Scene) -> None:
        """A server that takes nothing is given up after proxy_send_timeout."""
        b = scene.backend()
        await scene.serve(passing("proxy_send_timeout 20s;"), b=b)
        client = await scene.client()
        await client.send(octets(method="PUT", body=LARGE))
        await b.accept()
        start = trio.current_time()
        assert (await client.answer()).status == 504
        assert trio.current_time() - start == pytest.approx(20, abs=0.5)
        assert "while sending request to upstream" in scene.errors()[0]

    async def test_connect_timeout(self, scene: Scene) -> None:
        """A server that does not accept is given up after proxy_connect_timeout."""
        b = scene.backend(backlog=0)
        blockers = [trio.socket.socket() for _ in range(2)]
        host, _, port = b.address.partition(":")
        async with trio.open_nursery() as nursery:
            for blocker in blockers:
                nursery.start_soon(blocker.connect, (host, int(port)))
            await wait_all_tasks_blocked()
            await scene.serve(passing("proxy_connect_timeout 20s;"), b=b)
            client = await scene.client()
            start = trio.current_time()
            assert (await client.ask(octets())).status == 504
            assert trio.current_time() - start == pytest.approx(20, abs=0.5)
            nursery.cancel_scope.cancel()
        for blocker in blockers:
            blocker.close()
        assert "while connecting to upstream" in scene.errors()[0]


class TestEarlyAnswers:
    """Servers that answer before they have got the whole body."""

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_complete(self, scene: Scene, buffering: str) -> None:
        """Robustness 5. The client gets the answer at once; the server's connection is not used again."""
        async with uploading(scene, buffering) as (b, client, server):
            await server.send(reply("no", status="403 No"))
            answer = await client.answer()
        assert (answer.status, answer.text) == (403, "no")
        try:
            await server.rest()
        finally:
            assert scene.in_flight == 0
        # what is left of the body was skipped: the client's connection is in step
        await client.send(octets("/next"))
        server = await b.accept()
        assert (await server.request()).target == "/next"

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_full_duplex(self, scene: Scene, buffering: str) -> None:
        """While the answer flows, so does the rest of the body, without a hole."""
        got = b""
        async with uploading(scene, buffering) as (_, client, server):
            await server.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            assert (await client.until(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
            for _ in range(24):
                piece = await server.read(1 << 18)
                got += piece
                await server.send(chunked(piece[:10])[:-5])
                assert await client.until(piece[:10] + b"\r\n")
            await server.send(b"0\r\n\r\n")
            assert await client.until(b"0\r\n\r\n")
        assert got == LARGE

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_interim_answer_while_sending(self, scene: Scene, buffering: str) -> None:
        """A server that insists on 100 (Continue) before it reads on does not bring the request to a halt."""
        async with uploading(scene, buffering) as (_, client, server):
            await server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            assert await server.read(len(LARGE)) == LARGE
        await server.send(OK)
        assert (await client.answer()).text == "ok"
        await client.send(octets("/next"))
        assert (await server.request()).target == "/next"

    async def test_a_slow_body_behind_an_interim_answer(self, scene: Scene) -> None:
        """The pieces of an unbuffered body go on being passed after a 100."""
        request = octets("/", "Content-Length: 6", method="POST") + b"12"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        assert (await server.arrived()).endswith(b"12")
        await server.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await wait_all_tasks_blocked()
        await client.send(b"34")
        assert await server.arrived() == b"34"
        await client.send(b"56")
        assert await server.arrived() == b"56"
        await server.send(OK)
        assert (await client.answer()).text == "ok"
        await client.send(octets("/next"))
        assert (await server.request()).target == "/next"

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_an_answer_with_a_close_behind_it(self, scene: Scene, buffering: str) -> None:
        """A server that refuses a body and closes at once, with octets unread, is understood all the same."""
        b = scene.backend()
        await scene.serve(passing(f"proxy_request_buffering {buffering};"), b=b)
        client = await scene.client()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(client.send, octets(method="PUT", body=LARGE))
            server = await b.accept()
            await server.head()
            await server.send(reply("too much", "Connection: close", status="413 Too Much"))
            server.close()
            answer = await client.answer()
            nursery.cancel_scope.cancel()
        assert (answer.status, answer.text) == (413, "too much")

    async def test_an_answer_with_a_reset_behind_it_as_the_next_piece_comes(self, scene: Scene) -> None:
        """The answer counts, though the piece that came at the same time can't be delivered any more."""
        request = octets("/", "Content-Length: 10", method="POST") + b"123"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        await wait_all_tasks_blocked()
        # all in one turn of the event loop
        os.write(client.socket.fileno(), b"456")
        os.write(server.socket.fileno(), reply("no", "Connection: close", status="403 No"))
        server.close()  # with octets unread: a reset
        answer = await client.answer()
        assert (answer.status, answer.text) == (403, "no")

    async def test_a_server_that_closes_without_an_answer(self, scene: Scene) -> None:
        """An unbuffered body whose taker is gone is a 502, though the client has not finished."""
        request = octets("/", "Content-Length: 100", method="POST") + b"12345"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        await server.arrived()
        server.close()
        assert (await client.answer()).status == 502


class TestHeads:
    """The head of an answer."""

    @pytest.mark.parametrize("head", [
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    ])
    async def test_interim_answers_are_skipped(self, scene: Scene, head: bytes) -> None:
        """Robustness B. The client gets the final one only."""
        b = scene.answering(head + OK)
        await scene.serve(passing(), b=b)
        answer = await scene.ask(octets())
        assert (answer.status, answer.interim, answer.text) == (200, (), "ok")

    async def test_interim_answers_without_end(self, scene: Scene) -> None:
        """Robustness B. A server that sends nothing else is not listened to for ever."""
        b = scene.answering(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)
        await scene.serve(passing(), b=b)
        assert (await scene.ask(octets())).status == 502

    @pytest.mark.parametrize("answer", [
        b"rubbish\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X: folded\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ])
    async def test_unreadable(self, scene: Scene, answer: bytes) -> None:
        """Robustness 7. Robustness B. What is no answer, or two in one, is 502, and told."""
        await scene.serve(passing(), b=scene.answering(answer))
        assert (await scene.ask(octets())).status == 502
        assert "upstream s" in scene.errors()[0]

    async def test_buffer_size(self, scene: Scene) -> None:
        """proxy_buffer_size is how large a head may be."""
        large = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: " + b"x" * 5000 + b"\r\n\r\n"
        await scene.serve(passing("proxy_buffer_size 8k;"), b=scene.answering(large))
        assert (await scene.ask(octets())).get("X") == "x" * 5000

    async def test_read_timeout_is_between_reads(self, scene: Scene) -> None:
        """A head that drips in is waited for as long as it drips."""
        client, server = await started(scene, passing("proxy_read_timeout 20s;"), octets())
        await server.request()
        for piece in (b"HTTP/1.1 200", b" OK\r\n", b"Content-Length: 0\r\n", b"\r\n"):
            await trio.sleep(15)
            await server.send(piece)
        assert (await client.answer()).status == 200


class TestClientGone:
    """Clients that leave before they are answered."""

    @pytest.mark.parametrize("leave", [Wire.close, Wire.reset])
    async def test_while_the_server_thinks(self, scene: Scene, leave: object) -> None:
        """
        The server's connection is closed at once, and 499 logged without an error.

        Robustness 23. A client's abort reaches the server.
        Robustness 20. It is not held against it.
        """
        client, server = await started(scene, passing(), octets())
        await server.request()
        await trio.sleep(10)
        assert callable(leave)
        leave(client)
        assert await server.ended()
        assert trio.current_time() == pytest.approx(10, abs=0.1)
        await wait_all_tasks_blocked()
        assert '" 499 0 ' in scene.log()[0]
        assert scene.errors() == []
        assert [peer.fails for group in scene.groups for peer in group.peers] == [0]

    async def test_while_its_body_is_on_its_way(self, scene: Scene) -> None:
        """An unbuffered body that ends too early ends the request."""
        request = octets("/", "Content-Length: 10", method="POST") + b"12345"
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        await server.head()
        assert await server.read(5) == b"12345"
        client.close()
        assert await server.ended()
        await wait_all_tasks_blocked()
        assert '" 499 0 ' in scene.log()[0]

    async def test_while_connecting(self, scene: Scene) -> None:
        """Who leaves while the server has not even accepted is not asked for any more."""
        b = scene.backend(backlog=0)
        host, _, port = b.address.partition(":")
        blockers = [trio.socket.socket() for _ in range(2)]
        async with trio.open_nursery() as nursery:
            for blocker in blockers:
                nursery.start_soon(blocker.connect, (host, int(port)))
            await wait_all_tasks_blocked()
            await scene.serve(passing(), b=b)
            client = await scene.client()
            await client.send(octets())
            await wait_all_tasks_blocked()
            assert scene.in_flight == 1
            await trio.sleep(1)
            client.close()
            await wait_all_tasks_blocked()
            assert scene.in_flight == 0
            nursery.cancel_scope.cancel()
        for blocker in blockers:
            blocker.close()
        assert '" 499 0 ' in scene.log()[0]

    async def test_while_its_buffered_body_goes_to_the_server(self, scene: Scene) -> None:
        """A hang-up during the upload to the server is noticed then, not after the answer."""
        b = scene.backend()
        await scene.serve(passing(), b=b)
        client = await scene.client()
        await client.send(octets(method="PUT", body=LARGE))
        server = await b.accept()
        await server.head()
        await trio.sleep(1)
        client.close()
        with pytest.raises(Ended):
            await server.read(len(LARGE) + 1)
        await wait_all_tasks_blocked()
        assert '" 499 0 ' in scene.log()[0]

    async def test_ignore_client_abort(self, scene: Scene) -> None:
        """With it the server may finish what it does."""
        client, server = await started(scene, passing("proxy_ignore_client_abort on;"), octets())
        await server.request()
        client.close()
        await wait_all_tasks_blocked()
        assert scene.in_flight == 1
        await server.send(OK)
        await wait_all_tasks_blocked()
        assert scene.in_flight == 0

    async def test_a_client_that_sends_on_is_not_gone(self, scene: Scene) -> None:
        """Pipelined octets while a server thinks change nothing."""
        client, server = await started(scene, passing(), octets("/1"))
        await server.request()
        await client.send(octets("/2"))
        await wait_all_tasks_blocked()
        await server.send(OK)
        assert (await client.answer()).text == "ok"
        assert (await server.request()).target == "/2"
        await server.send(OK)
        assert (await client.answer()).text == "ok"


class TestHalfClosed:
    """Clients that end their sending behind their request, and want its answer."""

    @pytest.mark.parametrize("delay", [0, 0.4])
    async def test_the_answer_arrives(self, scene: Scene, delay: float) -> None:
        """Whether the FIN comes before the server is asked or after it: a server has a moment to answer."""
        b = scene.backend()
        await scene.serve(passing(), b=b)
        client = await scene.client()
        await client.send(octets())
        if delay:
            await trio.sleep(delay)
        client.finish()
        server = await b.accept()
        await server.request()
        await trio.sleep(0.9)
        await server.send(OK)
        assert (await client.answer()).text == "ok"
        assert await client.ended()

    async def test_all_pipelined_requests_are_answered(self, scene: Scene) -> None:
        """What came before the FIN counts."""
        await scene.serve(passing(), b=scene.answering(OK))
        client = await scene.client()
        await client.send(octets("/1") + octets("/2", method="POST", body=b"hello") + octets("/3"))
        client.finish()
        assert [(await client.answer()).text for _ in range(3)] == ["ok"] * 3
        assert await client.ended()

    @pytest.mark.parametrize("buffering", ["on", "off"])
    async def test_behind_a_body(self, scene: Scene, buffering: str) -> None:
        """However long the body took."""
        b = scene.answering(OK)
        await scene.serve(passing(f"proxy_request_buffering {buffering};"), b=b)
        client = await scene.client()
        await client.send(octets("/", "Content-Length: 5", method="POST") + b"he")
        await trio.sleep(10)
        await client.send(b"llo")
        client.finish()
        assert (await client.answer()).text == "ok"
        assert b.requests[0].body == b"hello"

    async def test_a_slow_body_arrives_whole(self, scene: Scene) -> None:
        """Once the answer is on its way, the connection itself tells whether there is somebody."""
        client, server = await started(scene, passing(), octets())
        client.finish()
        await server.request()
        await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")
        for octet in (b"b", b"c", b"d"):
            await trio.sleep(5)
            await server.send(octet)
        assert (await client.answer()).text == "abcd"

    @pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na"])
    async def test_nobody_waits_for_ever(self, scene: Scene, said: bytes) -> None:
        """Robustness 23. A client that has left altogether looks the same; the server learns it within two seconds."""
        client, server = await started(scene, passing(), octets())
        await server.request()
        await server.send(said)
        await wait_all_tasks_blocked()
        client.close()
        assert await server.ended()
        assert trio.current_time() <= 1.1
        assert scene.in_flight == 0
        assert scene.errors() == []

    async def test_a_reset_ends_the_doubt(self, scene: Scene) -> None:
        """What is sent to a client that has left is answered so."""
        client, server = await started(scene, passing(), octets())
        await server.request()
        client.finish()
        await wait_all_tasks_blocked()
        client.reset()
        assert await server.ended()
        assert trio.current_time() < 0.1


class TestContinue:
    """``Expect: 100-continue``."""

    async def test_buffered(self, scene: Scene) -> None:
        """The client is asked for its body before a server is asked anything, and the server is not told."""
        b = scene.answering(OK)
        await scene.serve(passing(), b=b)
        client = await scene.client()
        await client.send(octets("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hello")
        assert (await client.answer()).status == 200
        assert (b.requests[0].body, b.requests[0].get("Expect")) == (b"hello", None)

    async def test_unbuffered(self, scene: Scene) -> None:
        """Then it comes once there is a server to take it."""
        request = octets("/", "Expect: 100-continue", "Content-Length: 5", method="POST")
        client, server = await started(scene, passing("proxy_request_buffering off;"), request)
        await server.head()
        assert await client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await client.send(b"hello")
        assert await server.read(5) == b"hello"
        await server.send(OK)
        answer = await client.answer()
        assert (answer.status, answer.get("Connection")) == (200, "keep-alive")

    async def test_a_body_nobody_wants(self, scene: Scene) -> None:
        """Robustness 5. An answer without 100 ends the connection: what comes next could be the body, or not."""
        await scene.serve("server { listen 80; return 200 no; }")
        client = await scene.client()
        answer = await client.ask(octets("/", "Expect: 100-continue", "Content-Length: 5", method="POST"))
        assert (answer.interim, answer.get("Connection")) == ((), "close")
        await client.send(octets("/smuggled"))
        assert await client.ended()
        assert len(scene.log()) == 1

    @pytest.mark.parametrize(("request_", "interim"), [
        (octets("/", "Expect: 100-continue", "Content-Length: 0", method="POST"), (100,)),
        (octets("/", "Expect: 100-continue", method="POST", body=b"hello"), ()),
        (octets("/", "Expect: 100-continue", "Content-Length: 0", method="POST", version="1.0"), ()),
        (octets("/", "Expect: 100-continue", chunks=[b"hello"]), ()),
    ])
    async def test_who_needs_none(self, scene: Scene, request_: bytes, interim: tuple[int, ...]) -> None:
        """A body that is there is not asked for, HTTP/1.0 is not; an empty one is, as in nginx."""
        await scene.serve(passing(), b=scene.answering(OK))
        client = await scene.client()
        answer = await client.ask(request_)
        assert (answer.status, answer.interim) == (200, interim)
