r"""
Tokens of nginx's configuration syntax, each with its place.

The rules are those of src/core/ngx_conf_file.c:ngx_conf_read_token:

* words are separated by blanks, tabs, CR and LF; ``;`` and ``{`` end an unquoted word, ``}`` and ``#`` mean
  something only where a word could begin;
* ``${`` does not open a block;
* ``"..."`` and ``'...'`` may hold anything, line ends included, and must be followed by a blank, ``;``, ``{``
  or ``)``;
* in every word ``\"``, ``\'``, ``\\``, ``\t``, ``\r`` and ``\n`` are replaced, any other backslash stays
  (regular expressions need no doubling).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from typing import NamedTuple

from lbproxy.errors import ConfigError, ConfigSyntaxError, Position, Source


class Unbalanced(ConfigSyntaxError):
    """A brace or a quote without its partner: what follows was read in the wrong block, or not at all."""


class Kind(enum.Enum):
    """What a token is."""

    WORD = "word"
    SEMICOLON = ";"
    OPEN = "{"
    CLOSE = "}"
    END = "end of file"


class Token(NamedTuple):
    """One token; *text* has its quotes removed and its escapes replaced."""

    kind: Kind
    text: str
    position: Position
    quoted: bool = False


_TOKEN = re.compile(
    r"""
    (?: [ \t\r\n] | \#[^\n]* )*+
    (?: (?P<mark> [;{}] )
      | "(?P<double> (?: [^"\\] | \\. )*+ )"
      | '(?P<single> (?: [^'\\] | \\. )*+ )'
      | (?P<unclosed> ["'] )
      | (?P<word> (?: \\.?+ | \$\{? | [^ \t\r\n;{\\$] )++ )
      | (?P<end> \Z )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"""\\(["'\\trn])""")
_ESCAPED = {"t": "\t", "r": "\r", "n": "\n"}
_BYTE_ORDER_MARK = "\ufeff"


def unescape(text: str) -> str:
    """Replace the escapes that nginx knows; leave every other backslash alone."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def tokens(source: Source, errors: list[ConfigError]) -> Iterator[Token]:
    """
    Yield the tokens of *source*, the last one of kind END; mistakes go to *errors* and are stepped over.

    An unclosed quote ends the text: nobody can know where it was meant to close.
    """
    text = source.text
    offset = counted = len(_BYTE_ORDER_MARK) if text.startswith(_BYTE_ORDER_MARK) else 0
    line, line_start = 1, counted
    while match := _TOKEN.match(text, offset):
        kind = match.lastgroup
        quoted = kind in ("double", "single")
        start = match.start(kind or 0) - quoted
        if newlines := text.count("\n", counted, start):
            line += newlines
            line_start = text.rindex("\n", counted, start) + 1
        position = Position(source, line, start - line_start + 1)
        offset, counted = match.end(), start
        if kind == "end":
            yield Token(Kind.END, "", position)
            return
        if kind == "unclosed":
            message = 'unexpected end of file, expecting ";" or "}"'
            errors.append(Unbalanced(message, position, f"the quote {match[kind]} is never closed"))
            yield Token(Kind.END, "", position)
            return
        if kind == "mark":
            yield Token(Kind(match[kind]), match[kind], position)
            continue
        assert kind is not None
        yield Token(Kind.WORD, unescape(match[kind]), position, quoted)
        if quoted and text[offset : offset + 1] not in _AFTER_QUOTE:
            errors.append(_after_quote(source, offset, position))


_AFTER_QUOTE = ("", " ", "\t", "\r", "\n", ";", "{", ")")


def _after_quote(source: Source, offset: int, opened: Position) -> ConfigError:
    """Return the complaint about what stands at *offset*, right behind a closing quote."""
    line = source.text.count("\n", 0, offset) + 1
    column = offset - (source.text.rfind("\n", 0, offset) + 1) + 1
    hint = "a blank or \";\" must follow a closing quote"
    if line != opened.line:
        hint = f"the quote that closes here was opened in line {opened.line}"
    return ConfigSyntaxError(f'unexpected "{source.text[offset]}"', Position(source, line, column), hint)
