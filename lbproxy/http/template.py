"""
Text with variables, such as ``"$host:$server_port"``, compiled to a closure.

Syntax as src/http/ngx_http_script.c:ngx_http_script_compile: ``$name``, ``${name}``, and ``$1`` to ``$9`` for
the groups of the last regular expression that matched.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from lbproxy.config.octets import octets, text_of
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter
from lbproxy.http.variables import VariableTable

Part = bytes | str | int
"""Literal octets, a variable's name, or the number of a capture (from 1)."""

_NOWHERE = "no set, map or group of a regular expression makes it; variables of the environment are not looked at"
_REFERENCE = re.compile(r"\$(?:([1-9])|(\{)?([A-Za-z0-9_]*)(\})?)")


class Template(NamedTuple):
    """A text with variables as parsed; `bind` makes it usable."""

    parts: tuple[Part, ...]
    position: Position

    @classmethod
    def parse(cls, arg: Argument) -> Template:
        """Return the template that *arg* spells; raises `InvalidValue` for a "$" that begins no variable."""
        parts: list[Part] = []
        end = 0
        for match in _REFERENCE.finditer(arg.text):
            _literal(parts, arg.text[end : match.start()])
            end = match.end()
            capture, opened, name, closed = match.groups()
            if capture:
                parts.append(int(capture))
                continue
            if opened and not closed:
                raise InvalidValue(f'the closing bracket in "{name}" variable is missing', arg.position)
            if not name:
                raise InvalidValue("invalid variable name", arg.position, "a variable is $name or ${name}")
            if closed and not opened:
                end -= 1
            parts.append(name.lower())
        _literal(parts, arg.text[end:])
        return cls(tuple(parts), arg.position)

    @property
    def constant(self) -> bytes | None:
        """The value, if it has no variables; else None."""
        if not self.parts:
            return b""
        first = self.parts[0]
        return first if len(self.parts) == 1 and isinstance(first, bytes) else None

    @property
    def layout(self) -> bytes:
        """The text with "%b" for each variable or capture, to be filled with the values of `getters`."""
        return b"".join(
            part.replace(b"%", b"%%") if isinstance(part, bytes) else b"%b" for part in self.parts
        )

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of its variables in order, captures left out."""
        return tuple(part for part in self.parts if isinstance(part, str))

    def __str__(self) -> str:
        """Return a text that parses to this template."""
        return "".join(_spell(part) for part in self.parts)

    def bind(
        self, table: VariableTable, capture: Callable[[int], Getter] | None = None
    ) -> Callable[[Exchange], bytes]:
        """
        Return the function that fills in the values; what is not found becomes nothing.

        Args:
            capture: Makes the getter of a capture from its index; `captured` unless given.

        Raises:
            InvalidValue: The table has no such variable.
        """
        value = self.constant
        if value is not None:
            return lambda _: value
        getters = tuple(self.getters(table, capture or captured))
        if len(self.parts) == 1:
            get = getters[0]
            return lambda ex: get(ex) or b""
        layout = self.layout
        return lambda ex: layout % tuple([get(ex) or b"" for get in getters])

    def bind_optional(self, table: VariableTable) -> Getter:
        """Return what `bind` does, but for a single variable its own getter, which may find nothing."""
        return self.getters(table)[0] if len(self.parts) == 1 and self.constant is None else self.bind(table)

    def getters(self, table: VariableTable, capture: Callable[[int], Getter] | None = None) -> list[Getter]:
        """Return the getters of its variables and captures in order; arguments and exceptions as in `bind`."""
        make = capture or captured
        return [
            make(part - 1) if isinstance(part, int) else self._getter(part, table)
            for part in self.parts
            if not isinstance(part, bytes)
        ]

    def _getter(self, part: str, table: VariableTable) -> Getter:
        try:
            return table.lookup(part)
        except KeyError:
            raise InvalidValue(f'unknown "{part}" variable', self.position, table.suggest(part) or _NOWHERE) from None


def _literal(parts: list[Part], text: str) -> None:
    """Append *text* to *parts* as octets, if there is any."""
    if text:
        parts.append(octets(text))


def _spell(part: Part) -> str:
    if isinstance(part, bytes):
        return text_of(part)
    return f"${part}" if isinstance(part, int) else f"${{{part}}}"


def captured(index: int) -> Getter:
    """Return what finds the capture of *index* (from 0) in the last expression that matched."""

    def get(ex: Exchange) -> bytes | None:
        return ex.captures[index] if index < len(ex.captures) else None

    return get
