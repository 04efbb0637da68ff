"""The corpus of servers that misbehave, through the whole proxy: one outcome each, and no harm to who comes next."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import pytest
from trio.testing import wait_all_tasks_blocked

from lbproxy.wire import uwsgi
from tests.corpus.answers import CASES, Case, End
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Backend, Scene, Wire
from tests.support.told import Told, read_answers

CONF = {
    "http": "proxy_read_timeout 20s; server { listen 80; location / { proxy_pass http://<b>; } }",
    "uwsgi": "uwsgi_read_timeout 20s; uwsgi_param U $request_uri; server { listen 80; location / { uwsgi_pass <b>; } }",
}
BOTH = pytest.mark.parametrize("protocol", ["http", "uwsgi"])
BRIEF = [case for case in CASES if len(case.octets) < 250]


async def read_request(server: Wire, protocol: str) -> str:
    """Read a request without a body, as a server of *protocol*; return its target."""
    if protocol == "http":
        return (await server.head()).target
    start = await server.read(4)
    decoded = uwsgi.decode_packet(start + await server.read(int.from_bytes(start[1:3], "little")))
    assert decoded is not None
    return dict(decoded[0])[b"U"].decode()


async def speak(server: Wire, case: Case, size: int) -> None:
    """Say what *case* says in portions of *size* octets, and go on as it says."""
    with suppress(OSError):  # the proxy may have heard enough
        for at in range(0, len(case.octets), size):
            await server.send(case.octets[at:at + size])
            await wait_all_tasks_blocked()
        if case.end is End.CLOSE:
            server.close()
        elif case.end is End.RESET:
            server.reset()


def without_page(told: Told) -> Told:
    """Return *told* without the text of one of the proxy's own pages."""
    own = told.body.startswith(b"<html>\r\n<head><title>%d " % told.status)
    return Told(told.status) if own and not told.cut else told


async def outcome(scene: Scene, b: Backend, case: Case, protocol: str, version: str, size: int) -> list[str]:
    """Return what is wrong with the outcome of *case*; *b* is as before afterwards."""
    wrong = []
    client = await scene.client()
    await client.send(octets("/", "Connection: close", method=case.method, version=version))
    server = await b.accept()
    await read_request(server, protocol)
    await speak(server, case, size)
    got = await client.rest()
    (told,) = read_answers(got, [case.method], reset=client.was_reset)
    told, expected = without_page(told), getattr(case, protocol)
    if version == "1.0" and b"transfer-encoding" in got.lower():
        wrong.append("HTTP/1.0 is sent chunks")
    if told != expected and not (size > 1 and told.cut and told == Told(expected.status, told.body, expected.cut)
                                 and expected.body.startswith(told.body)):
        wrong.append(f"the client is told {told} instead of {expected}")
    client = await scene.client()
    await client.send(octets("/next", "Connection: close"))
    await wait_all_tasks_blocked()
    kept = await b.idle()
    if kept != (case.kept and protocol == "http"):
        wrong.append("the connection is used again" if kept else "the connection is not used again")
    if not kept:
        with suppress(OSError):
            if case.end is End.SILENCE and not await server.ended():
                wrong.append("the connection is not closed")
        server = await b.accept()
    assert await read_request(server, protocol) == "/next"
    await server.send(reply("next", "Connection: close"))
    if (await client.answer()).body != b"next":
        wrong.append("the next client does not get its answer")
    server.close()
    return wrong


async def check(
    scene: Scene, cases: Iterable[Case], protocol: str, *, version: str = "1.1", size: int = 1 << 20
) -> None:
    """Assert that each of *cases* has its outcome."""
    b = scene.backend()
    await scene.serve(CONF[protocol], b=b)
    wrong = {case.name: await outcome(scene, b, case, protocol, version, size) for case in cases}
    assert {name: what for name, what in wrong.items() if what} == {}


@BOTH
async def test_each_has_one_outcome(scene: Scene, protocol: str) -> None:
    """Robustness B. A whole answer, 502, 504, or one that is seen to be cut; a fresh connection serves the next."""
    await check(scene, CASES, protocol)


@BOTH
async def test_the_outcome_does_not_depend_on_how_octets_arrive(scene: Scene, protocol: str) -> None:
    """Robustness B. Octet by octet it is the same."""
    await check(scene, BRIEF, protocol, size=1)


@BOTH
async def test_clients_of_http_1_0_see_the_cut_too(scene: Scene, protocol: str) -> None:
    """Robustness B. They get no chunks; where only the end delimits a body, the cut one ends in a reset."""
    await check(scene, BRIEF, protocol, version="1.0")


def test_names_are_unique() -> None:
    """A case can be told by its name."""
    assert len({case.name for case in CASES}) == len(CASES)
