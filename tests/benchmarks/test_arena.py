"""benchmarks/macro/arena.py: how long all that takes."""

from __future__ import annotations

from benchmarks.macro.arena import ROUNDS, SECONDS, Arena
from benchmarks.macro.cases import CASES
from benchmarks.macro.contestants import ALL, LBPROXY
from benchmarks.macro.machine import Cores


def minutes(*, short: bool) -> float:
    """How long the cases take unless told otherwise, everybody taking part."""
    arena = Arena(ALL, ROUNDS, SECONDS, Cores((0, 1)))
    return sum(arena.length(case) for case in CASES if case.short or not short) / 60


def test_a_cup_of_coffee_or_half_an_hour() -> None:
    """The short cases take less than five minutes, all of them less than thirty."""
    assert minutes(short=True) < 5
    assert minutes(short=False) < 30


def test_who_is_not_there_takes_no_time() -> None:
    """Nor do rounds that a case does not need."""
    alone, all_of_them = (Arena(who, 5, 1.0, Cores((0,))) for who in ((LBPROXY,), ALL))
    assert alone.length(CASES[0]) < all_of_them.length(CASES[0])
    growing = next(case for case in CASES if case.axis)
    assert Arena(ALL, 3, 1.0, Cores((0,))).length(growing) == Arena(ALL, 99, 9.0, Cores((0,))).length(growing)
