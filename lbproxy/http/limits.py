"""
``limit_req`` and ``limit_conn``: how often, and how much at once.

As src/http/modules/ngx_http_limit_req_module.c and ngx_http_limit_conn_module.c.  A limit's counters live in a `Zone`
of this worker; its size bounds them, at what an entry costs nginx.  Time comes in as whole milliseconds, and what goes
beyond the rate (the excess) is counted in thousandths of a request: the arithmetic is nginx's to the last digit.
"""

from __future__ import annotations

import enum
from collections import OrderedDict
from collections.abc import Sequence
from operator import attrgetter
from typing import NamedTuple

_FORGOTTEN = 60_000  # milliseconds after which a bucket that has run empty may go
_BUCKET, _COUNT = 80, 36  # octets of nginx's entries without their keys


def _cost(overhead: int, key: bytes) -> int:
    """Return the octets of an entry: the slab allocator of nginx gives powers of two, 64 at least."""
    return max(64, 1 << (overhead + len(key) - 1).bit_length())


class Bucket:
    """
    What is known of one key.

    Attributes:
        excess: Thousandths of requests beyond the rate, as of *last*; a new bucket has room for one request.
        last: When that was, in milliseconds.
    """

    __slots__ = ("excess", "last")

    def __init__(self, now: int) -> None:
        self.excess, self.last = -1000, now

    def after(self, now: int, rate: int) -> int:
        """Return the excess with one request more, which `count` makes true."""
        return max(0, self.excess - rate * self._passed(now) // 1000 + 1000)

    def count(self, excess: int, now: int) -> None:
        """Take a request in, *excess* being what `after` has returned."""
        if self._passed(now):
            self.last = now
        self.excess = excess

    def _passed(self, now: int) -> int:
        passed = now - self.last
        return (1 if passed < -_FORGOTTEN else 0) if passed < 0 else passed


class RateZone:
    """
    The buckets of one ``limit_req_zone``, those used last at the end.

    Args:
        rate: Thousandths of requests per second.
        size: Octets.
    """

    __slots__ = ("_buckets", "_free", "rate")

    def __init__(self, rate: int, size: int) -> None:
        self.rate, self._free = rate, size
        self._buckets: OrderedDict[bytes, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def find(self, key: bytes, now: int) -> Bucket | None:
        """Return the bucket of *key*, a new one if there was none; None if there is no room for it."""
        bucket = self._buckets.get(key)
        if bucket is not None:
            self._buckets.move_to_end(key)
            return bucket
        self._expire(now, forced=False)
        cost = _cost(_BUCKET, key)
        if self._free < cost:
            self._expire(now, forced=True)
            if self._free < cost:
                return None
        self._free -= cost
        bucket = self._buckets[key] = Bucket(now)
        return bucket

    def _expire(self, now: int, *, forced: bool) -> None:
        """Forget up to two buckets that ran empty long ago; if *forced*, the oldest before them, whatever is in it."""
        for place in range(3 if forced else 2):
            if not self._buckets:
                return
            key, bucket = next(iter(self._buckets.items()))
            if place or not forced:
                passed = abs(now - bucket.last)
                if passed < _FORGOTTEN or bucket.excess - self.rate * passed // 1000 > 0:
                    return
            del self._buckets[key]
            self._free += _cost(_BUCKET, key)


class RateLimit(NamedTuple):
    """
    How far one key may exceed the rate of *zone*.

    Args:
        burst: Excess up to which requests pass, in thousandths.
        delay: Excess up to which they pass at once.
    """

    zone: RateZone
    burst: int
    delay: int


class Ruling(NamedTuple):
    """
    What limits make of a request.

    Args:
        delay: Milliseconds it has to wait; None: it is refused.
        excess: What the decisive limit counts, in thousandths.
        place: The decisive limit's, among those applied.
        full: It is refused since the zone has no room for it.
    """

    delay: int | None
    excess: int
    place: int
    full: bool = False


def count_request(limits: Sequence[tuple[RateLimit, bytes]], now: int) -> Ruling:
    """
    Count a request and return whether, and when, it may go on.

    Args:
        limits: Each with the request's key, which is not empty; at least one.

    Only what passes all of them is counted by any (ngx_http_limit_req_handler, ngx_http_limit_req_account).
    """
    passing: list[tuple[Bucket, int]] = []
    for place, (limit, key) in enumerate(limits):
        bucket = limit.zone.find(key, now)
        if bucket is None:
            return Ruling(None, 0, place, full=True)
        excess = bucket.after(now, limit.zone.rate)
        if excess > limit.burst:
            return Ruling(None, excess, place)
        passing.append((bucket, excess))
    rulings = []
    for place, (bucket, excess) in enumerate(passing):
        limit, _ = limits[place]
        bucket.count(excess, now)
        rulings.append(Ruling(max(0, excess - limit.delay) * 1000 // limit.zone.rate, excess, place))
    return max(reversed(rulings), key=attrgetter("delay"))  # of equals the last, as there


class Entry(enum.Enum):
    """What a `ConnectionZone` says to one request more."""

    TAKEN = enum.auto()
    REFUSED = enum.auto()
    NO_ROOM = enum.auto()


class ConnectionZone:
    """
    How many requests of each key are in hand: a ``limit_conn_zone``.

    Args:
        size: Octets.
    """

    __slots__ = ("_counts", "_free")

    def __init__(self, size: int) -> None:
        self._free = size
        self._counts: dict[bytes, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def enter(self, key: bytes, most: int) -> Entry:
        """Count one request more, unless there are *most* already."""
        count = self._counts.get(key, 0)
        if count >= most:
            return Entry.REFUSED
        if not count:
            cost = _cost(_COUNT, key)
            if self._free < cost:
                return Entry.NO_ROOM
            self._free -= cost
        self._counts[key] = count + 1
        return Entry.TAKEN

    def leave(self, key: bytes) -> None:
        """Count one request less."""
        count = self._counts[key] - 1
        if count:
            self._counts[key] = count
        else:
            del self._counts[key]
            self._free += _cost(_COUNT, key)
