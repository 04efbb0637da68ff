"""
``map``: a variable whose value depends on another's.

As src/http/modules/ngx_http_map_module.c: exact keys in any letter case (with ``hostnames``, wildcards as well), then
regular expressions in their order, then ``default``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from lbproxy.config.listen import is_hashable
from lbproxy.config.model import ServerName
from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.settings import Context, setting_list
from lbproxy.errors import ConfigError, ConfigErrors, InvalidValue, gathering
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter
from lbproxy.http.hostnames import HostTable
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable, variable_name

T = TypeVar("T")

Value = Callable[[Exchange], bytes]


class MapEntry(NamedTuple):
    """A key in lower case, or a regular expression, and its value."""

    key: bytes
    regex: re.Pattern[bytes] | None
    value: Template


@dataclass(frozen=True, slots=True, eq=False)
class Map:
    """
    One ``map`` block.

    Args:
        name: Of the variable it makes, in lower case.
        source: What is looked up.
        entries: In the order of the text.
        default: None: nothing.
        hostnames: Keys may have wildcards, and a dot at the end of what is looked up does not count.
        volatile: The value is looked up anew whenever it is asked for.
    """

    name: str
    source: Template
    entries: tuple[MapEntry, ...]
    default: Template | None
    hostnames: bool
    volatile: bool

    @property
    def captured(self) -> Iterator[str]:
        """The names of the groups in its regular expressions."""
        for entry in self.entries:
            yield from entry.regex.groupindex if entry.regex is not None else ()

    def compile(self, table: VariableTable) -> Getter:
        """Return what computes the variable; raises InvalidValue for unknown ones."""
        source, find = self.source.bind(table), self._find(table)
        expressions = [(entry.regex, entry.value.bind(table)) for entry in self.entries if entry.regex is not None]
        default = self.default.bind(table) if self.default is not None else None
        hostnames = self.hostnames

        def get(ex: Exchange) -> bytes | None:
            text = source(ex)
            if hostnames:
                text = text.removesuffix(b".")
            value = find(text.lower())
            if value is None and text:
                value = _first_match(ex, text, expressions)
            if value is None:
                value = default
            return None if value is None else value(ex)

        return get

    def _find(self, table: VariableTable) -> Callable[[bytes], Value | None]:
        keys: HostTable[Value] = HostTable()
        for entry in self.entries:
            if entry.regex is None:
                _add(keys, entry.key, entry.value.bind(table), self.hostnames)
        return keys.find if keys.wild else keys.exact.get


def _first_match(ex: Exchange, text: bytes, expressions: Sequence[tuple[re.Pattern[bytes], Value]]) -> Value | None:
    for regex, value in expressions:
        match = regex.search(text)
        if match is not None:
            ex.capture(match)
            return value
    return None


def _add(keys: HostTable[T], key: bytes, value: T, hostnames: bool) -> bool:
    """Add *key* as a name that may have wildcards, or as it is; return False if it is there."""
    if hostnames:
        return keys.add(key, value)
    if key in keys.exact:
        return False
    keys.exact[key] = value
    return True


def parse_map(directive: Directive) -> Map:
    """
    Parse ``map string $variable { ... }``.

    Raises:
        ConfigErrors: Every mistake in it, in nginx's words.
    """
    source, target = directive.args
    reading = _Reading(any(_is_word(line, "hostnames") for line in directive.block or ()))
    with gathering(reading.mistakes):
        name = variable_name(target)
        template = Template.parse(source)
    for line in directive.block or ():
        with gathering(reading.mistakes):
            reading.take(line)
    if reading.mistakes:
        raise ConfigErrors(reading.mistakes)
    return Map(
        name, template, tuple(reading.entries), reading.default, reading.hostnames, reading.volatile
    )


def _is_word(line: Directive, word: str) -> bool:
    return line.name == word and not line.args


class _Reading:
    """What has been understood of a block so far."""

    def __init__(self, hostnames: bool) -> None:
        self.hostnames, self.volatile = hostnames, False
        self.default: Template | None = None
        self.entries: list[MapEntry] = []
        self.mistakes: list[ConfigError] = []
        self._keys: HostTable[Argument] = HostTable()

    def take(self, line: Directive) -> None:
        """Understand one line; raises what is wrong with it."""
        if _is_word(line, "volatile"):
            self.volatile = True
        elif not _is_word(line, "hostnames"):
            if len(line.args) != 1 or line.block is not None:
                hint = "a line is: value result;"
                raise InvalidValue("invalid number of the map parameters", line.position, hint)
            self._take_pair(Argument(line.name, line.position), Template.parse(line.args[0]))

    def _take_pair(self, key: Argument, value: Template) -> None:
        if key.text == "default":
            if self.default is not None:
                raise InvalidValue("duplicate default map parameter", key.position)
            self.default = value
        elif key.text.startswith("~"):
            nocase = key.text.startswith("~*")
            regex = compile_regex(key, key.text[1 + nocase:], nocase=nocase)
            self.entries.append(MapEntry(b"", regex, value))
        else:
            self._take_key(key, key.text.removeprefix("\\"), value)

    def _take_key(self, key: Argument, text: str, value: Template) -> None:
        if self.hostnames and not is_hashable(ServerName(text)):
            raise InvalidValue(f'invalid hostname or wildcard "{text}"', key.position)
        lowered = octets(text).lower()
        if not _add(self._keys, lowered, key, self.hostnames):
            raise InvalidValue(f'conflicting parameter "{text.lower()}"', key.position, "it stands there already")
        self.entries.append(MapEntry(lowered, None, value))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapSettings:
    """The ``map`` blocks."""

    maps: tuple[Map, ...] = setting_list("map", parse_map, (), arity=(2, 2), contexts=Context.HTTP, block=True)
