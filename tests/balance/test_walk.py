"""From hash to hash until somebody is eligible."""

from __future__ import annotations

from lbproxy.balance.method import MISSES
from lbproxy.balance.peer import Selection
from lbproxy.balance.walk import walk_on
from tests.support.upstreams import servers, tier


class Steps:
    """A walk whose hashes are 0, 1, 2 and so on."""

    def __init__(self) -> None:
        self.misses = 0
        self.steps = 0

    def step(self) -> int:
        """Return the next number."""
        self.steps += 1
        return self.steps - 1


def test_peers_own_as_many_hashes_as_their_weight() -> None:
    """The walk goes round and round."""
    walk, three = Steps(), tier(*servers(2, 1))
    peers = [walk_on(walk, three, Selection(), 0) for _ in range(6)]
    assert [three.peers.index(peer) for peer in peers if peer] == [0, 0, 1, 0, 0, 1]
    assert walk.misses == 0


def test_a_request_goes_on_where_it_stopped() -> None:
    """Whom it has tried is passed over, and counts as a miss."""
    walk, selection, three = Steps(), Selection(), tier(*servers(1, 1, 1))
    selection.tried = [three.peers[0], three.peers[1]]
    assert walk_on(walk, three, selection, 0) is three.peers[2]
    assert walk.misses == 2


def test_after_too_many_misses_it_is_round_robin() -> None:
    """Weights that hide the last server behind the others must not cost it the request."""
    walk, selection, two = Steps(), Selection(), tier(*servers(1000, 1))
    selection.tried = [two.peers[0]]
    assert walk_on(walk, two, selection, 0) is two.peers[1]
    assert walk.misses == MISSES + 1


def test_nobody() -> None:
    """None, and no endless walk."""
    selection, one = Selection(), tier(*servers(1))
    selection.tried = list(one.peers)
    assert walk_on(Steps(), one, selection, 0) is None
