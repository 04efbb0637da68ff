r"""
``log_format``: what a line of an access log is made of.

Formats are compiled once; values are escaped as src/http/modules/ngx_http_log_module.c does: ``\xXX`` (upper
case) for quotes, backslashes and whatever is not printable ASCII, or JSON's way, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.errors import InvalidValue, Position, Source
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter, OfHead
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire.escapes import escape_json
from lbproxy.wire.heads import RequestHead

_HARMFUL = re.compile(rb'[\x00-\x1f"\\\x7f-\xff]')

Line = Callable[[Exchange], bytes]


class Escaping(NamedTuple):
    """
    How values get into a line.

    Args:
        missing: What stands for a variable that is not found.
        harmless: The octets that `escape` leaves alone, so that most lines need no second look.
    """

    missing: bytes
    harmless: bytes
    escape: Callable[[bytes], bytes]


def _hexadecimal(text: bytes) -> bytes:
    return _HARMFUL.sub(lambda match: b"\\x%02X" % match[0][0], text)


def _escaping(missing: bytes, escape: Callable[[bytes], bytes]) -> Escaping:
    octets = map(bytes, zip(range(256)))
    return Escaping(missing, b"".join(octet for octet in octets if escape(octet) == octet), escape)


ESCAPINGS: Mapping[str, Escaping] = {
    "default": _escaping(b"-", _hexadecimal),  # ngx_http_log_escape
    "json": _escaping(b"", escape_json),
    "none": _escaping(b"", bytes),
}

_HARMLESS = frozenset((
    "status", "body_bytes_sent", "bytes_sent", "request_length", "request_time", "time_local", "time_iso8601", "msec",
    "remote_addr", "remote_port", "server_port", "connection", "connection_requests", "upstream_status",
    "upstream_response_time", "upstream_connect_time", "upstream_header_time",
))  # fmt: skip
"""Variables whose values are made here, of letters, digits and points: there is nothing to escape in them."""


class LogFormat(NamedTuple):
    """A ``log_format`` directive; its strings follow each other without anything between them."""

    name: str
    strings: tuple[Template, ...]
    escape: str
    position: Position


def parse_log_format(directive: Directive) -> LogFormat:
    """Parse ``log_format name [escape=default|json|none] string ...``."""
    name, *strings = directive.args
    escape = "default"
    if strings[0].text.startswith("escape="):
        escape = strings[0].text.removeprefix("escape=")
        if escape not in ESCAPINGS:
            hint = f"it must be one of {', '.join(ESCAPINGS)}"
            raise InvalidValue(f'unknown log format escaping "{escape}"', strings[0].position, hint)
        del strings[0]
    return LogFormat(name.text, tuple(map(Template.parse, strings)), escape, name.position)


_BUILT_IN = Position(Source("built in"), 0, 0)
COMBINED = LogFormat(
    "combined",
    (
        Template.parse(
            Argument(
                '$remote_addr - $remote_user [$time_local] "$request" '
                '$status $body_bytes_sent "$http_referer" "$http_user_agent"',
                _BUILT_IN,
            )
        ),
    ),
    "default",
    _BUILT_IN,
)


def formats_by_name(formats: Iterable[LogFormat]) -> Mapping[str, LogFormat]:
    """Return *formats* and the built-in one by name; raises `InvalidValue` for a name used twice."""
    named = {COMBINED.name: COMBINED}
    for log_format in formats:
        if log_format.name in named:
            message = f'duplicate "log_format" name "{log_format.name}"'
            raise InvalidValue(message, log_format.position, _first_place(named[log_format.name]))
        named[log_format.name] = log_format
    return named


def _first_place(log_format: LogFormat) -> str:
    return "it is built in" if log_format is COMBINED else f"the first one is in {log_format.position}"


def compile_format(log_format: LogFormat, table: VariableTable) -> Line:
    """
    Return the function that makes an exchange's line, with its line feed.

    Raises:
        InvalidValue: An unknown variable.
    """
    missing, harmless, escape = ESCAPINGS[log_format.escape]
    pieces: list[bytes | OfHead] = []  # of the line; b"" where one is still to come
    moving: list[tuple[int, Getter, bool]] = []  # what comes there, and whether it is harmless
    for template in log_format.strings:
        getters = iter(template.getters(table))
        for part in template.parts:
            if isinstance(part, bytes):
                pieces.append(part)
                continue
            getter = next(getters)
            if isinstance(getter, OfHead):
                pieces.append(getter)
            else:
                moving.append((len(pieces), getter, part in _HARMLESS))
                pieces.append(b"")
    pieces.append(b"\n")

    def of_head(head: RequestHead) -> list[bytes]:
        """Return the pieces as far as the configuration and the request's fields decide them."""
        return [piece if isinstance(piece, bytes) else shown(piece.make(head)) for piece in pieces]

    def shown(value: bytes | None) -> bytes:
        return missing if value is None else escape(value)

    def line(ex: Exchange) -> bytes:
        values = ex.head.derive(of_head).copy()
        for index, get, is_harmless in moving:
            value = get(ex)
            if value is None:
                value = missing
            elif not is_harmless and value.translate(None, harmless):
                value = escape(value)
            values[index] = value
        return b"".join(values)

    return line
