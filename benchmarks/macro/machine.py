"""The machine: what it is, who gets which cores, and whether it has peace for a measurement."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from benchmarks.macro.contestants import version
from lbproxy import __version__

_GLANCE = 0.3  # seconds
_BUSY = 0.15  # share of all cores that others may use without spoiling a measurement
_IDLE = (3, 4)  # idle and iowait among the numbers of a cpu line of /proc/stat
_STEAL = 7


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores that may be used, by number; places on them are given as lists for taskset, None for any."""

    usable: tuple[int, ...]

    @classmethod
    def here(cls) -> Cores:
        """Return those that this process may use."""
        return cls(tuple(sorted(os.sched_getaffinity(0))))

    def proxy(self, workers: int = 1) -> str | None:
        """Return where a proxy of so many workers runs."""
        return _listed(self.usable[:workers]) if len(self.usable) > 1 else None

    def load(self, workers: int = 1) -> str | None:
        """Return where clients and servers run: on as many others, if there are some, else anywhere."""
        return _listed(self.usable[workers : 2 * workers]) if len(self.usable) > 1 else None

    @property
    def placed(self) -> str:
        """Say it."""
        if len(self.usable) > 1:
            return "one core for the proxy, another for the load and the server"
        return "ONE CORE FOR EVERYTHING: requests/s say little, look at the CPU per request"


def _listed(cores: Sequence[int]) -> str | None:
    return ",".join(map(str, cores)) or None


@dataclass(frozen=True, slots=True)
class Jiffies:
    """Processor time of the whole machine so far, in ticks (proc_stat(5))."""

    total: int
    busy: int
    stolen: int

    @classmethod
    def parse(cls, line: str) -> Jiffies:
        """Read the line of /proc/stat that begins with "cpu"."""
        numbers = [int(word) for word in line.split()[1:9]]
        total = sum(numbers)
        return cls(total, total - sum(numbers[place] for place in _IDLE), numbers[_STEAL])

    @classmethod
    def now(cls) -> Jiffies:
        """Return what has been used up to now."""
        return cls.parse(Path("/proc/stat").read_text().partition("\n")[0])


def unrest() -> str:
    """Return how much others use the machine now, while nothing of ours runs; "" if it has peace."""
    before = Jiffies.now()
    time.sleep(_GLANCE)
    after = Jiffies.now()
    busy = (after.busy - before.busy) / max(1, after.total - before.total)
    return f"THE MACHINE WAS BUSY with something else ({busy:.0%} of all cores)" if busy > _BUSY else ""


def theft(since: Jiffies) -> str:
    """Return how much time the hypervisor has taken *since* then; "" if it is little."""
    now = Jiffies.now()
    share = (now.stolen - since.stolen) / max(1, now.total - since.total)
    return f"the hypervisor took {share:.0%} of the time" if share > 0.02 else ""


def described(cores: Cores) -> list[str]:
    """Return lines about what figures depend on: processor, system, versions, places."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), platform.machine())
    commands = {
        "nginx": ["nginx", "-v"],
        "HAProxy": ["haproxy", "-v"],
        "wrk": ["wrk", "-v"],
        "uWSGI": [str(Path(sys.executable).with_name("uwsgi")), "--version"],
    }
    versions = [f"{name} {found}" for name, command in commands.items() if (found := version(command))]
    lbproxy = f"lbproxy {__version__} on {platform.python_implementation()} {platform.python_version()}"
    return [
        f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}",
        ", ".join([lbproxy, *versions, *_libraries()]),
        cores.placed,
    ]


def _libraries() -> list[str]:
    """Return the versions of the Python proxies' libraries, as far as they are installed."""
    found = []
    for name in ("aiohttp", "uvloop", "Twisted"):
        try:
            found.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return found
