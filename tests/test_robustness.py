"""
What must hold whatever arrives, and that each of it has a test.

A test says in its docstring which requirement would break without it: ``Robustness 5.``, so that
``grep -rn "Robustness 5\\b" tests`` finds all of them.  What lbproxy promises is told in docs/security.md.
"""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

REQUIREMENTS = {
    # one message, one reading
    "1": "A body is framed by one rule; a length is plain digits within 63 bits",
    "2": "Transfer-Encoding means chunked, alone and once, or the request is refused",
    "3": "Chunks are read strictly, however they are cut; nothing of their framing goes on",
    "4": "Control characters, odd names, folds and bad request lines are refused or made regular",
    "5": "Behind an error in framing nothing is served; connections out of step are not used again",
    "6": "Answers come in order, and nobody gets octets meant for another",
    "7": "CONNECT and upgrades that nobody asked for give no tunnel, and h2c is not passed on",
    # servers
    "B": "An answer is checked like a request; a cut one is seen to be cut",
    # identity and routing
    "8": "What the proxy says of the client is its own word, once",
    "9": "One valid Host, or an absolute target in its place; routing and forwarding agree on it",
    "10": "Paths are matched decoded and folded; nothing decoded leaves its place",
    "11": "Fields of one connection, and those that Connection names, end here",
    "12": "Set-Cookie is not joined, repeats keep their order, log lines stay lines",
    "D": "A uwsgi packet is never wrapped, has each variable once, and is followed by the body alone",
    # hostility
    "13": "Memory stays bounded whatever streams and stalls",
    "14": "Time-outs act in time and release both sides; heads and trailers are bounded",
    "15": "Slow or minute pieces delay nobody else",
    "16": "A body's limit holds for chunks too, and who is still sending can read the refusal",
    "17": "What clients abandon is given back",
    "18": "At a limit of the system the service goes on, or comes back by itself",
    # faults
    "19": "What may be repeated survives a failing server; what may have been carried out is not repeated",
    "20": "Servers are judged by their own failures, left alone, and asked again by themselves",
    "21": "A reload loses nothing; a bad configuration changes nothing",
    "22": "The graceful end finishes what is in hand, the fast one is fast; dead workers are replaced",
    "23": "No input crashes a process; a client's abort reaches its server",
}
"""Titles of the requirements, in the order of their importance within each group."""

HERE = Path(__file__).parent
_NAMED = re.compile(r"\bRobustness (\w+)\.")


@cache
def named() -> list[tuple[str, str]]:
    """Return each requirement that the docstring of a test names, with the place where it does."""
    return [
        (number, f"{path.relative_to(HERE)}::{node.name}")
        for path in sorted(HERE.rglob("test_*.py"))
        if "Robustness " in (text := path.read_text())
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
        for number in _NAMED.findall(ast.get_docstring(node) or "")
    ]


def test_every_requirement_has_a_test() -> None:
    """What nobody tests does not hold for long."""
    assert set(REQUIREMENTS) - {number for number, _ in named()} == set()


def test_no_other_requirement_is_named() -> None:
    """A name that is misspelt would be found by nobody."""
    assert [where for number, where in named() if number not in REQUIREMENTS] == []
