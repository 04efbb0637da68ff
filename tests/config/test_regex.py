"""PCRE as configurations write it, compiled by Python."""

from __future__ import annotations

import warnings

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.regex import compile_regex, to_python
from lbproxy.errors import InvalidValue
from tests.support.configs import argument


@pytest.mark.parametrize(
    ("pattern", "subject", "groups"),
    [
        (r"\.php$", b"/a.php", ()),
        (r"^/(?<id>\d+)/(?P<x>.*)$", b"/12/abc", (b"12", b"abc")),
        (r"^(?'id'\w+)", b"abc", (b"abc",)),
        (r"(?<=/)a(?<!b)", b"/a", ()),
        (r"^[[:alpha:]_]+[[:digit:]]\z", b"a_1", ()),
        (r"^[^[:space:]]+$", b"ab", ()),
        (r"\x{41}[\x{42}]", b"AB", ()),
        (r"a\hb", b"a\tb", ()),
        (r"^[a[b]+$", b"[", ()),
        (r"^[]a]$", b"]", ()),
        (r"^[^]a]$", b"b", ()),
        (r"^[+--]$", b",", ()),
        (r"^[&&||~~]$", b"|", ()),
        (r"^\[(?<a>x)\]$", b"[x]", (b"x",)),
        (r"^\(?<a>", b"(<a>", ()),
        (r"a\Z", b"a\n", ()),
        (r"^/\/é$", "//é".encode(), ()),
        (r"^(?>a+)b++$", b"aab", ()),
        (r"a(?#[)b", b"ab", ()),
    ],
)
def test_patterns_match_as_in_nginx(pattern: str, subject: bytes, groups: tuple[bytes, ...]) -> None:
    """Named groups in each spelling, classes, sets, ends."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        match = compile_regex(argument(pattern)).search(subject)
    assert match is not None
    assert match.groups() == groups


def test_case_is_minded_unless_told_otherwise() -> None:
    """The location modifiers ~ and ~* differ by this."""
    assert compile_regex(argument("A")).search(b"a") is None
    assert compile_regex(argument("A"), nocase=True).search(b"a")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing )"), ("*a", "nothing to repeat"), (r"a\K", r"lbproxy does not know \K"),
        ("( [[a( [", "missing terminating ]"), ("[[:alpha:]", "missing terminating ]"),
    ],
)
def test_what_python_cannot_read_is_refused(pattern: str, reason: str) -> None:
    """With the pattern as written, and the reason."""
    with pytest.raises(InvalidValue) as caught:
        compile_regex(argument("~" + pattern), pattern)
    assert caught.value.message.startswith(f'regex "{pattern}" is invalid: {reason}')


@given(st.text(alphabet="ab01", max_size=9))
def test_plain_patterns_stay_as_they_are(pattern: str) -> None:
    """Only what differs is translated."""
    assert to_python(pattern) == pattern
