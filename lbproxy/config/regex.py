r"""
PCRE, as nginx's configurations write it, to Python's `re` over octets.

Both read most expressions alike, atomic groups and possessive quantifiers included.  Rewritten is what differs in
spelling (``(?<name>...)``, ``\h``, ``\R``, ``\Q...\E``, ``[[:alpha:]]``, ``\z``, ``\g{-1}``), in place (``(?i)`` amid a
pattern), or in what Python demands (one width per look-behind).  What only PCRE can do is refused with a hint.  Like
PCRE, Python goes back over what it has tried without limit: ``(a+)+$`` can take very long on a hostile path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue

_LINE_ENDS = r"\n\x0b\f\r\x85"
_BLANKS = r"\t \xa0"
_ESCAPES = {
    "h": f"[{_BLANKS}]", "H": f"[^{_BLANKS}]", "v": f"[{_LINE_ENDS}]", "V": f"[^{_LINE_ENDS}]", "N": r"[^\n]",
    "R": rf"(?>\r\n|[{_LINE_ENDS}])", "C": r"(?s:.)", "G": r"\A", "z": r"\Z", "Z": r"(?=\n?\Z)", "e": r"\x1b", "E": "",
}  # fmt: skip
_KINDS_IN_SET = {
    "d": r"\d", "D": r"\D", "s": r"\s", "S": r"\S", "w": r"\w", "W": r"\W", "h": _BLANKS, "v": _LINE_ENDS,
}  # fmt: skip
_ESCAPES_IN_SET = {"e": r"\x1b", "-": r"\x2d"}  # a hyphen written like this makes no range
_CLASSES = {
    "alpha": "a-zA-Z", "digit": "0-9", "alnum": "a-zA-Z0-9", "upper": "A-Z", "lower": "a-z", "word": r"\w",
    "space": r"\s", "blank": r" \t", "xdigit": "0-9a-fA-F", "punct": r"!-/:-@\[-`{-~", "cntrl": r"\x00-\x1f\x7f",
    "print": r"\x20-\x7e", "graph": r"\x21-\x7e", "ascii": r"\x00-\x7f",
}  # fmt: skip
_PLAIN_HINT = "lbproxy matches octets: write out the characters that are meant"
_HINTS = {
    r"\p": _PLAIN_HINT, r"\P": _PLAIN_HINT, r"\X": _PLAIN_HINT,
    r"\K": "put what stands before it into a look-behind: (?<=...)",
    "(?|": "write (?:...|...), and number or name the groups in it",
    "(?U": "make each quantifier lazy by itself: .*?",
    "(*": "of these only (*UTF8) at the very beginning is known",
}  # fmt: skip
_CALL_HINT = "no group can be called here: write the repeated part out"
_MULTIBYTE = r"[\xc2-\xf4][\x80-\xbf]+"
_NUMBER = re.compile(r"x\{(?P<x>[0-9a-fA-F]+)\}|x(?P<xx>[0-9a-fA-F]{0,2})|o\{(?P<o>[0-7]+)\}|c(?P<c>[\x20-\x7e])")
_REFERENCE = re.compile(r"g(?P<signed>-?[0-9]+)|[gk](?:\{(?P<a>-?\w+)\}|<(?P<b>\w+)>|'(?P<c>\w+)')")
_QUANTIFIER = re.compile(r"\{[0-9]+(?:,[0-9]*)?\}")
_NAMED = re.compile(r"\(\?P?(?:<(?P<a>[A-Za-z_]\w*)>|'(?P<b>\w+)')")
_CONDITION = re.compile(r"\(\?\((?:<(?P<a>\w+)>|'(?P<b>\w+)'|(?P<c>\w+))\)")
_OPTIONS = re.compile(r"\(\?(?P<flags>[imsx]*(?:-[imsx]+)?)(?P<end>[:)])")
_GROUP = re.compile(r"\(\?(?:[=!>]|<[=!])|\((?![?*])")
_CALL = re.compile(r"\(\?(?:R|[+-]?[0-9]+|&\w*|P>\w*)")
_SAME = re.compile(r"\(\?P=\w+\)")
_COMMENT = re.compile(r"\(\?#[^)]*\)")
_UTF = re.compile(r"\(\*UTF8?\)")
_ITEM = re.compile(
    rf"\\(?:{_NUMBER.pattern}|(?P<octal>[0-7]{{1,3}})|(?P<kind>.))|\[:(?P<not>\^?)(?P<class>[a-z]+):\]|(?P<char>.)",
    re.DOTALL,
)


class UntranslatableError(ValueError):
    """
    Only PCRE can read it.

    Args:
        hint: What to write instead; "" if nothing is known.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(slots=True)
class _Group:
    """
    A group that is still open.

    Args:
        opening: As Python writes it; "" for the pattern as a whole.
        branches: What stands between its bars so far.
        options: Those set amid it, as ``(?i:``, which run to its end through all further branches.
    """

    opening: str
    verbose: bool = False
    branches: list[str] = field(default_factory=lambda: [""])
    options: str = ""
    opened: int = 0

    def add(self, text: str) -> None:
        self.branches[-1] += text

    def branch(self) -> None:
        self.add(")" * self.opened)
        self.branches.append(self.options)

    def set_options(self, flags: str) -> None:
        self.add(f"(?{flags}:")
        self.options += f"(?{flags}:"
        self.opened += 1
        kept, _, dropped = flags.partition("-")
        self.verbose = ("x" in kept or self.verbose) and "x" not in dropped

    def close(self) -> str:
        self.add(")" * self.opened)
        if self.opening == "(?<!":
            return "".join(f"(?<!{branch})" for branch in self.branches)
        if self.opening == "(?<=" and len(self.branches) > 1:
            return "(?:" + "|".join(f"(?<={branch})" for branch in self.branches) + ")"
        return self.opening + "|".join(self.branches) + (")" if self.opening else "")


class _Translator:
    """Reads one pattern from left to right."""

    def __init__(self, pattern: str) -> None:
        utf = _UTF.match(pattern)
        self._utf = utf is not None
        self._text, self._at = pattern, utf.end() if utf else 0
        self._stack = [_Group("")]
        self._groups = 0

    def translate(self) -> str:
        while self._at < len(self._text):
            piece = self._piece()  # which may open or close a group
            self._stack[-1].add(piece)
        while len(self._stack) > 1:  # Python complains of what is never closed
            inner = self._stack.pop()
            self._stack[-1].add(inner.close()[:-1])
        return self._stack[0].close()

    def _take(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        match = pattern.match(self._text, self._at)
        if match is not None:
            self._at = match.end()
        return match

    def _piece(self) -> str:
        """Return what comes next in Python's words; "" when it went into the state instead."""
        char, piece = self._text[self._at], ""
        if char == "{" and (quantifier := self._take(_QUANTIFIER)):
            return quantifier[0]
        self._at += 1
        match char:
            case "(":
                self._at -= 1
                piece = self._group()
            case "[":
                piece = self._set()
            case "\\":
                piece = self._escape()
            case "{":
                piece = r"\{"
            case ")" if len(self._stack) > 1:
                piece = self._stack.pop().close()
            case "|":
                self._stack[-1].branch()
            case "#" if self._stack[-1].verbose:
                self._at = (self._text + "\n").index("\n", self._at)
            case "." if self._utf:
                piece = rf"(?:[^\n\x80-\xff]|{_MULTIBYTE})"
            case _:
                piece = self._character(char)
        return piece

    def _character(self, char: str) -> str:
        return f"(?:{char})" if self._utf and ord(char) > 127 else char

    def _group(self) -> str:
        """Open a group, or take what only looks like one."""
        outer = self._stack[-1]
        if named := self._take(_NAMED):
            self._groups += 1
            self._stack.append(_Group(f"(?P<{named['a'] or named['b']}>", outer.verbose))
        elif condition := self._take(_CONDITION):
            self._stack.append(_Group(f"(?({condition['a'] or condition['b'] or condition['c']})", outer.verbose))
        elif self._take(_COMMENT):
            pass
        elif same := self._take(_SAME):
            return same[0]
        elif options := self._take(_OPTIONS):
            if options["end"] == ":":
                verbose = outer.verbose or "x" in options["flags"].partition("-")[0]
                self._stack.append(_Group(options[0], verbose))
            elif options["flags"]:
                outer.set_options(options["flags"])
        elif group := self._take(_GROUP):
            self._groups += group[0] == "("
            self._stack.append(_Group(group[0], outer.verbose))
        elif call := self._take(_CALL):
            raise UntranslatableError(f"lbproxy does not know {call[0]}", _CALL_HINT)
        else:
            self._refuse(self._text[self._at:][:3])
        return ""

    def _refuse(self, what: str) -> None:
        hint = next((hint for start, hint in _HINTS.items() if what.startswith(start)), "")
        raise UntranslatableError(f"lbproxy does not know {what}", hint)

    def _escape(self) -> str:
        """Translate what follows a backslash outside of sets."""
        if number := self._take(_NUMBER):
            return self._coded(number)
        if reference := self._take(_REFERENCE):
            return self._referred(next(filter(None, reference.groups())))
        char = self._text[self._at:][:1]
        self._at += 1
        if char == "Q":
            quoted, _, _ = self._text[self._at:].partition(r"\E")
            self._at += len(quoted) + 2
            return re.escape(quoted)
        if "\\" + char in _HINTS:
            self._refuse("\\" + char)
        return _ESCAPES.get(char, "\\" + char)

    def _coded(self, number: re.Match[str]) -> str:
        """Return the character that has this number, or is made with this control key."""
        if number["c"]:
            code = ord(number["c"].upper()) ^ 64
        else:
            code = int(number["o"], 8) if number["o"] else int(number["x"] or number["xx"] or "0", 16)
        if self._utf and 127 < code < 0x110000:
            return self._character(chr(code))
        if code > 255:
            raise UntranslatableError("character code point value in \\x{} or \\o{} is too large", _PLAIN_HINT)
        return rf"\x{code:02x}"

    def _referred(self, to: str) -> str:
        if to.lstrip("-").isdigit():
            number = int(to)
            return rf"(?:\{number if number > 0 else self._groups + 1 + number})"
        return f"(?P={to})"

    def _set(self) -> str:
        """Translate a set from its ``[`` to its ``]``."""
        negated = self._text.startswith("^", self._at)
        self._at += negated
        items = list(self._items())
        body = "".join(_ranged(items))
        if not self._utf:
            return f"[{'^' if negated else ''}{body}]"
        if not body.isascii():
            raise UntranslatableError("lbproxy does not know sets of characters beyond ASCII", "write (?:ä|ö)")
        return rf"(?:[^{body}\x80-\xff]|{_MULTIBYTE})" if negated else f"[{body}]"

    def _items(self) -> Iterator[tuple[str, bool]]:
        """Yield what stands in a set in Python's words, each with whether it is one character."""
        first = True
        while item := self._take(_ITEM):
            if item["char"] == "]" and not first:
                return
            first = False
            if item["char"]:
                yield (item[0] if item[0].isalnum() or ord(item[0]) > 127 else _escaped(item[0])), True
            elif item["class"]:
                yield _named_class(item["class"], bool(item["not"])), False
            elif item["octal"]:
                yield rf"\x{int(item['octal'], 8) & 255:02x}", True
            elif item["kind"] is None:
                yield self._coded(item), True
            else:
                yield _kind(item["kind"])
        raise UntranslatableError("missing terminating ] for character class")


def _escaped(char: str) -> str:
    return "\\" + char if char in r"\[]^&~|-#" else char


def _ranged(items: list[tuple[str, bool]]) -> Iterator[str]:
    """Yield *items*, a hyphen as such only between two characters; elsewhere it stands for itself."""
    index = 0
    while index < len(items):
        if index + 2 < len(items) and items[index + 1][0] == r"\-" and items[index][1] and items[index + 2][1]:
            yield f"{items[index][0]}-{items[index + 2][0]}"
            index += 3
        else:
            yield items[index][0]
            index += 1


def _kind(char: str) -> tuple[str, bool]:
    """Translate what a backslash makes of *char* in a set; the flag as in `_Translator._items`."""
    if char in _KINDS_IN_SET:
        return _KINDS_IN_SET[char], False
    if char.lower() in _KINDS_IN_SET:
        return _complement(_KINDS_IN_SET[char.lower()]), False
    if char in "pPRX":
        raise UntranslatableError(f"lbproxy does not know \\{char} in a set", _PLAIN_HINT)
    return _ESCAPES_IN_SET.get(char, "\\" + char), True


def _named_class(name: str, negated: bool) -> str:
    if name not in _CLASSES:
        raise UntranslatableError("unknown POSIX class name", f"there are {', '.join(_CLASSES)}")
    return _complement(_CLASSES[name]) if negated else _CLASSES[name]


def _complement(members: str) -> str:
    """Return all octets that are not among *members*, both as the inner part of a set."""
    inside = re.compile(f"[{members}]".encode())
    return "".join(rf"\x{code:02x}" for code in range(256) if not inside.match(bytes((code,))))


def to_python(pattern: str) -> str:
    """Return *pattern* in Python's syntax; raises `UntranslatableError`."""
    return _Translator(pattern).translate()


def compile_regex(arg: Argument, pattern: str | None = None, *, nocase: bool = False) -> re.Pattern[bytes]:
    """
    Compile *pattern* (the argument's text unless given) for matching octets.

    Raises:
        InvalidValue: It is not a regular expression, or one that only PCRE knows.
    """
    text = arg.text if pattern is None else pattern
    try:
        return re.compile(octets(to_python(text)), re.IGNORECASE if nocase else 0)
    except UntranslatableError as error:
        raise InvalidValue(f'regex "{text}" is invalid: {error}', arg.position, error.hint) from None
    except re.error as error:
        hint = "split it into alternatives of one width each" if "look-behind" in error.msg else ""
        raise InvalidValue(f'regex "{text}" is invalid: {error.msg}', arg.position, hint) from None
    except (OverflowError, RecursionError, ValueError) as error:  # numbers of many digits, groups in hundreds of groups
        raise InvalidValue(f'regex "{text}" is invalid: {error}', arg.position) from None


def group_names(pattern: str) -> tuple[str, ...]:
    """Return the names of the groups in *pattern*, which needs not be valid."""
    return tuple(match["a"] or match["b"] for match in _NAMED.finditer(pattern))
