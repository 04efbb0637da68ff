"""A worker as a whole: listening, limits, draining."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

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
