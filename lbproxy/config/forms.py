"""The two forms of a configuration, told apart by the file's name: YAML, or else nginx's syntax."""

from __future__ import annotations

from lbproxy.config import parser
from lbproxy.config.parser import YAML_SUFFIXES, Directive, Includer, Reading
from lbproxy.errors import ConfigErrors, Source


def parse(source: Source, include: Includer) -> tuple[Directive, ...]:
    """
    Return the directives of *source*, those of included files, of either form, in place of each ``include``.

    Raises:
        ConfigErrors: Every mistake of form in it and in the files it includes.
    """
    directives, reading = read_tree(source, include)
    if reading.errors:
        raise ConfigErrors(reading.errors)
    return directives


def read_tree(source: Source, include: Includer) -> tuple[tuple[Directive, ...], Reading]:
    """Like `parse`, but return what could be understood, and the reading with the mistakes."""
    reading = Reading(include, _read)
    return tuple(_read(source, reading)), reading


def _read(source: Source, reading: Reading) -> list[Directive]:
    if not source.name.endswith(YAML_SUFFIXES):
        return parser.read(source, reading)
    from lbproxy.config import yamlform  # noqa: PLC0415 - most configurations don't need it

    return yamlform.read(source, reading)
