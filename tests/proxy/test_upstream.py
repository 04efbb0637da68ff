"""Upstreams at work: what variables lead to, and how connections are made."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbproxy.config.model import Address
from lbproxy.proxy.upstream import sockaddr
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene

OK = reply("ok")
CONF = """upstream Named { server <b>; }
          server { listen 80; location / { set $to $arg_to; proxy_pass http://$to; } }"""


def name_service(monkeypatch: pytest.MonkeyPatch, lookup: Callable[[str], list[str]]) -> list[str]:
    """Have names looked up by *lookup*; return the list that asked names are added to."""
    asked: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[int, int, int, str, tuple[str, int]]]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in lookup(host)]

    monkeypatch.setattr(trio.socket, "getaddrinfo", getaddrinfo)
    return asked


class TestVariables:
    """``proxy_pass`` with variables."""

    async def test_a_configured_upstream_by_name(self, scene: Scene) -> None:
        """Comes first, in any letter case, with its pool."""
        b = scene.answering(OK)
        await scene.serve(CONF, b=b)
        for name in ("Named", "named", "NAMED"):
            assert (await scene.ask(octets(f"/?to={name}"))).status == 200
        assert len(b.wires) == 1

    async def test_an_address(self, scene: Scene) -> None:
        """Is the same upstream for every request that leads to it: connections are kept, counters kept."""
        b, other = scene.answering(OK), scene.answering(OK)
        await scene.serve(CONF, b=b)
        for _ in range(5):
            assert (await scene.ask(octets(f"/?to={other.address}"))).status == 200
        assert (len(other.wires), len(b.wires)) == (1, 0)
        assert len(scene.groups) == 1

    async def test_a_name(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """Is resolved once in a while, not for every request."""
        asked = name_service(monkeypatch, lambda _: ["127.0.0.1"])
        b = scene.answering(OK)
        await scene.serve(CONF, b=b)
        place = b.address.replace("127.0.0.1", "somewhere.test")
        for pause in (0, 10, 10, 15, 10):
            await trio.sleep(pause)
            assert (await scene.ask(octets(f"/?to={place}"))).status == 200
        assert asked == ["somewhere.test"] * 2
        assert len(b.wires) == 1

    async def test_a_name_that_moves(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """Takes its requests along; idle connections to the old place are closed."""
        places = ["127.0.0.1"]
        name_service(monkeypatch, lambda _: places)
        b = scene.answering(OK)
        await scene.serve(CONF, b=b)
        request = octets("/?to=" + b.address.replace("127.0.0.1", "somewhere.test"))
        await scene.ask(request)
        places[:] = ["127.0.0.99"]
        await trio.sleep(31)
        answer = await scene.ask(request)
        assert answer.status == 502
        assert b.open == 0

    async def test_a_name_that_fails(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """502 if it was never known; else the last known address serves on."""
        known = True

        def lookup(_: str) -> list[str]:
            if not known:
                raise OSError(-2, "Name or service not known")
            return ["127.0.0.1"]

        name_service(monkeypatch, lookup)
        b = scene.answering(OK)
        await scene.serve(CONF, b=b)
        place = b.address.replace("127.0.0.1", "somewhere.test")
        assert (await scene.ask(octets(f"/?to={place}"))).status == 200
        known = False
        await trio.sleep(31)
        assert (await scene.ask(octets(f"/?to={place}"))).status == 200
        assert (await scene.ask(octets("/?to=elsewhere.test"))).status == 502
        assert "elsewhere.test could not be resolved (Name or service not known)" in scene.errors()[0]

    @pytest.mark.parametrize("to", ["", "a:99999", "a:x", "%20"])
    async def test_nowhere(self, scene: Scene, to: str) -> None:
        """What can't be a destination is an error of ours."""
        await scene.serve(CONF, b=scene.dead())
        assert (await scene.ask(octets(f"/?to={to}"))).status in (500, 502)
        assert len(scene.errors()) == 1

    async def test_many_addresses_do_not_fill_the_memory(self, scene: Scene) -> None:
        """Only so many that clients can make up are remembered, connections included."""
        b = scene.answering(OK)
        await scene.serve("keepalive_requests 9999; " + CONF, b=b)
        await scene.ask(octets(f"/?to={b.address}"))
        assert b.open == 1
        client = await scene.client()
        for count in range(1001):
            await client.send(octets(f"/?to=127.9.{count // 256}.{count % 256}:1"))
            assert (await client.answer()).status == 502
        await wait_all_tasks_blocked()
        assert b.open == 0


@pytest.mark.parametrize(("address", "expected"), [
    (Address(host="127.0.0.1", port=80), (socket.AF_INET, ("127.0.0.1", 80))),
    (Address(host="::1", port=80), (socket.AF_INET6, ("::1", 80))),
    (Address(path="/run/s"), (socket.AF_UNIX, "/run/s")),
])
def test_addresses_for_the_socket_module(address: Address, expected: object) -> None:
    """Each family has its own form."""
    assert sockaddr(address) == expected


async def test_no_descriptor_for_a_server(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that finds none in time is answered 500 with the system's words; the server is not to blame."""
    b = scene.answering(OK)
    await scene.serve(CONF, b=b)
    client = await scene.client()
    await wait_all_tasks_blocked()

    def exhausted(*_: object) -> socket.socket:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr(socket, "socket", exhausted)
        answer = await client.ask(octets("/?to=named"))
    assert answer.status == 500
    assert [peer.fails for group in scene.groups for peer in group.peers] == [0]
    assert "socket() failed (24: Too many open files)" in scene.errors()[0]


class TestLocalAddress:
    """proxy_bind and uwsgi_bind."""

    CONF = """upstream u { server <b>; keepalive 4; } server { listen 80;
              location / { proxy_pass http://u; }
              location /bound { proxy_bind 127.0.0.7; proxy_pass http://u; }
              location /var { proxy_bind $arg_from; proxy_pass http://u; } }"""

    async def ask(self, scene: Scene, *targets: str) -> list[str]:
        """Return the addresses of the connections that requests for *targets* have made."""
        b = scene.answering(OK)
        await scene.serve(self.CONF, b=b)
        for target in targets:
            assert (await scene.ask(octets(target))).text == "ok"
        return [wire.socket.getpeername()[0] for wire in b.wires]

    async def test_an_address(self, scene: Scene) -> None:
        """Is where the connection comes from."""
        assert await self.ask(scene, "/bound") == ["127.0.0.7"]

    async def test_kept_connections_are_told_apart(self, scene: Scene) -> None:
        """One that comes from elsewhere serves nobody who wants an address; one with an address only its like."""
        other = "/var?from=127.0.0.8"
        wanted = ("/", "/bound", "/", "/bound", "/var?from=127.0.0.7", other, other, "/var")
        assert await self.ask(scene, *wanted) == ["127.0.0.1", "127.0.0.7", "127.0.0.8"]

    async def test_no_address(self, scene: Scene) -> None:
        """What is none is told, and has no other effect, as in nginx."""
        assert await self.ask(scene, "/var?from=nonsense") == ["127.0.0.1"]
        assert 'invalid local address "nonsense"' in scene.errors()[0]

    async def test_an_address_that_is_not_ours(self, scene: Scene) -> None:
        """500: another server would not help, and this one has done nothing wrong."""
        a, b = scene.answering(OK), scene.answering(OK)
        conf = """upstream u { server <a>; server <b>; } server { listen 80;
                  location / { proxy_bind 192.0.2.1; proxy_pass http://u; } location /fine { proxy_pass http://u; } }"""
        await scene.serve(conf, a=a, b=b)
        assert (await scene.ask(octets())).status == 500
        assert "bind(192.0.2.1) failed (99: Cannot assign requested address) while connecting" in scene.errors()[0]
        assert [peer.fails for group in scene.groups for peer in group.peers] == [0, 0]
        assert (await scene.ask(octets("/fine"))).status == 200

    async def test_unix_sockets_have_none(self, scene: Scene) -> None:
        """A server on a unix socket is reached all the same."""
        path = scene.directory / "s"
        listener = trio.socket.socket(socket.AF_UNIX)
        await listener.bind(str(path))
        listener.listen()
        await scene.serve("server { listen 80; location / { proxy_bind 127.0.0.7; proxy_pass http://unix:<dir>/s; } }")
        client = await scene.client()
        await client.send(octets())
        accepted, _ = await listener.accept()
        await accepted.recv(1000)
        await accepted.send(OK)
        assert (await client.answer()).text == "ok"
        accepted.close()
        listener.close()

    async def test_uwsgi(self, scene: Scene) -> None:
        """Likewise."""
        u = scene.backend()
        await scene.serve("server { listen 80; location / { uwsgi_bind 127.0.0.7; uwsgi_pass <u>; } }", u=u)
        client = await scene.client()
        await client.send(octets())
        server = await u.accept()
        assert server.socket.getpeername()[0] == "127.0.0.7"
        await server.arrived()
        await server.send(OK)
        server.close()
        assert (await client.answer()).text == "ok"
