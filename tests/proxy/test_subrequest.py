"""Requests that are made inside."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

OK = reply("ok", "X-From: main")
CONF = """
server {
    listen 80;
    location / {
        auth_request /ask; auth_request_set $who $upstream_http_x_who; add_header X-Who $who; proxy_pass http://<b>;
    }
    location = /ask { internal; proxy_pass http://<c>/check; }
}
"""


async def test_another_location_is_asked(scene: Scene) -> None:
    """With the client's fields, as GET, without the body; the body goes to the server that is meant."""
    main, asked = scene.answering(OK), scene.answering(reply("yes", "X-Who: ann"))
    await scene.serve(CONF, b=main, c=asked)
    client = await scene.client()
    for _ in range(2):
        answer = await client.ask(octets("/x?y", "X-Token: t", method="PUT", body=b"content"), "PUT")
        assert (answer.status, answer.text, answer.get("X-Who")) == (200, "ok", "ann")
    assert [(request.line, request.body) for request in asked.requests] == [(b"GET /check HTTP/1.1", b"")] * 2
    assert asked.requests[0].get("X-Token") == "t"
    assert asked.requests[0].get("Content-Length") is None
    assert [(request.line, request.body) for request in main.requests] == [(b"PUT /x?y HTTP/1.1", b"content")] * 2
    assert len(asked.wires) == len(main.wires) == 1
    assert [line.split('"')[1] for line in scene.log()] == ["PUT /x?y HTTP/1.1"] * 2


@pytest.mark.parametrize(
    "asked",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        reply("x" * 3_000_000),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.0 200 OK\r\n\r\nuntil close",
    ],
)
async def test_the_head_is_all_that_counts(scene: Scene, asked: bytes) -> None:
    """However long the body is, and whether or not it ends."""

    async def script(wire: Wire) -> None:
        await wire.request()
        await wire.send(asked)
        await trio.sleep_forever()

    await scene.serve(CONF, b=scene.answering(OK), c=scene.backend(script))
    began = trio.current_time()
    assert (await scene.ask(octets())).text == "ok"
    assert trio.current_time() - began < 1


async def test_files_and_returns_answer_as_well(scene: Scene) -> None:
    """Nothing of them goes to the client."""
    (scene.directory / "large").write_bytes(bytes(300_000))
    await scene.serve(
        "server { listen 80; location / { proxy_pass http://<b>; }"
        "location /file { auth_request /large; proxy_pass http://<b>; } location = /large { root <dir>; }"
        "location /return { auth_request /200; proxy_pass http://<b>; } location = /200 { return 200 text; }"
        "location /444 { auth_request /gone; proxy_pass http://<b>; } location = /gone { return 444; }"
        "location /404 { auth_request /none; proxy_pass http://<b>; } location = /none { root <dir>; } }",
        b=scene.answering(OK),
    )
    client = await scene.client()
    statuses = [(await client.ask(octets(path))).status for path in ("/file", "/return")]
    statuses += [(await scene.ask(octets(path))).status for path in ("/444", "/404")]
    assert statuses == [200, 200, 500, 500]
    said = [line for line in scene.errors() if "auth request unexpected status" in line]
    assert [line.partition(", client")[0].rpartition(" ")[2] for line in said] == ["444", "404"]


async def test_a_dead_server_is_a_mistake(scene: Scene) -> None:
    """502 becomes 500; the error log tells of both requests."""
    await scene.serve(CONF, b=scene.answering(OK), c=scene.dead())
    assert (await scene.ask(octets())).status == 500
    first, second = scene.errors()
    assert 'request: "GET / HTTP/1.1", subrequest: "/ask", upstream: "http://127.0.0.1:' in first
    assert "auth request unexpected status: 502, client" in second
    assert "subrequest" not in second


async def test_who_leaves_meanwhile_is_not_served(scene: Scene) -> None:
    """499, and both servers hear of it."""
    asked, main = scene.backend(), scene.answering(OK)
    await scene.serve(CONF, b=main, c=asked)
    client = await scene.client()
    await client.send(octets())
    server = await asked.accept()
    await server.request()
    await trio.sleep(0.7)
    client.close()
    assert await server.ended()
    await wait_all_tasks_blocked()
    assert scene.log()[0].split('"')[2].split()[0] == "499"
    assert main.requests == []


async def test_what_it_asks_for_does_not_ask_in_turn(scene: Scene) -> None:
    """Who may come is asked of clients only; limits are for all."""
    await scene.serve(
        "limit_req_zone $uri zone=r:1m rate=1r/m; server { listen 80; auth_request /ask; proxy_set_header X-A b;"
        "location / { proxy_pass http://<b>; }"
        "location = /ask { deny all; limit_req zone=r; proxy_pass http://<b>; } }", b=scene.answering(OK),
    )  # fmt: skip
    assert [(await scene.ask(octets())).status for _ in range(2)] == [200, 500]
    limiting, unexpected = scene.errors()
    assert 'by zone "r", client: 127.0.0.1, server: , request: "GET / HTTP/1.1", subrequest: "/ask"' in limiting
    assert "auth request unexpected status: 503" in unexpected
