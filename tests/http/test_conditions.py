"""The conditions of `if`."""

from __future__ import annotations

import re
import stat

import pytest

from lbproxy.errors import InvalidValue
from lbproxy.http.conditions import compile_condition
from lbproxy.http.exchange import Exchange
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({}, captured=["who"])
FILES = {
    b"/file": stat.S_IFREG | 0o644,
    b"/program": stat.S_IFREG | 0o755,
    b"/directory": stat.S_IFDIR | 0o755,
    b"/socket": stat.S_IFSOCK | 0o644,
}


def holds(condition: str, ex: Exchange | None = None) -> bool:
    words = condition.split(" ")
    test = compile_condition(directive("if", *words), TABLE, lambda path: FILES.get(path, 0))
    return test(ex or exchange(b"/p?a=1&zero=0&empty=&word=Two"), False)


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("($arg_a)", True), ("($arg_zero)", False), ("($arg_empty)", False), ("($arg_none)", False),
        ("( $arg_a )", True),
        ("($arg_a = 1)", True), ("($arg_a = 2)", False), ("($arg_a != 2)", True), ("($arg_a = $arg_zero)", False),
        ("( $arg_word = Two )", True), ("($arg_word ~ ^two)", False), ("($arg_word ~* ^two)", True),
        ("($arg_word !~ two)", True), ("($arg_word !~* two)", False), ("($arg_a = 1 )", True),
        ("(-f /file)", True), ("(-f /directory)", False), ("(-d /directory)", True), ("(-e /file)", True),
        ("(-e /socket)", False),
        ("(-e /none)", False), ("(-x /program)", True), ("(-x /file)", False), ("(!-f /file)", False),
        ("(!-f /none)", True),
        ("(!-d /file)", True), ("(!-e /none)", True), ("(!-x /file)", True), ("(-f $uri)", False),
    ],
)  # fmt: skip
def test_conditions(condition: str, expected: bool) -> None:
    """The empty value and "0" are false; files are what they are behind symbolic links."""
    assert holds(condition) is expected


def test_a_match_leaves_its_captures() -> None:
    """A negated one too; one that fails leaves none."""
    ex = exchange(b"/p?a=xyz")
    assert holds("($arg_a ~ ^(?<who>x)(.))", ex)
    assert (ex.captures, ex.values) == ((b"x", b"y"), {"who": b"x"})
    assert not holds("($arg_a !~ (z))", ex)
    assert ex.captures == (b"z",)
    assert not holds("($arg_a ~ (q))", ex)
    assert len(ex.captures) == 0


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("$uri", 'invalid condition "$uri"'),
        ("($uri", 'invalid condition "$uri"'),
        ("()", 'invalid condition ")"'),
        ("(uri)", 'invalid condition "uri"'),
        ("(!$uri)", 'invalid condition "!$uri"'),
        ("($uri = a b)", 'invalid condition "$uri"'),
        ("($uri = )", 'invalid condition "$uri"'),
        ("($uri == a)", 'unexpected "==" in condition'),
        ("(-z /x)", 'invalid condition "-z"'),
        ("(-f)", 'invalid condition "-f"'),
        ("(f /x)", 'invalid condition "f"'),
        ("($nothing)", 'unknown "nothing" variable'),
        ("($uri ~ ()", 'regex "(" is invalid'),
    ],
)
def test_what_is_refused(condition: str, message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue, match=re.escape(message)):
        holds(condition)
