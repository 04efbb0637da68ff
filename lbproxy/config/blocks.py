"""
Directives to a `Config`: the structural blocks, everything in them typed, merged and checked.

A file may be a whole nginx.conf, or a bare fragment as in a conf.d folder: without an ``http`` block, what
belongs in http may stand outside every block, beside the main directives.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType

from lbproxy.config.forms import read_tree
from lbproxy.config.lexer import Unbalanced
from lbproxy.config.model import Config, UpstreamConf
from lbproxy.config.parser import Directive
from lbproxy.config.reader import BlockReader, Contents, Environment
from lbproxy.config.servers import compile_server, finish_servers
from lbproxy.config.settings import Context, TypeMap, defaults, inherited, rows
from lbproxy.config.upstreams import compile_upstream
from lbproxy.config.vocabulary import Grammar, Vocabulary
from lbproxy.errors import ConfigError, Source, WrongContext


def read_config(
    source: Source, grammar: Grammar, environment: Environment
) -> tuple[Config, tuple[ConfigError, ...]]:
    """
    Return the best reading of *source*, and every mistake in the order of the text.

    Args:
        source: YAML if its name ends in .yaml or .yml, else nginx's syntax.
    """
    directives, reading = read_tree(source, environment.include)
    config, errors = _compile(directives, grammar, environment)
    if any(isinstance(error, Unbalanced) for error in reading.errors):
        errors = []  # what follows a wrong brace stands in the wrong block, and most of it would be refused
    return config, in_order([*reading.errors, *errors])


def in_order(errors: Sequence[ConfigError]) -> tuple[ConfigError, ...]:
    """Sort by place; files in the order in which they were first complained about."""
    files: dict[str, int] = {}
    for error in errors:
        files.setdefault(error.position.source.name, len(files))

    def place(error: ConfigError) -> tuple[int, int, int]:
        return files[error.position.source.name], error.position.line, error.position.column

    return tuple(sorted(errors, key=place))


def _compile(
    directives: Sequence[Directive], grammar: Grammar, environment: Environment
) -> tuple[Config, list[ConfigError]]:
    """Return the configuration as far as it could be understood, and the mistakes."""
    reader = BlockReader(Vocabulary(grammar))
    main, http = _outer_blocks(reader, directives, defaults(grammar.settings))
    upstreams = _upstreams(reader, http, environment)
    drafts = [
        compile_server(reader, block, http.merged, environment) for block in http.named("server")
    ]
    listeners, servers = finish_servers(reader, drafts)
    if not drafts:
        reader.warnings.append("no server is configured: there is nothing to listen on")
    config = Config(
        listeners=listeners,
        servers=servers,
        upstreams=upstreams,
        directives=tuple(directives),
        ignored=tuple(reader.ignored),
        warnings=tuple(reader.warnings),
        merged=_main_over_http(main, http.merged),
    )
    return config, reader.errors


def _outer_blocks(
    reader: BlockReader, directives: Sequence[Directive], base: TypeMap
) -> tuple[TypeMap, Contents]:
    """Return the settings outside every block, and the contents of http."""
    whole = any(directive.name == "http" for directive in directives)
    context = Context.MAIN if whole else Context.MAIN | Context.HTTP
    outside = reader.read(directives, context, base)
    main = outside.merged
    for events in _only_one(reader, outside.named("events")):
        main = reader.read(events.block or (), Context.EVENTS, main).merged
    if not whole:
        outside.merged = main
        return main, outside
    http = Contents(inherited(main))
    for block in _only_one(reader, outside.named("http")):
        http = reader.read(block.block or (), Context.HTTP, inherited(main))
    return main, http


def _only_one(reader: BlockReader, blocks: list[Directive]) -> list[Directive]:
    """Return the first of *blocks*; the others are mistakes."""
    for block in blocks[1:]:
        with reader.catching():
            raise WrongContext(f'"{block.name}" directive is duplicate', block.position)
    return blocks[:1]


def _upstreams(reader: BlockReader, http: Contents, environment: Environment) -> dict[str, UpstreamConf]:
    """Return the upstreams by name, in lower case as nginx compares them."""
    found: dict[str, UpstreamConf] = {}
    for block in http.named("upstream"):
        conf = compile_upstream(reader, block, http.merged, environment.resolve)
        first = found.setdefault(conf.name.lower(), conf)
        if first is not conf:
            with reader.catching():
                hint = f"the first one is in {first.position}"
                raise WrongContext(f'duplicate upstream "{conf.name}"', block.position, hint)
    return found


def _main_over_http(main: TypeMap, http: TypeMap) -> TypeMap:
    """Return the settings of http, with those classes that the processes obey as they stand outside it."""
    process = Context.MAIN | Context.EVENTS

    def of_processes(kind: type) -> bool:
        return any(row.contexts & process for row in rows(kind).values())

    return MappingProxyType({**http, **{kind: main[kind] for kind in main if of_processes(kind)}})
