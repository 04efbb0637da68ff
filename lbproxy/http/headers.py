"""
``add_header`` and ``add_trailer``: fields that the configuration adds to answers.

As src/http/modules/ngx_http_headers_filter_module.c: without ``always`` only to answers that went well; an empty
value adds nothing; of Last-Modified and ETag there is one, so that a server's own gives way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.parser import Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting_list
from lbproxy.config.values import Misfit, field_name, on_one_line
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import FieldFilter, Trailers
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire import fields

SAFE_STATUSES = frozenset({200, 201, 204, 206, 301, 302, 303, 304, 307, 308})
"""Answers that went well."""

_SINGLE = frozenset({b"last-modified", b"etag"})
_NEVER_A_TRAILER = fields.HOP_BY_HOP | {b"content-length", b"content-encoding", b"content-type", b"host"}


class Addition(NamedTuple):
    """
    One ``add_header`` or ``add_trailer``.

    Args:
        always: To whatever answer.
    """

    name: bytes
    value: Template
    always: bool


def parse_addition(directive: Directive) -> Addition:
    """Parse ``name value [always]``."""
    name, value, *rest = directive.args
    if rest and rest[0].text != "always":
        raise Misfit('invalid parameter "{value}"', rest[0], "only always may follow the value")
    template = Template.parse(on_one_line(value))
    if template.constant is not None and not fields.value_ok(template.constant):
        raise Misfit('invalid value in "{directive}" directive', value, "a field has no control characters")
    return Addition(field_name(name), template, bool(rest))


def _parse_trailer(directive: Directive) -> Addition:
    """Parse ``add_trailer``; a trailer can't say how its message is to be read (RFC 9110 section 6.5.1)."""
    addition = parse_addition(directive)
    if addition.name.lower() in _NEVER_A_TRAILER:
        message = f'"{directive.args[0].text}" cannot be a trailer'
        raise InvalidValue(message, directive.args[0].position, "it would come too late to be heeded")
    return addition


_CONTEXTS = EVERY_LEVEL | Context.IF


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class HeaderSettings:
    """What is added; a block that has any of a kind inherits none of that kind."""

    headers: tuple[Addition, ...] = setting_list(
        "add_header", parse_addition, (), arity=(2, 3), contexts=_CONTEXTS
    )
    trailers: tuple[Addition, ...] = setting_list(
        "add_trailer", _parse_trailer, (), arity=(2, 3), contexts=_CONTEXTS
    )


class _Rule(NamedTuple):
    """An `Addition` with its value's function; *remove* takes a field of that name away first, if there is one."""

    name: bytes
    value: Callable[[Exchange], bytes]
    always: bool
    remove: Callable[[bytes], bytes] | None


def _compile(additions: Sequence[Addition], table: VariableTable) -> tuple[_Rule, ...]:
    return tuple(
        _Rule(
            name=each.name,
            value=each.value.bind(table),
            always=each.always,
            remove=fields.removal([each.name]) if each.name.lower() in _SINGLE else None,
        )
        for each in additions
    )


def compile_headers(additions: Sequence[Addition], table: VariableTable) -> FieldFilter | None:
    """
    Return what adds the fields of ``add_header``; None if there are none.

    Raises:
        InvalidValue: An unknown variable.
    """
    rules = _compile(additions, table)

    def add(ex: Exchange, block: bytes) -> bytes:
        safe = ex.status in SAFE_STATUSES
        for rule in rules:
            if safe or rule.always:
                if rule.remove is not None:
                    block = rule.remove(block)
                block += _line(ex, rule)
        return block

    return add if rules else None


def _line(ex: Exchange, rule: _Rule) -> bytes:
    value = rule.value(ex).translate(fields.BREAKS)
    return fields.line(rule.name, value) if value else b""


class _Trailers:
    """The `Trailers` of ``add_trailer``."""

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self._rules = rules

    def expected(self, ex: Exchange) -> bool:
        """See `Trailers`."""
        return ex.status in SAFE_STATUSES or any(rule.always for rule in self._rules)

    def block(self, ex: Exchange) -> bytes:
        """See `Trailers`."""
        safe = ex.status in SAFE_STATUSES
        return b"".join(_line(ex, rule) for rule in self._rules if safe or rule.always)


def compile_trailers(additions: Sequence[Addition], table: VariableTable) -> Trailers | None:
    """Return the trailers of ``add_trailer``; None if there are none; raises as `compile_headers`."""
    return _Trailers(_compile(additions, table)) if additions else None
