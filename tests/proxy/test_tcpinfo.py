"""What the kernel knows of connections."""

from __future__ import annotations

import socket

from lbproxy.proxy.tcpinfo import tcp_info
from tests.support.client import octets
from tests.support.scene import Scene


def test_a_connection() -> None:
    """One that has carried something has a round trip time and a window, as getsockopt(2) tells."""
    with socket.create_server(("127.0.0.1", 0)) as listening, socket.create_connection(listening.getsockname()) as ours:
        theirs, _ = listening.accept()
        with theirs:
            ours.sendall(b"x")
            theirs.recv(1)
            known = tcp_info(ours)
    assert known is not None
    assert (known.rtt > 0, known.rttvar > 0, known.snd_cwnd > 0, known.rcv_space > 0) == (True, True, True, True)
    assert known.rtt < 1_000_000


def test_nothing_to_know() -> None:
    """Of a unix socket, and of one that is closed."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert tcp_info(ours) is None
    with socket.socket() as closed:
        pass
    assert tcp_info(closed) is None


async def test_variables(scene: Scene) -> None:
    """Of the client's connection, also where another address is taken for the client's."""
    await scene.serve(
        "server { listen 80; set_real_ip_from 127.0.0.0/8; real_ip_header X-Real-IP;"
        ' return 200 "$remote_addr $tcpinfo_rtt $tcpinfo_rttvar $tcpinfo_snd_cwnd $tcpinfo_rcv_space"; }'
    )
    client, *numbers = (await scene.ask(octets("/", "X-Real-IP: 192.0.2.1"))).text.split(" ")
    assert client == "192.0.2.1"
    assert all(int(number) > 0 for number in numbers), numbers
