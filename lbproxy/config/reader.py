"""
One block against the vocabulary: settings are parsed and merged, the rest is sorted by what becomes of it.

A `BlockReader` lives as long as one compilation and gathers every mistake, so that the compilers of the
structural blocks read as if nothing could go wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

from lbproxy.config.addresses import Resolver
from lbproxy.config.parser import YAML_SUFFIXES, Argument, Directive, Includer, unterminated
from lbproxy.config.settings import Context, TypeMap, merge
from lbproxy.config.values import Misfit
from lbproxy.config.vocabulary import Entry, Role, Vocabulary
from lbproxy.errors import ConfigError, Position, WrongContext, gathering


def _itself(path: bytes) -> bytes | None:
    return path


class Environment(NamedTuple):
    """
    What a configuration is read against.

    Args:
        include: Gives the sources that an ``include`` names.
        resolve: ``(host, port) -> addresses``; raises LookupError.
        prefix: The directory that relative paths refer to, absolute.
        file_mode: Returns ``st_mode`` of the file at a path, symbolic links followed; 0 if there is none.
        real_path: Returns a path without symbolic links, None if there is no such file.
        default_port: Where a server without ``listen`` answers: nginx takes 80, or 8000 when it isn't root.
        hostname: What ``server_name $hostname`` means.
    """

    include: Includer
    resolve: Resolver
    default_port: int = 80
    hostname: str = ""
    prefix: bytes = b"/"
    real_path: Callable[[bytes], bytes | None] = _itself
    file_mode: Callable[[bytes], int] = lambda _: 0


@dataclass(slots=True)
class Contents:
    """
    What one block says.

    Args:
        merged: Its settings over those around it.
        structure: Structural directives, for the caller to compile once *merged* is known.
        script: Directives that run per request, in order.
        methods: Balancing directives.
    """

    merged: TypeMap
    structure: list[Directive] = field(default_factory=list)
    script: list[Directive] = field(default_factory=list)
    methods: list[Directive] = field(default_factory=list)

    def named(self, name: str) -> list[Directive]:
        """Return the structural directives called *name*."""
        return [directive for directive in self.structure if directive.name == name]


class BlockReader:
    """Reads blocks and keeps what a compilation finds along the way."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self.errors: list[ConfigError] = []
        self.ignored: list[Directive] = []
        self.warnings: list[str] = []

    def catching(self) -> AbstractContextManager[None]:
        """Keep the mistakes raised within instead of raising them."""
        return gathering(self.errors)

    def warn(self, message: str, position: Position) -> None:
        """Keep a warning."""
        self.warnings.append(f"{message} in {position}")

    def read(self, directives: Sequence[Directive], context: Context, outer: TypeMap) -> Contents:
        """Return what *directives* say in *context*, on top of the settings *outer*."""
        contents = Contents(outer)
        own: dict[type, dict[str, Any]] = {}
        for written in directives:
            for directive in self._split(written, context):
                with self.catching():
                    entry = self.vocabulary.find(directive, context)
                    if entry.role is Role.SETTING:
                        _set(own, directive, entry)
                    else:
                        self._sort(contents, directive, entry)
        contents.merged = merge(outer, own)
        return contents

    def _sort(self, contents: Contents, directive: Directive, entry: Entry) -> None:
        if entry.role is Role.STRUCTURE:
            contents.structure.append(directive)
        elif entry.role is Role.SCRIPT:
            contents.script.append(directive)
        elif entry.role is Role.BALANCER:
            contents.methods.append(directive)
        else:
            self.ignored.append(directive)

    def _split(self, directive: Directive, context: Context) -> Sequence[Directive]:
        """Complain about a missing ";" inside *directive* and return the directives it probably is."""
        pieces = self.vocabulary.split(directive, context)
        for piece, swallowed in pairwise(pieces):
            last = piece.args[-1] if piece.args else Argument(piece.name, piece.position)
            self.errors.append(unterminated(piece.name, last, swallowed.name))
        return pieces


def _set(own: dict[type, dict[str, Any]], directive: Directive, entry: Entry) -> None:
    """Parse *directive* and put its value among those of the block; raises its mistakes."""
    row = entry.row
    assert entry.kind is not None
    assert row is not None
    values = own.setdefault(entry.kind, {})
    if row.field in values and not row.repeatable:
        hint = ""
        if directive.position.source.name.endswith(YAML_SUFFIXES):
            hint = "a list repeats the directive: write its arguments in one line"
        raise WrongContext(f'"{directive.name}" directive is duplicate', directive.position, hint)
    try:
        value = row.parse(directive)
    except Misfit as misfit:
        raise misfit.named(directive.name) from None
    values[row.field] = (*values.get(row.field, ()), value) if row.repeatable else value
