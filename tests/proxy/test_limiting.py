"""Requests that are counted, held up, refused."""

from __future__ import annotations

import socket

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene

OK = reply("ok")
ZONES = "limit_req_zone $arg_k zone=r:1m rate=1r/s; limit_conn_zone $arg_k zone=c:1m;"


def conf(*lines: str) -> str:
    """Return a server whose location has *lines* and passes requests on."""
    log = "log_format l '$status $limit_req_status $limit_conn_status'; access_log access.log l;"
    return f"{ZONES} {log} server {{ listen 80; location / {{ {' '.join(lines)} proxy_pass http://<b>; }} }}"


class TestRate:
    """limit_req."""

    async def test_a_burst_is_held_up(self, scene: Scene) -> None:
        """By exactly as much as the rate wants."""
        backend = scene.answering(OK)
        await scene.serve(conf("limit_req zone=r burst=2;"), b=backend)
        clients = [await scene.client() for _ in range(4)]
        began = trio.current_time()
        for client in clients:
            await client.send(octets("/?k=a"))
            await wait_all_tasks_blocked()
        order = (clients[0], clients[3], clients[1], clients[2])
        answers = [((await client.answer()).status, round(trio.current_time() - began, 1)) for client in order]
        assert answers == [(200, 0.0), (503, 0.0), (200, 1.0), (200, 2.0)]
        assert scene.log() == ["200 PASSED -", "503 REJECTED -", "200 DELAYED -", "200 DELAYED -"]
        assert 'limiting requests, excess: 3.000 by zone "r", client: 127.0.0.1' in scene.errors()[0]
        delays = [line for line in scene.errors("warn") if "delaying request" in line]
        assert 'delaying request, excess: 1.000, by zone "r", client' in delays[0]

    @pytest.mark.parametrize("way", ["fin", "reset"])
    async def test_who_leaves_meanwhile_is_not_served(self, scene: Scene, way: str) -> None:
        """499, and the server behind hears nothing of it."""
        backend = scene.answering(OK)
        await scene.serve(conf("limit_req zone=r burst=2;"), b=backend)
        assert (await scene.ask(octets("/?k=a"))).status == 200
        client = await scene.client()
        await client.send(octets("/?k=a"))
        await trio.sleep(0.7)
        if way == "reset":
            client.reset()
        else:
            client.close()
        await wait_all_tasks_blocked()
        assert scene.log()[1:] == ["499 DELAYED -"]
        assert len(backend.requests) == 1

    async def test_who_has_only_ended_its_sending_is_served(self, scene: Scene) -> None:
        """Right behind its request that means nothing else."""
        await scene.serve(conf("limit_req zone=r burst=2;"), b=scene.answering(OK))
        await scene.ask(octets("/?k=a"))
        client = await scene.client()
        await client.send(octets("/?k=a"))
        client.socket.shutdown(socket.SHUT_WR)
        assert (await client.answer()).status == 200

    async def test_once_per_request(self, scene: Scene) -> None:
        """An error page is not counted again."""
        await scene.serve(
            f"{ZONES} server {{ listen 80; limit_req zone=r; error_page 502 /page;"
            "location / { proxy_pass http://<b>; } location /page { proxy_pass http://<c>; } }",
            b=scene.dead(), c=scene.answering(OK),
        )  # fmt: skip
        assert (await scene.ask(octets("/?k=a"))).text == "ok"

    async def test_levels_and_dry_run(self, scene: Scene) -> None:
        """Delays are logged one level below refusals."""
        await scene.serve(
            conf("limit_req zone=r burst=1; limit_req_dry_run on; limit_req_log_level notice;"), b=scene.answering(OK)
        )
        for _ in range(3):
            assert (await scene.ask(octets("/?k=a"))).status == 200
        assert scene.log() == ["200 PASSED -", "200 DELAYED_DRY_RUN -", "200 REJECTED_DRY_RUN -"]
        (delayed,), (refused,) = scene.errors("info"), scene.errors("notice")
        assert 'delaying request, dry run, excess: 1.000, by zone "r"' in delayed
        assert 'limiting requests, dry run, excess: 2.000 by zone "r"' in refused

    async def test_a_key_that_is_too_long(self, scene: Scene) -> None:
        """Is not counted."""
        await scene.serve(
            "limit_conn_zone $arg_k zone=c:1m;"
            "server { listen 80; limit_conn c 1; location / { proxy_pass http://<b>; } }", b=scene.answering(OK),
        )  # fmt: skip
        assert (await scene.ask(octets("/?k=" + "x" * 256))).status == 200
        assert 'the value of the "$arg_k" key is more than 255 bytes: "xxx' in scene.errors()[0]


class TestConnections:
    """limit_conn."""

    async def test_requests_in_hand(self, scene: Scene) -> None:
        """Count until their answer is complete, or their client gone."""
        backend = scene.backend()
        await scene.serve(conf("limit_conn c 1; limit_conn_status 429;"), b=backend)
        first = await scene.client()
        await first.send(octets("/?k=a"))
        server = await backend.accept()
        await server.request()
        assert (await scene.ask(octets("/?k=a"))).status == 429
        assert 'limiting connections by zone "c", client: 127.0.0.1' in scene.errors()[0]
        await server.send(OK)
        assert (await first.answer()).status == 200
        second = await scene.client()
        await second.send(octets("/?k=a"))
        await server.request()
        second.reset()
        await wait_all_tasks_blocked()
        third = await scene.client()
        await third.send(octets("/?k=a"))
        server = await backend.accept()
        await server.request()
        await server.send(OK)
        assert (await third.answer()).status == 200
        assert scene.log() == ["429 - REJECTED", "200 - PASSED", "499 - PASSED", "200 - PASSED"]

    @pytest.mark.parametrize("dry_run", [False, True])
    async def test_who_is_refused_by_one_limit_counts_for_none(self, scene: Scene, dry_run: bool) -> None:
        """Otherwise it would take the places of others."""
        backend = scene.backend()
        lines = "limit_conn d 2; limit_conn c 1; limit_conn_dry_run " + ("on;" if dry_run else "off;")
        await scene.serve("limit_conn_zone $uri zone=d:1m;" + conf(lines), b=backend)
        clients = [await scene.client() for _ in range(4)]
        for client, key in zip(clients, "aaab", strict=True):
            await client.send(octets(f"/?k={key}"))
            await wait_all_tasks_blocked()
        for _ in range(4 if dry_run else 2):
            server = await backend.accept()
            await server.request()
            await server.send(OK)
        assert [(await client.answer()).status for client in clients] == [200, *[200 if dry_run else 503] * 2, 200]
        said = "200 - REJECTED_DRY_RUN" if dry_run else "503 - REJECTED"
        assert sorted(scene.log()) == sorted(["200 - PASSED", said, said, "200 - PASSED"])
