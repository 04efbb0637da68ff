"""What hypothesis draws, through the targets of fuzzing: the same invariants, with messages that are nearly right."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.support.strategies import answers, cgi_heads, connections, requests

OPTION = st.integers(0, 7).map(lambda number: b"%d" % number)


@settings(max_examples=150)
@given(OPTION, connections())
def test_requests_are_read_one_way(option: bytes, octets: bytes) -> None:
    """
    h11 reads the same requests off a connection, bodies included, however it is cut.

    Robustness 1. Robustness 2. Robustness 3. Robustness 4.
    """
    TARGETS["connection"].run(option + octets)


@pytest.mark.parametrize("name", ["request_head", "to_http", "to_uwsgi"])
@settings(max_examples=80)
@given(option=OPTION, octets=requests())
def test_what_goes_on_is_one_sound_request(name: str, option: bytes, octets: bytes) -> None:
    """
    One head for h11 too, identity and Host ours, no variable twice, nothing that was about the connection.

    Robustness 8. Robustness 9. Robustness 10. Robustness 11. Robustness D.
    """
    TARGETS[name].run(option + octets)


@pytest.mark.parametrize("name", ["response_head", "uwsgi_head", "from_server"])
@settings(max_examples=80)
@given(option=OPTION, octets=st.one_of(answers(), cgi_heads()))
def test_answers_are_read_one_way(name: str, option: bytes, octets: bytes) -> None:
    """h11 agrees on what is accepted, and the client gets no broken line. Robustness B. Robustness 11."""
    TARGETS[name].run(option + octets)
