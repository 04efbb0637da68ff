"""
What the steps of a script have in common: how they tell what comes next, and values with captures in them.

As src/http/ngx_http_script.c: the engine's ``quote`` is on until a ``rewrite`` has changed the path, and as long as it
is, captures are escaped once more if the client had anything escaped (ngx_http_script_copy_capture_code).
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter
from lbproxy.http.template import Template, captured
from lbproxy.http.variables import VariableTable
from lbproxy.http.verdict import Said
from lbproxy.wire import uri


class Flow(enum.Enum):
    """
    How a script goes on after a step.

    CHANGED: With the next one; as the path is another one now, the location is chosen anew in the end.
    STOP: Not at all; the location that is in force stays.
    """

    CHANGED = enum.auto()
    STOP = enum.auto()


CHANGED, STOP = Flow.CHANGED, Flow.STOP

Action = Callable[[Exchange, bool], Said | Flow]
"""One step of a script; it is told whether the path has been changed before. None: go on."""

Value = Callable[[Exchange, bool], bytes]
"""A value in a script, as `Action`."""


def bind(template: Template, table: VariableTable) -> Value:
    """Return the value of *template* as ``set`` and ``if`` see it; raises InvalidValue as `Template.bind`."""
    plain = template.bind(table)
    if not any(isinstance(part, int) for part in template.parts):
        return lambda ex, _: plain(ex)
    escaping = bind_escaping(template, table)
    return lambda ex, changed: plain(ex) if changed else escaping(ex)


def bind_escaping(template: Template, table: VariableTable) -> Callable[[Exchange], bytes]:
    """Return the value of *template* with its captures escaped where the client's path had escapes."""
    return template.bind(table, _escaped)


def _escaped(index: int) -> Getter:
    get = captured(index)

    def escaped(ex: Exchange) -> bytes | None:
        value, path = get(ex), ex.head.raw_path
        return uri.escape_args(value) if value and (b"%" in path or b"+" in path) else value

    return escaped
