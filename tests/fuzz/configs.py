"""Targets: configurations, whole and by their parts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from lbproxy import compiler, config
from lbproxy.config.dump import dump
from lbproxy.config.forms import parse
from lbproxy.config.lexer import Kind, tokens, unescape
from lbproxy.config.model import Address
from lbproxy.config.parser import Directive
from lbproxy.config.reader import Environment
from lbproxy.config.regex import compile_regex
from lbproxy.errors import ConfigError, ConfigErrors, InvalidValue, Source
from lbproxy.http.template import Template
from tests.support.exchanges import argument
from tests.support.loading import CONSTANTS

_PARAMS = {
    path.name: Source(path.name, path.read_text(encoding="utf-8"))
    for path in (Path(config.__file__).parent / "params").iterdir()
    if path.is_file()
}


def _include(pattern: str, including: Source) -> Sequence[Source]:
    """Include the files that come with lbproxy, and the text itself as ``self``."""
    if pattern == "self":
        return [including]
    if pattern not in _PARAMS:
        raise FileNotFoundError(2, "No such file or directory", pattern)
    return [_PARAMS[pattern]]


def _resolve(host: str, port: int) -> Sequence[Address]:
    if host in {"localhost", "a.test"}:
        return [Address("127.0.0.1", port), Address("::1", port)]
    raise LookupError("no such name")


_ENVIRONMENT = Environment(_include, _resolve, 8000, "box.test")


def _check_place(error: ConfigError, sources: dict[str, Source]) -> None:
    """Assert that *error* points into one of *sources*."""
    place = error.position
    lines = sources[place.source.name].text.split("\n")
    assert 1 <= place.line <= len(lines), f"no line {place.line}: {error}"
    assert 1 <= place.column <= len(lines[place.line - 1]) + 1, f"no column {place.column}: {error}"
    assert error.message
    assert error.message in str(error)


def _text(data: bytes) -> str:
    """Return *data* as `lbproxy.process.configfile.read_source` would."""
    return data.decode("utf-8-sig", "surrogateescape").replace("\r\n", "\n").replace("\r", "\n")


def _shape(tree: Sequence[Directive]) -> list[object]:
    return [(one.name, one.texts, None if one.block is None else _shape(one.block)) for one in tree]


def _load(source: Source) -> None:
    """Assert that *source* is a plan, or has mistakes that all have a place in the text."""
    sources = {**_PARAMS, source.name: source}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            loaded = compiler.load(source, _ENVIRONMENT, CONSTANTS)
        except ConfigErrors as wrong:
            assert wrong.errors
            for error in wrong.errors:
                _check_place(error, sources)
            places = [(error.position.line, error.position.column) for error in wrong.errors
                      if error.position.source.name == source.name]  # fmt: skip
            assert places == sorted(places)
            return
    for location in loaded.routes:
        assert location.position.source.name in sources
    tree = parse(source, _include)
    written = Source("dump.conf", dump(tree))
    assert _shape(parse(written, _include)) == _shape(tree)
    compiler.load(written, _ENVIRONMENT, CONSTANTS)


def nginx(data: bytes) -> None:
    """A configuration loads, and so does its dump, or all its mistakes are told with their places."""
    _load(Source("site.conf", _text(data)))


def yaml(data: bytes) -> None:
    """The same in YAML."""
    _load(Source("site.yaml", _text(data)))


def lexer(data: bytes) -> None:
    """Tokens come in order, each from its place in the text; mistakes have places too."""
    source = Source("site.conf", _text(data))
    lines = source.text.split("\n")
    errors: list[ConfigError] = []
    found = list(tokens(source, errors))
    assert [token.kind is Kind.END for token in found] == [False] * (len(found) - 1) + [True]
    places = [token.position[1:] for token in found]
    assert all(earlier < later for earlier, later in pairwise(places))
    for token in found:
        _, line, column = token.position
        behind = "\n".join(lines[line - 1 :])[column - 1 :]
        if token.kind is Kind.WORD:
            first = behind[:1] if token.quoted else unescape(behind[:2])[:1]
            assert first == (first if token.quoted and first in "\"'" else token.text[:1])
        elif token.kind is not Kind.END:
            assert behind.startswith(token.kind.value)
    for error in errors:
        _check_place(error, {source.name: source})


def template(data: bytes) -> None:
    """A text with variables parses to what its spelling parses to again, or its mistake is told."""
    arg = argument(data.decode("utf-8", "surrogateescape"))
    try:
        parsed = Template.parse(arg)
    except InvalidValue as error:
        assert error.position == arg.position
        return
    assert Template.parse(argument(str(parsed))).parts == parsed.parts
    assert parsed.layout.replace(b"%%", b"").count(b"%b") == len([p for p in parsed.parts if not isinstance(p, bytes)])


def regex(data: bytes) -> None:
    """An expression compiles without a warning, or its mistake is told."""
    arg = argument(data.decode("utf-8", "surrogateescape"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compiled = compile_regex(arg)
            assert compile_regex(arg, nocase=True).groups == compiled.groups
        except InvalidValue as error:
            assert error.position == arg.position
            return
    assert all(name.isidentifier() for name in compiled.groupindex)
