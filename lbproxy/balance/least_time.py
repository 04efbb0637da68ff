"""
``least_time header|last_byte [inflight]``: the peer that is expected to be done soonest.

Each peer has moving averages, in milliseconds, of the time to the head and to the end of an answer; only
successful attempts count.  The estimate is that average (in classes of 20 ms, at most 5 s) times the
requests that would then be in flight, per weight; equals take turns.  The average of a peer that is not
picked is halved once per fail_timeout, so that it gets new chances.
Source: nginx src/http/modules/ngx_http_upstream_least_time_module.c and ngx_http_upstream_round_robin.h.
"""

from __future__ import annotations

from typing import ClassVar

from lbproxy.balance.least_conn import least
from lbproxy.balance.method import Method, invalid_parameter
from lbproxy.balance.peer import Outcome, Peer, Selection
from lbproxy.balance.tier import Tier
from lbproxy.config.parser import Directive
from lbproxy.errors import InvalidValue

CEILING = 5000  # milliseconds; slower ones are equally bad, and requests in flight decide between them
_CLASS = 20


def average(before: int, sample: int, halvings: int = 0) -> int:
    """
    Return the moving average after *sample*, both in milliseconds.

    Args:
        before: The average so far; 0 when there is none.
        sample: What was measured now.
        halvings: How often the weight of *before*, 0.95, is to be halved.
    """
    if not before:
        return sample
    if not halvings:
        return int(0.5 + 0.05 * sample + 0.95 * before)
    trust = 0.95 / (1 << min(halvings, 16))
    return int(0.5 + (1 - trust) * sample + trust * before)


def milliseconds(seconds: float) -> int:
    """Return whole milliseconds."""
    return round(seconds * 1000)


def windows(peer: Peer, second: int, since: int) -> int:
    """Return how many times fail_timeout and a second went by between *since* and *second*."""
    quiet = second - since
    return 0 if quiet <= peer.fail_timeout else int(quiet // (peer.fail_timeout + 1))


class _InFlight:
    """
    The requests of one peer whose answer is awaited, for ``inflight``. Times in milliseconds.

    Attributes:
        number: How many.
        spent: The sum of their ages at *changed*.
        average: Moving average of their mean age, as picks saw it.
        answered: Attempts that are no longer awaited but not yet released.
    """

    __slots__ = ("answered", "average", "changed", "number", "spent")

    def __init__(self) -> None:
        self.number = self.spent = self.average = self.answered = self.changed = 0

    def observe(self, now: int) -> None:
        """Take the mean age at *now* into the average."""
        if self.number:
            self.average = average(self.average, self.spent // self.number + now - self.changed)

    def begin(self, now: int) -> None:
        """Add a request."""
        self.spent += (now - self.changed) * self.number
        self.changed = now
        self.number += 1

    def end(self, now: int, age: int | None) -> None:
        """Take a request away that was *age* old; None: as old as the mean."""
        if self.number < 2:
            self.number = self.spent = 0
            return
        self.spent += (now - self.changed) * self.number
        self.spent = max(0, self.spent - (self.spent // self.number if age is None else age))
        self.changed = now
        self.number -= 1


class LeastTime:
    """
    ``least_time``.

    Args:
        header: By the time to the head of the answer, not to its last octet.
        inflight: Let requests that have waited longer than the average count against a peer at once.
        ageing: Let an average count less against a new measurement, the older it is.
    """

    directive = "least_time"
    learns: ClassVar[bool] = True

    def __init__(self, tier: Tier, *, header: bool, inflight: bool = False, ageing: bool = False) -> None:
        self._tier, self._header, self._ageing = tier, header, ageing
        self._awaited = {peer: _InFlight() for peer in tier.peers} if inflight else {}

    @classmethod
    def from_args(cls, directive: Directive) -> Method:
        """Parse ``least_time header|last_byte [inflight]``; raises InvalidValue for anything else."""
        what, *rest = directive.args
        if what.text not in ("header", "last_byte"):
            raise InvalidValue(f'invalid value "{what.text}"', what.position, '"header" or "last_byte"')
        if rest and rest[0].text != "inflight":
            raise invalid_parameter(rest[0])
        header, inflight = what.text == "header", bool(rest)
        return Method(build=lambda tier, _: cls(tier, header=header, inflight=inflight))

    def pick(self, selection: Selection, now: float) -> Peer | None:
        """Return the eligible peer with the least estimate per weight."""
        second, moment = int(now), milliseconds(now)
        eligible = self._tier.eligible(selection, now)
        if self._awaited:
            for peer in eligible:
                self._awaited[peer].observe(moment)
        best = least(eligible, lambda peer: self.estimate(peer, second))
        if best is not None and self._awaited:
            self._awaited[best].begin(moment)
        return best

    def estimate(self, peer: Peer, second: int) -> int:
        """Return the milliseconds *peer* needs for what it has and one request more, at whole *second*."""
        time = peer.average_header_time if self._header else peer.average_response_time
        time >>= windows(peer, second, peer.checked)
        awaited = self._awaited.get(peer)
        if awaited is not None and awaited.number:
            time = max(time, awaited.average)
        return in_class(time) * (1 + peer.conns)

    def answered(self, peer: Peer, header_time: float, now: float) -> None:
        """With ``header inflight``: measure at once, and stop waiting."""
        awaited = self._awaited.get(peer)
        if awaited is None or not self._header:
            return
        peer.average_header_time = self._averaged(peer, peer.average_header_time, header_time, now)
        awaited.end(milliseconds(now), milliseconds(header_time))
        awaited.answered += 1

    def release(
        self, peer: Peer, outcome: Outcome, header_time: float | None, response_time: float | None, now: float
    ) -> None:
        """Measure a success; an attempt the client gave up still tells the time to the head."""
        known = self._end(peer, header_time, response_time, now)
        if header_time is None or outcome in (Outcome.FAILED, Outcome.NEXT):
            return
        if not known:
            peer.average_header_time = self._averaged(peer, peer.average_header_time, header_time, now)
        if response_time is not None and outcome is Outcome.OK:
            peer.average_response_time = self._averaged(peer, peer.average_response_time, response_time, now)
        peer.measured = int(now)

    def _averaged(self, peer: Peer, before: int, sample: float, now: float) -> int:
        """Return the average *before* with *sample* (seconds) taken in."""
        age = windows(peer, int(now), peer.measured) if self._ageing else 0
        return average(before, milliseconds(sample), age)

    def _end(self, peer: Peer, header_time: float | None, response_time: float | None, now: float) -> bool:
        """Stop waiting for an attempt, unless `answered` did; return whether it did."""
        awaited = self._awaited.get(peer)
        if awaited is None:
            return False
        if header_time is not None and awaited.answered:
            awaited.answered -= 1
            return True
        awaited.end(milliseconds(now), None if response_time is None else milliseconds(response_time))
        return False


def in_class(time: int) -> int:
    """Return *time* (milliseconds) in the resolution that estimates have: 20, 40, ... 5000."""
    return CEILING if time > CEILING else time + _CLASS - time % _CLASS
