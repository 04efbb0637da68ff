"""The counters of a peer."""

from __future__ import annotations

from lbproxy.balance.peer import Peer
from lbproxy.config.model import Address
from tests.support.upstreams import server


def test_peer_starts_from_its_server_line_with_nothing_counted() -> None:
    line = server(weight=3, max_fails=2, fail_timeout=5.0, max_conns=4, down=True)
    peer = Peer(line, Address(path="/run/node"), 7)
    assert (peer.index, peer.name, peer.server) == (7, b"unix:/run/node", line)
    assert (peer.weight, peer.effective_weight, peer.current_weight) == (3, 3, 0)
    assert (peer.max_fails, peer.fail_timeout, peer.max_conns, peer.down) == (2, 5.0, 4, True)
    assert peer.conns == peer.fails == peer.total_requests == peer.total_failures == 0
    assert repr(peer) == "<Peer unix:/run/node conns=0 fails=0>"
