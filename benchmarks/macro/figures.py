"""What is measured, and what several turns of it say. Pure: tests/benchmarks/test_figures.py."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple


class Figure(NamedTuple):
    """
    Something that is measured, a column of a table.

    Args:
        compared: Whether ratios of it are shown.
    """

    title: str
    unit: str = ""
    decimals: int = 1
    compared: bool = True

    @property
    def label(self) -> str:
        """The title with the unit."""
        return f"{self.title}, {self.unit}" if self.unit else self.title

    def show(self, value: float) -> str:
        """Return *value* with as many digits as it deserves, in thousands from 10,000 on."""
        return f"{value:,.{self.decimals}f}" if value < 10_000 else f"{value:,.0f}"


RATE = Figure("requests/s", decimals=0)
CPU = Figure("CPU per request", "µs")
USER = Figure("user", "µs", compared=False)
SYSTEM = Figure("system", "µs", compared=False)
THROUGHPUT = Figure("throughput", "GB/s", 2)
TRANSFER_CPU = Figure("CPU per 200 MB", "ms", 0)
P50 = Figure("p50", "ms", 3)
P99 = Figure("p99", "ms", 3)
PER_CLIENT = Figure("memory per idle client", "KiB")
ACCEPTING = Figure("accepting after", "ms", 0)
TESTED = Figure("configuration tested in", "ms", 0)
MEMORY = Figure("memory", "MiB")


@dataclass(frozen=True, slots=True)
class Turn:
    """What one turn of one contestant brought; *failures* are requests."""

    values: Mapping[Figure, float]
    failures: int = 0


class Lane(NamedTuple):
    """Who runs: a contestant, and which of the case's variants it runs."""

    contestant: str
    variant: str = ""

    def __str__(self) -> str:
        return f"{self.contestant} {self.variant}".rstrip()


DIRECT = "direct"
"""The name of the load without a proxy between."""


class Spread(NamedTuple):
    """Minimum, median and maximum of some figures."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread:
        """Return the spread of *figures*, of which there is at least one."""
        return cls(min(figures), statistics.median(figures), max(figures))

    @property
    def width(self) -> float:
        """How far minimum and maximum are apart, as a share of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    A case, measured.

    Args:
        figures: The columns, in order.
        turns: Every lane's turns; the first of each lane met the same machine, and so on.
        axis: What grows from variant to variant, if that is the point of it.
        notes: What a reader must know before believing the figures.
    """

    name: str
    title: str
    figures: tuple[Figure, ...]
    turns: Mapping[Lane, Sequence[Turn]]
    axis: str = ""
    notes: tuple[str, ...] = ()

    @property
    def variants(self) -> tuple[str, ...]:
        """The variants, in order."""
        return tuple(dict.fromkeys(lane.variant for lane in self.turns))

    @property
    def contestants(self) -> tuple[str, ...]:
        """The contestants, in order."""
        return tuple(dict.fromkeys(lane.contestant for lane in self.turns))

    def spread(self, lane: Lane, figure: Figure) -> Spread | None:
        """Return what *figure* was in *lane*; None where it was not measured."""
        found = [turn.values[figure] for turn in self.turns.get(lane, ()) if figure in turn.values]
        return Spread.of(found) if found else None

    def ratio(self, figure: Figure, subject: Lane, reference: Lane) -> Spread | None:
        """
        Return how *subject* does beside *reference*; None where one of them was not measured.

        Each ratio is formed inside one round, where both met the same machine, and only then summed up.
        """
        found = [ours / theirs for ours, theirs in self._pairs(figure, subject, reference) if theirs]
        return Spread.of(found) if found else None

    def difference(self, figure: Figure, subject: Lane, reference: Lane) -> Spread | None:
        """Return how much more *subject* has than *reference*, by round as well."""
        found = [ours - theirs for ours, theirs in self._pairs(figure, subject, reference)]
        return Spread.of(found) if found else None

    def _pairs(self, figure: Figure, subject: Lane, reference: Lane) -> list[tuple[float, float]]:
        rounds = zip(self.turns.get(subject, ()), self.turns.get(reference, ()), strict=False)
        return [(ours.values[figure], theirs.values[figure]) for ours, theirs in rounds
                if figure in ours.values and figure in theirs.values]

    def failures(self, lane: Lane) -> int:
        """Return how many requests of *lane* failed."""
        return sum(turn.failures for turn in self.turns.get(lane, ()))

    def noisy(self, most: float = 0.3) -> list[Lane]:
        """Return the lanes whose CPU per request varied by more than *most* of its median."""
        spreads = ((lane, self.spread(lane, CPU)) for lane in self.turns)
        return [lane for lane, spread in spreads if spread is not None and spread.width > most]


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return what *share* (0 to 1) of *ordered*, ascending and not empty, don't exceed (the nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
