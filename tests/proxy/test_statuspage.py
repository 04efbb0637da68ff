"""``stub_status`` as clients see it."""

from __future__ import annotations

from tests.support.client import octets
from tests.support.scene import Scene

CONF = """
server {
    listen 80;
    location = /status { stub_status; }
    location = /variables {
        return 200 "$connections_active $connections_reading $connections_writing $connections_waiting";
    }
}
"""


async def test_page(scene: Scene) -> None:
    """One who asks, one who has sent half a head, one who has sent nothing."""
    await scene.serve(CONF)
    half = await scene.client()
    await half.send(b"GET / HT")
    await scene.client()
    answer = await scene.ask(octets("/status"))
    assert answer.get("Content-Type") == "text/plain"
    assert answer.text == (
        "Active connections: 3 \nserver accepts handled requests\n 3 3 1 \nReading: 1 Writing: 1 Waiting: 1 \n"
    )


async def test_variables(scene: Scene) -> None:
    await scene.serve(CONF)
    assert (await scene.ask(octets("/variables"))).text == "1 0 1 0"


async def test_only_reading_is_allowed(scene: Scene) -> None:
    await scene.serve(CONF)
    assert (await scene.ask(octets("/status", method="POST", body=b"x"))).status == 405
    head = await scene.ask(octets("/status", method="HEAD"), method="HEAD")
    assert (head.status, head.body) == (200, b"")
