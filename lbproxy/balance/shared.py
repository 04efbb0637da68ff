"""
What workers know of the servers of an upstream, in a table that they share (see `lbproxy.balance.rows`).

Every worker tells in its row how its peers stand, whether or not it listens to the others: a worker that starts,
after a reload or another's death, does not begin as if nothing had happened.  To listen at each request is the
business of `lbproxy.balance.zone`.

A number of failures goes with the number of times that failures were cleared, so that what others have counted
before is void without anybody writing into their rows.  A moving average goes with a time, and the latest is valid.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbproxy.balance.peer import Peer, places
from lbproxy.balance.rows import HISTORY, Field, Row, Table
from lbproxy.balance.settings import BalanceSettings
from lbproxy.config.model import UpstreamConf

_COUNT = 24  # bits of failures, below those that count how often they were cleared
_TIME = 20  # bits of an average in milliseconds, below those of the time in milliseconds
_MOST_FAILS, _MOST_TIME = (1 << _COUNT) - 1, (1 << _TIME) - 1

PULSE, NEWS = 0, 1
"""The counters of a row: changes of what every request changes, and of all else that others want to know at once."""

CONNS, WEIGHT, HEADER_TIME, RESPONSE_TIME, MEASURED, FAILS, ACCESSED, CHECKED, DEFICIT, REQUESTS, FAILURES = range(11)
"""
The fields: requests in flight, `Peer.current_weight`, the averages, when they were last measured, failures with how
often they were cleared, `Peer.accessed` and `Peer.checked`, what failures took of the effective weight, and totals.
"""


def counted(numbers: Sequence[int]) -> int:
    """Add up the failures of several rows, but for those that have been cleared since."""
    clearings = max(numbers) >> _COUNT
    return standing(clearings, sum(number & _MOST_FAILS for number in numbers if number >> _COUNT == clearings))


def _fields(*, zone: bool) -> tuple[Field, ...]:
    return (
        Field(sum, kept=False),
        Field(sum, inherited=False),
        Field(max),
        Field(max),
        Field(max),
        Field(counted if zone else max),
        Field(max),
        Field(max),
        Field(sum),
        Field(sum),
        Field(sum),
    )


FIELDS_OF_ZONE = _fields(zone=True)
FIELDS_ALONE = _fields(zone=False)
"""Where each worker decides alone, failures count as many as the one that knows most of them says."""

PeersKey = tuple[str, bool, tuple[str, ...]]
"""What names the table of an upstream: its name, whether it has a zone, and the addresses of its peers in order."""


def fails_of(number: int) -> int:
    """Return the failures in *number*."""
    return number & _MOST_FAILS


def standing(clearings: int, fails: int) -> int:
    """Return the number that says *fails*, after so many *clearings*."""
    return clearings << _COUNT | min(fails, _MOST_FAILS)


def clearings_of(number: int) -> int:
    """Return how often failures were cleared, by *number*."""
    return number >> _COUNT


def average_of(number: int) -> int:
    """Return the average in *number*, milliseconds."""
    return number & _MOST_TIME


def timed(average: int, now: float, latest: int) -> int:
    """Return the number that says *average* as measured at *now*, later than the one that was the *latest*."""
    return max(int(now * 1000), (latest >> _TIME) + 1) << _TIME | min(average, _MOST_TIME)


def peers_key(conf: UpstreamConf) -> PeersKey:
    """Return the key of the table for *conf*."""
    zone = conf.settings(BalanceSettings).zone is not None
    return conf.name.lower(), zone, tuple(str(address) for _, address in places(conf.servers))


class Ledger:
    """
    The row in which a worker tells of the peers of one upstream.

    Args:
        row: The worker's.
        table: The upstream's.
        peers: In the order of the table.
    """

    def __init__(self, row: Row, table: Table, peers: Sequence[Peer]) -> None:
        self._number, self._roll, self._table, self._peers = row.number, row.roll, table, peers
        self._own = table[row.number]
        self._sole = len(peers) == 1  # its failures are not held against it
        self._heard = [0] * len(peers)  # failures as last heard or told

    def begin(self) -> None:
        """Put what is known of the peers into them; called once, when they are new."""
        rows = [self._table[row] for row in (HISTORY, *self._others())]
        for peer in self._peers:
            worst = max(rows, key=lambda row: self._in(row, FAILS, peer))
            if not self._sole:
                self._hear(peer, self._in(worst, FAILS, peer), self._in(worst, ACCESSED, peer))
                peer.checked = self._in(worst, CHECKED, peer) if peer.fails else 0
            peer.average_header_time = average_of(self._latest(HEADER_TIME, peer))
            peer.average_response_time = average_of(self._latest(RESPONSE_TIME, peer))
            peer.measured = self._latest(MEASURED, peer)

    def tell_failures(self, peer: Peer) -> None:
        """Tell that failures of *peer* were counted, or cleared, if they were."""
        failed = peer.total_failures - self._in(self._own, FAILURES, peer)
        if failed or peer.fails != fails_of(self._heard[peer.index]):
            self._write(FAILS, peer, self._standing(peer, failed))
            self._write(ACCESSED, peer, peer.accessed)
            self._write(CHECKED, peer, peer.checked)
            self._write(FAILURES, peer, peer.total_failures)
            self._own[NEWS] += 1

    def tell(self, now: float) -> None:
        """Tell the rest, which may be a second old."""
        for peer in self._peers:
            if self._tell_totals(peer) or peer.conns != self._in(self._own, CONNS, peer):
                self._write(CONNS, peer, peer.conns)
                self._write(CHECKED, peer, peer.checked)
                self._tell_times(peer, now)

    def _others(self) -> list[int]:
        return [row for row in self._roll.taken(but=self._number) if row < self._table.rows]

    def _in(self, row: memoryview, field: int, peer: Peer) -> int:
        return int(row[self._table.cell(field, peer.index)])

    def _write(self, field: int, peer: Peer, number: int) -> None:
        self._own[self._table.cell(field, peer.index)] = number

    def _latest(self, field: int, peer: Peer) -> int:
        """Return what all rows together say."""
        return self._table.combined((self._number, *self._others()), field, peer.index)

    def _hear(self, peer: Peer, number: int, accessed: int) -> None:
        """Take failures over from the table, the last of which was in second *accessed*."""
        before, self._heard[peer.index] = self._heard[peer.index], number
        peer.fails, peer.accessed = fails_of(number), accessed
        if clearings_of(before) != clearings_of(number):
            peer.recent_failures.clear()
        peer.recent_failures += [float(accessed)] * (peer.fails - len(peer.recent_failures))

    def _standing(self, peer: Peer, failed: int) -> int:  # noqa: ARG002 - `Zone` needs it
        """Return what to tell of the failures of *peer*, of which *failed* are new: all that count here."""
        before = self._heard[peer.index]
        clearings = clearings_of(self._latest(FAILS, peer)) + (peer.fails < fails_of(before))
        self._heard[peer.index] = number = standing(clearings, peer.fails)
        return number

    def _tell_totals(self, peer: Peer) -> bool:
        """Tell how much *peer* has had to do; return whether that was something."""
        if peer.total_requests == self._in(self._own, REQUESTS, peer):
            return False
        self._write(REQUESTS, peer, peer.total_requests)
        self._write(FAILURES, peer, peer.total_failures)
        return True

    def _tell_times(self, peer: Peer, now: float) -> None:
        """Tell of averages that have changed."""
        times = (HEADER_TIME, peer.average_header_time), (RESPONSE_TIME, peer.average_response_time)
        for field, average in times:
            if peer.measured:
                latest = self._latest(field, peer)
                if average_of(latest) != average:
                    self._write(field, peer, timed(average, now, latest))
        self._write(MEASURED, peer, peer.measured)
