"""
Numbers that workers tell each other: tables in shared memory with a row for each worker, which alone writes it.

Readers put the rows together, so nothing is ever locked.  Nothing is torn either: a number is 8 octets at an address
that is a multiple of 8, and it is stored by assigning to an item of a memoryview of format "q", which copies these
octets at once (Objects/memoryobject.c:pack_single, a memcpy of constant size: one store on every 64-bit machine).
struct.pack_into would not do: it fills the place with zeros first.

Row 0 is the master's, and holds what the rows of workers that are gone have come to.  Such a row is added to row 0
before the roll says that it is gone, and cleared after that: who looks at the roll before reading sees every number
once.

Pure: the memory is handed in, as memoryviews of format "q".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

HISTORY = 0
"""The row of those who are gone."""

_LINE = 8  # numbers in a cache line: the rows of two workers share none
_HALF, _WHOLE = 1 << 63, 1 << 64


def wrapped(number: int) -> int:
    """Return *number* as 64 bits hold it, so that sums of rows which drift apart for years stay right."""
    return (number + _HALF) % _WHOLE - _HALF


class Field(NamedTuple):
    """
    What a number of a row means.

    Args:
        combine: Makes one number of those in several rows.
        kept: It outlives its worker; else it is about what the worker had in hand.
        inherited: It outlives a change of the servers around it.
    """

    combine: Callable[[Sequence[int]], int]
    kept: bool = True
    inherited: bool = True


class Table:
    """
    Rows of equal form: two counters of changes for the readers' use, then *count* numbers of each field.

    Args:
        cells: As many as `size` says.
        count: Of what there is one number per field (the peers of an upstream).

    Attributes:
        rows: How many there are, the master's included.
    """

    __slots__ = ("_cells", "_width", "count", "fields", "rows")

    def __init__(self, cells: memoryview, fields: Sequence[Field], count: int = 1) -> None:
        self._cells, self.fields, self.count = cells, fields, count
        self._width = _width(fields, count)
        self.rows = len(cells) // self._width

    @staticmethod
    def size(fields: Sequence[Field], count: int, rows: int) -> int:
        """Return how many cells a table of *rows* rows takes."""
        return _width(fields, count) * rows

    def __getitem__(self, row: int) -> memoryview:
        """Return the cells of a row."""
        return self._cells[row * self._width:(row + 1) * self._width]

    def cell(self, field: int, index: int = 0) -> int:
        """Return where in a row the number of *field* for *index* is."""
        return 2 + field * self.count + index

    def span(self, first: int, last: int) -> slice:
        """Return where in a row the numbers of the fields from *first* to *last* are."""
        return slice(self.cell(first), self.cell(last + 1))

    def combined(self, rows: Iterable[int], field: int, index: int = 0) -> int:
        """Return what *rows* and those who are gone have come to together."""
        place = self.cell(field, index)
        return wrapped(self.fields[field].combine([self[row][place] for row in (HISTORY, *rows) if row < self.rows]))

    def bury(self, row: int) -> None:
        """Add what outlives the worker of *row* to row 0; the master's to call, before `clear`."""
        history = self[HISTORY]
        for field, meaning in enumerate(self.fields):
            if meaning.kept:
                for index in range(self.count):
                    history[self.cell(field, index)] = self.combined((row,), field, index)

    def clear(self, row: int) -> None:
        """Set *row* to zeros; the master's to call."""
        cells = self[row]
        for place in range(self._width):
            cells[place] = 0

    def inherit(self, index: int, older: Table, older_index: int, rows: Iterable[int]) -> None:
        """Begin with what *rows* of an *older* table of the same fields have come to; the master's to call."""
        rows, history = tuple(rows), self[HISTORY]
        for field, meaning in enumerate(self.fields):
            if meaning.kept and meaning.inherited:
                history[self.cell(field, index)] = older.combined(rows, field, older_index)


def _width(fields: Sequence[Field], count: int) -> int:
    return -(-(2 + len(fields) * count) // _LINE) * _LINE


class Roll:
    """
    Which rows have a worker; only the master writes it.

    Args:
        cells: A count of changes, the highest row ever taken, and for each row whether it is.
    """

    __slots__ = ("_cells",)

    def __init__(self, cells: memoryview) -> None:
        self._cells = cells

    @staticmethod
    def size(rows: int) -> int:
        """Return how many cells it takes to call *rows* rows, the master's included."""
        return 1 + rows

    @property
    def changes(self) -> int:
        """How often it has changed."""
        return int(self._cells[0])

    def taken(self, *, but: int = HISTORY) -> list[int]:
        """Return the rows that have a worker, other than *but*."""
        flags = self._cells[2:2 + self._cells[1]].tolist()
        return [row for row, flag in enumerate(flags, 1) if flag and row != but]

    def take(self) -> int | None:
        """Give out the first free row; None when there is none."""
        taken = set(self.taken())
        row = next((row for row in range(1, len(self._cells) - 1) if row not in taken), None)
        if row is not None:
            self._cells[1] = max(self._cells[1], row)
            self._set(row, 1)
        return row

    def leave(self, row: int) -> None:
        """Take *row* back."""
        self._set(row, 0)

    def _set(self, row: int, flag: int) -> None:
        self._cells[1 + row] = flag
        self._cells[0] += 1


class Row(NamedTuple):
    """
    A worker's place among all.

    Args:
        number: Of its row, in every table.
        roll: Who else has one.
        totals: What each worker counts of clients and requests.
        tables: What each knows of the servers of an upstream, by what names them.
    """

    number: int
    roll: Roll
    totals: Table
    tables: Mapping[Any, Table]
