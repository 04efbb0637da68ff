"""
``fair``: the server that answers soonest; with nginx-upstream-fair's parameters, the one with least to do.

Plain ``fair`` estimates as ``least_time header`` does and differs in two things, both about servers that
have not been picked for a while.  A first measurement after k windows of fail_timeout counts as if the old
average were k halvings less certain, so a change of speed is believed at once.  And an average that has
been halved down to nothing is forgotten: such a server is picked next whatever its weight, so none starves.

``fair no_rr`` and ``fair weight_mode=idle|peak`` are what the module of that name does: it looks at
requests in flight and never at time.  Eligibility, failures and backups are lbproxy's and nginx's usual
ones there too.
Source: nginx-upstream-fair, ngx_http_upstream_fair_module.c:ngx_http_upstream_choose_fair_peer_idle, _busy.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator

from lbproxy.balance.least_time import CEILING, LeastTime, in_class, windows
from lbproxy.balance.method import Learnless, Method, invalid_parameter
from lbproxy.balance.peer import Peer, Selection
from lbproxy.balance.tier import Tier
from lbproxy.config.parser import Argument, Directive
from lbproxy.errors import InvalidValue

_COUNTER_BITS = 20
_COUNTER_MAX = (1 << _COUNTER_BITS) - 1


class Fair(LeastTime):
    """``fair;``."""

    directive = "fair"

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse ``fair [no_rr] [weight_mode=idle|peak]``; raises InvalidValue for anything else."""
        if directive.args:
            mode, no_rr = _parse_classic(directive.args)
            return Method(build=lambda tier, _: ClassicFair(tier, mode, no_rr=no_rr))
        return Method(build=lambda tier, _: cls(tier, header=True, ageing=True))

    def estimate(self, peer: Peer, second: int) -> int:
        """Return the estimate of ``least_time header``, or 0 for a peer that is unknown or forgotten."""
        time = min(peer.average_header_time, CEILING)
        quiet = windows(peer, second, peer.checked)
        if quiet:
            time >>= quiet
            if not time:
                return 0
        return in_class(time) * (1 + peer.conns)


class WeightMode(enum.Enum):
    """What a weight means to `ClassicFair`: a share, what may run "idly" at once, or a limit."""

    SHARE = ""
    IDLE = "idle"
    PEAK = "peak"


def _parse_classic(args: tuple[Argument, ...]) -> tuple[WeightMode, bool]:
    """Return what the parameters of nginx-upstream-fair ask for."""
    mode, no_rr = WeightMode.SHARE, False
    for argument in args:
        name, equals, value = argument.text.partition("=")
        if argument.text == "no_rr":
            no_rr = True
        elif name != "weight_mode" or not equals or value not in ("idle", "peak"):
            raise invalid_parameter(argument, 'it takes "no_rr", "weight_mode=idle" and "weight_mode=peak"')
        elif mode is not WeightMode.SHARE:
            raise InvalidValue('"weight_mode=" options are mutually exclusive', argument.position)
        else:
            mode = WeightMode(value)
    return mode, no_rr


class _Row:
    """What `ClassicFair` keeps of a peer: the weight left in its share, and when it was last picked."""

    __slots__ = ("credit", "last", "peer")

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.credit = 0
        self.last = 0


class _Cursor:
    """One request's state: the index of the row it was last sent to."""

    __slots__ = ("index",)

    def __init__(self, index: int) -> None:
        self.index = index


class ClassicFair(Learnless):
    """
    ``fair no_rr`` and ``fair weight_mode=...``: an idle server, else the one with the lowest score.

    Args:
        no_rr: Look from the first server on each time, not from the one behind the last pick, so that a
            light load stays with few servers.
    """

    def __init__(self, tier: Tier, mode: WeightMode, *, no_rr: bool) -> None:
        self._tier, self._mode, self._no_rr = tier, mode, no_rr
        self._rows = [_Row(peer) for peer in sorted(tier.peers, key=lambda peer: -peer.weight)]
        self._last = len(self._rows) - 1
        self._requests = 0

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return an idle eligible peer, else the eligible one with the lowest score."""
        cursor = selection.state
        if not isinstance(cursor, _Cursor):
            self._requests += 1
            cursor = selection.state = _Cursor(self._last)
        index = self._idle(selection, cursor, now)
        if index is None:
            index = self._busy(selection, cursor, now)
        if index is None:
            return None
        cursor.index = index
        if not self._no_rr:
            self._last = index
        return self._charge(self._rows[index])

    def _charge(self, row: _Row) -> Peer:
        """Note that *row* was chosen and return its peer."""
        row.last = self._requests
        if self._mode is WeightMode.SHARE:
            row.credit = row.credit - 1 if row.credit else row.peer.weight
        return row.peer

    def _candidates(self, selection: Selection, cursor: _Cursor, now: float) -> Iterator[tuple[int, _Row]]:
        """Yield the eligible rows with their indexes, from behind the cursor once round."""
        count = len(self._rows)
        for step in range(1, count + 1):
            index = (cursor.index + step) % count
            if self._tier.admits(self._rows[index].peer, selection, now):
                yield index, self._rows[index]

    def _idle(self, selection: Selection, cursor: _Cursor, now: float) -> int | None:
        """Return the first idle one; with ``idle`` or ``no_rr`` rather one that has a little to do."""
        best, least = None, 0
        for index, row in self._candidates(selection, cursor, now):
            load, allowed = row.peer.conns, row.peer.weight if self._mode is WeightMode.IDLE else 1
            if row.peer.fails or load >= allowed:
                continue
            if self._mode is not WeightMode.IDLE and not self._no_rr:
                return index
            if best is None or 0 < load < least:
                best, least = index, load
        return best

    def _busy(self, selection: Selection, cursor: _Cursor, now: float) -> int | None:
        """Return the one with the lowest score, the latest of equals; under ``peak`` none at its weight."""
        best, lowest = None, 0
        for index, row in self._candidates(selection, cursor, now):
            if self._mode is WeightMode.PEAK and row.peer.conns >= row.peer.weight:
                continue
            score = self._score(row)
            if best is None or score <= lowest:
                best, lowest = index, score
        return best

    def _score(self, row: _Row) -> int:
        """Return the requests in flight and, below 1, how lately it was picked; by its share."""
        peer = row.peer
        waited = min(self._requests - row.last, _COUNTER_MAX)
        score = peer.conns << _COUNTER_BITS | (~waited & _COUNTER_MAX)
        if self._mode is WeightMode.SHARE:
            weight = row.credit
            if peer.max_fails:
                weight = row.credit * max(0, peer.max_fails - peer.fails) // peer.max_fails
            if weight:
                score //= weight
        return score
