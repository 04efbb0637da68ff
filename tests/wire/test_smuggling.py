"""The corpus of requests that servers read differently: lbproxy reads each one way, however it arrives."""

from __future__ import annotations

import pytest

from tests.corpus.smuggling import CASES, REPORTS, Case, source
from tests.support.wire import Outcome, read_requests


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_has_one_reading(case: Case) -> None:
    """
    The messages served and the refusal are as the corpus says.

    Robustness 1. Robustness 2. Robustness 3. Robustness 4. Robustness 9.
    """
    assert read_requests([case.octets]) == Outcome(case.messages, case.status)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_reading_does_not_depend_on_how_octets_arrive(case: Case) -> None:
    """Robustness 3. Octet by octet the outcome is the same."""
    octets = [case.octets[i : i + 1] for i in range(len(case.octets))]
    assert read_requests(octets) == Outcome(case.messages, case.status)


def test_names_are_unique() -> None:
    """A case can be told by its name."""
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_case_has_a_source() -> None:
    """Reports are of cases that there are, and the others are about a section of the standard."""
    assert set(REPORTS) <= {case.name for case in CASES}
    assert all(map(source, CASES))
