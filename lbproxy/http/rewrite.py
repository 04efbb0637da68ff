"""
The rewrite phase: ``set`` and ``return``, compiled to one function per block.

A script runs from top to bottom for every request that enters its block, a server's before a location is
chosen (src/http/modules/ngx_http_rewrite_module.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from lbproxy.config.core import TypeSettings
from lbproxy.config.parser import Directive
from lbproxy.config.settings import Context
from lbproxy.errors import InvalidValue, Position, Source
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VARIABLES, VariableTable
from lbproxy.http.verdict import Answer, Said, Step
from lbproxy.wire.status import REDIRECTS

SCRIPTS: Mapping[str, tuple[int, int | None, Context]] = {
    "set": (2, 2, Context.SERVER | Context.LOCATION),
    "return": (1, 2, Context.SERVER | Context.LOCATION),
}
"""The directives of this phase: fewest and most arguments, contexts."""

_NOTHING = Template((), Position(Source(""), 0, 0))



def compile_script(directives: Iterable[Directive], table: VariableTable) -> Step | None:
    """
    Return the function that runs *directives* on an exchange; it returns what the first to say something says.

    Args:
        directives: Of `SCRIPTS`, in order.
        table: The variables that they may use.

    Returns:
        None when there is nothing to run.

    Raises:
        InvalidValue: A bad status or name, or an unknown variable.
    """
    steps = [_COMPILERS[directive.name](directive, table) for directive in directives]
    if len(steps) <= 1:
        return steps[0] if steps else None

    def run(ex: Exchange) -> Said:
        for step in steps:
            said = step(ex)
            if said is not None:
                return said
        return None

    return run


def declared(directives: Iterable[Directive]) -> Iterator[str]:
    """Yield the names that the ``set`` directives among *directives*, blocks included, make variables of."""
    for directive in directives:
        if directive.name == "set" and directive.args:
            name = directive.args[0].text.removeprefix("$").lower()
            if name not in VARIABLES:
                yield name
        if directive.block is not None:
            yield from declared(directive.block)


def _compile_set(directive: Directive, table: VariableTable) -> Step:
    """Compile ``set $name value`` (ngx_http_rewrite_set)."""
    target, text = directive.args
    name = target.text.removeprefix("$").lower()
    if not target.text.startswith("$") or not name:
        raise InvalidValue(f'invalid variable name "{target.text}"', target.position, f"write ${target.text}")
    value = Template.parse(text).bind(table)
    if name == "args":
        return _set_args(value)
    if name in VARIABLES:
        raise InvalidValue(f'the duplicate "{name}" variable', target.position, "nothing may change this one")

    def assign(ex: Exchange) -> None:
        if ex.values is None:
            ex.values = {}
        ex.values[name] = value(ex)

    return assign


def _set_args(value: Callable[[Exchange], bytes]) -> Step:
    def assign(ex: Exchange) -> None:
        ex.args = value(ex)
        ex.raw_path = None  # the URI as received is no longer the one meant (ngx_http_variable_set_args)

    return assign


def _compile_return(directive: Directive, table: VariableTable) -> Step:
    """Compile ``return code [text]``, ``return code URL`` or ``return URL`` (ngx_http_rewrite_return)."""
    first, *rest = directive.args
    if first.text.isascii() and first.text.isdigit() and int(first.text) <= 999:
        status = int(first.text)
    elif not rest and first.text.startswith(("http://", "https://", "$scheme")):
        status, rest = 302, [first]
    else:
        raise InvalidValue(f'invalid return code "{first.text}"', first.position)
    template = Template.parse(rest[0]) if rest else _NOTHING
    if template.constant == b"" and status >= 400:
        return lambda _: Answer(status)
    text = template.bind(table)

    def answer(ex: Exchange) -> Answer:
        ex.status = ex.forced_status or status  # what $status is in the text (ngx_http_send_response)
        if status in REDIRECTS:
            return Answer(status, location=text(ex))
        return Answer(status, text(ex), _media_type(ex))

    return answer


def _media_type(ex: Exchange) -> bytes:
    return ex.location.settings(TypeSettings).media_type(ex.path)


_COMPILERS: Mapping[str, Callable[[Directive, VariableTable], Step]] = {
    "set": _compile_set,
    "return": _compile_return,
}
