"""
``zone``: the workers balance as one, each hearing what the others did before it decides.

Before a pick and before an attempt's end a worker learns what has changed in the others' rows (`Zone.learn`); what it
did itself goes into its own row right after (`Zone.taken`, `Zone.left`).  So counts of all add up exactly; two workers
that decide in the same microseconds don't see each other, which may put one request per worker more on a server than
its ``max_conns`` or its turn allows, and the next ones make up for it.

The state of round robin is shared as sums as well: each worker's row has the gains and payments of the rounds that it
played, and a current weight is what all of them come to.
"""

from __future__ import annotations

from collections.abc import Sequence

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.peer import Chance, Outcome, Peer, Selection
from lbproxy.balance.rows import HISTORY, Row, Table, wrapped
from lbproxy.balance.settings import BalanceSettings
from lbproxy.balance.shared import (
    CHECKED,
    CONNS,
    DEFICIT,
    FAILS,
    HEADER_TIME,
    MEASURED,
    NEWS,
    PULSE,
    RESPONSE_TIME,
    WEIGHT,
    Ledger,
    average_of,
    clearings_of,
    counted,
    fails_of,
    peers_key,
    standing,
    timed,
)
from lbproxy.config.model import UpstreamConf

_FAR = 1 << 62  # beyond it, a sum of weights is of rows that 64 bits could not hold any more


class _Other:
    """
    Another worker's row.

    Attributes:
        pulse, news: Its counters of changes, as last read.
        busy: Its numbers that every request changes, as last read.
    """

    __slots__ = ("busy", "news", "pulse", "row", "window")

    def __init__(self, row: memoryview, window: slice) -> None:
        self.row, self.window = row, row[window]
        self.pulse, self.news = row[PULSE], row[NEWS]
        self.busy = self.window.tolist()


class Zone(Ledger):
    """
    The row of a worker that listens to the others.

    Args:
        learns: The balancing method looks at averages.
    """

    def __init__(self, row: Row, table: Table, peers: Sequence[Peer], *, learns: bool) -> None:
        super().__init__(row, table, peers)
        self._learns = learns
        self._busy = table.span(CONNS, MEASURED if learns else WEIGHT)
        self._conns, self._weight = table.cell(CONNS), table.cell(WEIGHT)
        self._called = -1  # changes of the roll when it was last looked at
        self._rows: list[_Other] = []
        self._history: list[int] = []  # the busy numbers of those who are gone
        # what all rows together say, as last heard or told
        self._weights = [0] * len(peers)
        self._deficits = [0] * len(peers)
        self._times = ([0] * len(peers), [0] * len(peers))
        self._weakened = False  # some effective weight is less than the weight

    def begin(self) -> None:
        """Put what is known of the peers into them; called once, when they are new."""
        self.learn()

    def learn(self) -> bool:
        """Take in what the others have done since; return whether failures may have changed."""
        moved = news = self._roll.changes != self._called
        if moved:
            self._call()
        for other in self._rows:
            row = other.row
            if row[PULSE] != other.pulse:
                other.pulse, other.busy, moved = row[PULSE], other.window.tolist(), True
            if row[NEWS] != other.news:
                other.news, news = row[NEWS], True
        if moved:
            self._learn_loads()
        if news:
            self._learn_failures()
        return news

    def has_news(self) -> bool:
        """Return whether there is more to learn than counts and turns."""
        return self._roll.changes != self._called or any(other.row[NEWS] != other.news for other in self._rows)

    def look_again(self) -> bool:
        """
        Learn everything, changed or not; to be done now and then.

        A processor that writes out of order may show the counter of a change before the change itself.
        """
        self._called = -1
        return self.learn()

    def taken(self, peer: Peer) -> None:
        """Tell that *peer* was picked, and what the pick did to weights and windows."""
        own = self._own
        own[self._conns + peer.index] += 1
        weights = [each.current_weight for each in self._peers]
        if weights != self._weights:
            for place, (weight, before) in enumerate(zip(weights, self._weights, strict=True), self._weight):
                if weight != before:
                    try:
                        own[place] += weight - before
                    except ValueError:  # 64 bits don't hold it
                        own[place] = wrapped(own[place] + weight - before)
            self._weights = weights
        own[PULSE] += 1
        if self._weakened:
            for each in self._peers:
                self._tell_weight(each)
            self._weakened = any(self._deficits)
        if peer.checked != self._in(own, CHECKED, peer):
            self._write(CHECKED, peer, peer.checked)
            own[NEWS] += 1

    def left(self, peer: Peer, now: float) -> None:
        """Tell that an attempt at *peer* has ended, and what was learned from it."""
        self._own[self._conns + peer.index] -= 1
        self.measured(peer, now)

    def measured(self, peer: Peer, now: float) -> None:
        """Tell of averages that have changed."""
        if self._learns:
            self._tell_times(peer, now)
        self._own[PULSE] += 1

    def tell_failures(self, peer: Peer) -> None:
        """Tell that failures of *peer* were counted, or cleared, if they were."""
        self._tell_weight(peer)
        super().tell_failures(peer)

    def tell(self, now: float) -> None:  # noqa: ARG002 - nothing else waits so long
        """Tell the totals, which may be a second old."""
        for peer in self._peers:
            self._tell_totals(peer)

    def _call(self) -> None:
        """See who is there, and what those have left who are not any more."""
        self._called = self._roll.changes
        self._history = self._table[HISTORY][self._busy].tolist()
        self._rows = [_Other(self._table[row], self._busy) for row in self._others()]

    def _learn_loads(self) -> None:
        """Add up what every request changes."""
        count, rows = len(self._peers), [other.busy for other in self._rows]
        columns = list(zip(self._history, self._own[self._busy].tolist(), *rows, strict=True))
        self._weights = weights = list(map(sum, columns[count:2 * count]))
        if max(weights) > _FAR or min(weights) < -_FAR:
            self._weights = weights = list(map(wrapped, weights))
        for peer, conns, weight in zip(self._peers, map(sum, columns), weights, strict=False):
            peer.conns, peer.current_weight = conns, weight
        if self._learns:
            latest = list(map(max, columns[2 * count:]))
            self._times = latest[:count], latest[count:2 * count]
            for peer, header, response, measured in zip(self._peers, *self._times, latest[2 * count:], strict=True):
                peer.average_header_time, peer.average_response_time = average_of(header), average_of(response)
                peer.measured = measured

    def _learn_failures(self) -> None:
        """Put together what is known of failures."""
        count, span = len(self._peers), self._table.span(FAILS, DEFICIT)
        rows = (self._table[row][span].tolist() for row in (HISTORY, self._number, *self._others()))
        columns = list(zip(*rows, strict=True))
        self._deficits = [wrapped(sum(column)) for column in columns[3 * count:]]
        for index, peer in enumerate(self._peers):
            fails, accessed, checked, _ = columns[index::count]
            if not self._sole:
                self._hear(peer, counted(fails), max(accessed))
            peer.checked = max(checked)
            peer.effective_weight = peer.weight - min(max(0, self._deficits[index]), peer.weight)
        self._weakened = any(self._deficits)

    def _standing(self, peer: Peer, failed: int) -> int:
        """Return what to tell of the failures of *peer*, of which *failed* are new: those counted here."""
        before = fails_of(self._heard[peer.index])
        clearings = clearings_of(self._latest(FAILS, peer))
        if peer.fails != before + failed:
            self._heard[peer.index] = number = standing(clearings + 1, peer.fails)
            return number
        self._heard[peer.index] = standing(clearings, peer.fails)
        own = self._in(self._own, FAILS, peer)
        return standing(clearings, failed + (fails_of(own) if clearings_of(own) == clearings else 0))

    def _tell_weight(self, peer: Peer) -> None:
        """Tell how much of its weight *peer* lacks."""
        index, deficit = peer.index, peer.weight - peer.effective_weight
        difference = deficit - self._deficits[index]
        if difference:
            self._deficits[index] = deficit
            self._weakened = True
            self._write(DEFICIT, peer, self._in(self._own, DEFICIT, peer) + difference)
            self._own[NEWS] += 1

    def _tell_times(self, peer: Peer, now: float) -> None:
        """Tell of averages that have changed."""
        averages = peer.average_header_time, peer.average_response_time
        for field, average, latest in zip((HEADER_TIME, RESPONSE_TIME), averages, self._times, strict=True):
            if average != average_of(latest[peer.index]):
                latest[peer.index] = timed(average, now, latest[peer.index])
                self._write(field, peer, latest[peer.index])
        self._write(MEASURED, peer, peer.measured)


class ZoneGroup(PeerGroup):
    """
    The peers of an upstream with ``zone``.

    Args:
        row: The worker's.
        table: The upstream's.
    """

    def __init__(self, conf: UpstreamConf, rng: Chance, row: Row, table: Table) -> None:
        super().__init__(conf, rng)
        self._zone = Zone(row, table, self.peers, learns=self._learns)
        self.share(self._zone)

    def acquire(self, selection: Selection, now: float) -> Peer:
        """Return the peer for the next attempt of a request; raises NoLivePeers."""
        self._learn()
        peer = super().acquire(selection, now)
        self._zone.taken(peer)
        return peer

    def answered(self, peer: Peer, header_time: float, now: float) -> None:
        """Say that the head of an answer came, *header_time* seconds after its attempt began."""
        if self._learns:
            self._learn()
            super().answered(peer, header_time, now)
            self._zone.measured(peer, now)

    def release(
        self,
        peer: Peer,
        outcome: Outcome,
        now: float,
        header_time: float | None = None,
        response_time: float | None = None,
    ) -> None:
        """End the attempt at *peer*."""
        if self._learns or outcome is not Outcome.OK or self._zone.has_news():  # else only counts have changed
            self._learn()
        super().release(peer, outcome, now, header_time, response_time)
        self._zone.left(peer, now)

    def tell(self, now: float) -> None:
        """Tell the other workers what they need not know at once; to be called every second or so."""
        super().tell(now)
        if self._zone.look_again():
            self._review()

    def _learn(self) -> None:
        if self._zone.learn():
            self._review()


def new_group(conf: UpstreamConf, rng: Chance, row: Row | None = None) -> PeerGroup:
    """
    Return the peers of *conf* as a worker needs them.

    Args:
        row: The worker's; None: it decides alone and nobody hears of it.

    Raises:
        ConfigError: The method does not fit the servers.
    """
    table = None if row is None else row.tables.get(peers_key(conf))
    if row is None or table is None:
        return PeerGroup(conf, rng)
    if conf.settings(BalanceSettings).zone is not None:
        return ZoneGroup(conf, rng, row, table)
    group = PeerGroup(conf, rng)
    group.share(Ledger(row, table, group.peers))
    return group
