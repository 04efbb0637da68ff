"""Where heads begin, end, and break into lines."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.wire import grammar

LINES = st.lists(st.sampled_from([b"a", b"\r\n", b"\n", b"\r", b""]), max_size=14).map(b"".join)


@pytest.mark.parametrize(
    ("buf", "count"),
    [(b"", 0), (b"GET", 0), (b"\r\nGET", 2), (b"\n\r\n\nGET", 4), (b"\r", 0), (b"\n\r", 1), (b"\r\r\n", 0),
     (b"\n" * 99, 66)],
)
def test_blank_lines(buf: bytes, count: int) -> None:
    """Complete empty lines are counted, up to a little more than is tolerated."""
    assert grammar.blank_lines(buf) == count


@pytest.mark.parametrize(
    ("head", "end"), [(b"a\r\n\r\nb", 5), (b"a\n\nb", 3), (b"a\n\r\nb", 4), (b"a\r\n\nb", 4), (b"a\r\n\r", -1),
                      (b"a\r\r\n", -1)]
)
def test_head_ends_with_an_empty_line(head: bytes, end: int) -> None:
    """The index is that behind it, whichever line ends are used."""
    assert grammar.head_end(head, 0, 0) == end


@given(LINES, st.integers(0, 30))
def test_what_was_searched_need_not_be_searched_again(buf: bytes, searched: int) -> None:
    """If the first *searched* octets hold no end, skipping them finds the same one."""
    searched = min(searched, len(buf))
    if grammar.head_end(buf[:searched], 0, 0) == -1:
        assert grammar.head_end(buf, 0, searched) == grammar.head_end(buf, 0, 0)


@given(LINES)
def test_lines_lose_their_ends_only(lines: bytes) -> None:
    """A CR that ends no line stays where it is."""
    head = lines + b"x\n\n"
    assert grammar.split_lines(head) == re.split(rb"\r?\n", head)[:-2]


@pytest.mark.parametrize("pattern", [grammar.TOKEN, grammar.PLAIN_NAME, grammar.UNDERSCORE_NAME])
def test_names_hold_no_separator(pattern: bytes) -> None:
    """No name may contain a colon, a blank, a control character or an 8-bit octet; all may hold letters."""
    taken = {octet for octet in range(256) if re.fullmatch(pattern, bytes((octet,)))}
    assert not taken & {*range(33), *b'"(),/:;<=>?@[\\]{}', *range(127, 256)}
    assert {*b"azAZ09-"} <= taken
