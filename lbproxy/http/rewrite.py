"""
The rewrite phase: ``set``, ``if``, ``rewrite``, ``break`` and ``return``, compiled to one function per block.

A script runs from top to bottom for every request that enters its block, a server's before a location is
chosen (src/http/modules/ngx_http_rewrite_module.c).  An ``if`` that holds puts its own block in force on the way, so
that of several the last one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lbproxy.config.core import TypeSettings
from lbproxy.config.model import Conditional, Statement
from lbproxy.config.parser import Directive
from lbproxy.config.regex import group_names
from lbproxy.config.settings import Context, setting_args
from lbproxy.config.values import decimal
from lbproxy.config.vocabulary import Script
from lbproxy.errors import ConfigError, ConfigErrors, InvalidValue, Position, Source, gathering
from lbproxy.http.conditions import REGEX_OPERATORS, FileMode, compile_condition
from lbproxy.http.exchange import Exchange
from lbproxy.http.flow import CHANGED, STOP, Action, Flow, Value, bind
from lbproxy.http.pace import parse_size
from lbproxy.http.substitution import compile_rewrite
from lbproxy.http.template import Template
from lbproxy.http.variables import VARIABLES, VariableTable, variable_name
from lbproxy.http.verdict import RELOCATE, Answer, Said, Step
from lbproxy.wire.status import REDIRECTS

_CONTEXTS = Context.SERVER | Context.SERVER_IF | Context.LOCATION | Context.IF

SCRIPTS: Mapping[str, Script] = {
    "set": Script(2, 2, _CONTEXTS),
    "return": Script(1, 2, _CONTEXTS),
    "rewrite": Script(2, 3, _CONTEXTS),
    "break": Script(0, 0, _CONTEXTS),
    "if": Script(1, None, Context.SERVER | Context.LOCATION, block=True),
}
"""The directives of this phase."""

_NOTHING = Template((), Position(Source(""), 0, 0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RewriteSettings:
    """
    Who may enter a location.

    Args:
        internal: Only requests that were redirected inside; to all others it does not exist.
    """

    internal: bool = setting_args(
        "internal", lambda _: True, False, arity=(0, 0), contexts=Context.LOCATION
    )


def compile_script(script: Sequence[Statement], table: VariableTable, file_mode: FileMode) -> Step | None:
    """
    Return the function that runs *script* on an exchange; it returns the answer if a statement gives one.

    Args:
        table: The variables that it may use.
        file_mode: What ``if (-f ...)`` asks.

    Returns:
        None when there is nothing to run.

    Raises:
        ConfigErrors: Every mistake in it: bad words, unknown variables.
    """
    mistakes: list[ConfigError] = []
    run = _sequence(script, table, file_mode, mistakes)
    if mistakes:
        raise ConfigErrors(mistakes)
    if run is None:
        return None

    def step(ex: Exchange) -> Said:
        said = run(ex, False)
        if isinstance(said, Flow):
            return RELOCATE if said is CHANGED else None
        return said

    return step


def internal_only(step: Step | None) -> Step:
    """Return *step* for a location that is ``internal``."""

    def enter(ex: Exchange) -> Said:
        if not ex.internal:
            return Answer(404)
        return step(ex) if step is not None else None

    return enter


def _sequence(
    script: Sequence[Statement], table: VariableTable, file_mode: FileMode, mistakes: list[ConfigError]
) -> Action | None:
    """Return what runs *script*, whose mistakes go to *mistakes*; None if there is nothing to run."""
    actions: list[Action] = []
    for statement in script:
        with gathering(mistakes):
            if isinstance(statement, Conditional):
                actions.append(_compile_if(statement, table, file_mode, mistakes))
            else:
                actions.append(_COMPILERS[statement.name](statement, table))
    if len(actions) <= 1:
        return actions[0] if actions else None

    def run(ex: Exchange, changed: bool) -> Said | Flow:
        said: Said | Flow = None
        for action in actions:
            now = action(ex, changed)
            if now is CHANGED:
                said, changed = now, True
            elif now is not None:
                return now
        return said

    return run


def _compile_if(
    block: Conditional, table: VariableTable, file_mode: FileMode, mistakes: list[ConfigError]
) -> Action:
    run = _sequence(block.script, table, file_mode, mistakes)
    holds = compile_condition(block.condition, table, file_mode)
    location = block.location

    def enter(ex: Exchange, changed: bool) -> Said | Flow:
        if not holds(ex, changed):
            return None
        if location is not None:
            ex.location = location
        return run(ex, changed) if run is not None else None

    return enter


def declared(directives: Iterable[Directive]) -> Iterator[str]:
    """Yield the names that the ``set`` directives among *directives*, blocks included, make variables of."""
    for directive in directives:
        if directive.name == "set" and directive.args:
            name = directive.args[0].text.removeprefix("$").lower()
            if name not in VARIABLES:
                yield name
        if directive.block is not None:
            yield from declared(directive.block)


def captured(directives: Iterable[Directive]) -> Iterator[str]:
    """Yield the names of groups in the regular expressions of ``if`` and ``rewrite``, blocks included."""
    for directive in directives:
        if directive.name == "rewrite" and directive.args:
            yield from group_names(directive.args[0].text)
        elif directive.name == "if" and any(text in REGEX_OPERATORS for text in directive.texts):
            yield from group_names(" ".join(directive.texts))  # the ")" may stand alone behind the expression
        if directive.block is not None:
            yield from captured(directive.block)


def _compile_set(directive: Directive, table: VariableTable) -> Action:
    """Compile ``set $name value`` (ngx_http_rewrite_set)."""
    target, text = directive.args
    if target.text.lower() == "$args":
        return _set_args(bind(Template.parse(text), table))
    if target.text.lower() == "$limit_rate":
        return _set_limit_rate(bind(Template.parse(text), table))
    name = variable_name(target)
    value = bind(Template.parse(text), table)

    def assign(ex: Exchange, changed: bool) -> None:
        assigned = value(ex, changed)  # which may itself give variables their values
        if ex.values is None:
            ex.values = {}
        ex.values[name] = assigned

    return assign


def _set_args(value: Value) -> Action:
    def assign(ex: Exchange, changed: bool) -> None:
        ex.args = value(ex, changed)
        ex.raw_path = None  # the URI as received is no longer the one meant (ngx_http_variable_set_args)

    return assign


def _set_limit_rate(value: Value) -> Action:
    """Change nothing where the value is no size (ngx_http_variable_set_limit_rate)."""

    def assign(ex: Exchange, changed: bool) -> None:
        rate = parse_size(value(ex, changed))
        if rate is not None:
            ex.limit_rate = rate

    return assign


def _compile_break(_: Directive, __: VariableTable) -> Action:
    """Compile ``break``: a path that was changed before is then the final one (ngx_http_script_break_code)."""

    def stop(ex: Exchange, changed: bool) -> Flow:
        if changed:
            ex.valid_location = False
        return STOP

    return stop


def _compile_return(directive: Directive, table: VariableTable) -> Action:
    """Compile ``return code [text]``, ``return code URL`` or ``return URL`` (ngx_http_rewrite_return)."""
    first, *rest = directive.args
    status = decimal(first.text)
    if not rest and first.text.startswith(("http://", "https://", "$scheme")):
        status, rest = 302, [first]
    if status is None or status > 999:
        raise InvalidValue(f'invalid return code "{first.text}"', first.position)
    template = Template.parse(rest[0]) if rest else _NOTHING
    if template.constant == b"" and status >= 400:
        return lambda _, __: Answer(status)
    text = template.bind(table)

    def answer(ex: Exchange, _: bool) -> Answer:
        ex.status = ex.forced_status or status  # what $status is in the text (ngx_http_send_response)
        if status in REDIRECTS:
            return Answer(status, location=text(ex))
        return Answer(status, text(ex), _media_type(ex))

    return answer


def _media_type(ex: Exchange) -> bytes:
    return ex.location.settings(TypeSettings).media_type(ex.path)


_COMPILERS: Mapping[str, Callable[[Directive, VariableTable], Action]] = {
    "set": _compile_set,
    "return": _compile_return,
    "rewrite": compile_rewrite,
    "break": _compile_break,
}
