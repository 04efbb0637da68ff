"""The watchdog: a sign of life of the whole is one of each worker."""

from __future__ import annotations

from lbproxy.process.watchdog import Watchdog


def test_sign_of_life_is_the_last_answer_of_a_round() -> None:
    watchdog = Watchdog(30, 100)
    assert watchdog.deadline == 110
    watchdog.ask([1, 2], 110)
    assert watchdog.deadline == 120
    assert [watchdog.answered(1), watchdog.answered(1), watchdog.answered(2), watchdog.answered(2)] == [
        False, False, True, False
    ]  # fmt: skip


def test_worker_that_hangs_keeps_it_back() -> None:
    watchdog = Watchdog(30, 0)
    for now in (10, 20, 30):
        watchdog.ask([1, 2], now)
        assert not watchdog.answered(1)


def test_late_answer_counts_for_the_next_round() -> None:
    watchdog = Watchdog(30, 0)
    watchdog.ask([1], 10)
    watchdog.ask([1], 20)
    assert watchdog.answered(1)


def test_nobody_asked_is_no_sign_of_life() -> None:
    watchdog = Watchdog(30, 0)
    watchdog.ask([], 10)
    assert not watchdog.answered(1)
