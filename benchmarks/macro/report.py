"""Numbers to text: minimum, median and maximum over the rounds, and ratios round by round."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Round:
    """One contestant in one round: requests per second, µs of processor time per request, failed requests."""

    rate: float
    user: float
    system: float
    failures: int

    @property
    def cpu(self) -> float:
        """User and system time together."""
        return self.user + self.system


@dataclass(frozen=True, slots=True)
class Spread:
    """Minimum, median and maximum of some figures."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of *figures*, of which there is at least one."""
        return cls(min(figures), statistics.median(figures), max(figures))


def table(results: Mapping[str, Sequence[Round]]) -> str:
    """Return a line per contestant, in the order given."""
    span = "(min..max)"
    head = f"{'CPU µs/request':>17} {span:>15} {'user + sys':>15}"
    lines = [f"  {'':10}{'requests/s':>12} {span:>16}{head}{'failed':>9}"]
    for name, rounds in results.items():
        rate, cpu = Spread.of([r.rate for r in rounds]), Spread.of([r.cpu for r in rounds])
        spent = " " * len(head)
        if cpu.high:
            user, system = (statistics.median(part) for part in zip(*((r.user, r.system) for r in rounds), strict=True))
            spent = f"{cpu.median:17.1f} {f'({cpu.low:.1f}..{cpu.high:.1f})':>15} {f'{user:.1f} + {system:.1f}':>15}"
        span = f"({rate.low:.0f}..{rate.high:.0f})"
        lines.append(f"  {name:10}{rate.median:12.0f} {span:>16}{spent}{sum(r.failures for r in rounds):9}")
    return "\n".join(lines)


def ratios(results: Mapping[str, Sequence[Round]], subject: str, reference: str) -> str:
    """
    Return how *subject* does beside *reference*.

    Each ratio is formed inside one round, where both met the same machine, and only then summed up.
    """
    pairs = list(zip(results[subject], results[reference], strict=True))
    rate = Spread.of([ours.rate / theirs.rate for ours, theirs in pairs])
    lines = [f"  {subject} / {reference}: requests/s {rate.median:.2f} ({rate.low:.2f}..{rate.high:.2f})"]
    if all(theirs.cpu for _, theirs in pairs):
        cpu = Spread.of([ours.cpu / theirs.cpu for ours, theirs in pairs])
        lines.append(f", CPU per request {cpu.median:.2f} ({cpu.low:.2f}..{cpu.high:.2f})")
    return "".join(lines)
