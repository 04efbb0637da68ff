"""benchmarks/macro/machine.py: who gets which cores, and what /proc/stat says."""

from __future__ import annotations

import pytest

from benchmarks.macro.machine import Cores, Jiffies


@pytest.mark.parametrize(("usable", "workers", "proxy", "load"), [
    ((0,), 1, None, None),
    ((0, 1), 1, "0", "1"),
    ((0, 1), 2, "0,1", None),
    ((2, 3, 5, 7), 1, "2", "3"),
    ((2, 3, 5, 7), 2, "2,3", "5,7"),
])  # fmt: skip
def test_proxy_and_load_have_cores_of_their_own(
    usable: tuple[int, ...], workers: int, proxy: str | None, load: str | None
) -> None:
    """As far as there are enough; None is any."""
    cores = Cores(usable)
    assert (cores.proxy(workers), cores.load(workers)) == (proxy, load)


def test_processor_time_is_read() -> None:
    """Waiting for a disk is not work; time of guests is a part of user time (proc_stat(5))."""
    assert Jiffies.parse("cpu  100 1 20 300 40 5 6 7 99 99") == Jiffies(total=479, busy=139, stolen=7)
