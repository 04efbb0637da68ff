"""What targets share: options in the first octet, and ways to cut octets into portions."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TypeVar

from lbproxy.errors import MalformedMessage
from lbproxy.wire.heads import Head
from tests.support.wire import parse_in_portions, portions, summary

T = TypeVar("T")
H = TypeVar("H", bound=Head)

_DRIP = 300  # octets up to which an input is also fed octet by octet


def choose(data: bytes, choices: Sequence[T]) -> tuple[T, bytes]:
    """Return the one of *choices* that the first octet of *data* means (``0``: the first), and the other octets."""
    return choices[data[0] % len(choices) if data else 0], data[1:]


def ways(octets: bytes) -> Iterator[list[bytes]]:
    """Yield *octets* cut in several ways that depend on nothing but them; the first is not cut at all."""
    yield [octets]
    rng = random.Random(zlib.crc32(octets))
    yield list(portions(octets, [rng.randrange(len(octets) + 1)]))
    yield list(portions(octets, [rng.randrange(len(octets) + 1) for _ in range(5)]))
    if len(octets) <= _DRIP:
        yield [octets[i : i + 1] for i in range(len(octets))]


def same_however_cut(octets: bytes, outcome: Callable[[list[bytes]], T]) -> T:
    """Return what *outcome* makes of *octets* in one piece, after comparing it with that of other portions."""
    first, *others = ways(octets)
    expected = outcome(first)
    for parts in others:
        got = outcome(parts)
        assert got == expected, f"{expected!r} in one piece, but {got!r} in the portions {parts!r}"
    return expected


def read_head(parse: Callable[[bytes, int], H | None], octets: bytes, statuses: Collection[int]) -> H | None:
    """Return the head that *octets* begin with, None if it is incomplete or refused with one of *statuses*."""

    def outcome(parts: list[bytes]) -> object:
        try:
            return summary(parse_in_portions(parse, parts))
        except MalformedMessage as error:
            assert error.status in statuses, (error.status, error.reason)
            assert error.reason
            return error.status

    if not isinstance(same_however_cut(octets, outcome), dict):
        return None
    head = parse(octets, 0)
    assert head is not None
    return head
