"""No descriptor left: what is given up for one, and who waits for it how long."""

from __future__ import annotations

import errno

import pytest
import trio
from trio.testing import MockClock

from lbproxy.net.descriptors import Descriptors
from lbproxy.net.readiness import Poller

NONE = OSError(errno.EMFILE, "Too many open files")


class Store:
    """Gives as many things as there are; what is `kept` can be given up for them."""

    def __init__(self, free: int = 0, kept: int = 0) -> None:
        self.free, self.kept = free, kept
        self.asked = 0

    def make(self) -> int:
        """Take one."""
        self.asked += 1
        if not self.free:
            raise NONE
        self.free -= 1
        return self.free

    def give_up(self) -> bool:
        """Make one of those that are kept free."""
        if not self.kept:
            return False
        self.kept -= 1
        self.free += 1
        return True


def shop(poller: Poller, store: Store) -> Descriptors:
    """Return the poller's descriptors, which come from *store*."""
    poller.descriptors.give_up = store.give_up
    return poller.descriptors


async def test_what_is_idle_is_given_up(poller: Poller, autojump_clock: MockClock) -> None:
    """As much of it as is needed, at once."""
    store = Store(kept=3)
    await shop(poller, store).after(NONE, store.make, 10)
    assert (store.kept, store.asked, trio.current_time()) == (2, 1, 0)


async def test_another_error_is_raised(poller: Poller) -> None:
    """Nothing is given up for it, whether it comes at first or later."""
    store = Store(kept=3)

    def refuse() -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    descriptors = shop(poller, store)
    with pytest.raises(PermissionError):
        await descriptors.after(PermissionError(errno.EACCES, "Permission denied"), store.make, 10)
    assert (store.kept, store.asked) == (3, 0)
    with pytest.raises(PermissionError):
        await descriptors.after(NONE, refuse, 10)
    assert store.kept == 2


async def test_waiting(poller: Poller, autojump_clock: MockClock) -> None:
    """Until there is one again, by whatever cause."""
    store = Store()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(shop(poller, store).after, NONE, store.make, 60)
        await trio.sleep(20)
        store.free = 1
    assert trio.current_time() == pytest.approx(20, abs=0.2)


async def test_patience(poller: Poller, autojump_clock: MockClock) -> None:
    """Ends, with what the system said."""
    with pytest.raises(OSError, match="Too many open files"):
        await shop(poller, Store()).after(NONE, Store().make, 7)
    assert trio.current_time() == pytest.approx(7, abs=0.2)


async def test_patience_of_those_behind(poller: Poller, autojump_clock: MockClock) -> None:
    """Is their own: they don't wait as long as the first one does."""
    descriptors = shop(poller, Store())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_in_vain, descriptors, 60)
        await trio.testing.wait_all_tasks_blocked()
        await _in_vain(descriptors, 5)
        assert trio.current_time() == pytest.approx(5, abs=0.2)


async def _in_vain(descriptors: Descriptors, patience: float) -> None:
    with pytest.raises(OSError, match="Too many open files"):
        await descriptors.after(NONE, Store().make, patience)


async def test_many_wait_in_turn(poller: Poller, autojump_clock: MockClock) -> None:
    """The first come is the first served; only one of them looks again and again."""
    store, served = Store(), list[int]()
    descriptors = shop(poller, store)

    async def want(number: int) -> None:
        await descriptors.after(NONE, store.make, 60)
        served.append(number)

    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(want, number)
            await trio.testing.wait_all_tasks_blocked()
        await trio.sleep(10)
        assert store.asked <= 250
        for _ in range(50):
            store.free += 1
            await trio.sleep(0.1)
    assert served == list(range(50))


async def test_a_fibre_waits_as_well(poller: Poller, autojump_clock: MockClock) -> None:
    """It is resumed with what was made for it."""
    store, made = Store(), list[int]()

    async def fibre() -> None:
        made.append(await poller.descriptors.after(NONE, store.make, 60))

    shop(poller, store)
    poller.spawn(fibre())
    await trio.sleep(5)
    store.free = 1
    await trio.sleep(1)
    assert made == [0]
