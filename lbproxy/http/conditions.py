"""
The conditions of ``if``: a variable alone, compared or matched, or a test of a file.

As src/http/modules/ngx_http_rewrite_module.c:ngx_http_rewrite_if_condition.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.flow import bind
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable

Condition = Callable[[Exchange, bool], bool]
"""Whether it holds; the flag as in `lbproxy.http.flow.Action`."""

FileMode = Callable[[bytes], int]
"""``st_mode`` of the file at a path, symbolic links followed; 0 if there is none that may be looked at."""

_FILE_TESTS: Mapping[str, Callable[[int], bool]] = {
    "f": stat.S_ISREG,
    "d": stat.S_ISDIR,
    "e": lambda mode: stat.S_ISREG(mode) or stat.S_ISDIR(mode),  # as nginx: nothing else can be served
    "x": lambda mode: mode & stat.S_IXUSR != 0,
}
REGEX_OPERATORS = ("~", "~*", "!~", "!~*")


def compile_condition(directive: Directive, table: VariableTable, file_mode: FileMode) -> Condition:
    """
    Return the condition of an ``if``.

    Raises:
        InvalidValue: In nginx's words.
    """
    words = condition_words(directive)
    first = words[0]
    if len(first.text) > 1 and first.text.startswith("$"):
        return _of_variable(words, table)
    negated = first.text.startswith("!")
    test = _FILE_TESTS.get(first.text.removeprefix("!").removeprefix("-"))
    if len(words) == 2 and test is not None and first.text.removeprefix("!").startswith("-"):
        return _of_file(words[1], test, negated, table, file_mode)
    raise _invalid(first)


def condition_words(directive: Directive) -> list[Argument]:
    """Return what stands between the parentheses, at least one word; raises InvalidValue if they are missing."""
    words = list(directive.args)
    first = words[0]
    if not first.text.startswith("("):
        raise _invalid(first, "a condition stands in parentheses")
    place = first.position
    words[0] = first._replace(text=first.text[1:], position=place._replace(column=place.column + 1))
    last = words[-1]
    if not last.text.endswith(")"):
        raise _invalid(last, 'the ")" is missing')
    words[-1] = last._replace(text=last.text[:-1])
    # a parenthesis may stand alone
    words = words[1 if len(words) > 1 and not words[0].text else 0:]
    words = words[:-1] if len(words) > 1 and not words[-1].text else words
    if not words[0].text:
        raise _invalid(last)
    return words


def _invalid(word: Argument, hint: str = "") -> InvalidValue:
    return InvalidValue(f'invalid condition "{word.text}"', word.position, hint)


def _of_variable(words: list[Argument], table: VariableTable) -> Condition:
    """Compile ``$name``, or ``$name operator value``."""
    name = words[0]._replace(text="${" + name_of(words[0].text) + "}")
    get = Template.parse(name).bind(table)
    if len(words) == 1:
        return lambda ex, _: get(ex) not in {b"", b"0"}
    if len(words) != 3:
        raise _invalid(words[0], "one value is compared with one other; quote what has blanks")
    operator, operand = words[1], words[2]
    if operator.text in REGEX_OPERATORS:
        return _matching(get, operand, operator.text)
    if operator.text not in ("=", "!="):
        hint = "write =" if operator.text == "==" else f"there are =, !=, {', '.join(REGEX_OPERATORS)}"
        raise InvalidValue(f'unexpected "{operator.text}" in condition', operator.position, hint)
    value = bind(Template.parse(operand), table)
    if operator.text == "=":
        return lambda ex, changed: get(ex) == value(ex, changed)
    return lambda ex, changed: get(ex) != value(ex, changed)


def name_of(text: str) -> str:
    """Return the variable that ``$text`` names, all of it."""
    return text.removeprefix("$")


def _matching(get: Callable[[Exchange], bytes], operand: Argument, operator: str) -> Condition:
    """Compile a match; it sets the captures also where it is negated."""
    regex = compile_regex(operand, nocase=operator.endswith("*"))
    negated = operator.startswith("!")

    def matches(ex: Exchange, _: bool) -> bool:
        match = regex.search(get(ex))
        if match is None:
            ex.captures = ()
            return negated
        ex.capture(match)
        return not negated

    return matches


def _of_file(
    path: Argument, test: Callable[[int], bool], negated: bool, table: VariableTable, file_mode: FileMode
) -> Condition:
    value = bind(Template.parse(path), table)
    return lambda ex, changed: test(file_mode(value(ex, changed))) is not negated
