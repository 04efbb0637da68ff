"""What the proxy holds, and what it has said that it never should."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
_NEVER = re.compile(r"\[(?:alert|emerg)\]|Traceback|bug:")


@dataclass(frozen=True, slots=True)
class Sample:
    """What one process holds at one moment; memory in octets."""

    resident: int
    descriptors: int
    threads: int

    def __str__(self) -> str:
        return f"{self.resident / MIB:7.1f} MiB resident, {self.descriptors:5} descriptors, {self.threads} threads"


def sample(pid: int) -> Sample:
    """Measure process *pid* (proc(5))."""
    status = _status(pid)
    return Sample(status["VmRSS"] << 10, len(list(Path(f"/proc/{pid}/fd").iterdir())), status["Threads"])


def peak(pid: int) -> int:
    """Return the most octets of memory that it has held since `forget_peak`."""
    return _status(pid)["VmHWM"] << 10


def forget_peak(pid: int) -> None:
    """Have `peak` begin anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def _status(pid: int) -> dict[str, int]:
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: int(re.split(rf"^{name}:", text, flags=re.MULTILINE)[1].split()[0])
            for name in ("VmRSS", "VmHWM", "Threads")}


def complaints(log: Path) -> list[str]:
    """Return the lines of the error log that no peer, however hostile, may cause."""
    with log.open(errors="replace") as lines:
        return [line.rstrip() for line in lines if _NEVER.search(line)]


class Watch:
    """Measures process *pid* once a second in a thread, until closed; what it has seen is in `samples`."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.samples: list[Sample] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._over.wait(1.0):
            try:
                self.samples.append(sample(self._pid))
            except (OSError, KeyError):  # it has ended
                return

    def close(self) -> None:
        """Stop measuring."""
        self._over.set()
        self._thread.join()
