"""Arguments to values, and nginx's words for those that do not fit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.parser import Argument
from lbproxy.config.values import (
    Misfit,
    choice,
    decimal,
    duration,
    flag,
    number,
    number_between,
    seconds,
    size,
    split_parameter,
    text,
)
from tests.support.configs import argument


def refusal(parse: Callable[[Argument], object], word: str) -> str:
    """Return the message that *parse* has for *word* in a directive called x, with the hint in brackets."""
    with pytest.raises(Misfit) as caught:
        parse(argument(word))
    named = caught.value.named("x")
    return f"{named.message} ({named.hint})" if named.hint else named.message


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("0", 0.0), ("90", 90.0), ("90s", 90.0), ("1m30s", 90.0), ("1m30", 90.0), ("500ms", 0.5),
        ("1s500ms", 1.5),
        ("1h 30m", 5400.0), ("1d", 86400.0), ("2w", 1209600.0), ("1M", 2592000.0), ("1y", 31536000.0),
        ("1y1M1w1d1h1m1s1ms", 31536000 + 2592000 + 604800 + 86400 + 3600 + 60 + 1 + 0.001),
    ],
)  # fmt: skip
def test_times_are_seconds(word: str, expected: float) -> None:
    """Units fall; a number alone is seconds."""
    assert duration(argument(word)) == expected


@pytest.mark.parametrize("word", ["", "s", "5sec", "-1", "1.5s", "1s1m", "1m1m", "1ms1s", " 1s", "٣s", "1S"])
def test_what_is_no_time_is_refused_with_an_example(word: str) -> None:
    """Order, signs, fractions and foreign digits included."""
    assert refusal(duration, word) == (
        '"x" directive invalid value (a time is written like 30s, 500ms, 1h30m; a number alone is seconds)'
    )


@pytest.mark.parametrize("parse", [number, size, duration])
def test_thousands_of_digits_are_refused(parse: Callable[[Argument], object]) -> None:
    """Python's int() raises for more than 4300 of them."""
    assert refusal(parse, "9" * 5000).startswith('"x" directive invalid')


@pytest.mark.parametrize(
    ("word", "expected"),
    [("0", 0), ("007", 7), ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("", None), ("+1", None),
     ("1_0", None), (" 1", None), ("٣", None), ("²", None), ("9" * 5000, None)],
)
def test_decimal(word: str, expected: int | None) -> None:
    """ASCII digits within 63 bits are a number, and nothing else that int() takes."""
    assert decimal(word) == expected


def test_endless_times_are_refused() -> None:
    """As nginx: what does not fit 63 bits of milliseconds."""
    assert refusal(duration, "9223372036854775807") == '"x" directive invalid value (the time is too long)'


def test_whole_seconds_refuse_milliseconds() -> None:
    """fail_timeout counts whole seconds."""
    assert seconds(argument("1m")) == 60
    assert "whole seconds" in refusal(seconds, "500ms")


@given(st.integers(0, 10**6), st.integers(0, 59), st.integers(0, 59))
def test_combined_times_add_up(hours: int, minutes: int, secs: int) -> None:
    """Each unit counts once."""
    assert duration(argument(f"{hours}h{minutes}m{secs}s")) == hours * 3600 + minutes * 60 + secs


@pytest.mark.parametrize(
    ("word", "expected"),
    [("0", 0), ("512", 512), ("8k", 8192), ("8K", 8192), ("1m", 1 << 20), ("2g", 2 << 30)],
)
def test_sizes_are_octets(word: str, expected: int) -> None:
    """With k, m or g, in either case."""
    assert size(argument(word)) == expected


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("10MB", "did you mean 10m?"),
        ("10 GiB", "did you mean 10g?"),
        ("-1", "a size is written like 512, 8k, 10m or 1g"),
        ("1.5m", "a size is written like 512, 8k, 10m or 1g"),
        ("99999999999999999999", "a size is written like 512, 8k, 10m or 1g"),
    ],
)
def test_what_is_no_size_is_refused_with_the_mend(word: str, hint: str) -> None:
    """The common slips are named."""
    assert refusal(size, word) == f'"x" directive invalid value ({hint})'


def test_flags_are_on_or_off() -> None:
    """In any case of letters, as nginx."""
    assert flag(argument("on"))
    assert not flag(argument("Off"))
    assert refusal(flag, "yes") == 'invalid value "yes" in "x" directive, it must be "on" or "off"'


def test_numbers_are_plain_digits() -> None:
    """No sign, no underscore, no foreign digits; at most 63 bits."""
    assert number(argument("007")) == 7
    for word in ("-1", "+1", "1_0", "٣", "", "1.0", str(1 << 63)):
        assert refusal(number, word) == '"x" directive invalid number'


def test_numbers_between_name_the_bound() -> None:
    """In nginx's words."""
    parse = number_between(1, 9)
    assert (parse(argument("1")), parse(argument("9"))) == (1, 9)
    assert refusal(parse, "0") == "value must be between 1 and 9"
    assert refusal(parse, "10") == "value must be between 1 and 9"
    assert refusal(number_between(2), "1") == "value must be equal to or greater than 2"


def test_choices_name_what_there_is() -> None:
    """Exactly these words."""
    parse = choice("off", "on", "always")
    assert parse(argument("always")) == "always"
    assert refusal(parse, "On") == 'invalid value "On" (it must be one of off, on, always)'


def test_text_is_taken_as_it_is() -> None:
    """Braces in it mean nothing, in messages neither."""
    assert text(argument("{x}")) == "{x}"
    assert refusal(choice("a"), "{x}{directive}").startswith('invalid value "{x}{directive}"')


def test_parameters_are_split_with_the_place_of_the_value() -> None:
    """So that a caret can point at the value."""
    found = split_parameter(argument("buffer=8k=9"))
    assert found is not None
    name, value = found
    assert (name, value.text, value.position.column) == ("buffer", "8k=9", 8)
    assert split_parameter(argument("off")) is None
