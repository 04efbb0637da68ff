"""Latencies, counted in classes that are 2 % wide: many of them fit in little, and can be added up."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

_WIDTH = math.log(1.02)


class Histogram:
    """How often each latency was seen; seconds go in and come out, with an error of 1 %."""

    def __init__(self, counts: Mapping[int, int] | None = None) -> None:
        self.counts: Counter[int] = Counter(counts or {})

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[round(math.log(max(seconds, 1e-6)) / _WIDTH)] += 1

    def merge(self, other: Histogram) -> None:
        """Add what *other* has counted."""
        self.counts.update(other.counts)

    def __len__(self) -> int:
        return sum(self.counts.values())

    def percentile(self, share: float) -> float:
        """Return the latency that *share* (0 to 1) of all don't exceed; 0.0 if there are none."""
        left = share * len(self)
        for place in sorted(self.counts):
            left -= self.counts[place]
            if left <= 0:
                return math.exp(place * _WIDTH)
        return 0.0

    def summary(self) -> str:
        """Return the number and the usual percentiles, in milliseconds."""
        shown = ", ".join(f"{name} {self.percentile(share) * 1e3:.2f}" for name, share in
                          (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0)))
        return f"{len(self)} requests, {shown} ms"
