"""lingering_close: whether a client that goes on sending behind its last request is reset."""

from __future__ import annotations

import socket

import pytest

from tests.support.client import Client, octets
from tests.support.stage import Stage

CONF = "server { listen <listen>; lingering_close <how>; location / { return 200 hello; } }"


@pytest.mark.parametrize(("how", "reset"), [("off", True), ("on", True), ("always", False)])
def test_octets_behind_the_last_answer(stage: Stage, how: str, reset: bool) -> None:
    """Under `always` they are thrown away; else the connection is gone by then."""
    proxy = stage.lbproxy(CONF, how=how)
    with Client(proxy.address) as client:
        client.send(octets("/", "Connection: close"))
        answer = b""
        while data := client.socket.recv(4096):
            answer += data
        assert answer.endswith(b"hello")
        client.send(b"more")  # over loopback, a reset is here before this returns
        assert (client.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0) == reset
