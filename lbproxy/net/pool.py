"""
Idle connections of one upstream, kept for the next request to the same address.

As in nginx (ngx_http_upstream_keepalive_module) the pool belongs to one worker and one upstream, the limit is on idle
connections of all its servers together, the connection freed last is used first, and a full pool closes the one that
has been idle longest.  Unlike nginx, a connection that says anything or closes while idle is dropped when that
happens, not when it is used.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from lbproxy.net.stream import Stream

K = TypeVar("K", bound=Hashable)

_FEW = 100  # keys without a connection that are of no importance


class Pooled:
    """
    A connection that may serve several requests in turn.

    Attributes:
        opened: When it was connected; monotonic seconds.
        requests: How many requests it has been used for.
        idle_since: When it was put into the pool.
    """

    __slots__ = ("idle_since", "opened", "requests", "stream")

    def __init__(self, stream: Stream, opened: float) -> None:
        self.stream, self.opened = stream, opened
        self.requests = 0
        self.idle_since = 0.0


class Pool(Generic[K]):
    """
    Idle connections by key (a peer).

    Args:
        limit: Idle connections kept at most; 0 keeps none.
        max_requests, max_age, idle_timeout: What ends a connection: requests served, seconds since it was made,
            seconds idle.
    """

    def __init__(self, limit: int, max_requests: int, max_age: float, idle_timeout: float) -> None:
        self._limit, self._max_requests = limit, max_requests
        self._max_age, self._idle_timeout = max_age, idle_timeout
        self._idle: dict[Pooled, K] = {}  # in the order of being freed
        self._by_key: dict[K, list[Pooled]] = {}

    def __len__(self) -> int:
        return len(self._idle)

    def get(self, key: K, now: float) -> Pooled | None:
        """Take the connection to *key* that was freed last, or None."""
        waiting = self._by_key.get(key)
        while waiting:
            pooled = waiting.pop()
            del self._idle[pooled]
            if now - pooled.idle_since < self._idle_timeout and not pooled.stream.hung_up:
                return pooled
            pooled.stream.close()
        return None

    def put(self, key: K, pooled: Pooled, now: float) -> None:
        """Keep *pooled* for later, or close it when it has served enough or there is no room."""
        stream = pooled.stream
        worn = pooled.requests >= self._max_requests or now - pooled.opened > self._max_age
        if self._limit <= 0 or worn or stream.hung_up or stream.closed or (stream.readable and stream.pending_input()):
            stream.close()
            return
        if len(self._idle) >= self._limit:
            self._drop(next(iter(self._idle)))
        if len(self._by_key) > 2 * self._limit + _FEW:  # keys come and go, if clients' addresses are part of them
            self._by_key = {known: waiting for known, waiting in self._by_key.items() if waiting}
        pooled.idle_since = now
        self._idle[pooled] = key
        self._by_key.setdefault(key, []).append(pooled)
        if stream.on_input is None:
            stream.on_input = lambda: self._drop(pooled)
            stream.watch_input()

    def _drop(self, pooled: Pooled) -> None:
        """Close *pooled* if it is idle."""
        key = self._idle.pop(pooled, None)
        if key is not None:
            self._by_key[key].remove(pooled)
            pooled.stream.close()

    def expire(self, now: float) -> None:
        """Close what has been idle for too long; called now and then."""
        while self._idle:
            oldest = next(iter(self._idle))
            if now - oldest.idle_since < self._idle_timeout:
                return
            self._drop(oldest)

    def shrink(self) -> bool:
        """Give up the connection that has been idle longest; False when there is none."""
        if not self._idle:
            return False
        self._drop(next(iter(self._idle)))
        return True

    def close(self) -> None:
        """Close all, and keep none from now on."""
        self._limit = 0
        while self.shrink():
            pass
