"""Fields as directive rows, and settings merged level by level."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.settings import (
    EVERY_LEVEL,
    Context,
    defaults,
    inherited,
    merge,
    rows,
    setting,
    setting_args,
    setting_list,
)
from lbproxy.config.values import duration, number, text
from tests.support.configs import PassSettings, directive

NO_TABLE: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A base whose directives take their first half from the class below."""

    prefix: ClassVar[str] = ""
    read_timeout: float = setting("*_read_timeout", duration, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind(Family):
    """One of the family, with every kind of row."""

    prefix: ClassVar[str] = "kind"
    target: str | None = setting("kind_pass", text, None, contexts=Context.LOCATION, inherit=False)
    count: int = setting("count", number, 1)
    pair: tuple[str, ...] | None = setting_args("pair", lambda d: d.texts, None, arity=(2, 2))
    lines: tuple[str, ...] = setting_list("line", lambda d: d.texts[0])
    table: Mapping[str, int] = setting_args("table", lambda d: dict.fromkeys(d.texts, 0), NO_TABLE)
    plain: list[int] = field(default_factory=list)


def test_rows_are_named_after_the_class() -> None:
    """A "*" is completed by the prefix; fields without a directive are no rows."""
    assert set(rows(Kind)) == {"kind_read_timeout", "kind_pass", "count", "pair", "line", "table"}
    assert rows(Kind)["kind_read_timeout"].field == "read_timeout"
    assert rows(Kind)["kind_read_timeout"].contexts == EVERY_LEVEL


def test_rows_say_how_often_and_with_how_much() -> None:
    """Arity and repetition follow from the way of declaring."""
    table = rows(Kind)
    assert (table["count"].arity, table["count"].repeatable) == ((1, 1), False)
    assert (table["pair"].arity, table["pair"].repeatable) == ((2, 2), False)
    assert (table["line"].arity, table["line"].repeatable) == ((1, None), True)


def test_rows_parse_directives() -> None:
    """A setting's parser gets the argument, the others the directive."""
    assert rows(Kind)["count"].parse(directive("count", "7")) == 7
    assert rows(Kind)["pair"].parse(directive("pair", "a", "b")) == ("a", "b")


def test_twins_fill_one_field() -> None:
    """Each with contexts of its own; the parser is told which of them it is."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Twins:
        where: str = setting_args("root", lambda d: d.name, "", twins=(("alias", Context.LOCATION),))

    table = rows(Twins)
    assert {name: (row.field, row.contexts) for name, row in table.items()} == {
        "root": ("where", EVERY_LEVEL), "alias": ("where", Context.LOCATION)}
    assert table["alias"].parse(directive("alias", "/x")) == "alias"


def test_defaults_are_the_fields_defaults() -> None:
    """Also those that a dataclass takes for mutable."""
    assert defaults([Kind])[Kind] == Kind()
    assert Kind().table is NO_TABLE


def test_a_level_that_says_nothing_is_the_level_above() -> None:
    """The very same objects: identity tells what can be shared."""
    base = defaults([Kind, PassSettings])
    assert merge(base, {}) is base
    assert merge(base, {Kind: {}}) is base
    assert inherited(base) is base


def test_own_values_stand_over_inherited_ones() -> None:
    """Field by field; classes that are not touched stay the same object."""
    base = defaults([Kind, PassSettings])
    http = merge(base, {Kind: {"count": 2, "lines": ("a", "b")}})
    server = merge(inherited(http), {Kind: {"lines": ("c",)}})
    assert (server[Kind].count, server[Kind].lines, server[Kind].read_timeout) == (2, ("c",), 60.0)
    assert server[PassSettings] is base[PassSettings]


def test_what_is_not_inherited_starts_anew() -> None:
    """A location inside one with proxy_pass has none of its own; the rest is inherited."""
    outer = merge(defaults([Kind]), {Kind: {"target": "b", "count": 2}})
    inner = inherited(outer)
    assert (inner[Kind].target, inner[Kind].count) == (None, 2)
    assert outer[Kind].target == "b"


says = st.dictionaries(st.sampled_from(["count", "read_timeout", "target"]), st.integers(0, 9))


@given(st.lists(says, max_size=5))
def test_merging_means_the_innermost_level_that_says_something(levels: list[dict[str, int]]) -> None:
    """Over any number of levels; what isn't inherited counts only on the last."""
    merged = defaults([Kind])
    for own in levels:
        merged = merge(inherited(merged), {Kind: own})
    for name in ("count", "read_timeout"):
        said = [own[name] for own in levels if name in own]
        assert getattr(merged[Kind], name) == (said[-1] if said else getattr(Kind(), name))
    assert merged[Kind].target == (levels[-1].get("target") if levels else None)
