"""Places and descriptors: who is let in, who makes room, and what the log says of it."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.limits import no_more_descriptors
from tests.support.scene import Scene, Wire

OK = reply("ok")
PASS = "server { listen 80; location / { proxy_pass http://<b>; } }"
RETURN = "server { listen 80; return 200 hello; }"
TWO = "events { worker_connections 2; } http { " + RETURN + " }"


async def busy(scene: Scene) -> Wire:
    """Return a client that is in the middle of a request."""
    client = await scene.client()
    await client.send(octets()[:10])
    await wait_all_tasks_blocked()
    return client


async def late(scene: Scene) -> Wire:
    """Return a client that came while there were no descriptors, for 20 s."""
    sock = trio.socket.socket()
    with no_more_descriptors():
        await sock.connect(("127.0.0.1", scene.proxies[0].port))
        client = Wire(sock)
        scene.clients.append(client)
        await trio.sleep(20)
    return client


class TestPlaces:
    """worker_connections."""

    async def test_further_clients_wait(self, scene: Scene) -> None:
        """In the kernel's queue, until somebody leaves; the log says so once."""
        await scene.serve(TWO)
        scene.forgive("2 worker_connections are not enough")
        first = await busy(scene)
        await busy(scene)
        others = [await scene.client() for _ in range(5)]
        for other in others:
            await other.send(octets())
            assert await other.arrived() == b""
        first.reset()
        for other in others:
            assert (await other.answer()).status == 200
            other.close()
        assert len(scene.errors("alert")) == 1

    async def test_idle_clients_make_room(self, scene: Scene) -> None:
        """The one that would be closed first anyway."""
        await scene.serve(TWO)
        first, second = await scene.client(), await scene.client()
        for client in (first, second):
            await client.ask(octets())
            await trio.sleep(1)
        third = await scene.client()
        assert (await third.ask(octets())).status == 200
        assert await first.ended()
        assert not first.was_reset
        assert (await second.ask(octets())).status == 200
        assert "2 worker_connections are not enough, reusing connections" in scene.errors("warn")[0]
        assert scene.errors("alert") == []

    async def test_a_shortage_that_comes_again(self, scene: Scene) -> None:
        """Is told again, after a while without one."""
        await scene.serve(TWO)
        scene.forgive("2 worker_connections are not enough")
        for _ in range(2):
            clients = [await busy(scene), await busy(scene), await scene.client()]
            await trio.sleep(3)
            for client in clients:
                client.close()
            await trio.sleep(10)
        assert len(scene.errors("alert")) == 2
        assert len([line for line in scene.errors("notice") if "there is room for clients again" in line]) == 2

    async def test_more_places_than_descriptors(self, scene: Scene) -> None:
        """Are worth a warning."""
        await scene.serve(TWO.replace("2;", "100000000;"))
        assert "100000000 worker_connections exceed open file resource limit: " in scene.errors("warn")[0]


class TestDescriptors:
    """RLIMIT_NOFILE."""

    async def test_none_for_a_client(self, scene: Scene) -> None:
        """Accepting stops for a moment instead of spinning, and goes on by itself; the log says so once."""
        await scene.serve(RETURN)
        other = await busy(scene)
        client = await late(scene)
        assert (await client.ask(octets())).status == 200
        await other.send(octets()[10:])
        assert (await other.answer()).status == 200
        (told,) = scene.errors("crit")
        assert "accept() failed (24: Too many open files)" in told

    async def test_idle_connections_to_servers_make_room(self, scene: Scene) -> None:
        """They are worth less than any client, idle ones included."""
        b = scene.answering(OK)
        await scene.serve(PASS, b=b)
        other = await scene.client()
        assert (await other.ask(octets())).status == 200
        await wait_all_tasks_blocked()
        client = await late(scene)
        assert b.open == 0
        assert (await client.ask(octets())).status == 200
        assert (await other.ask(octets())).status == 200

    async def test_idle_clients_make_room_for_connections_to_servers(self, scene: Scene) -> None:
        """A request in hand is worth more than a client that has nothing to ask."""
        b = scene.backend()
        await scene.serve(PASS, b=b)
        idle = await scene.client()
        await wait_all_tasks_blocked()
        await trio.sleep(1)
        client = await scene.client()
        await wait_all_tasks_blocked()
        with no_more_descriptors():
            await client.send(octets())
            assert await idle.ended()
        server = await b.accept()
        await server.request()
        await server.send(OK)
        assert (await client.answer()).status == 200

    async def test_a_request_waits_for_a_descriptor(self, scene: Scene) -> None:
        """When nothing is idle, until another request is done with one."""
        b = scene.backend()
        await scene.serve(PASS, b=b)
        clients = [await busy(scene) for _ in range(3)]
        with no_more_descriptors():
            for client in clients:
                await client.send(octets()[10:])
            await trio.sleep(2)
        for _ in clients:
            server = await b.accept()
            await server.request()
            await server.send(OK)
        for client in clients:
            assert (await client.answer()).status == 200
        assert scene.errors() == []


async def test_a_socket_that_listens_no_more(scene: Scene) -> None:
    """Is told once, and nobody is closed for it."""
    proxy = await scene.serve(RETURN)
    client = await scene.client()
    await client.ask(octets())
    await trio.sleep(1)
    for sock in (sock for several in proxy.sockets.values() for sock in several):
        sock.shutdown(socket.SHUT_RDWR)
    await trio.sleep(20)
    assert (await client.ask(octets())).status == 200
    (told,) = scene.errors("crit")
    assert "accept() failed (22: Invalid argument)" in told


@pytest.mark.parametrize("conf", [PASS, RETURN])
async def test_nothing_is_told_where_nothing_is_short(scene: Scene, conf: str) -> None:
    """However much comes and goes."""
    b = scene.answering(OK)
    await scene.serve(conf, b=b)
    for _ in range(100):
        await scene.ask(octets())
    assert scene.errors("warn", "crit", "alert", "notice") == []
