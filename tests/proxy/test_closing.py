"""Closing without a reset that overtakes the answer."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, descriptors

PASS = "server { listen 80; location / { proxy_pass http://<b>; } }"
RETURN = 'server { listen 80; location / { return 200 "hello"; } }'
LIMIT = 'server { listen 80; client_max_body_size 10; %s location / { return 200 "hello"; } }'


@pytest.mark.parametrize("request_", [octets("/", "Content-Length: 10000000", method="POST"),
                                      octets("/", "Transfer-Encoding: chunked", method="POST") + b"ffffff\r\n"])
async def test_a_client_still_sending_can_read_its_413(scene: Scene, request_: bytes) -> None:
    """What comes is thrown away until the client has seen the end of its answer."""
    conf = "server { listen 80; client_max_body_size 10; location / { proxy_pass http://<b>; } }"
    await scene.serve(conf, b=scene.dead())
    client = await scene.client()
    await client.send(request_ + bytes(1000000))
    for _ in range(5):
        await client.send(bytes(1000000))
    answer = await client.answer()
    assert (answer.status, answer.get("Connection")) == (413, "close")
    assert await client.ended()
    assert not client.was_reset


@pytest.mark.parametrize("last", [octets("/", "Connection: close"), octets("/", version="1.0")])
async def test_a_client_that_sent_more_meanwhile_can_read_its_last_answer(scene: Scene, last: bytes) -> None:
    """Octets that nobody has read would make the close a reset."""
    b = scene.backend()
    await scene.serve(PASS, b=b)
    client = await scene.client()
    await client.send(last)
    server = await b.accept()
    await server.request()
    await client.send(octets("/more"))
    await wait_all_tasks_blocked()
    await server.send(reply("ok"))
    assert (await client.answer()).body == b"ok"
    assert await client.ended()
    assert not client.was_reset


async def test_ends_when_the_client_closes(scene: Scene) -> None:
    """A client that has read its answer and closes is gone at once."""
    await scene.serve(LIMIT % "")
    client = await scene.client()
    await client.ask(octets("/", "Content-Length: 10000000", method="POST"))
    client.close()
    await wait_all_tasks_blocked()
    assert trio.current_time() < 1


async def test_lingering_timeout(scene: Scene) -> None:
    """A client that neither sends nor closes is waited for only so long."""
    await scene.serve(LIMIT % "lingering_timeout 7s;")
    client = await scene.client()
    await client.ask(octets("/", "Content-Length: 10000000", method="POST"))
    before = descriptors()
    for _ in range(3):
        await trio.sleep(6)
        await client.send(b"x")
    assert descriptors() == before
    await trio.sleep(7.1)
    assert descriptors() == before - 1


async def test_lingering_time(scene: Scene) -> None:
    """A client that sends on for ever is not listened to for ever."""
    await scene.serve(LIMIT % "lingering_time 20s;")
    client = await scene.client()
    await client.ask(octets("/", "Content-Length: 10000000", method="POST"))
    before = descriptors()
    for _ in range(19):
        await trio.sleep(1)
        await client.send(b"x")
    assert descriptors() == before
    await trio.sleep(1.1)
    assert descriptors() == before - 1


async def test_lingering_close_off(scene: Scene) -> None:
    """Without it the socket is closed at once."""
    await scene.serve(LIMIT % "lingering_close off;")
    client = await scene.client()
    await wait_all_tasks_blocked()
    before = descriptors()
    await client.ask(octets("/", "Content-Length: 10000000", method="POST"))
    await wait_all_tasks_blocked()
    assert descriptors() == before - 1


async def test_a_discarded_body_that_is_malformed_ends_the_connection(scene: Scene) -> None:
    """Robustness 5. Nothing is served behind octets that could be read in two ways."""
    await scene.serve(RETURN)
    client = await scene.client()
    await client.send(octets("/", "Transfer-Encoding: chunked", method="POST"))
    assert (await client.answer()).status == 200
    await client.send(b"xyz\r\n" + octets("/smuggled"))
    assert await client.ended()
    assert len(scene.log()) == 1


async def test_a_malformed_body_that_nobody_wants_is_refused(scene: Scene) -> None:
    """What is there of it when the answer is made must be well-formed."""
    await scene.serve(RETURN)
    client = await scene.client()
    await client.send(octets("/", "Transfer-Encoding: chunked", method="POST") + b"xyz\r\n" + octets("/smuggled"))
    assert (await client.answer()).status == 400
    assert await client.ended()
    assert len(scene.log()) == 1
