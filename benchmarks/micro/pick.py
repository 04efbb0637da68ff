"""
What choosing a server costs: acquire and release of one request, for every method and number of servers.

Run from the project's root as ``python -m benchmarks.micro.pick``.  Prints microseconds, the best of several rounds.
Methods that compare all servers grow with their number; the hashes and the random ones must not.
"""

from __future__ import annotations

import random
import timeit

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Outcome
from lbproxy.balance.settings import BalanceSettings
from lbproxy.config.model import Address, UpstreamConf, UpstreamServer
from lbproxy.config.parser import parse
from lbproxy.errors import Position, Source

METHODS = ("", "ip_hash", "hash $request_uri", "hash $request_uri consistent", "least_conn", "least_time header",
           "least_time header inflight", "fair", "fair no_rr", "random", "random two")
COUNTS = (2, 3, 100, 1000)
ROUNDS = 3
KEY = b"\x0a\x01\x02\x03"

_SOURCE = Source("pick.conf", "")
_HERE = Position(_SOURCE, 1, 1)


def group(method: str, count: int, *, failed: bool) -> PeerGroup:
    """Return a group of *count* equal servers, with one of them out of rotation if *failed*."""
    servers = tuple(
        UpstreamServer(name=str(address), addresses=(address,), position=_HERE)
        for address in (Address(host=f"10.0.{n >> 8}.{n & 255}", port=80) for n in range(count))
    )
    directives = parse(Source("pick.conf", f"{method};"), lambda *_: []) if method else (None,)
    conf = UpstreamConf(
        name="nodes", servers=servers, method=directives[0], position=_HERE,
        merged={BalanceSettings: BalanceSettings()},
    )
    peers = PeerGroup(conf, random.Random(1))
    if failed:
        peers.release(peers.acquire(peers.select(KEY), 1000.0), Outcome.FAILED, 1000.0)
    return peers


def microseconds(peers: PeerGroup) -> float:
    """Return what one request costs that is served at once."""
    ok = Outcome.OK

    def request() -> None:
        peer = peers.acquire(peers.select(KEY), 1000.5)
        peers.release(peer, ok, 1000.6, 0.05, 0.1)

    timer = timeit.Timer(request)
    number = max(20, 60_000 // len(peers.peers))
    return min(timer.repeat(ROUNDS, number)) / number * 1e6


def main() -> None:
    """Print one table with all servers well and one with a server out of rotation."""
    for failed in (False, True):
        print("one server out of rotation" if failed else "all servers well")
        print(f"{'servers':<32}" + "".join(f"{count:>10}" for count in COUNTS))
        for method in METHODS:
            costs = [microseconds(group(method, count, failed=failed)) for count in COUNTS]
            print(f"{method or 'round robin':<32}" + "".join(f"{cost:>10.2f}" for cost in costs))


if __name__ == "__main__":
    main()
