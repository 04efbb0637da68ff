"""A worker as a whole: listening, limits, draining, totals."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbproxy.balance.shared import peers_key
from lbproxy.http.totals import Totals
from lbproxy.process.board import Board
from lbproxy.proxy.server import LAST_CALL, PATIENCE
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Proxy, Scene

OK = reply("ok")
PASS = "server { listen 80; location / { proxy_pass http://<b>; } }"
RETURN = "server { listen 80; return 200 hello; }"


async def finished(proxy: Proxy) -> float:
    """Return how long *proxy* takes to finish."""
    start = trio.current_time()
    with trio.fail_after(400):
        await proxy.finished.wait()
    return trio.current_time() - start


class TestListening:
    """Sockets."""

    async def test_every_address(self, scene: Scene) -> None:
        """Each has its servers, with a default of its own."""
        proxy = await scene.serve("""server { listen 80; listen 81; server_name a; return 200 a; }
                                     server { listen 81 default_server; server_name b; return 200 b; }""")
        for number, host, text in ((0, "a", "a"), (0, "b", "a"), (1, "a", "a"), (1, "b", "b"), (1, "c", "b")):
            client = await scene.client(proxy, number=number)
            assert (await client.ask(octets(host=host))).text == text

    async def test_unix_sockets(self, scene: Scene) -> None:
        """Clients and servers may be at one; the client has no address then."""
        await scene.serve("""server { listen unix:<dir>/in; location / { proxy_pass http://unix:<dir>/out:; } }
                             server { listen unix:<dir>/out; return 200 "$remote_addr $server_addr $http_host"; }""")
        answer = await scene.ask(octets())
        assert answer.text == f"unix: unix:{scene.directory}/out localhost"

    async def test_many_clients_at_once(self, scene: Scene) -> None:
        """More than are accepted in one go."""
        await scene.serve(RETURN)
        clients = [await scene.client() for _ in range(150)]
        for client in clients:
            await client.send(octets())
        for client in clients:
            assert (await client.answer()).status == 200


class TestDraining:
    """The graceful way out."""

    async def test_nobody_here(self, scene: Scene) -> None:
        """Then it ends at once."""
        proxy = await scene.serve(RETURN)
        proxy.server.drain()
        assert await finished(proxy) < 0.1

    async def test_idle_clients_do_not_delay_it(self, scene: Scene) -> None:
        """They are closed in order after a moment in which a request may still arrive."""
        proxy = await scene.serve(RETURN)
        asked, silent = await scene.client(), await scene.client()
        await asked.ask(octets())
        await wait_all_tasks_blocked()
        proxy.server.drain()
        assert await finished(proxy) < 2
        for client in (asked, silent):
            assert await client.ended()
            assert not client.was_reset

    async def test_a_request_on_its_way_is_answered(self, scene: Scene) -> None:
        """With the word that it was the last one."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.ask(octets())
        proxy.server.drain()
        await trio.sleep(0.2)
        answer = await client.ask(octets())
        assert (answer.text, answer.get("Connection")) == ("hello", "close")
        assert await finished(proxy) < 2

    async def test_superseded_worker_waits_for_idle_clients(self, scene: Scene) -> None:
        """Others serve already: whoever asks again within the time of patience is answered, the rest are let go."""
        proxy = await scene.serve(RETURN)
        returning, silent = await scene.client(), await scene.client()
        for client in (returning, silent):
            await client.ask(octets())
        proxy.server.drain(PATIENCE)
        await trio.sleep(PATIENCE - 0.5)
        answer = await returning.ask(octets())
        assert (answer.text, answer.get("Connection")) == ("hello", "close")
        assert await finished(proxy) < 1
        assert await silent.ended()
        assert not silent.was_reset

    async def test_patience_ends_when_the_service_does(self, scene: Scene) -> None:
        """What is more urgent counts, whichever came first."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.ask(octets())
        proxy.server.drain(PATIENCE)
        await trio.sleep(1)
        proxy.server.drain()
        proxy.server.drain(PATIENCE)
        assert await finished(proxy) <= LAST_CALL + 0.1
        assert await client.ended()

    async def test_patience_is_bounded_by_worker_shutdown_timeout(self, scene: Scene) -> None:
        """Which an operator has set."""
        proxy = await scene.serve(f"worker_shutdown_timeout 2s; events {{}} http {{ {RETURN} }}")
        await scene.client()
        proxy.server.drain(PATIENCE)
        assert await finished(proxy) == pytest.approx(2)

    async def test_who_waits_in_the_queue_is_let_in(self, scene: Scene) -> None:
        """The queue may go with this worker: that of an address that is configured no longer."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.send(octets())
        proxy.server.drain()
        assert (await client.answer()).text == "hello"

    async def test_requests_in_hand_are_finished(self, scene: Scene) -> None:
        """However long they take."""
        b = scene.backend()
        proxy = await scene.serve(PASS, b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        proxy.server.drain()
        await trio.sleep(50)
        await server.send(OK)
        answer = await client.answer()
        assert (answer.text, answer.get("Connection")) == ("ok", "close")
        assert await finished(proxy) < 2
        assert await server.ended()

    async def test_half_a_request_is_waited_for(self, scene: Scene) -> None:
        """Whoever has begun to ask is heard."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.send(octets()[:10])
        await wait_all_tasks_blocked()
        proxy.server.drain()
        await trio.sleep(5)
        await client.send(octets()[10:])
        assert (await client.answer()).text == "hello"
        assert await finished(proxy) < 2

    async def test_worker_shutdown_timeout(self, scene: Scene) -> None:
        """Is how long it may take at most."""
        b = scene.backend()
        proxy = await scene.serve("worker_shutdown_timeout 10s; " + PASS, b=b)
        client = await scene.client()
        await client.send(octets())
        server = await b.accept()
        await server.request()
        proxy.server.drain()
        assert await finished(proxy) == pytest.approx(10, abs=0.5)
        assert await client.ended()
        assert await server.ended()
        assert "shutdown timeout: 1 connections are cut" in scene.errors("notice")[0]

    async def test_told_again_when_it_is_over(self, scene: Scene) -> None:
        """By the master and by a signal at once, say: that changes nothing any more."""
        proxy = await scene.serve(RETURN)
        proxy.server.drain(PATIENCE)
        await finished(proxy)
        proxy.server.drain()

    async def test_draining_twice(self, scene: Scene) -> None:
        """Is draining once."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.ask(octets())
        proxy.server.drain()
        proxy.server.drain()
        assert await finished(proxy) < 2

    async def test_new_clients_are_not_taken(self, scene: Scene) -> None:
        """They are left to whoever listens next."""
        proxy = await scene.serve(RETURN)
        client = await scene.client()
        await client.send(octets()[:10])
        await wait_all_tasks_blocked()
        proxy.server.drain()
        late = await scene.client()
        await late.send(octets())
        assert await late.arrived() == b""
        client.close()
        await finished(proxy)

    async def test_stop(self, scene: Scene) -> None:
        """Ends everything at once, and logs what was in hand."""
        b = scene.backend()
        proxy = await scene.serve(PASS, b=b)
        client = await scene.client()
        await client.send(octets())
        await (await b.accept()).request()
        proxy.server.stop()
        assert await finished(proxy) == 0
        assert await client.ended()
        assert len(scene.log()) == 1

    async def test_the_sockets_stay_open(self, scene: Scene) -> None:
        """They belong to the master: another server may go on with them."""
        proxy = await scene.serve(RETURN)
        proxy.server.drain()
        await finished(proxy)
        late = await scene.client()
        await late.send(octets())
        for several in proxy.sockets.values():
            for sock in several:
                accepted, _ = sock.accept()
                assert accepted.recv(100).startswith(b"GET / ")
                accepted.close()


class TestTotals:
    """Counts of clients and requests."""

    async def test_a_connection_waits_reads_and_writes(self, scene: Scene) -> None:
        """It waits without an octet, reads with part of a head, and writes from there to the end of the answer."""
        b = scene.backend()
        server = (await scene.serve(PASS, b=b)).server
        client = await scene.client()
        await wait_all_tasks_blocked()
        assert (server.totals(), server.totals().waiting) == (Totals(1, 1, 0, 1, 0, 0), 1)
        await client.send(octets()[:10])
        await wait_all_tasks_blocked()
        assert server.totals() == Totals(1, 1, 0, 1, 1, 0)
        await client.send(octets()[10:])
        wire = await b.accept()
        await wire.request()
        assert server.totals() == Totals(1, 1, 1, 1, 0, 1)
        await wire.send(OK)
        await client.answer()
        await wait_all_tasks_blocked()
        assert (server.totals(), server.totals().waiting) == (Totals(1, 1, 1, 1, 0, 0), 1)
        client.close()
        await wait_all_tasks_blocked()
        assert server.totals() == Totals(1, 1, 1)

    @pytest.mark.parametrize("sent", [
        b"GET", b"nonsense\r\n\r\n", b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n",
    ])
    async def test_clients_that_break_off_are_counted_out(self, scene: Scene, sent: bytes) -> None:
        """Wherever they do."""
        server = (await scene.serve(PASS, b=scene.backend())).server
        client = await scene.client()
        await client.send(sent)
        await wait_all_tasks_blocked()
        client.close()
        await wait_all_tasks_blocked()
        totals = server.totals()
        assert (totals.accepts, totals.active, totals.reading, totals.writing) == (1, 0, 0, 0)

    async def test_workers_add_up(self, scene: Scene) -> None:
        """What others did a second ago is counted, and all that those did who are gone."""
        board = Board()
        board.admit(1, (), 2)
        first, second = [await scene.serve(RETURN, row=board.claim(worker, 1)) for worker in range(2)]
        client = await scene.client(second)
        await client.ask(octets())
        await client.ask(octets())
        await trio.sleep(2)
        assert first.server.totals() == Totals(1, 1, 2, 1)
        second.server.stop()
        await finished(second)
        board.release(1)
        assert first.server.totals() == Totals(1, 1, 2)


async def test_workers_with_a_zone_balance_as_one(scene: Scene) -> None:
    """What one knows of servers, the others know at once."""
    plan = scene.plan("upstream u { zone u 64k; server <dead>; server <b>; } " + PASS.replace("<b>", "u"),
                      dead=scene.dead(), b=scene.answering(OK))
    board = Board()
    board.admit(1, [peers_key(upstream.conf) for upstream in plan.upstreams.plans.values()], 2)
    for worker in range(2):
        await scene.serve(plan, row=board.claim(worker, 1))
        assert (await scene.ask(octets())).status == 200
        await trio.sleep(1.5)
    assert len(scene.errors()) == 1
