"""Idle connections, kept for the next request."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator

import pytest
from trio.testing import wait_all_tasks_blocked

from lbproxy.net.pool import Pool, Pooled
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream

Make = Callable[[], tuple[Pooled, socket.socket]]


@pytest.fixture
def make(poller: Poller) -> Iterator[Make]:
    """Make connections; returns one and its other end."""
    made: list[tuple[Pooled, socket.socket]] = []

    def make() -> tuple[Pooled, socket.socket]:
        ours, other = socket.socketpair()
        ours.setblocking(False)
        stream = Stream(poller, ours)
        stream.readable = False
        made.append((Pooled(stream, 0.0), other))
        return made[-1]

    yield make
    for pooled, other in made:
        pooled.stream.close()
        other.close()


def new_pool(limit: int = 10, requests: int = 100, age: float = 1000.0, idle: float = 60.0) -> Pool[str]:
    """Return an empty pool."""
    return Pool(limit, requests, age, idle)


async def test_the_last_one_freed_comes_first(make: Make) -> None:
    """Per key: the connections in use are few, and the others grow old."""
    pool = new_pool()
    (a, _), (b, _), (other, _) = make(), make(), make()
    pool.put("x", a, 1.0)
    pool.put("x", b, 2.0)
    pool.put("y", other, 3.0)
    assert len(pool) == 3
    assert pool.get("x", 4.0) is b
    assert pool.get("x", 4.0) is a
    assert pool.get("x", 4.0) is None
    assert pool.get("z", 4.0) is None
    assert pool.get("y", 4.0) is other
    assert len(pool) == 0


async def test_a_full_pool_closes_the_oldest(make: Make) -> None:
    """Whosever it is."""
    pool = new_pool(limit=2)
    (a, _), (b, _), (c, _) = make(), make(), make()
    for now, (key, pooled) in enumerate([("x", a), ("y", b), ("x", c)]):
        pool.put(key, pooled, float(now))
    assert len(pool) == 2
    assert a.stream.closed
    assert pool.get("x", 3.0) is c
    assert pool.get("x", 3.0) is None


async def test_no_pool(make: Make) -> None:
    """A limit of 0 keeps none."""
    pool = new_pool(limit=0)
    pooled, _ = make()
    pool.put("x", pooled, 0.0)
    assert pooled.stream.closed
    assert len(pool) == 0


@pytest.mark.parametrize(("requests", "now", "kept"), [(2, 50.0, True), (3, 50.0, False), (2, 100.1, False)])
async def test_a_worn_connection_is_not_kept(make: Make, requests: int, now: float, kept: bool) -> None:
    """After so many requests, or so long a life."""
    pool = new_pool(requests=3, age=100.0)
    pooled, _ = make()
    pooled.requests = requests
    pool.put("x", pooled, now)
    assert pooled.stream.closed is not kept
    assert len(pool) == kept


async def test_idle_for_too_long(make: Make) -> None:
    """Not used even if nobody has closed it yet."""
    pool = new_pool(idle=60.0)
    pooled, _ = make()
    pool.put("x", pooled, 10.0)
    assert pool.get("x", 70.0) is None
    assert pooled.stream.closed


async def test_expire(make: Make) -> None:
    """Closes those, and only those, that have been idle for too long."""
    pool = new_pool(idle=60.0)
    (old, _), (young, _) = make(), make()
    pool.put("x", old, 10.0)
    pool.put("x", young, 50.0)
    pool.expire(70.0)
    assert old.stream.closed
    assert not young.stream.closed
    assert len(pool) == 1


async def test_closed_by_the_other_side(make: Make) -> None:
    """Is dropped when that happens."""
    pool = new_pool()
    pooled, other = make()
    pool.put("x", pooled, 0.0)
    other.close()
    await wait_all_tasks_blocked()
    assert len(pool) == 0
    assert pooled.stream.closed


async def test_spoken_to(make: Make) -> None:
    """An idle connection that says something is not to be trusted."""
    pool = new_pool()
    pooled, other = make()
    pool.put("x", pooled, 0.0)
    other.send(b"?")
    await wait_all_tasks_blocked()
    assert len(pool) == 0
    assert pooled.stream.closed


@pytest.mark.parametrize("what", ["octets", "end"])
async def test_input_that_is_there_already(make: Make, what: str) -> None:
    """Keeps a connection out of the pool."""
    pool = new_pool()
    pooled, other = make()
    other.send(b"?") if what == "octets" else other.close()
    pooled.stream.readable = True
    pool.put("x", pooled, 0.0)
    assert len(pool) == 0
    assert pooled.stream.closed


async def test_what_a_server_says_to_a_connection_in_use(make: Make) -> None:
    """Is for who uses it: the pool does not interfere, this time or the next."""
    pool = new_pool()
    pooled, other = make()
    for now in (1.0, 2.0, 3.0):
        pool.put("x", pooled, now)
        assert pool.get("x", now) is pooled
        other.send(b"answer")
        await wait_all_tasks_blocked()
        assert not pooled.stream.closed
        assert await pooled.stream.recv(60) == b"answer"
    pool.put("x", pooled, 4.0)
    other.close()
    await wait_all_tasks_blocked()
    assert len(pool) == 0


async def test_shrink(make: Make) -> None:
    """Gives up the one that has been idle longest, if there is one."""
    pool = new_pool()
    (old, _), (young, _) = make(), make()
    pool.put("x", old, 1.0)
    pool.put("y", young, 2.0)
    assert pool.shrink()
    assert (old.stream.closed, young.stream.closed) == (True, False)
    assert pool.shrink()
    assert not pool.shrink()


async def test_close(make: Make) -> None:
    """Closes all, and what is put back later as well."""
    pool = new_pool()
    (idle, _), (busy, _) = make(), make()
    pool.put("x", idle, 1.0)
    pool.close()
    pool.put("x", busy, 2.0)
    assert idle.stream.closed
    assert busy.stream.closed
    assert len(pool) == 0


async def test_keys_come_and_go(make: Make) -> None:
    """Those without a connection are forgotten in the end, so that any number of clients' addresses may be keys."""
    pool = new_pool()
    pooled, _ = make()
    for number in range(1000):
        pool.put(f"{number}", pooled, 1.0)
        assert pool.get(f"{number}", 1.0) is pooled
    assert len(pool._by_key) < 200
