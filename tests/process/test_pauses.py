"""How long a place stays empty."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import floats, lists

from lbproxy.process.pauses import FIRST_PAUSE, LONGEST_PAUSE, STEADY, Pauses


def test_first_end_soon_after_the_start_costs_no_pause() -> None:
    assert Pauses().after_end(0, 0.0, 10) == 0.0


def test_pauses_double_up_to_a_limit() -> None:
    pauses = Pauses()
    pauses.after_end(0, 0.0, 0)
    assert [pauses.after_end(0, 0.0, 0) for _ in range(9)] == [0.25, 0.5, 1, 2, 4, 8, 16, 30, 30]


def test_places_are_counted_apart() -> None:
    pauses = Pauses()
    pauses.after_end(0, 0.0, 0)
    assert pauses.after_end(1, 0.0, 0) == 0.0
    assert pauses.after_end(0, 0.0, 0) == FIRST_PAUSE


def test_while_of_service_makes_up_for_all() -> None:
    pauses = Pauses()
    for _ in range(5):
        pauses.after_end(0, 0.0, 0)
    assert pauses.after_end(0, STEADY, 0) == 0.0
    assert pauses.after_end(0, 0.0, 0) == 0.0
    assert pauses.after_end(0, 0.0, 0) == FIRST_PAUSE


def test_place_is_due_once() -> None:
    pauses = Pauses()
    for slot in (3, 4):
        pauses.after_end(slot, 0.0, 10 + slot)
        pauses.after_end(slot, 0.0, 10 + slot)
    assert pauses.deadline() == 13 + FIRST_PAUSE
    assert pauses.due(13) == []
    assert pauses.due(13 + FIRST_PAUSE) == [3]
    assert pauses.due(99) == [4]
    assert (pauses.due(99), pauses.deadline()) == ([], None)


def test_calling_off_does_not_forgive() -> None:
    pauses = Pauses()
    pauses.after_end(0, 0.0, 0)
    pauses.after_end(0, 0.0, 0)
    pauses.call_off()
    assert pauses.deadline() is None
    assert pauses.after_end(0, 0.0, 0) == 2 * FIRST_PAUSE


@given(lists(floats(0, 0.99), min_size=2, max_size=2000))
def test_there_is_no_busy_loop(served: list[float]) -> None:
    """However a worker dies soon after its start, two are started in each pause at most."""
    pauses = Pauses()
    waits = [pauses.after_end(0, each, 0) for each in served]
    assert all(FIRST_PAUSE <= wait <= LONGEST_PAUSE for wait in waits[1:])
    assert waits == sorted(waits)
