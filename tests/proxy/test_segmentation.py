"""The same octets in any segmentation have the same outcome, whoever sent them and whatever they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pytest
import trio
from hypothesis import example, given, settings
from trio.testing import wait_all_tasks_blocked

from lbproxy.wire import uwsgi
from tests.corpus.smuggling import CASES
from tests.support.backends import Request, reply
from tests.support.client import octets
from tests.support.scene import Ended, Scene, Wire, open_scene, virtual_clock
from tests.support.strategies import answers, connections, cuts
from tests.support.wire import portions, read_requests

CONF = """server { listen 80; lingering_timeout 2s; proxy_request_buffering %s; uwsgi_request_buffering %s;
    location / { %s; } }"""
PASS = {"http": "proxy_pass http://<b>", "uwsgi": "uwsgi_pass <b>"}
CHANGING = re.compile(rb"Date: [^\r]*\r\n|HTTP/1\.1 100 Continue\r\n\r\n")
"""What an answer's octets may differ in: 100 need not be sent to a client whose body is there already."""


def dripping(data: bytes) -> list[bytes]:
    """Return *data* octet by octet, but no more than a hundred portions."""
    step = len(data) // 100 + 1
    return [data[at : at + step] for at in range(0, len(data), step)]


async def say(wire: Wire, parts: Sequence[bytes]) -> None:
    """Send *parts*, each of which arrives by itself; the other side may have enough at any of them."""
    with suppress(OSError):
        for part in parts:
            await wire.send(part)
            await wait_all_tasks_blocked()


@dataclass(frozen=True)
class Conversation:
    """What one connection came to: the octets that the client got, and the whole requests that the server did."""

    answers: bytes
    requests: tuple[Request, ...]


async def converse(scene: Scene, parts: Sequence[bytes], seen: list[Request]) -> Conversation:
    """Have a client say *parts*, wait for what comes of them, and leave."""
    seen.clear()
    client = await scene.client()
    await say(client, parts)
    got = await client.arrived()
    client.close()
    await wait_all_tasks_blocked()
    return Conversation(CHANGING.sub(b"", got), tuple(seen))


async def _requests_at(protocol: str, buffering: str, data: bytes, ways: list[list[bytes]]) -> list[Conversation]:
    """Return what comes of *data* in each of *ways*, from a server that answers with the target it was asked for."""
    seen: list[Request] = []

    async def script(wire: Wire) -> None:
        while True:
            request = await wire.request() if protocol == "http" else await packet(wire)
            seen.append(request)
            await wire.send(reply(request.target))

    async with open_scene() as scene:
        await scene.serve(CONF % (buffering, buffering, PASS[protocol]), b=scene.backend(script))
        return [await converse(scene, parts, seen) for parts in ways]


async def packet(wire: Wire) -> Request:
    """Read a uwsgi request: its variables and, by CONTENT_LENGTH, its body."""
    header = await wire.read(4)
    raw = header + await wire.read(int.from_bytes(header[1:3], "little"))
    decoded = uwsgi.decode_packet(raw)
    assert decoded is not None
    variables = dict(decoded[0])
    body = await wire.read(int(variables.get(b"CONTENT_LENGTH") or 0))
    return Request(b"GET /uwsgi HTTP/1.1", tuple(decoded[0]), body, raw)


@pytest.mark.parametrize("buffering", ["on", "off"])
@settings(max_examples=25)
@given(data=connections(), places=cuts())
@example(data=b"".join(case.octets for case in CASES if not case.status), places=[7, 77, 777, 1777])
def test_requests(buffering: str, data: bytes, places: list[int]) -> None:
    """
    Answers and what reaches the server are those of the octets sent at once, and as many as were complete.

    Robustness 1. Robustness 3. Robustness 4. Robustness 5.
    """
    ways = [[data], list(portions(data, places)), dripping(data)]
    whole, *others = trio.run(_requests_at, "http", buffering, data, ways, clock=virtual_clock())
    assert all(other == whole for other in others)
    read = read_requests([data])
    assert len(whole.requests) <= len(read.messages)
    assert [request.body for request in whole.requests] == [body for _, body in read.messages[: len(whole.requests)]]


async def _answer_told(protocol: str, parts: Sequence[bytes]) -> tuple[int, bytes] | None:
    """
    Return the answer that a client makes of a server's *parts*; None if it was told that there is none, or not all.

    Whatever it is told, the next client is told what is its own.
    """
    async with open_scene() as scene:
        b = scene.backend()
        await scene.serve(CONF % ("on", "on", PASS[protocol]), b=b)
        client = await scene.client()
        await client.send(octets("/"))
        server = await b.accept()
        await (server.request() if protocol == "http" else packet(server))
        await say(server, parts)
        with suppress(OSError):
            server.finish()
        try:
            answer = await client.answer()
        except Ended:
            return None
        finally:
            server.close()
        return None if answer.status == 502 else (answer.status, answer.body)


@pytest.mark.parametrize("protocol", ["http", "uwsgi"])
@settings(max_examples=25)
@given(data=answers(), places=cuts())
def test_answers(protocol: str, data: bytes, places: list[int]) -> None:
    """The client is told the same, or that something is wrong, in whatever portions a server speaks. Robustness B."""
    outcomes = [
        trio.run(_answer_told, protocol, parts, clock=virtual_clock())
        for parts in ([data], list(portions(data, places)), dripping(data))
    ]
    assert outcomes[1:] == outcomes[:1] * 2
