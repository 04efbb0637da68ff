"""`map`."""

from __future__ import annotations

import re

import pytest

from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.maps import Map, parse_map
from lbproxy.http.variables import Computed, VariableTable
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({}, captured=["name"])


def made(*lines: tuple[str, ...], args: tuple[str, ...] = ("$arg_k", "$x")) -> Map:
    return parse_map(directive("map", *args, block=[directive(*line) for line in lines]))


def value_of(block: Map, key: str) -> bytes | None:
    return block.compile(TABLE)(exchange(b"/p?k=" + key.encode()))


PLAIN = made(
    ("a", "1"), ("B", "2"), ("", "none"), (r"\default", "3"), ("*.c", "4"), ("d", "<$uri>"),
    ("~^x(?<name>.)", "$name$1"),
    ("~*^y", "y"), ("~.z", "z"), ("default", "0"),
)  # fmt: skip


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("a", b"1"), ("A", b"1"), ("b", b"2"), ("", b"none"), ("default", b"3"), ("*.c", b"4"), ("x.c", b".."),
        ("d", b"</p>"),
        ("xq", b"qq"), ("Yes", b"y"), ("az", b"z"), ("q", b"0"),
    ],
)  # fmt: skip
def test_keys_then_expressions_then_the_default(key: str, value: bytes) -> None:
    """Keys in any letter case; values may have variables and captures."""
    assert value_of(PLAIN, key) == value


@pytest.mark.parametrize(
    ("key", "value"), [("a.b", b"exact"), ("x.a.b", b"sub"), ("x.a.b.", b"sub"), ("c", b"dot"), ("d", None)]
)
def test_hostnames_have_wildcards(key: str, value: bytes | None) -> None:
    """A dot at the end does not count; without a default there is nothing."""
    block = made(("hostnames",), ("a.b", "exact"), ("*.a.b", "sub"), (".c", "dot"))
    assert value_of(block, key) == value


def test_expressions_see_no_empty_value() -> None:
    """As in nginx, where only a key can match it."""
    assert value_of(made(("~^$", "never")), "") is None


def test_captures_stay() -> None:
    """What a map matched last is $1 from then on."""
    ex = exchange(b"/?k=xq")
    PLAIN.compile(TABLE)(ex)
    assert ex.captures == (b"q",)
    assert ex.values == {"name": b"q"}
    assert list(PLAIN.captured) == ["name"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([("a",)], "invalid number of the map parameters"),
        ([("a", "b", "c")], "invalid number of the map parameters"),
        ([("a", "b"), ("A", "c")], 'conflicting parameter "a"'),
        ([("default", "b"), ("default", "c")], "duplicate default map parameter"),
        ([("a*b", "c"), ("hostnames",)], 'invalid hostname or wildcard "a*b"'),
        ([("*.a", "c"), (".a", "d"), ("hostnames",)], 'conflicting parameter ".a"'),
        ([("~(", "c")], 'regex "(" is invalid'),
        ([("a", "$")], "invalid variable name"),
    ],
)
def test_what_is_refused(lines: list[tuple[str, ...]], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(ConfigErrors, match=re.escape(message)):
        made(*lines)


def test_every_mistake_is_told() -> None:
    """Those of a block together."""
    with pytest.raises(ConfigErrors) as caught:
        made(("a",), ("~(", "b"), args=("$uri", "x"))
    assert len(caught.value.errors) == 3


def test_unknown_variables() -> None:
    """They are known only once all blocks have been read."""
    with pytest.raises(InvalidValue, match='unknown "nothing" variable'):
        made(("a", "$nothing")).compile(TABLE)


def test_a_variable_is_computed_once() -> None:
    """When it is first asked for; a volatile one whenever it is."""
    for volatile, expected in ((False, [b"/a", b"/a"]), (True, [b"/a", b"/b"])):
        variable = Computed("x", volatile=volatile)
        variable.compute = made(("default", "$uri")).compile(TABLE)
        ex = exchange(b"/a")
        values = [variable(ex)]
        ex.path = b"/b"
        assert [*values, variable(ex)] == expected


def test_what_set_says_stays() -> None:
    """Also of a volatile variable."""
    variable = Computed("x", volatile=True)
    ex = exchange()
    ex.values = {"x": b"set"}
    assert variable(ex) == b"set"


def test_a_variable_that_needs_itself_finds_nothing() -> None:
    """A circle ends."""
    variable = Computed("x")
    table = VariableTable({}, computed={"x": variable})
    variable.compute = made(("default", "<$x>")).compile(table)
    assert variable(exchange()) == b"<>"
