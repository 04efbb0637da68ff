"""Octets of files on their way to a client."""

from __future__ import annotations

import os
from unittest.mock import patch

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.proxy.test_files import SITE, write
from tests.support.client import octets
from tests.support.scene import Scene

BIG = bytes(range(256)) * 10_000

WAYS = pytest.mark.parametrize("conf", ["", "sendfile off;", "add_trailer X-A b;"])


async def test_a_small_file_leaves_with_its_head(scene: Scene) -> None:
    """In one write."""
    write(scene, a="x" * 40_000)
    await scene.serve(SITE % "")
    client = await scene.client()
    await client.send(octets("/a"))
    first = await client.socket.recv(1 << 18)
    assert first.endswith(b"\r\n\r\n" + b"x" * 40_000)


@WAYS
async def test_large_files(scene: Scene, conf: str) -> None:
    """Arrive whole, one behind the other; so do parts of them."""
    write(scene, a=BIG)
    await scene.serve(SITE % conf)
    client = await scene.client()
    for _ in range(2):
        assert (await client.ask(octets("/a"))).body == BIG
    if "trailer" in conf:
        return
    part = await client.ask(octets("/a", "Range: bytes=100-2000099"))
    assert part.body == BIG[100:2_000_100]
    parts = await client.ask(octets("/a", "Range: bytes=0-99999, 200000-2499999 ,-9"))
    assert BIG[:100_000] in parts.body
    assert BIG[200_000:2_500_000] in parts.body


@pytest.mark.parametrize("conf", ["", "sendfile off;"])
async def test_a_client_that_takes_nothing(scene: Scene, conf: str) -> None:
    """Is cut off after send_timeout."""
    write(scene, a=BIG * 4)
    await scene.serve(SITE % f"send_timeout 7s; {conf}")
    client = await scene.client(window=4096)
    begun = trio.current_time()
    await client.send(octets("/a"))
    await client.until(b"\r\n\r\n")
    with trio.move_on_after(60):
        while scene.proxies[0].server._connections:
            await trio.sleep(1)
    assert 7 <= trio.current_time() - begun <= 10


@WAYS
async def test_a_file_that_shrinks(scene: Scene, conf: str) -> None:
    """Ends the connection, so that nobody takes what came for the whole."""
    www = write(scene, a=BIG * 4)
    await scene.serve(SITE % conf)
    scene.forgive("was truncated")
    client = await scene.client(window=4096)
    await client.send(octets("/a"))
    await client.until(b"\r\n\r\n")
    await wait_all_tasks_blocked()
    os.truncate(www / "a", 70_000)
    rest = await client.rest()
    assert len(rest) < len(BIG) * 4
    assert not rest.endswith(b"\r\n0\r\n\r\n")
    assert "was truncated at " in scene.errors("alert")[0]


async def test_a_file_that_cannot_be_read(scene: Scene) -> None:
    """The same, with what the system says."""
    write(scene, a="x")
    await scene.serve(SITE % "")
    with patch("os.pread", side_effect=OSError(5, "Input/output error")):
        client = await scene.client()
        await client.send(octets("/a"))
        assert await client.rest() == b""
    assert "pread() " in scene.errors("crit")[0]
    assert "failed (5: Input/output error)" in scene.errors("crit")[0]
