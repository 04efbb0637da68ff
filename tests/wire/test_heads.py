"""Limits and what they allow to skip; the rest of heads is covered by its parsers' tests."""

from __future__ import annotations

import pytest

from lbproxy.wire.heads import HeadLimits


@pytest.mark.parametrize(
    ("limits", "harmless"),
    [(HeadLimits(), 4000), (HeadLimits(line=9), 9), (HeadLimits(field=8), 8), (HeadLimits(total=7), 7),
     (HeadLimits(count=1), 4)],
)
def test_harmless_size_is_the_least_that_can_break_a_limit(limits: HeadLimits, harmless: int) -> None:
    """A head this short has no line too long and no field too many."""
    assert limits.harmless == harmless


def test_limits_are_compared_by_value() -> None:
    """Two locations with the same directives have equal limits."""
    assert HeadLimits(line=5) == HeadLimits(line=5) != HeadLimits(line=6)
