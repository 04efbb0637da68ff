"""Changes that keep the structure of a text of lines: libFuzzer's own change octets, and rarely make a new field."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

_ENDS = (b"\r\n", b"\r\n", b"\n", b"\r", b"\r\r\n", b"\r\n ", b"")
_ODD = (b"\0", b"\t", b" ", b"\x0b", b"\x7f", b"\x80", b"\xa0", b"%00", b"%0d%0a", b"_", b"+", b"#", b"\\", b"\"")

Change = Callable[[list[bytes], random.Random, Sequence[bytes]], None]


def _repeat(lines: list[bytes], rng: random.Random, _phrases: Sequence[bytes]) -> None:
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))


def _remove(lines: list[bytes], rng: random.Random, _phrases: Sequence[bytes]) -> None:
    del lines[rng.randrange(len(lines))]


def _move(lines: list[bytes], rng: random.Random, _phrases: Sequence[bytes]) -> None:
    line = lines.pop(rng.randrange(len(lines)))
    lines.insert(rng.randrange(len(lines) + 1), line)


def _say(lines: list[bytes], rng: random.Random, phrases: Sequence[bytes]) -> None:
    lines.insert(rng.randrange(len(lines) + 1), rng.choice(phrases) + b"\r\n")


def _mix_in(lines: list[bytes], rng: random.Random, phrases: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    place = rng.randrange(len(lines[at]) + 1)
    lines[at] = lines[at][:place] + rng.choice((*_ODD, rng.choice(phrases))) + lines[at][place:]


def _end(lines: list[bytes], rng: random.Random, _phrases: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = lines[at].rstrip(b"\r\n") + rng.choice(_ENDS)


def _spell(lines: list[bytes], rng: random.Random, _phrases: Sequence[bytes]) -> None:
    at = rng.randrange(len(lines))
    lines[at] = rng.choice((bytes.upper, bytes.lower, bytes.swapcase))(lines[at])


def _double(lines: list[bytes], _rng: random.Random, _phrases: Sequence[bytes]) -> None:
    lines += lines


_CHANGES: tuple[Change, ...] = (_repeat, _remove, _move, _say, _say, _mix_in, _mix_in, _end, _spell, _double)


def change(data: bytes, most: int, rng: random.Random, phrases: Sequence[bytes]) -> bytes:
    """
    Return *data* with one to three changes to its lines; the first octet, which chooses options, stays.

    Args:
        most: Octets that the result may have.
        rng: Where chance comes from.
        phrases: What may be said in a line, or within one.
    """
    lines = data[1:].splitlines(keepends=True) or [b""]
    for _ in range(rng.randint(1, 3)):
        rng.choice(_CHANGES)(lines, rng, phrases)
        lines = lines or [b""]
    return (data[:1] + b"".join(lines))[:most]
