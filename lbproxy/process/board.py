"""
The memory that all workers share: the master makes it, and every worker is born with it.

Anonymous mappings only, which are zeros until written to and take no more than is written to.  One, made with the
master, is for the roll and the totals.  A configuration that brings upstreams with it gets another for their tables;
an upstream whose servers stay keeps its table over reloads, with everything in it, and the workers of both
configurations go on seeing each other there.  A table goes when nobody uses it any more.

What a row is, and why nothing needs a lock: `lbproxy.balance.rows`.
"""

from __future__ import annotations

import mmap
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

from lbproxy.balance.rows import Roll, Row, Table
from lbproxy.balance.shared import FIELDS_ALONE, FIELDS_OF_ZONE, PeersKey
from lbproxy.http.totals import TOTALS

_ROWS = 8192  # processes at a time, those of superseded configurations included
_FEWEST, _GENERATIONS = 256, 16  # rows of a table of peers: at least, and times the workers of a configuration
_OCTETS = 8

Tables = Mapping[PeersKey, Table]


class _Holding(NamedTuple):
    """What a worker has of the board."""

    row: int
    tables: Collection[Table]


class Board:
    """The master's side: who has which row, and which upstream which table."""

    def __init__(self) -> None:
        size = Table.size(TOTALS, 1, _ROWS)
        cells = _mapping(size + Roll.size(_ROWS))
        self._roll, self._totals = Roll(cells[size:]), Table(cells[:size], TOTALS)
        self._generations: dict[int, Tables] = {}
        self._holdings: dict[int, _Holding] = {}

    def admit(self, generation: int, keys: Iterable[PeersKey], workers: int) -> None:
        """
        Make the tables of a configuration that is to have so many *workers*.

        Raises:
            OSError: There is no memory for them.
        """
        keys, known = tuple(keys), self._newest()
        kept = {key: known[key] for key in keys if key in known and known[key].rows > 2 * workers}
        new = _tables([key for key in keys if key not in kept], 1 + max(_FEWEST, _GENERATIONS * workers))
        by_name = {key[0]: key for key in known}
        for key, table in new.items():
            if key[0] in by_name:
                self._bequeath(by_name[key[0]], known[by_name[key[0]]], key, table)
        self._generations[generation] = {**kept, **new}

    def keep(self, generations: Collection[int]) -> None:
        """Forget all other generations; their workers go on with what they have."""
        self._generations = {number: self._generations[number] for number in generations}

    def claim(self, worker: int, generation: int) -> Row | None:
        """Return a row for *worker*, which is about to be born; None when all are taken."""
        number = self._roll.take()
        if number is None:
            return None
        tables = {key: table for key, table in self._generations[generation].items() if number < table.rows}
        self._holdings[worker] = _Holding(number, tuple(tables.values()))
        return Row(number, self._roll, self._totals, tables)

    def release(self, worker: int) -> None:
        """Take back the row of *worker*, which is dead: what it had in hand is gone, what it counted is kept."""
        holding = self._holdings.pop(worker, None)
        if holding is None:
            return
        tables = (self._totals, *holding.tables)
        for table in tables:
            table.bury(holding.row)
        self._roll.leave(holding.row)
        for table in tables:
            table.clear(holding.row)

    def _newest(self) -> Tables:
        return self._generations[max(self._generations)] if self._generations else {}

    def _bequeath(self, key: PeersKey, table: Table, new_key: PeersKey, new: Table) -> None:
        """Have the servers that were in the upstream before begin with what is known of them."""
        rows, heirs = self._roll.taken(), dict(_numbered(new_key[2]))
        for place, index in _numbered(key[2]):
            if place in heirs:
                new.inherit(heirs[place], table, index, rows)


def _numbered(addresses: Iterable[str]) -> Iterator[tuple[tuple[str, int], int]]:
    """Yield (address, how many equal ones there were before) and the index of each."""
    seen: dict[str, int] = {}
    for index, address in enumerate(addresses):
        seen[address] = seen.get(address, -1) + 1
        yield (address, seen[address]), index


def _tables(keys: Collection[PeersKey], rows: int) -> Tables:
    """Return new tables, all in one mapping."""
    forms = {key: (FIELDS_OF_ZONE if key[1] else FIELDS_ALONE, len(key[2])) for key in keys}
    sizes = {key: Table.size(*form, rows) for key, form in forms.items()}
    if not sizes:
        return {}
    cells, tables = _mapping(sum(sizes.values())), {}
    for key, (fields, count) in forms.items():
        tables[key], cells = Table(cells[:sizes[key]], fields, count), cells[sizes[key]:]
    return tables


def _mapping(cells: int) -> memoryview:
    """Return so many zeros that a fork does not copy."""
    return memoryview(mmap.mmap(-1, cells * _OCTETS)).cast("q")
