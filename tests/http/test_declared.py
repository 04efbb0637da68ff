"""Variables that blocks of a configuration make."""

from __future__ import annotations

from lbproxy.http.declared import DeclaredVariables
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import exchange
from tests.support.loading import load_text


def declared(text: str) -> tuple[DeclaredVariables, VariableTable]:
    variables = DeclaredVariables(load_text(text).config)
    return variables, VariableTable({}, captured=variables.captured, computed=variables.getters)


def test_they_may_need_each_other_whichever_stands_first() -> None:
    """The table knows all of them before any is compiled."""
    text = "map $share $what { x y; } split_clients $near $share { * x; } geo $near { default 1; }"
    variables, table = declared(text)
    assert variables.compile(table, []) == []
    assert table.lookup("what")(exchange()) == b"y"
    assert table.lookup("invalid_referer")(exchange()) == b""


def test_of_two_with_the_same_name_the_later_one_counts() -> None:
    """As in nginx."""
    variables, table = declared("map $uri $a { default first; } map $uri $a { ~(?<name>.) $name; }")
    assert variables.compile(table, []) == []
    assert list(variables.captured) == ["name"]
    assert table.lookup("a")(exchange()) == b"/"


def test_every_mistake_is_returned() -> None:
    """One per block; what other blocks know is not known here."""
    variables, _ = declared("map $uri $a { b $c; } map $uri $c { d $e; } map $uri $e { f g; }")
    mistakes = variables.compile(VariableTable({}), [])
    assert [mistake.message for mistake in mistakes] == ['unknown "c" variable', 'unknown "e" variable']
