"""
The table of directives in docs/directives.md, made of what the program itself goes by.

``python -m lbproxy.tools.directives`` prints it (``make docs`` writes it); a test insists that the file is up to date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from lbproxy.config.settings import Context
from lbproxy.config.vocabulary import Entry, Role, Vocabulary
from lbproxy.directives import GRAMMAR

_INTRODUCTION = """\
# Directives

Every directive of nginx and what lbproxy makes of it. This file is generated (`make docs`): it is what the program
goes by. Where the two differ in what a directive does, see [differences.md](differences.md).

* **works**: does what it does in nginx, where nginx allows it.
* **accepted**: has no effect, and needs none; `lbproxy -t` lists those of a configuration.
* **refused**: lbproxy would serve something else than you mean, and says so at its place in the file. Some are accepted
  with the argument that turns them off.
"""
_PLACES = {
    Context.MAIN: "main",
    Context.EVENTS: "events",
    Context.HTTP: "http",
    Context.SERVER: "server",
    Context.LOCATION: "location",
    Context.UPSTREAM: "upstream",
    Context.IF: "if in location",
    Context.SERVER_IF: "if in server",
    Context.LIMIT_EXCEPT: "limit_except",
}


def rows(vocabulary: Vocabulary) -> Iterator[tuple[str, str, str]]:
    """Yield name, verdict and places or reason of every directive, in alphabetical order."""
    include = ("include", "works", "anywhere")  # read before any grammar
    found = ((name, *_verdict(entry)) for name, entries in vocabulary.entries.items() for entry in entries)
    yield from sorted([include, *found])


def _verdict(entry: Entry) -> tuple[str, str]:
    """Return in a word what becomes of a directive, and where it may stand or why."""
    if entry.role is Role.UNSUPPORTED:
        spared = f"; `{'`, `'.join(entry.harmless)}` is accepted" if entry.harmless else ""
        return "refused", entry.why + spared
    if entry.role is Role.IGNORED:
        return "accepted", entry.why
    return "works", ", ".join(text for context, text in _PLACES.items() if context & entry.contexts)


def table(vocabulary: Vocabulary) -> str:
    """Return the whole page."""
    found = list(rows(vocabulary))
    lines = ["| directive | lbproxy | where, or why |", "|---|---|---|"]
    lines += [f"| `{name}` | {verdict} | {_markdown(rest)} |" for name, verdict, rest in found]
    return "\n".join([_INTRODUCTION, _summary(found), "", *lines, ""])


def _summary(found: Iterable[tuple[str, str, str]]) -> str:
    counts = {"works": 0, "accepted": 0, "refused": 0}
    for _, verdict, _ in found:
        counts[verdict] += 1
    return "{works} work, {accepted} are accepted without effect, {refused} are refused.".format(**counts)


def _markdown(text: str) -> str:
    return re.sub(r"``", "`", text)


def main() -> None:
    """Print the page."""
    sys.stdout.write(table(Vocabulary(GRAMMAR)))


if __name__ == "__main__":
    main()
