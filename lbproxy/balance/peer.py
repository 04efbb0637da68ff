"""
One address of an upstream and what is known of it in this worker.

A `Peer` is counters only; who may change which of them is said at each.  `Selection` is one request's way
through a group, `Balancer` what a method has to offer.  Times are monotonic seconds, durations seconds
unless said otherwise.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import ClassVar, Protocol

from lbproxy.config.model import Address, UpstreamServer
from lbproxy.config.octets import octets


class Outcome(enum.Enum):
    """How an attempt ended, as the balancer needs to know it (nginx: NGX_PEER_NEXT, NGX_PEER_FAILED)."""

    OK = "ok"
    FAILED = "failed"  # counts against max_fails
    NEXT = "next"  # the answer was refused (403, 404): on to another peer, no fault of this one
    ABANDONED = "abandoned"  # by the client or by us: says nothing of the peer, unless it had answered


class Peer:
    """One address of one `UpstreamServer`, with its counters."""

    __slots__ = ("accessed", "address", "average_header_time", "average_response_time", "checked", "conns",
                 "current_weight", "down", "effective_weight", "fail_timeout", "fails", "index", "max_conns",
                 "max_fails", "measured", "name", "recent_failures", "server", "total_failures",
                 "total_requests", "weight")

    def __init__(self, server: UpstreamServer, address: Address, index: int) -> None:
        self.server, self.address, self.index = server, address, index
        self.name = octets(str(address))
        self.weight, self.down = server.weight, server.down
        self.max_fails, self.fail_timeout = server.max_fails, server.fail_timeout
        self.max_conns = server.max_conns
        # smooth weighted round robin (balance/round_robin); failures lower the effective weight
        self.effective_weight = server.weight
        self.current_weight = 0
        # passive failure detection (balance/health): whole seconds, as nginx counts them
        self.fails = 0
        self.accessed = 0  # when it last failed
        self.checked = 0  # when it last failed, or was first picked after a quiet window
        self.recent_failures: list[float] = []  # with ``fail_window sliding`` only
        # requests in flight, and totals (balance/group)
        self.conns = 0
        self.total_requests = 0
        self.total_failures = 0
        # milliseconds, 0 while unknown, and the whole second of the last measurement (balance/least_time)
        self.average_header_time = 0
        self.average_response_time = 0
        self.measured = 0

    def __repr__(self) -> str:
        return f"<Peer {self.name.decode(errors='replace')} conns={self.conns} fails={self.fails}>"


def places(servers: Iterable[UpstreamServer]) -> list[tuple[UpstreamServer, Address]]:
    """Return the peers to make of *servers*, in order: one for each address, backups last."""
    ranked = sorted(servers, key=lambda server: server.backup)
    return [(server, address) for server in ranked for address in server.addresses]


class Selection:
    """
    One request's way through a group: what has been tried, and what a hashing balancer keeps between tries.

    Args:
        key: What the balancer chooses by (packed client address, evaluated hash key); b"" if by nothing.

    Attributes:
        on_backup: The primaries are exhausted; this request does not go back to them.
        last_resort: Nobody was eligible and ``all_down try_all`` holds: failures don't exclude any more.
        state: Belongs to the balancer; None before its first pick.
    """

    __slots__ = ("key", "last_resort", "on_backup", "state", "tried")

    def __init__(self, key: bytes = b"") -> None:
        self.key = key
        self.tried: list[Peer] = []  # a few at most
        self.on_backup = False
        self.last_resort = False
        self.state: object = None


class Chance(Protocol):
    """The part of `random.Random` that balancers use."""

    def random(self) -> float:
        """Return a number from [0, 1)."""


class Balancer(Protocol):
    """
    Chooses among the peers of one tier. Never blocks, reads no clock, touches no socket.

    It does not count: conns, totals, `Peer.checked` and `Selection.tried` are kept by the group.
    """

    learns: ClassVar[bool]
    """Whether `answered` and `release` have any effect; the group spares the calls otherwise."""

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return an eligible peer, or None when there is none."""

    def answered(self, peer: Peer, header_time: float, now: float) -> None:
        """Learn that the head of an answer came, *header_time* seconds after the attempt began."""

    def release(
        self, peer: Peer, outcome: Outcome, header_time: float | None, response_time: float | None, now: float
    ) -> None:
        """Learn how an attempt ended; times in seconds since its start, None where not reached."""
