"""
A dataclass field is a directive row: its name, parser, default, contexts and arity (nginx: ngx_command_t).

The module that obeys a directive declares it beside its use::

    @dataclass(frozen=True, slots=True, kw_only=True, eq=False)
    class ClientSettings:
        header_timeout: float = setting("client_header_timeout", duration, 60.0, contexts=HTTP_SERVER)

and reads ``location.settings(ClientSettings).header_timeout``.  A level (http, server, location) that says
nothing has the very object of the level above: settings objects are compared by identity (hence ``eq=False``), and
thousands of locations cost nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field, fields, replace
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from lbproxy.config.parser import Argument, Directive

T = TypeVar("T")
D = TypeVar("D")

Arity = tuple[int, int | None]
"""Fewest and most arguments; None: no upper limit."""


class Context(enum.Flag):
    """Where a directive may stand."""

    MAIN = enum.auto()
    EVENTS = enum.auto()
    HTTP = enum.auto()
    SERVER = enum.auto()
    LOCATION = enum.auto()
    UPSTREAM = enum.auto()
    IF = enum.auto()
    SERVER_IF = enum.auto()
    LIMIT_EXCEPT = enum.auto()


HTTP_SERVER = Context.HTTP | Context.SERVER
EVERY_LEVEL = Context.HTTP | Context.SERVER | Context.LOCATION


class Row(NamedTuple):
    """
    One directive of a settings class.

    Args:
        name: Its name, ``*`` already completed from the class's prefix.
        field: The field it fills.
        parse: Makes the value of one directive.
        repeatable: It may stand several times in a block; the value is a tuple.
        inherit: A block without it has the value of the block around it.
        into_if: An ``if`` block has that value in any case.
        block: It has a block (``types { ... }``) instead of ending with ";".
        twins: Names with contexts of further directives that fill the same field, such as ``alias`` beside ``root``:
            a block has one of them, and each hides what another one says further outside.
    """

    name: str
    parse: Callable[[Directive], Any]
    contexts: Context
    arity: Arity
    field: str = ""
    repeatable: bool = False
    inherit: bool = True
    into_if: bool = False
    block: bool = False
    twins: tuple[tuple[str, Context], ...] = ()


_ROW = "lbproxy.row"


def _declare(default: Any, row: Row) -> Any:
    """Return a dataclass field that carries *row*."""
    metadata = {_ROW: row}
    if type(default).__hash__ is None:  # a mapping proxy before 3.12: shared all the same, since frozen
        return field(default_factory=lambda: default, metadata=metadata)
    return field(default=default, metadata=metadata)


def setting(
    name: str,
    parse: Callable[[Argument], T],
    default: D,
    *,
    contexts: Context = EVERY_LEVEL,
    inherit: bool = True,
    into_if: bool = False,
) -> T | D:
    """
    Declare a directive with one argument, at most once in a block.

    Args:
        name: The directive's name; a ``*`` is replaced by the class attribute ``prefix`` of the final class.
        parse: Makes the value; raises `InvalidValue` (a `Misfit` of config.values learns the name later).
        default: The value where neither this block nor one around it says anything.
        contexts: Where it may stand.
        inherit: Whether a block without it has the value of the block around it.
        into_if: Whether at least an ``if`` block has.
    """

    def parse_only(directive: Directive) -> T:
        return parse(directive.args[0])

    row = Row(
        name=name, parse=parse_only, contexts=contexts, arity=(1, 1), inherit=inherit, into_if=into_if
    )  # fmt: skip
    result: T | D = _declare(default, row)
    return result


def setting_args(
    name: str,
    parse: Callable[[Directive], T],
    default: D,
    *,
    arity: Arity = (1, None),
    contexts: Context = EVERY_LEVEL,
    inherit: bool = True,
    twins: tuple[tuple[str, Context], ...] = (),
) -> T | D:
    """
    Declare a directive with several arguments, at most once in a block; *parse* gets the whole of it.

    Args:
        twins: See `Row`; *parse* gets these directives as well.
    """
    row = Row(name=name, parse=parse, contexts=contexts, arity=arity, inherit=inherit, twins=twins)
    result: T | D = _declare(default, row)
    return result


def setting_list(
    name: str,
    parse: Callable[[Directive], T],
    default: tuple[D, ...] = (),
    *,
    arity: Arity = (1, None),
    contexts: Context = EVERY_LEVEL,
    inherit: bool = True,
    block: bool = False,
    twins: tuple[tuple[str, Context], ...] = (),
) -> tuple[T | D, ...]:
    """
    Declare a directive that may stand several times in a block; the values are a tuple in the text's order.

    A block that has any replaces all inherited ones, as nginx's ``proxy_set_header``.

    Args:
        twins: See `Row`; here they are further items of the same list, such as ``deny`` beside ``allow``.
    """
    row = Row(
        name=name, parse=parse, contexts=contexts, arity=arity, repeatable=True, inherit=inherit, block=block,
        twins=twins,
    )  # fmt: skip
    result: tuple[T | D, ...] = _declare(default, row)
    return result


@cache
def rows(kind: type) -> Mapping[str, Row]:
    """Return the rows of settings class *kind* by directive name; other fields are left out."""
    found = {}
    for item in fields(kind):
        row = item.metadata.get(_ROW)
        if row is not None:
            name = row.name.replace("*", getattr(kind, "prefix", "*"))
            for twin, contexts in ((name, row.contexts), *row.twins):
                found[twin] = row._replace(name=twin, field=item.name, contexts=contexts)
    return MappingProxyType(found)


@cache
def _not_inherited(kind: type, into_if: bool) -> tuple[str, ...]:
    return tuple(row.field for row in rows(kind).values() if not (row.inherit or (into_if and row.into_if)))


@cache
def _default(kind: type) -> Any:
    return kind()


TypeMap = Mapping[type, Any]
Own = Mapping[type, Mapping[str, Any]]
"""What one block itself says: settings class -> field -> value."""


def defaults(kinds: Iterable[type]) -> TypeMap:
    """Return the settings of a configuration that says nothing."""
    return MappingProxyType({kind: _default(kind) for kind in kinds})


def inherited(outer: TypeMap, *, into_if: bool = False) -> TypeMap:
    """Return what a block within *outer*, perhaps an ``if``, starts from: ``inherit=False`` means the default."""
    changed = {}
    for kind, values in outer.items():
        reset = {
            name: getattr(_default(kind), name)
            for name in _not_inherited(kind, into_if)
            if getattr(values, name) is not getattr(_default(kind), name)
        }
        if reset:
            changed[kind] = replace(values, **reset)
    return MappingProxyType({**outer, **changed}) if changed else outer


def merge(base: TypeMap, own: Own) -> TypeMap:
    """Return *own* over *base*; *base* itself when there is nothing of its own."""
    changed = {kind: replace(base[kind], **values) for kind, values in own.items() if values}
    return MappingProxyType({**base, **changed}) if changed else base
