"""limit_rate and its like: answers of every kind go no faster than they may."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene, Wire

PASS = "server { listen 80; %s location / { proxy_pass http://<b>; } }"
BODY = b"".join(b"%07d-" % number for number in range(12_480))  # a little less than 100 KiB
KINDS = """
log_format f '$request_uri $limit_rate $request_completion';
server { listen 80; access_log <dir>/f f; %s
    location /server { proxy_pass http://<b>; }
    location /chunks { proxy_pass http://<b>; }
    location /files/ { root <dir>; }
    location /packed/ { alias <dir>/files/; add_trailer X-A b; }
    location /text { return 200 <text>; }
}
"""
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)
EVERY_KIND = pytest.mark.parametrize("target", ["/server", "/chunks", "/files/a", "/packed/a", "/text"])


async def serving(scene: Scene, conf: str) -> None:
    """Serve answers of every kind, *conf* being in force."""
    (scene.directory / "files").mkdir()
    (scene.directory / "files/a").write_bytes(BODY)

    async def script(wire: Wire) -> None:
        while True:
            request = await wire.request()
            await wire.send(CHUNKED if request.target == "/chunks" else reply(BODY))

    await scene.serve(KINDS % conf, b=scene.backend(script), text=BODY.decode())


@EVERY_KIND
async def test_a_rate(scene: Scene, target: str) -> None:
    """The first second's octets at once, then as many each second; one answer after the other."""
    await serving(scene, "limit_rate 20k;")
    client = await scene.client()
    for number in (1, 2):
        await client.send(octets(target))
        head = await client.until(b"\r\n\r\n")
        assert len(head) + len(await client.arrived()) <= 20 << 10
        await client.until(BODY[-1000:])
        assert trio.current_time() == pytest.approx(4.4 * number, abs=0.5 * number)
        await client.arrived()
    assert scene.log("f") == [f"{target} 20480 OK"] * 2


@EVERY_KIND
async def test_octets_before(scene: Scene, target: str) -> None:
    """limit_rate_after: so many go without a limit."""
    await serving(scene, "limit_rate 10k; limit_rate_after 80k;")
    client = await scene.client()
    await client.send(octets(target))
    assert len(await client.read(89 << 10)) == 89 << 10
    assert trio.current_time() < 0.5
    await client.read(7 << 10)
    assert trio.current_time() == pytest.approx(1, abs=0.1)


@EVERY_KIND
async def test_all_of_it_arrives(scene: Scene, target: str) -> None:
    """In order."""
    await serving(scene, "limit_rate 33k;")
    assert (await scene.ask(octets(target))).body == BODY


@pytest.mark.parametrize(("conf", "rate", "seconds"), [
    ("limit_rate $arg_r;", "50k", 1), ("limit_rate $arg_r;", "", 0), ("set $limit_rate $arg_r;", "20k", 4.5),
    ("limit_rate 1k; set $limit_rate 0;", "", 0), ("limit_rate 50k; set $limit_rate nonsense;", "", 1),
    ("limit_rate 0;", "", 0), ("limit_rate_after 1k;", "", 0), ("limit_rate_after 1k; set $limit_rate 50k;", "", 1),
])
async def test_where_the_rate_comes_from(scene: Scene, conf: str, rate: str, seconds: float) -> None:
    """A size, a variable that is one, or what has been set; a rate of 0 is none."""
    await serving(scene, conf)
    await scene.ask(octets(f"/files/a?r={rate}"))
    assert trio.current_time() == pytest.approx(seconds, abs=0.4)


async def test_in_an_if(scene: Scene) -> None:
    """Some are slower than others."""
    (scene.directory / "a").write_bytes(BODY)
    await scene.serve("server { listen 80; location / { root <dir>; if ($arg_slow) { limit_rate 50k; } } }")
    await scene.ask(octets("/a"))
    assert trio.current_time() < 0.3
    await scene.ask(octets("/a?slow=1"))
    assert trio.current_time() == pytest.approx(1, abs=0.4)


@pytest.mark.parametrize(("more", "field", "seconds"), [
    ("", "X-Accel-Limit-Rate: 51200", 1),
    ("limit_rate 1k;", "X-Accel-Limit-Rate: 51200", 1),
    ("limit_rate 1k;", "X-Accel-Limit-Rate: 0", 0),
    ("limit_rate 50k;", "X-Accel-Limit-Rate: x", 1),
    ("proxy_ignore_headers X-Accel-Limit-Rate;", "X-Accel-Limit-Rate: 51200", 0),
])
async def test_what_the_server_says(scene: Scene, more: str, field: str, seconds: int) -> None:
    """Counts more than the configuration, unless it is ignored."""
    b = scene.answering(reply(BODY, field))
    await scene.serve(PASS % more, b=b)
    assert (await scene.ask(octets())).body == BODY
    assert trio.current_time() == pytest.approx(seconds, abs=0.3)


async def test_the_server_is_released(scene: Scene) -> None:
    """Long before its answer has gone: what is to go later lies in a file."""
    b = scene.backend()
    await scene.serve(PASS % "limit_rate 100k;", b=b)
    client = await scene.client()
    await client.send(octets())
    server = await b.accept()
    await server.request()
    body = bytes(range(256)) * 4000
    await server.send(reply(body))
    await wait_all_tasks_blocked()
    assert (trio.current_time(), scene.in_flight) == (0, 0)
    assert (await client.answer()).body == body
    assert trio.current_time() == pytest.approx(9, abs=1)


async def test_without_buffering_it_waits(scene: Scene) -> None:
    """For nothing is read ahead."""
    b = scene.backend()
    await scene.serve(PASS % "limit_rate 100k; proxy_buffering off;", b=b)
    client = await scene.client()
    await client.send(octets())
    server = await b.accept()
    await server.request()
    await server.send(b"HTTP/1.1 200 OK\r\n\r\n")
    await server.fill()
    await trio.sleep(5)
    assert scene.in_flight == 1
    client.close()
    await trio.sleep(3)
    assert scene.in_flight == 0


async def test_a_client_that_goes(scene: Scene) -> None:
    """Is noticed while it would have to wait."""
    b = scene.backend()
    await scene.serve(PASS % "limit_rate 1k;", b=b)
    client = await scene.client()
    await client.send(octets())
    server = await b.accept()
    await server.request()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(100_000))
    await trio.sleep(10)
    client.close()
    assert await server.ended()
    assert trio.current_time() < 13
    assert scene.in_flight == 0


async def test_a_silent_server(scene: Scene) -> None:
    """Is given up at proxy_read_timeout, though the client has not got yet what came before."""
    b = scene.backend()
    await scene.serve(PASS % "limit_rate 1k; proxy_read_timeout 20s;", b=b)
    client = await scene.client()
    await client.send(octets())
    server = await b.accept()
    await server.request()
    await server.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + bytes(50_000))
    assert await server.ended()
    assert trio.current_time() == pytest.approx(50, abs=2)  # what had come is still delivered before the end
    assert (await client.rest()).endswith(bytes(1000))
    assert "(110: Connection timed out) while reading upstream" in scene.errors()[0]
