"""What a process holds and has used, as the kernel counts it (proc(5))."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from tests.support.waiting import until

MIB = 1 << 20


def resident(pid: int) -> int:
    """Return the octets of memory that process *pid* holds now."""
    return _status(pid, "VmRSS") << 10


def peak(pid: int) -> int:
    """Return the most octets that it has held since it began, or since `forget_peak`."""
    return _status(pid, "VmHWM") << 10


def forget_peak(pid: int) -> None:
    """Have `peak` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split(f"{name}:")[1].split()[0])


def descriptors(pid: int) -> int:
    """Return how many descriptors it has open."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def cpu_seconds(pid: int) -> float:
    """Return the processor time that it has used, by itself and on its behalf."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def settle(measure: Callable[[], object], still: int = 12) -> None:
    """Wait until *measure* has returned the same *still* times in a row, looking every 10 ms."""
    seen: list[object] = []

    def stands() -> bool:
        seen.append(measure())
        return len(seen) > still and len(set(seen[-still:])) == 1

    until(stands, "something to stand still")
