"""Field blocks: read, joined, cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.wire import fields

BLOCK = b"Host: a\r\nX-Accel-Buffering:no\r\nx-accel: \t v w \t\r\nEmpty:\r\nHOST: b\r\nA: x:y\r\n"


def test_blocks_are_read_in_order() -> None:
    """Names are lower-cased, values lose the blanks around them and nothing else."""
    assert fields.parse_block(BLOCK) == [
        (b"host", b"a"), (b"x-accel-buffering", b"no"), (b"x-accel", b"v w"), (b"empty", b""), (b"host", b"b"),
        (b"a", b"x:y"),
    ]
    assert fields.parse_block(b"") == []


def test_only_blanks_are_stripped() -> None:
    """A no-break space is part of the value."""
    assert fields.parse_block(b"A: \xa0b\xa0 \r\n") == [(b"a", b"\xa0b\xa0")]


def test_lines_are_written() -> None:
    """One field a line; reading them back gives the fields."""
    assert fields.line(b"A", b"b") == b"A: b\r\n"
    assert fields.line(b"c", b"") == b"c: \r\n"


def test_breaks_become_blanks() -> None:
    """A value that was decoded can't begin a line of its own, nor make a field that parsers refuse. Robustness 10."""
    assert b"a\r\nB: c\0d\te".translate(fields.BREAKS) == b"a  B: c d\te"
    assert fields.value_ok(bytes(range(256)).translate(fields.BREAKS))


def test_values_without_control_characters_are_fine() -> None:
    """HTAB and 8-bit octets may stand in a value, other controls may not."""
    assert fields.value_ok(b"")
    assert fields.value_ok(b"a\tb \xe9")
    assert not any(fields.value_ok(b"a%cb" % octet) for octet in [*range(9), *range(10, 32), 127])
    assert not fields.value_ok(b"a\n")


def test_removal_of_names() -> None:
    """Every line of a name goes, whatever its letter case, and no line of another."""
    remove = fields.removal([b"Host", b"empty", b"not-there"])
    assert remove(BLOCK) == b"X-Accel-Buffering:no\r\nx-accel: \t v w \t\r\nA: x:y\r\n"
    assert remove(b"Hosts: a\r\nX-Host: b\r\nA: Host: c\r\n") == b"Hosts: a\r\nX-Host: b\r\nA: Host: c\r\n"
    assert remove(b"") == b""
    assert remove(b"Host: a\r\nhost: b\r\n") == b""


def test_removal_of_look_alikes() -> None:
    """Robustness 8. Whatever mixture of hyphens and underscores, it would be the same variable of an application."""
    remove = fields.removal([b"X-Real-Ip", b"Host"], alike=True)
    assert remove(b"X_Real_IP: 1\r\nX-Real_IP: 2\r\nx_real-ip: 3\r\nX-Real-IPs: 4\r\n_Host: 5\r\n") == (
        b"X-Real-IPs: 4\r\n_Host: 5\r\n")
    assert fields.removal([b"X-Real-Ip"])(b"X_Real_IP: 1\r\n") == b"X_Real_IP: 1\r\n"


def test_removal_of_nothing() -> None:
    """No names, no change."""
    assert fields.removal([])(BLOCK) is BLOCK
    assert fields.without(BLOCK, ()) is BLOCK


def test_removal_takes_names_literally() -> None:
    """A dot, a bar or a star in a token is no expression."""
    remove = fields.removal([b"a.b", b"^c", b"|", b"x*"])
    assert remove(b"axb: 1\r\na.b: 2\r\n^C: 3\r\n|: 4\r\nX-A: 5\r\nX*: 6\r\n") == b"axb: 1\r\nX-A: 5\r\n"


NAMES = st.sampled_from([b"a", b"ab", b"b-c", b"host", b"x.y", b"te", b"^", b"]", b"-"])
SPELT = NAMES.flatmap(lambda name: st.sampled_from([name, name.upper(), name.title()]))
VALUES = st.text("ab :-\t^", max_size=6).map(str.encode)


@given(st.lists(st.tuples(SPELT, VALUES), max_size=8), st.sets(NAMES, max_size=4))
def test_both_ways_to_remove_agree(pairs: list[tuple[bytes, bytes]], names: set[bytes]) -> None:
    """The compiled and the other removal leave exactly the lines of other names, untouched."""
    block = b"".join(fields.line(*pair) for pair in pairs)
    left = b"".join(fields.line(*pair) for pair in pairs if pair[0].lower() not in names)
    assert fields.removal(names)(block) == left
    assert fields.without(block, names) == left


def test_a_finder_knows_names_in_any_case_and_whole_lines_only() -> None:
    """Its group is the value without the blanks in front."""
    block = b"X-Etag: 1\r\neTag: \t2 \r\nA: etag: 3\r\n"
    found = fields.finder(b"etag").search(block)
    assert found is not None
    assert found[1] == b"2 "
    assert fields.finder(b"etag", rb"[0-9]++").search(block) is None
