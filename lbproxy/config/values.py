"""
Arguments to values: what a setting's parser is made of.

Each takes an `Argument` and returns the very value the hot path uses, or raises `Misfit`, an `InvalidValue`
that does not know yet which directive it is about; the settings mechanism tells it (nginx's messages name it
in the middle).  Units: seconds, octets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue
from lbproxy.wire import grammar


class Misfit(InvalidValue):
    """
    An argument that does not fit.

    Args:
        wording: The message; ``{directive}`` stands for the directive's name, ``{value}`` for the argument.
    """

    def __init__(self, wording: str, arg: Argument, hint: str = "", directive: str = "...") -> None:
        super().__init__(wording.format(directive=directive, value=arg.text), arg.position, hint)
        self.wording, self.arg = wording, arg

    def named(self, directive: str) -> Misfit:
        """Return the same complaint with the name of the directive in it."""
        return Misfit(self.wording, self.arg, self.hint, directive)


_INVALID_VALUE = '"{directive}" directive invalid value'
_INVALID_NUMBER = '"{directive}" directive invalid number'
_TIME_HINT = "a time is written like 30s, 500ms, 1h30m; a number alone is seconds"
_SIZE_HINT = "a size is written like 512, 8k, 10m or 1g"

_TIME = re.compile(
    r"""
    (?=[0-9])
    (?: (?P<y>[0-9]{1,64}) y \ * )?
    (?: (?P<M>[0-9]{1,64}) M \ * )?
    (?: (?P<w>[0-9]{1,64}) w \ * )?
    (?: (?P<d>[0-9]{1,64}) d \ * )?
    (?: (?P<h>[0-9]{1,64}) h \ * )?
    (?: (?P<m>[0-9]{1,64}) m (?!s) \ * )?
    (?: (?P<s>[0-9]{1,64}) (?: s | (?=\ |$) ) \ * )?
    (?: (?P<ms>[0-9]{1,64}) ms \ * )?
    """,
    re.VERBOSE,
)
_SECONDS = {"y": 31536000, "M": 2592000, "w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
_SIZE = re.compile(r"([0-9]{1,64})([kKmMgG]?)")
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_DIGITS = re.compile(r"[0-9]{1,64}")  # int() takes other digits as well, and raises for thousands of them
_LARGEST = (1 << 63) - 1


def text(arg: Argument) -> str:
    """Return the argument as it stands."""
    return arg.text


def flag(arg: Argument) -> bool:
    """Return whether it is "on"; anything but "on" and "off" is refused."""
    lowered = arg.text.lower()
    if lowered not in ("on", "off"):
        wording = 'invalid value "{value}" in "{directive}" directive, it must be "on" or "off"'
        raise Misfit(wording, arg)
    return lowered == "on"


def decimal(word: str) -> int | None:
    """Return the number that *word* is in ASCII digits, at most 2^63 - 1; None if it is anything else."""
    value = int(word) if _DIGITS.fullmatch(word) else -1
    return value if 0 <= value <= _LARGEST else None


def number(arg: Argument) -> int:
    """Return a decimal number without sign, at most 2^63 - 1."""
    value = decimal(arg.text)
    if value is None:
        raise Misfit(_INVALID_NUMBER, arg)
    return value


def number_between(low: int, high: int | None = None) -> Callable[[Argument], int]:
    """Return a parser of numbers from *low* to *high*, both included (ngx_conf_check_num_bounds)."""

    def parse(arg: Argument) -> int:
        value = number(arg)
        if high is None and value < low:
            raise Misfit(f"value must be equal to or greater than {low}", arg)
        if high is not None and not low <= value <= high:
            raise Misfit(f"value must be between {low} and {high}", arg)
        return value

    return parse


def duration(arg: Argument) -> float:
    """
    Return seconds: ``90``, ``90s``, ``1m30s``, ``500ms``, ``1d``; units y M w d h m s ms, each once, falling.

    As src/core/ngx_parse_time.c:ngx_parse_time with ``is_sec = 0``.
    """
    match = _TIME.fullmatch(arg.text)
    if match is None:
        raise Misfit(_INVALID_VALUE, arg, _TIME_HINT)
    found = {unit: int(count) for unit, count in match.groupdict().items() if count}
    milliseconds = found.pop("ms", 0)
    seconds = sum(count * _SECONDS[unit] for unit, count in found.items())
    if seconds * 1000 + milliseconds > _LARGEST:
        raise Misfit(_INVALID_VALUE, arg, "the time is too long")
    return seconds + milliseconds / 1000


def seconds(arg: Argument) -> float:
    """Return a time in whole seconds: as `duration`, but milliseconds are refused (``is_sec = 1``)."""
    if arg.text.rstrip(" ").endswith("ms"):
        raise Misfit(_INVALID_VALUE, arg, "this time counts whole seconds")
    return duration(arg)


def size(arg: Argument) -> int:
    """Return octets: ``512``, ``8k``, ``10m``, ``1g`` (ngx_parse_offset)."""
    match = _SIZE.fullmatch(arg.text)
    value = int(match[1]) * _UNITS[match[2].lower()] if match else -1
    if not 0 <= value <= _LARGEST:
        mend = re.fullmatch(r"([0-9]+) *([kKmMgG])(?:i?[bB])", arg.text)
        raise Misfit(_INVALID_VALUE, arg, f"did you mean {mend[1]}{mend[2].lower()}?" if mend else _SIZE_HINT)
    return value


def choice(*names: str) -> Callable[[Argument], str]:
    """Return a parser that takes exactly these *names*."""

    def parse(arg: Argument) -> str:
        if arg.text not in names:
            raise Misfit('invalid value "{value}"', arg, f"it must be one of {', '.join(names)}")
        return arg.text

    return parse


def field_name(arg: Argument) -> bytes:
    """Return the name of a field, as written (RFC 9110 section 5.1)."""
    name = octets(arg.text)
    if not grammar.is_token(name):
        raise Misfit('invalid header name "{value}" in "{directive}" directive', arg)
    return name


def on_one_line(arg: Argument) -> Argument:
    """
    Return the value of a field without the line breaks that a long one is written with in the configuration.

    nginx sends them, and whoever reads them takes a folded line for a blank (RFC 9112 section 5.2).
    """
    if "\n" not in arg.text:
        return arg
    return arg._replace(text=" ".join(line.strip() for line in arg.text.split("\n")).strip())


def did_you_mean(word: str, known: Iterable[str], wording: str = 'did you mean "{}"?') -> str:
    """Return a hint that names the closest of the *known* words in *wording*; "" when none is close."""
    import difflib  # noqa: PLC0415 - only for mistakes

    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.75)
    return wording.format(close[0]) if close else ""


def split_parameter(arg: Argument) -> tuple[str, Argument] | None:
    """Return ``name=value`` as the name and the value with the value's own place; None without a "="."""
    name, equals, value = arg.text.partition("=")
    if not equals:
        return None
    place = arg.position
    shifted = type(place)(place.source, place.line, place.column + len(name) + 1 + arg.quoted)
    return name, Argument(value, shifted, arg.quoted)
