"""
nginx's syntax to a tree of directives, with ``include`` done.

The tree knows nothing of what directives mean: a name, arguments, perhaps a block.  Mistakes are collected,
and the parser goes on behind each, so that one run tells them all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from lbproxy.config.lexer import Kind, Token, Unbalanced, tokens
from lbproxy.errors import (
    ConfigError,
    ConfigErrors,
    ConfigSyntaxError,
    InvalidValue,
    Position,
    Source,
    describe,
)

Includer = Callable[[str, Source], Sequence[Source]]
"""``(pattern, including source) -> sources``, in order; raises OSError or LookupError when there is none."""

YAML_SUFFIXES = (".yaml", ".yml")
DEEPEST = 64
"""Blocks that may stand in each other: what compiles them calls itself for each."""
TOO_DEEP = f"more than {DEEPEST} blocks stand in each other"


class Argument(NamedTuple):
    """One word behind a directive's name; *text* without quotes and escapes."""

    text: str
    position: Position
    quoted: bool = False

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True, eq=False)
class Directive:
    """
    One directive: ``name args;`` or ``name args { block }``; two are equal only if they are the same.

    Args:
        position: Where the name begins.
        block: What stands between the braces; None when it ended with ``;``.
    """

    name: str
    args: tuple[Argument, ...]
    position: Position
    block: tuple[Directive, ...] | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """The arguments' texts."""
        return tuple(arg.text for arg in self.args)


@dataclass(slots=True)
class Reading:
    """
    What a file and all it includes share while they are read.

    Args:
        read: Reads an included file.
        errors: Every mistake so far.
        chain: Names of the files that are being read, the outermost first.
    """

    include: Includer
    read: Callable[[Source, Reading], list[Directive]]
    errors: list[ConfigError] = field(default_factory=list)
    chain: list[str] = field(default_factory=list)

    def included(self, directive: Directive) -> list[Directive]:
        """Return the directives of the files that an ``include`` names; [] after a mistake."""
        if len(directive.args) != 1:
            message = 'invalid number of arguments in "include" directive'
            self.errors.append(InvalidValue(message, directive.position))
            return []
        pattern = directive.args[0]
        try:
            sources = self.include(pattern.text, pattern.position.source)
        except OSError as error:
            reason = f'open() "{error.filename or pattern.text}" failed {describe(error)}'
            self.errors.append(InvalidValue(reason, pattern.position))
            return []
        except LookupError as error:
            reason = f'open() "{pattern.text}" failed ({error.args[0] if error.args else "not found"})'
            self.errors.append(InvalidValue(reason, pattern.position))
            return []
        found: list[Directive] = []
        for source in sources:
            if source.name in self.chain:
                self.errors.append(InvalidValue(f'"{source.name}" includes itself', pattern.position))
            else:
                found += self.read(source, self)
        return found


def unterminated(name: str, last: Argument, following: str) -> ConfigSyntaxError:
    """Return the complaint about directive *name*, whose ";" is missing between its *last* word and *following*."""
    hint = f'a ";" is missing behind "{last.text}": "{following}" begins a new directive'
    return ConfigSyntaxError(f'directive "{name}" is not terminated by ";"', last.position, hint)


def parse(source: Source, include: Includer) -> tuple[Directive, ...]:
    """
    Return the directives of *source*, those of included files in place of each ``include``.

    All of it in nginx's syntax; `lbproxy.config.forms` knows YAML as well.

    Raises:
        ConfigErrors: Every mistake of syntax in it and in the files it includes.
    """
    reading = Reading(include, read)
    tree = read(source, reading)
    if reading.errors:
        raise ConfigErrors(reading.errors)
    return tuple(tree)


def read(source: Source, reading: Reading) -> list[Directive]:
    """Like `parse`, but return what could be understood and leave the mistakes in *reading*."""
    reading.chain.append(source.name)
    tree = _Builder(reading).build(source)
    reading.chain.pop()
    return tree


@dataclass(slots=True)
class _Frame:
    """A block that is still open; *head* is empty when no directive stood before its brace."""

    head: list[Argument]
    children: list[Directive] = field(default_factory=list)


def _include_end(head: Sequence[Argument]) -> int:
    """Return where a ";" is missing in *head*, before or behind an ``include``; 0 if nowhere."""
    for index, (before, word) in enumerate(pairwise(head), 1):
        if word.position.line > before.position.line and not word.quoted:
            includes = word.text == "include" and index + 1 < len(head)
            if includes or (index == 2 and head[0].text == "include"):
                return index
    return 0


class _Builder:
    """Tokens to a tree, with a stack of open blocks instead of recursion."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.stack = [_Frame([])]
        self.words: list[Argument] = []
        self.suspect: _Frame | None = None  # the block that probably lacks its "}"

    def build(self, source: Source) -> list[Directive]:
        """Return the directives outside every block of *source*."""
        for token in tokens(source, self.reading.errors):
            if token.kind is Kind.WORD:
                self.words.append(Argument(token.text, token.position, token.quoted))
            elif token.kind is Kind.SEMICOLON:
                self._end_directive(token)
            elif token.kind is Kind.OPEN:
                self._open_block(token)
            elif token.kind is Kind.CLOSE:
                self._close_block(token)
            else:
                self._end_of_file(token)
        return self.stack[0].children

    def _error(self, message: str, position: Position, hint: str = "") -> None:
        self.reading.errors.append(ConfigSyntaxError(message, position, hint))

    def _unbalanced(self, message: str, position: Position, hint: str = "") -> None:
        self.reading.errors.append(Unbalanced(message, position, hint))

    def _add(self, block: tuple[Directive, ...] | None, head: list[Argument]) -> None:
        """Make a directive of *head* in the innermost block; several where an ``include`` lacks its ";"."""
        end = _include_end(head)
        if end:
            self.reading.errors.append(unterminated(head[0].text, head[end - 1], head[end].text))
            self._add(None, head[:end])
            self._add(block, head[end:])
            return
        name, *args = head
        directive = Directive(name.text, tuple(args), name.position, block)
        into = self.stack[-1].children
        if name.text == "include" and block is None:
            into += self.reading.included(directive)
        else:
            into.append(directive)

    def _end_directive(self, token: Token) -> None:
        if not self.words:
            self._error('unexpected ";"', token.position)
            return
        self._add(None, self.words)
        self.words = []

    def _open_block(self, token: Token) -> None:
        if not self.words:
            self._error('unexpected "{"', token.position)
        parent = self.stack[-1]
        if self.words and parent.head and self.suspect is None:
            ours, theirs = self.words[0].position, parent.head[0].position
            if ours.line > theirs.line and ours.column <= theirs.column:
                self.suspect = parent
        if len(self.stack) == DEEPEST + 1:
            self._error(TOO_DEEP, token.position)
        self.stack.append(_Frame(self.words))
        self.words = []

    def _close_block(self, token: Token) -> None:
        if self.words:
            self._error('unexpected "}"', token.position, self._missing_semicolon())
            self._add(None, self.words)
            self.words = []
        if len(self.stack) == 1:
            self._unbalanced('unexpected "}"', token.position, "it closes no block")
            return
        frame = self._pop()
        if frame is self.suspect:
            self.suspect = None

    def _pop(self) -> _Frame:
        """Take the innermost block off the stack, make a directive of it unless it is too deep, and return it."""
        frame = self.stack.pop()
        if frame.head and len(self.stack) <= DEEPEST:
            self._add(tuple(frame.children), frame.head)
        return frame

    def _missing_semicolon(self) -> str:
        last = self.words[-1]
        return f'a ";" is missing behind "{last.text}" in line {last.position.line}'

    def _end_of_file(self, token: Token) -> None:
        """Complain about what is unfinished, unless an unclosed quote already explains it, and close it."""
        explained = bool(self.reading.errors) and self.reading.errors[-1].position == token.position
        if self.words:
            if not explained:
                message = 'unexpected end of file, expecting ";" or "}"'
                self._error(message, self.words[-1].position, self._missing_semicolon())
            self._add(None, self.words)
        elif len(self.stack) > 1 and not explained:
            culprit = self.suspect or self.stack[-1]
            hint = ""
            if culprit.head:
                opener = culprit.head[0]
                seems = "seems to lack" if self.suspect else "lacks"
                hint = f'the block of "{opener.text}" in line {opener.position.line} {seems} its "}}"'
            self._unbalanced('unexpected end of file, expecting "}"', token.position, hint)
        while len(self.stack) > 1:
            self._pop()
