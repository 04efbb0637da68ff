r"""
PCRE, as nginx's configurations write it, to Python's `re` over octets.

Translated: ``(?<name>...)`` and ``(?'name'...)``, POSIX classes such as ``[[:alpha:]]``, ``\h``, ``\z``,
``\Z``, ``\x{41}``; characters that Python would read as set operations are escaped.  Atomic groups and
possessive quantifiers mean the same in both.  What only PCRE has (recursion, ``\K``, ``\G``) is refused.
"""

from __future__ import annotations

import re

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue

_PIECE = re.compile(
    r"""
    \\x\{(?P<hex>[0-9a-fA-F]{1,2})\}
  | \\(?P<escape>.)
  | \[(?P<set>\^?\]?(?:\\.|\[:\^?[a-z]+:\]|[^\]\\])*+)\]
  | \(\?<(?![=!])(?P<name>[^>]*)>
  | \(\?'(?P<quoted>[^']*)'
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = {"h": r"[ \t]", "H": r"[^ \t]", "z": r"\Z", "Z": r"(?=\n?\Z)", "e": r"\x1b", "/": "/"}
_SET_PIECE = re.compile(
    r"\\x\{(?P<hex>[0-9a-fA-F]{1,2})\}|\\.|\[:(?P<class>[a-z]+):\]|\[|--|&&|~~|\|\|", re.DOTALL
)
_CLASSES = {
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "alnum": "a-zA-Z0-9",
    "upper": "A-Z",
    "lower": "a-z",
    "word": r"\w",
    "space": r"\s",
    "blank": r" \t",
    "xdigit": "0-9a-fA-F",
    "punct": r"!-/:-@\[-`{-~",
    "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e",
    "graph": r"\x21-\x7e",
}


def _in_set(match: re.Match[str]) -> str:
    """Translate one piece of what stands between ``[`` and ``]``."""
    if match["hex"]:
        return rf"\x{int(match['hex'], 16):02x}"
    if match["class"]:
        return _CLASSES.get(match["class"], match[0])
    if match[0] == r"\h":
        return r" \t"
    if match[0].startswith("\\"):
        return match[0]
    return match[0][:-1] + "\\" + match[0][-1]


def _piece(match: re.Match[str]) -> str:
    """Translate one piece outside of sets."""
    if match["hex"]:
        return rf"\x{int(match['hex'], 16):02x}"
    if match["escape"]:
        return _ESCAPES.get(match["escape"], match[0])
    if match["set"] is not None:
        return f"[{_SET_PIECE.sub(_in_set, match['set'])}]"
    return f"(?P<{match['name'] or match['quoted']}>"


def to_python(pattern: str) -> str:
    """Return *pattern* in Python's syntax."""
    return _PIECE.sub(_piece, pattern)


def compile_regex(arg: Argument, pattern: str | None = None, *, nocase: bool = False) -> re.Pattern[bytes]:
    """
    Compile *pattern* (the argument's text unless given) for matching octets.

    Raises:
        InvalidValue: It is not a regular expression, or one that only PCRE knows.
    """
    text = arg.text if pattern is None else pattern
    try:
        return re.compile(octets(to_python(text)), re.IGNORECASE if nocase else 0)
    except re.error as error:
        raise InvalidValue(f'regex "{text}" is invalid: {error.msg}', arg.position) from None
