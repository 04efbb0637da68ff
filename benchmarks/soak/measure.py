"""What processes hold, from /proc: memory and descriptors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro.processes import tree


@dataclass(frozen=True, slots=True)
class Holding:
    """
    What one process holds.

    Args:
        rss: KiB, shared pages included.
        private: KiB that are its own.
    """

    name: str
    pid: int
    rss: int
    private: int
    descriptors: int

    def __str__(self) -> str:
        return (f"{self.name:15} {self.pid:>8}  RSS {self.rss / 1024:6.1f} MiB, {self.private / 1024:6.1f} of its own"
                f", {self.descriptors:4} descriptors")


def holdings(pid: int) -> Iterator[Holding]:
    """Yield what process *pid* and its descendants hold."""
    for each in tree(pid):
        with contextlib.suppress(OSError):  # it has just ended
            yield _holding(each)


def _holding(pid: int) -> Holding:
    place = Path(f"/proc/{pid}")
    memory = dict(line.split(":", 1) for line in (place / "smaps_rollup").read_text().splitlines()[1:])
    kib = {name: int(value.split()[0]) for name, value in memory.items()}
    return Holding((place / "comm").read_text().strip(), pid, kib["Rss"], kib["Private_Clean"] + kib["Private_Dirty"],
                   len(list((place / "fd").iterdir())))
