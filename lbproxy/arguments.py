"""
The words of the command line, as nginx takes them (src/core/nginx.c:ngx_get_options).

Read by hand: to import argparse takes longer than all the rest of ``-v`` or ``-s``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lbproxy.errors import LbproxyError

SIGNALS = {"stop": "SIGTERM", "quit": "SIGQUIT", "reload": "SIGHUP", "reopen": "SIGUSR1"}
"""What ``-s`` sends."""

OPTIONS = """\
  -h, -?, --help   show this and exit
  -v, --version    show the version and exit
  -V               show the versions of all parts and exit
  -t               test the configuration and exit
  -T               test the configuration, print it whole and exit
  -q               say nothing but errors with -t
  -s SIGNAL        signal the running master: stop, quit, reload, reopen
  -p PREFIX        the directory that relative paths refer to
  -c FILE          the configuration file
  -e FILE          error log unless one is configured
  -g DIRECTIVES    directives before those of the file
  --daemon         leave the terminal once lbproxy serves, like `daemon on`
"""

_FLAGS = {"h": "help", "?": "help", "v": "version", "V": "build", "t": "test", "T": "dump", "q": "quiet"}
_VALUES = {"s": "signal", "p": "prefix", "c": "file", "e": "error_log", "g": "directives"}
_LONG = {"--help": "help", "--version": "version", "--daemon": "daemon"}


class Misuse(LbproxyError):
    """The command line is none."""


class Arguments(NamedTuple):
    """What a command line says: flags, and "" for what it doesn't give."""

    help: bool = False
    version: bool = False
    build: bool = False
    test: bool = False
    dump: bool = False
    quiet: bool = False
    daemon: bool = False
    signal: str = ""
    prefix: str = ""
    file: str = ""
    error_log: str = ""
    directives: str = ""


def parse(argv: Sequence[str]) -> Arguments:
    """
    Return what *argv* (without the command's own name) says; of an option given twice, the last counts.

    Letters may share a dash (``-tq``), and a value may stand behind its letter or be the next word.

    Raises:
        Misuse: It has an unknown option, one without its value, or a word that is none.
    """
    found: dict[str, Any] = {}
    words = iter(argv)
    for word in words:
        if word in _LONG:
            found[_LONG[word]] = True
        elif word.startswith("-") and word[1:] and not word.startswith("--"):
            found.update(_letters(word[1:], words))
        else:
            raise Misuse(f'invalid option: "{word}"')
    signal = found.get("signal", "stop")
    if signal not in SIGNALS:
        raise Misuse(f'invalid option: "-s {signal}": it takes {", ".join(SIGNALS)}')
    return Arguments()._replace(**found)


def _letters(letters: str, following: Iterator[str]) -> Iterator[tuple[str, str | bool]]:
    """Yield what the *letters* behind one dash say; a value that is not among them is taken from *following*."""
    for index, letter in enumerate(letters):
        if letter in _FLAGS:
            yield _FLAGS[letter], True
        elif letter in _VALUES:
            value = letters[index + 1 :] or next(following, None)
            if value is None:
                raise Misuse(f'option "-{letter}" requires a value')
            yield _VALUES[letter], value
            return
        else:
            raise Misuse(f'invalid option: "{letter}"')
