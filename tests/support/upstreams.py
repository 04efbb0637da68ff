"""Peer groups made of a few words, and rounds of requests played on them."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Iterable

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Chance, Outcome, Peer
from lbproxy.balance.settings import BalanceSettings, ZoneName
from lbproxy.balance.tier import Tier
from lbproxy.config.model import Address, UpstreamConf, UpstreamServer
from lbproxy.config.parser import Argument, Directive, parse
from lbproxy.errors import Position, Source

HERE = Position(Source("test.conf", ""), 1, 1)


def server(
    name: str = "127.0.0.1:80",
    *more: str,
    weight: int = 1,
    max_fails: int = 1,
    fail_timeout: float = 10.0,
    max_conns: int = 0,
    backup: bool = False,
    down: bool = False,
) -> UpstreamServer:
    """A `server` line; *more* are further addresses that its name stands for."""
    addresses = tuple(_address(text) for text in (name, *more))
    return UpstreamServer(
        name=name, addresses=addresses, weight=weight, max_fails=max_fails, fail_timeout=fail_timeout,
        max_conns=max_conns, backup=backup, down=down, position=HERE,
    )


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host=host or text, port=int(port) if port.isdigit() else 80)


def servers(*weights: int) -> tuple[UpstreamServer, ...]:
    """Servers of these weights on the ports 18101, 18102, ..."""
    return tuple(server(f"127.0.0.1:{18101 + i}", weight=weight) for i, weight in enumerate(weights))


def directive(text: str) -> Directive:
    """The directive that *text* is, without its semicolon."""
    (parsed,) = parse(Source("test.conf", f"{text};"), lambda *_: [])
    return parsed


def upstream(
    lines: Iterable[UpstreamServer], method: str = "", *, fail_window: str = "nginx", all_down: str = "fail",
    zone: bool = False,
) -> UpstreamConf:  # fmt: skip
    """An `upstream` block named "nodes"."""
    shared = ZoneName("z", 65536, Argument("z", HERE)) if zone else None
    settings = BalanceSettings(fail_window=fail_window, all_down=all_down, zone=shared)
    return UpstreamConf(
        name="nodes", servers=tuple(lines), method=directive(method) if method else None, position=HERE,
        merged={BalanceSettings: settings},
    )


def group(
    lines: Iterable[UpstreamServer],
    method: str = "",
    *,
    fail_window: str = "nginx",
    all_down: str = "fail",
    rng: Chance | None = None,
) -> PeerGroup:
    """A group of these servers."""
    conf = upstream(lines, method, fail_window=fail_window, all_down=all_down)
    return PeerGroup(conf, rng or random.Random(2))


def tier(*lines: UpstreamServer) -> Tier:
    """A tier of peers with these servers."""
    places = [(line, address) for line in lines for address in line.addresses]
    return Tier([Peer(line, address, index) for index, (line, address) in enumerate(places)])


def serve(peers: PeerGroup, key: bytes = b"", now: float = 1000.0, outcome: Outcome = Outcome.OK) -> Peer:
    """One request with one attempt, over at once."""
    peer = peers.acquire(peers.select(key), now)
    peers.release(peer, outcome, now)
    return peer


def order(peers: PeerGroup, count: int, key: bytes = b"", now: float = 1000.0) -> str:
    """The numbers, from 1, of the peers that *count* requests in a row get."""
    return "".join(str(serve(peers, key, now).index + 1) for _ in range(count))


def route(peers: PeerGroup, keys: Iterable[bytes], now: float = 1000.0) -> str:
    """The numbers, from 1, of the peers that requests with these *keys* get."""
    return "".join(order(peers, 1, key, now) for key in keys)


def simulate(
    peers: PeerGroup, delay: Callable[[int, float], float], *, every: float, until: float, start: float = 1000.0
) -> list[tuple[float, int]]:
    """
    Requests arriving *every* so many seconds, for *until* seconds; each is answered after its delay.

    Args:
        delay: The seconds that a peer (by index) needs for a request that arrives at a time.

    Returns:
        When each request came and the index of its peer.
    """
    now, arrivals, ends = start, [], list[tuple[float, int, float]]()
    while now < start + until:
        while ends and ends[0][0] <= now:
            end, index, took = heapq.heappop(ends)
            peers.release(peers.peers[index], Outcome.OK, end, took, took)
        peer = peers.acquire(peers.select(), now)
        took = delay(peer.index, now)
        heapq.heappush(ends, (now + took, peer.index, took))
        arrivals.append((now, peer.index))
        now += every
    return arrivals
