"""benchmarks/macro/figures.py: what several turns say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.macro.figures import CPU, P50, RATE, Figure, Lane, Outcome, Spread, Turn, percentile

NGINX, LBPROXY = Lane("nginx"), Lane("lbproxy")


def outcome(**turns: list[float]) -> Outcome:
    """CPU per request by contestant."""
    return Outcome("http", "a case", (CPU,), {Lane(name): [Turn({CPU: cpu}) for cpu in cpus]
                                              for name, cpus in turns.items()})


@given(st.lists(st.floats(1, 1e6), min_size=1))
def test_spread_is_ordered(figures: list[float]) -> None:
    """Minimum, median and maximum lie in this order, and the ends are figures."""
    low, median, high = Spread.of(figures)
    assert low <= median <= high
    assert low in figures
    assert high in figures


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_percentile_is_exceeded_by_the_rest_only(figures: list[float], share: float) -> None:
    """At most the rest lies above it, and it is one of the figures."""
    found = percentile(sorted(figures), share)
    assert found in figures
    assert sum(figure > found for figure in figures) <= (1 - share) * len(figures) + 1e-6


def test_percentile_of_a_hundred() -> None:
    """The nearest rank: of 1 to 100, half don't exceed 50."""
    figures = [float(number) for number in range(1, 101)]
    assert [percentile(figures, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 50, 99, 100]


def test_ratios_are_formed_within_rounds() -> None:
    """A machine that is half as fast in the second round changes no ratio."""
    found = outcome(nginx=[10.0, 20.0, 10.0], lbproxy=[30.0, 60.0, 40.0])
    assert found.ratio(CPU, LBPROXY, NGINX) == (3.0, 3.0, 4.0)
    assert found.difference(CPU, LBPROXY, NGINX) == (20.0, 30.0, 40.0)


def test_no_ratio_of_what_was_not_measured() -> None:
    """Neither with a lane that is not there, nor of another figure, nor by nothing."""
    found = outcome(nginx=[0.0], lbproxy=[30.0])
    assert found.ratio(CPU, LBPROXY, Lane("haproxy")) is None
    assert found.ratio(P50, LBPROXY, NGINX) is None
    assert found.ratio(CPU, LBPROXY, NGINX) is None


def test_noisy_lanes_are_told() -> None:
    """Those whose figure varied by more than three tenths of its median."""
    assert outcome(nginx=[10, 11, 12], lbproxy=[30, 31, 45]).noisy() == [LBPROXY]


def test_contestants_and_variants_keep_their_order() -> None:
    """As they ran."""
    lanes = [Lane(name, variant) for variant in ("2", "100") for name in ("nginx", "lbproxy")]
    found = Outcome("servers", "round robin", (CPU,), {lane: [Turn({CPU: 1.0}, 2)] for lane in lanes}, "servers")
    assert found.contestants == ("nginx", "lbproxy")
    assert found.variants == ("2", "100")
    assert found.failures(Lane("nginx", "2")) == 2
    assert str(Lane("nginx", "2")) == "nginx 2"


@pytest.mark.parametrize(("figure", "value", "shown"), [
    (CPU, 11.04, "11.0"), (CPU, 12345.6, "12,346"), (RATE, 87_512.4, "87,512"), (P50, 0.1234, "0.123"),
])  # fmt: skip
def test_figures_have_the_digits_they_deserve(figure: Figure, value: float, shown: str) -> None:
    """Thousands are separated."""
    assert figure.show(value) == shown
