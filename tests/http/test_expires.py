"""How long an answer is fresh, in every form that ``expires`` knows."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors
from lbproxy.http.expires import ExpiresSettings, Lifetime, Since, compile_expires, parse_period
from lbproxy.http.filters import FieldFilter
from lbproxy.http.variables import VariableTable
from lbproxy.wire.dates import http_date, parse_date
from lbproxy.wire.fields import parse_block
from tests.support.exchanges import argument, exchange
from tests.support.loading import load_text

NOW = 1795333560
MODIFIED = b"Last-Modified: " + http_date(NOW - 1000) + b"\r\n"


def filter_of(text: str) -> FieldFilter | None:
    """Return what ``expires text`` compiles to."""
    plan = load_text(f"server {{ listen 80; expires {text}; }}")
    settings = plan.config.servers[0].root.settings(ExpiresSettings)
    return compile_expires(settings, VariableTable({}, ()))


def said(text: str, block: bytes = b"", status: int = 200, target: bytes = b"/") -> tuple[int | None, str]:
    """Return the age of the Expires field in seconds, and Cache-Control; (None, "") when nothing is said."""
    apply = filter_of(text)
    assert apply is not None
    ex = exchange(target)
    ex.status, ex.logged_at = status, NOW + 0.5
    fields = dict(parse_block(apply(ex, block)))
    date = parse_date(fields.get(b"expires", b""))
    return None if date is None else date - NOW, fields.get(b"cache-control", b"").decode()


@pytest.mark.parametrize(
    ("text", "age", "control"),
    [
        ("1h", 3600, "max-age=3600"),
        ("+1m30s", 90, "max-age=90"),
        ("-1", -1, "no-cache"),
        ("0", 0, "max-age=0"),
        ("modified 2000", 1000, "max-age=1000"),
        ("modified 500", -500, "no-cache"),
        ("modified +1d", 85400, "max-age=85400"),
        ("modified -1h", -4600, "no-cache"),
        ("epoch", 1 - NOW, "no-cache"),
        ("max", 2145916555 - NOW, "max-age=315360000"),
    ],
)
def test_forms(text: str, age: int, control: str) -> None:
    assert said(text, MODIFIED) == (age, control)


def test_modified_counts_from_now_where_nothing_says_when() -> None:
    assert said("modified 1h") == (3600, "max-age=3600")


@given(st.integers(0, 86399))
def test_daily_is_at_that_time_of_day(time_of_day: int) -> None:
    """Today if it is still to come, else tomorrow (or so, where clocks change)."""
    age, control = said(f"@{time_of_day}s")
    assert age is not None
    at = datetime.fromtimestamp(NOW + age)
    assert at.hour * 3600 + at.minute * 60 + at.second == time_of_day
    assert 0 < age <= 90000
    assert control == f"max-age={age}"


def test_what_a_server_said_gives_way() -> None:
    block = b"Expires: 0\r\nCache-Control: private\r\nX: 1\r\ncache-control: no-store\r\n"
    apply = filter_of("max")
    assert apply is not None
    ex = exchange()
    ex.status = 200
    assert [name for name, _ in parse_block(apply(ex, block))] == [b"x", b"expires", b"cache-control"]


@pytest.mark.parametrize("status", [400, 404, 500])
def test_errors_are_left_alone(status: int) -> None:
    assert said("1h", status=status) == (None, "")


def test_off_costs_nothing() -> None:
    assert filter_of("off") is None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"1h", (3600, "max-age=3600")),
        (b"off", (None, "")),
        (b"", (None, "")),
        (b"x", (None, "")),
        (b"-5", (-5, "no-cache")),
    ],
)
def test_variables_decide(value: bytes, expected: tuple[int | None, str]) -> None:
    """What is no time says nothing, as in nginx."""
    assert said("$arg_e", target=b"/?e=" + value) == expected


@pytest.mark.parametrize("text", ["x", "@25h", "modified @1h", "modified off", "sometimes 1h", "1ms"])
def test_mistakes(text: str) -> None:
    with pytest.raises(ConfigErrors, match=r"expires|invalid value"):
        load_text(f"server {{ expires {text}; }}")


def test_periods() -> None:
    assert parse_period(argument("1d")) == Lifetime(Since.ACCESS, 86400)
    assert parse_period(argument("1d"), modified=True) == Lifetime(Since.MODIFIED, 86400)
    assert parse_period(argument("@1h")) == Lifetime(Since.MIDNIGHT, 3600)
    assert parse_period(argument("off")) == b""
