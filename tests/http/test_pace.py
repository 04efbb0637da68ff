"""How fast octets may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import InvalidValue
from lbproxy.http.pace import Pace, PaceSettings, compile_rates, compile_size, parse_size, size_template
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import argument, exchange
from tests.support.loading import CONSTANTS, complaints

TABLE = VariableTable(CONSTANTS)


class TestPace:
    """One transfer."""

    def test_one_second_ahead(self) -> None:
        """So much as a second allows goes at once; then as much as the time that has passed allows."""
        pace = Pace(1000, 0, 10.0)
        assert pace.room(0, 10.0) == 1000
        pace.passed(0, 1000, 10.0)
        assert (pace.room(1000, 10.5), pace.pause(10.5)) == (0, 0.5)
        assert (pace.room(1000, 11.0), pace.pause(11.0)) == (1000, 0.0)

    def test_behind_each_portion_a_pause(self) -> None:
        """Of the time that it stands for, however much more the rate would allow."""
        pace = Pace(1000, 0, 0.0)
        assert pace.room(0, 5.0) == 6000
        pace.passed(0, 250, 5.0)
        assert pace.pause(5.0) == 0.25

    def test_what_is_free(self) -> None:
        """Goes without a pause, and is not counted later."""
        pace = Pace(1000, 5000, 0.0)
        assert pace.room(0, 0.0) == 6000
        pace.passed(0, 5000, 0.0)
        assert pace.room(5000, 0.0) == 1000
        pace.passed(5000, 5500, 0.0)
        assert pace.pause(0.0) == 0.5

    def test_more_than_was_allowed(self) -> None:
        """A head that came along is made up for."""
        pace = Pace(1000, 0, 0.0)
        assert pace.room(3000, 0.0) == 0
        assert pace.pause(0.0) == pytest.approx(2.0, abs=0.01)
        assert pace.room(3000, 2.01) > 0

    @given(rate=st.integers(1, 10**7), free=st.integers(0, 10**6), steps=st.lists(st.floats(0, 1), max_size=50))
    def test_never_faster_than_the_rate(self, rate: int, free: int, steps: list[float]) -> None:
        """But for one second, and what is free; and there is always a moment at which something may go."""
        pace, now, gone = Pace(rate, free, 100.0), 100.0, 0
        for share in steps:
            room = pace.room(gone, now)
            assert gone + room <= free + rate * (now - 100.0 + 1)
            assert (room > 0) == (pace.pause(now) == 0)
            taken = int(room * share)
            if taken:
                pace.passed(gone, gone + taken, now)
                gone += taken
            now += pace.pause(now)


class TestSizes:
    """Sizes that may have variables."""

    @pytest.mark.parametrize(("text", "octets"), [
        (b"10k", 10240), (b"0", 0), (b"5", 5), (b"1M", 1 << 20), (b"", None), (b"x", None), (b"-1", None),
        (b"\xff", None), (b"1.5k", None),
    ])
    def test_values(self, text: bytes, octets: int | None) -> None:
        """As in configurations."""
        assert parse_size(text) == octets

    @pytest.mark.parametrize(("target", "octets"), [(b"/?r=2k", 2048), (b"/?r=x", 0), (b"/", 0)])
    def test_variables(self, target: bytes, octets: int) -> None:
        """What is no size is no limit."""
        size_of = compile_size(Template.parse(argument("$arg_r")), TABLE)
        assert size_of(exchange(target)) == octets

    def test_a_constant_is_checked_at_load(self) -> None:
        """One with variables can't be."""
        size_template(argument("${arg_x}k"))
        with pytest.raises(InvalidValue):
            size_template(argument("10x"))

    def test_no_rates(self) -> None:
        """Nothing configured, nothing to compute."""
        assert compile_rates(PaceSettings(), TABLE) is None
        assert compile_size(None, TABLE)(exchange()) == 0


@pytest.mark.parametrize(("text", "complaint"), [
    ("limit_rate 10x;", '"limit_rate" directive invalid value'),
    ("limit_rate $nothing;", 'unknown "nothing" variable'),
    ("server { location / { proxy_limit_rate x; proxy_pass http://127.0.0.1; } }", '"proxy_limit_rate" directive'),
    ("server { if ($host) { limit_rate 1k; } }", '"limit_rate" directive is not allowed here'),
])
def test_mistakes(text: str, complaint: str) -> None:
    """In nginx's words."""
    (found,) = complaints(text)
    assert complaint in found
