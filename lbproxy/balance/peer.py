"""
One address of an upstream and what is known of it in this worker.

A `Peer` is counters only; who may change which of them is said at each.  Times are monotonic seconds.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Protocol

from lbproxy.config.model import Address, UpstreamServer


class Outcome(enum.Enum):
    """How an attempt ended, as the balancer needs to know it (nginx: NGX_PEER_NEXT, NGX_PEER_FAILED)."""

    OK = "ok"
    FAILED = "failed"  # counts against max_fails
    NEXT = "next"  # the answer was refused (403, 404): on to another peer, no fault of this one
    ABANDONED = "abandoned"  # the client left or we did: says nothing of the peer


class Peer:
    """One address of one `UpstreamServer`, with its counters."""

    __slots__ = ("accessed", "address", "average_header_time", "average_response_time", "checked", "conns",
                 "current_weight", "effective_weight", "fails", "index", "name", "server", "total_failures",
                 "total_requests", "weight")

    def __init__(self, server: UpstreamServer, address: Address, index: int) -> None:
        self.server, self.address, self.index = server, address, index
        self.name = str(address).encode()
        self.weight = server.weight
        # smooth weighted round robin (balance/round_robin)
        self.effective_weight = server.weight
        self.current_weight = 0
        # passive failure detection (balance/health)
        self.fails = 0
        self.accessed = 0.0
        self.checked = 0.0
        # requests in flight, and totals (balance/group)
        self.conns = 0
        self.total_requests = 0
        self.total_failures = 0
        # milliseconds, 0 while unknown (balance/fair)
        self.average_header_time = 0
        self.average_response_time = 0

    def __repr__(self) -> str:
        return f"<Peer {self.name.decode(errors='replace')} conns={self.conns} fails={self.fails}>"


class Selection:
    """
    One request's way through a group: what has been tried, and what a hashing balancer keeps between tries.

    Args:
        key: What the balancer chooses by (packed client address, evaluated hash key); b"" where it needs none.
    """

    __slots__ = ("key", "on_backup", "state", "tried")

    def __init__(self, key: bytes = b"") -> None:
        self.key = key
        self.tried: set[Peer] = set()
        self.on_backup = False
        self.state: object = None  # belongs to the balancer


class Balancer(Protocol):
    """Chooses a peer per attempt. Never blocks, reads no clock, touches no socket."""

    def pick(self, selection: Selection, usable: Callable[[Peer], bool], now: float) -> Peer | None:
        """Return a peer for which *usable* holds, or None when there is none."""

    def release(self, peer: Peer, outcome: Outcome, header_time: float | None, response_time: float | None) -> None:
        """Learn how an attempt at *peer* ended; times in seconds since its start, None where not reached."""
