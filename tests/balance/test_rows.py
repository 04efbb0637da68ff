"""Tables, rows and the roll."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.balance.rows import HISTORY, Field, Roll, Table, wrapped

FIELDS = (Field(sum), Field(max), Field(sum, kept=False), Field(sum, inherited=False))
NUMBERS = st.integers(-(1 << 63), (1 << 63) - 1)


def table(count: int = 2, rows: int = 4) -> Table:
    """A table of zeros."""
    return Table(memoryview(bytearray(8 * Table.size(FIELDS, count, rows))).cast("q"), FIELDS, count)


def filled(numbers: list[int]) -> Table:
    """A table with *numbers* in row 1 for index 0."""
    made = table()
    for field, number in enumerate(numbers):
        made[1][made.cell(field)] = number
    return made


@given(NUMBERS, NUMBERS)
def test_sums_wrap_as_64_bits_do(a: int, b: int) -> None:
    """So a difference of sums that fits is right, whatever has become of the rows."""
    assert wrapped(wrapped(a + b) - b) == a


def test_rows_begin_in_cache_lines_of_their_own() -> None:
    assert Table.size(FIELDS, 2, 3) == 3 * 16
    assert len(table()[0]) == 16


def test_fields_combine_each_in_its_way() -> None:
    rows = filled([1, 2, 3, 4])
    rows[2][rows.cell(0)] = rows[2][rows.cell(1)] = 5
    rows[HISTORY][rows.cell(0)] = 10
    assert [rows.combined((1, 2), field) for field in range(4)] == [16, 5, 3, 4]
    assert rows.combined((1, 99), 0) == 11  # somebody whose row this table does not have


def test_the_buried_are_remembered_without_what_they_had_in_hand() -> None:
    rows = filled([1, 2, 3, 4])
    for _ in range(2):
        rows.bury(1)
    rows.clear(1)
    assert [rows.combined((1,), field) for field in range(4)] == [2, 2, 0, 8]
    assert not any(rows[1])


def test_heirs_get_what_is_to_be_inherited() -> None:
    older, newer = filled([1, 2, 3, 4]), table()
    newer.inherit(1, older, 0, [1])
    assert [newer.combined((), field, 1) for field in range(4)] == [1, 2, 0, 0]
    assert [newer.combined((), field, 0) for field in range(4)] == [0, 0, 0, 0]


def test_a_roll_gives_rows_out_until_there_are_none() -> None:
    roll = Roll(memoryview(bytearray(8 * Roll.size(4))).cast("q"))
    assert [roll.take() for _ in range(4)] == [1, 2, 3, None]
    assert roll.taken(but=2) == [1, 3]
    before = roll.changes
    roll.leave(2)
    assert roll.changes > before
    assert (roll.taken(), roll.take()) == ([1, 3], 2)
