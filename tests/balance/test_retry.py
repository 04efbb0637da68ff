"""When a request moves on to the next server, and what that says of the one before."""

from __future__ import annotations

import pytest

from lbproxy.balance.peer import Outcome
from lbproxy.balance.retry import RetryPolicy


def allows(
    policy: RetryPolicy,
    condition: str = "error",
    method: bytes = b"GET",
    *,
    sent: bool = True,
    attempts: int = 1,
    elapsed: float = 0.0,
    group_tries: int = 3,
    body_replayable: bool = True,
) -> bool:
    return policy.allows(
        condition, method, sent=sent, attempts=attempts, elapsed=elapsed, group_tries=group_tries,
        body_replayable=body_replayable,
    )


@pytest.mark.parametrize("condition", ["error", "timeout", "invalid_header", "http_502", "http_404", "http_429"])
def test_errors_and_timeouts_move_on_by_default(condition: str) -> None:
    assert allows(RetryPolicy(), condition) == (condition in {"error", "timeout"})


@pytest.mark.parametrize("condition", ["http_404", "invalid_header"])
def test_listed_conditions_move_on(condition: str) -> None:
    policy = RetryPolicy(conditions=frozenset({condition}))
    assert allows(policy, condition)
    assert not allows(policy, "error")


def test_off_overrides_what_else_is_listed() -> None:
    assert not allows(RetryPolicy(conditions=frozenset({"error", "off"})))


@pytest.mark.parametrize("method", [b"POST", b"LOCK", b"PATCH"])
def test_request_that_changes_something_is_not_sent_twice(method: bytes) -> None:
    """Unless nothing was sent, or it is allowed by name."""
    assert not allows(RetryPolicy(), method=method)
    assert allows(RetryPolicy(), method=method, sent=False)
    assert allows(RetryPolicy(conditions=frozenset({"error", "non_idempotent"})), method=method)


@pytest.mark.parametrize("method", [b"GET", b"HEAD", b"PUT", b"DELETE", b"OPTIONS"])
def test_idempotent_request_may_be_sent_twice(method: bytes) -> None:
    assert allows(RetryPolicy(), method=method)
    assert RetryPolicy().repeatable(method)


def test_body_that_is_gone_cannot_be_sent_again() -> None:
    assert not allows(RetryPolicy(), body_replayable=False)
    assert allows(RetryPolicy(), body_replayable=False, sent=False)


@pytest.mark.parametrize(
    ("tries", "group_tries", "expected"), [(0, 3, 3), (2, 3, 2), (5, 3, 3), (1, 3, 1), (0, 1, 1)]
)
def test_number_of_attempts_is_bounded_by_servers_and_tries(tries: int, group_tries: int, expected: int) -> None:
    policy = RetryPolicy(tries=tries)
    assert [allows(policy, attempts=made, group_tries=group_tries) for made in (expected - 1, expected)] == [
        True, False
    ]


def test_no_further_attempt_once_the_time_is_over() -> None:
    policy = RetryPolicy(timeout=5.0)
    assert allows(policy, elapsed=4.9)
    assert not allows(policy, elapsed=5.0)
    assert allows(RetryPolicy(), elapsed=1e6)


@pytest.mark.parametrize(
    ("condition", "again", "outcome"),
    [
        ("error", True, Outcome.FAILED),
        ("error", False, Outcome.FAILED),
        ("timeout", False, Outcome.FAILED),
        ("invalid_header", False, Outcome.FAILED),
        ("http_500", True, Outcome.FAILED),
        ("http_500", False, Outcome.OK),
        ("http_429", True, Outcome.FAILED),
        ("http_404", True, Outcome.NEXT),
        ("http_403", True, Outcome.NEXT),
        ("http_404", False, Outcome.OK),
    ],
)
def test_what_counts_against_a_server(condition: str, again: bool, outcome: Outcome) -> None:
    """No answer always does; an error status only if another server was asked; 403 and 404 never."""
    assert RetryPolicy.outcome(condition, again=again) is outcome
