"""A tree of directives to nginx's syntax, for ``lbproxy -T`` and the tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from lbproxy.config.parser import Directive

_PLAIN = re.compile(r"""(?![#}"'])(?:\\[^ \t\r\n;{"'\\trn]|\$\{?|[^ \t\r\n;{\\$"'])++""")
_NEEDS_BACKSLASH = re.compile(r"""\\(?=["'\\trn]|\Z)""")


def word(text: str) -> str:
    """Return *text* as a word of the configuration, quoted where it must be."""
    if _PLAIN.fullmatch(text):
        return text
    doubled = _NEEDS_BACKSLASH.sub(r"\\\\", text)
    return '"' + doubled.replace('"', '\\"') + '"'


def dump(directives: Sequence[Directive]) -> str:
    """
    Return *directives* as text that parses to the same tree.

    A comment says from which file the directives behind it came, wherever that changes.
    """
    return "".join(f"{line}\n" if line else "\n" for line in _Writer().lines(directives, 0))


class _Writer:
    """Remembers which file the last line came from."""

    def __init__(self) -> None:
        self.file = ""

    def lines(self, directives: Iterable[Directive], depth: int) -> Iterator[str]:
        """Yield the lines of *directives*, *depth* blocks deep."""
        indent = "    " * depth
        for directive in directives:
            file = directive.position.source.name
            if file != self.file:
                self.file = file
                yield f"{indent}# from {' '.join(file.split())}:"
            head = " ".join([word(directive.name), *(word(arg.text) for arg in directive.args)])
            if directive.block is None:
                yield f"{indent}{head};"
                continue
            yield f"{indent}{head} {{"
            yield from self.lines(directive.block, depth + 1)
            yield f"{indent}}}"
