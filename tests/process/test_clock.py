"""The clock of all workers."""

from __future__ import annotations

import time

import trio

from lbproxy.process.clock import MonotonicClock


def test_it_is_the_systems() -> None:
    """So that times of one process mean something to another."""

    async def main() -> tuple[float, float]:
        started = trio.current_time()
        await trio.sleep(0.001)
        return started, trio.current_time()

    before = time.monotonic()
    started, ended = trio.run(main, clock=MonotonicClock())
    assert before <= started <= ended - 0.001
    assert ended <= time.monotonic()
