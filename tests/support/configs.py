"""Configurations of tests: texts compiled against a small grammar, and their mistakes as one line each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lbproxy.config.blocks import read_config
from lbproxy.config.core import CORE_SETTINGS
from lbproxy.config.model import Address, Config
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.reader import Environment
from lbproxy.config.settings import Context, setting, setting_list
from lbproxy.config.values import duration, text
from lbproxy.config.vocabulary import Grammar, Script
from lbproxy.errors import ConfigErrors, Position, Source

HOSTS = {"localhost": ("127.0.0.1",), "two.test": ("10.0.0.1", "10.0.0.2"), "six.test": ("::1",)}


def resolve(host: str, port: int) -> Sequence[Address]:
    """Resolve the names in HOSTS and nothing else."""
    return [Address(address, port) for address in HOSTS[host]]


def files(contents: Mapping[str, str]) -> Environment:
    """Return an environment with only the files *contents*; a pattern with "*" takes all that begin alike."""

    def include(pattern: str, including: Source) -> Sequence[Source]:
        if pattern.endswith("*"):
            names = [name for name in sorted(contents) if name.startswith(pattern[:-1])]
        elif pattern in contents:
            names = [pattern]
        else:
            raise FileNotFoundError(2, "No such file or directory", pattern)
        return [Source(name, contents[name]) for name in names]

    return Environment(include=include, resolve=resolve, hostname="Box.test")


NO_FILES = files({})


@dataclass(frozen=True, slots=True, kw_only=True)
class PassSettings:
    """Settings as a protocol has them: one that isn't inherited, one that is, and a repeatable one."""

    target: str | None = setting(
        "proxy_pass", text, None, contexts=Context.LOCATION | Context.IF, inherit=False, into_if=True
    )
    read_timeout: float = setting("proxy_read_timeout", duration, 60.0)
    fields: tuple[tuple[str, ...], ...] = setting_list(
        "proxy_set_header", lambda directive: directive.texts, (), arity=(2, 2)
    )


SCRIPTED = Context.SERVER | Context.SERVER_IF | Context.LOCATION | Context.IF

GRAMMAR = Grammar(
    settings=(*CORE_SETTINGS, PassSettings),
    scripts={
        "return": Script(1, 2, SCRIPTED),
        "set": Script(2, 2, SCRIPTED),
        "if": Script(1, None, Context.SERVER | Context.LOCATION, block=True),
    },
    balancers={"ip_hash": (0, 0), "least_conn": (0, 0), "hash": (1, 2)},
)


def load(config: str, environment: Environment = NO_FILES, name: str = "site.conf") -> Config:
    """Return the configuration in *config*; raises ConfigErrors."""
    found, errors = read_config(Source(name, config), GRAMMAR, environment)
    if errors:
        raise ConfigErrors(errors)
    return found


def mistakes(config: str, environment: Environment = NO_FILES, name: str = "site.conf") -> list[str]:
    """Return every mistake of *config* as ``message in FILE:LINE:COLUMN (hint)``."""
    _config, errors = read_config(Source(name, config), GRAMMAR, environment)
    return [str(error).splitlines()[0] for error in errors]


def argument(word: str) -> Argument:
    """Return *word* as an argument somewhere."""
    return Argument(word, Position(Source("test", word), 1, 1))


def directive(name: str, *words: str) -> Directive:
    """Return ``name words;`` as a directive somewhere."""
    return Directive(name, tuple(argument(word) for word in words), Position(Source("test"), 1, 1))
