"""Balancers that introduce their clients."""

from __future__ import annotations

from lbproxy.wire.proxyline import SIGNATURE
from tests.support.client import octets
from tests.support.scene import Scene

CONF = """
server {
    listen 80 proxy_protocol; client_header_timeout 10s;
    return 200 "$remote_addr $pipe $proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_tlv_authority";
}
"""
LINE = b"PROXY TCP4 203.0.113.7 192.0.2.1 40000 80\r\n"


async def test_once_per_connection(scene: Scene) -> None:
    """What was said holds for all its requests; the first of them is not pipelined by that."""
    await scene.serve(CONF)
    client = await scene.client()
    for request in (LINE + octets(), octets()):
        assert (await client.ask(request)).text == "127.0.0.1 . 203.0.113.7:40000 "


async def test_in_pieces(scene: Scene) -> None:
    """However slowly, within client_header_timeout."""
    await scene.serve(CONF)
    client = await scene.client()
    for octet in LINE:
        await client.send(bytes([octet]))
        assert await client.arrived() == b""
    assert (await client.ask(octets())).text == "127.0.0.1 . 203.0.113.7:40000 "


async def test_tlvs(scene: Scene) -> None:
    """Of version 2."""
    await scene.serve(CONF)
    data = bytes((203, 0, 113, 7, 192, 0, 2, 1, 0x9C, 0x40, 0, 80)) + b"\x02\x00\x06a.test"
    header = SIGNATURE + b"\x21\x11" + len(data).to_bytes(2) + data
    assert (await scene.ask(header + octets())).text == "127.0.0.1 . 203.0.113.7:40000 a.test"


async def test_who_says_something_else_is_not_heard(scene: Scene) -> None:
    """Not even a status is sent; the error log knows why."""
    await scene.serve(CONF)
    client = await scene.client()
    await client.send(octets("/secret"))
    assert await client.rest() == b""
    (line,) = scene.errors()
    assert 'broken header: "GET /secret HTTP/1.1" while reading PROXY protocol, client: 127.0.0.1' in line


async def test_who_leaves_amid_it(scene: Scene) -> None:
    """Is told of, who has said nothing is not."""
    await scene.serve(CONF)
    for said in (b"", LINE[:20]):
        client = await scene.client()
        await client.send(said)
        client.socket.shutdown(1)
        assert await client.rest() == b""
    (line,) = scene.errors()
    assert 'broken header: "PROXY TCP4 203.0.113" while' in line


async def test_who_says_nothing(scene: Scene) -> None:
    """Is not waited for longer than for a head, and not at all at the end of the service."""
    proxy = await scene.serve(CONF)
    client = await scene.client()
    await client.send(LINE[:20])
    assert await client.rest() == b""
    silent = await scene.client()
    await silent.arrived()
    proxy.server.drain()
    assert await silent.rest() == b""


async def test_one_socket_of_two_servers(scene: Scene) -> None:
    """What one ``listen`` says goes for both."""
    await scene.serve(
        "server { listen 80; server_name a; return 200 a; }"
        "server { listen 80 proxy_protocol; server_name b; return 200 b; }"
    )
    assert (await scene.ask(LINE + octets(host="a"))).text == "a"
    assert (await scene.ask(LINE + octets(host="b"))).text == "b"
