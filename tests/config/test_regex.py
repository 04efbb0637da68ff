"""PCRE as configurations write it, compiled by Python."""

from __future__ import annotations

import warnings
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.regex import compile_regex, group_names, to_python
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
        (r"^a(?i)b|c$", b"C", ()),
        (r"^((?i)a)b$", b"Ab", (b"A",)),
        (r"^(a(?i)b|c)D$", b"CD", (b"C",)),
        (r"^(?i:a)b$", b"Ab", ()),
        (r"^(?-i)a$", b"a", ()),
        ("(?x) ^ a  # ( comment\n b $", b"ab", ()),
        (r"^a(?#(comment)b$", b"ab", ()),
        (r"^[\w-.]+$", b"a-.", ()),
        (r"^[a-\d]+$", b"a-1", ()),
        (r"^[\d-z]+$", b"1-z", ()),
        (r"^[[:^digit:]_]+$", b"a_-", ()),
        (r"^[\H\e]+$", b"ab\x1b", ()),
        (r"^[\101-\x43\x{44}]+$", b"ABCD", ()),
        (r"^[a\]b]+$", b"]", ()),
        (r"^\Qa.b\E.$", b"a.bx", ()),
        (r"^\Qa.b", b"a.b", ()),
        (r"^\x4\x{9}\o{101}\cA$", b"\x04\tA\x01", ()),
        (r"^a\Rb\vc\Nd$", b"a\r\nb\nc.d", ()),
        (r"^a\V\H\C$", b"abc\n", ()),
        (r"\Aa{,2}$", b"a{,2}", ()),
        (r"^a{1$", b"a{1", ()),
        (r"^a{2}{$", b"aa{", ()),
        (r"(?<=a|bc)d", b"bcd", ()),
        (r"^(a|b)(?<!b|xa)$", b"a", (b"a",)),
        (r"^(?<n>a)\k{n}\g{1}\g1\g{-1}\k<n>(?P=n)$", b"aaaaaaa", (b"a",)),
        (r"^(a)?(?(1)b|c)$", b"c", (None,)),
        (r"^(?<n>a)?(?(<n>)b|c)$", b"ab", (b"a",)),
        (r"(*UTF8)^.[^a]$", "éü".encode(), ()),
        (r"(*UTF8)^(é+)\x{e9}$", "ééé".encode(), ("éé".encode(),)),
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


@pytest.mark.parametrize("pattern", [r"[a\-z]", r"[+\-.]", r"[a\x2dz]", r"[.\-_]", r"[\-a]"])
def test_a_hyphen_that_is_escaped_makes_no_range(pattern: str) -> None:
    """What lies between its neighbours is not in the set."""
    regex = compile_regex(argument(pattern))
    assert regex.search(b"-")
    assert not regex.search(b"m,/A")


def test_case_is_minded_unless_told_otherwise() -> None:
    """The location modifiers ~ and ~* differ by this."""
    assert compile_regex(argument("A")).search(b"a") is None
    assert compile_regex(argument("A"), nocase=True).search(b"a")


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", "missing )"),
        ("*a", "nothing to repeat"),
        ("[a", "missing terminating ]"),
        ("[]", "missing terminating ]"),
        ("[[:letter:]]", "unknown POSIX class name"),
        ("(?<=a+)b", "look-behind requires fixed-width pattern"),
        (r"\y", r"bad escape \y"),
        (r"a\K", r"lbproxy does not know \K"),
        (r"\p{L}", r"lbproxy does not know \p"),
        (r"[\p{L}]", r"lbproxy does not know \p in a set"),
        ("(?R)", "lbproxy does not know (?R"),
        ("(?<n>a)(?&n)", "lbproxy does not know (?&n"),
        ("(?|a|b)", "lbproxy does not know (?|"),
        ("(?U)a+", "lbproxy does not know (?U"),
        ("a(*SKIP)", "lbproxy does not know (*S"),
        (r"\x{100}", "character code point value"),
        ("(*UTF8)[é]", "lbproxy does not know sets of characters beyond ASCII"),
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


def test_hints_say_what_to_write_instead() -> None:
    """Where there is something else that means the same."""
    with pytest.raises(InvalidValue) as caught:
        compile_regex(argument(r"a\Kb"))
    assert "(?<=...)" in caught.value.hint


def test_names_of_groups() -> None:
    """In each spelling, also of a pattern that is none."""
    assert group_names(r"(?<a>x)(?P<b>(?'c'(?<=y)(") == ("a", "b", "c")


@given(st.text(alphabet=r"ab(?i):|)[]^-\\dQE{1,}*+.<>=!#x\n", max_size=12))
def test_whatever_it_is_python_reads_it_or_it_is_refused(pattern: str) -> None:
    """No pattern ends in anything but an expression or a complaint with its place."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(InvalidValue):
            compile_regex(argument(pattern))
