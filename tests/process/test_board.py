"""The shared memory: rows and tables over births, deaths and reloads."""

from __future__ import annotations

import os

import pytest

from lbproxy.balance.rows import Row
from lbproxy.balance.shared import REQUESTS, PeersKey
from lbproxy.http.totals import SharedTotals, Totals
from lbproxy.process.board import Board

KEY: PeersKey = ("nodes", True, ("10.0.0.1:80", "10.0.0.2:80"))
OTHER: PeersKey = ("others", False, ("10.0.0.3:80",))


def board_for(workers: int = 2, *keys: PeersKey) -> Board:
    board = Board()
    board.admit(1, keys or (KEY,), workers)
    return board


def claim(board: Board, worker: int, generation: int = 1) -> Row:
    row = board.claim(worker, generation)
    assert row is not None
    return row


def test_rows_are_given_out_from_the_first_on_and_again_after_a_death() -> None:
    board = board_for()
    assert [claim(board, worker).number for worker in (7, 8, 9)] == [1, 2, 3]
    board.release(8)
    assert claim(board, 10).number == 2
    assert claim(board, 11).number == 4


def test_what_a_worker_writes_is_seen_by_another_process() -> None:
    board = board_for()
    ours, theirs = claim(board, 1), claim(board, 2)
    pid = os.fork()
    if pid == 0:
        SharedTotals(theirs).tell(Totals(5, 5, 9, 1, 0, 1))
        os._exit(0)
    os.waitpid(pid, 0)
    assert SharedTotals(ours).everywhere(Totals(1, 1, 2, 1)) == Totals(6, 6, 11, 2, 0, 1)


def test_the_dead_leave_what_they_have_counted_and_nothing_in_hand() -> None:
    board = board_for()
    ours, theirs = claim(board, 1), claim(board, 2)
    SharedTotals(theirs).tell(Totals(5, 5, 9, 3, 1, 1))
    board.release(2)
    totals = SharedTotals(ours)
    assert totals.everywhere(Totals()) == Totals(5, 5, 9)
    SharedTotals(claim(board, 3)).tell(Totals(1, 1, 1, 1))
    assert totals.everywhere(Totals()) == Totals(6, 6, 10, 1)


def test_a_worker_that_was_never_born_has_no_row_to_release() -> None:
    board = board_for()
    board.release(42)
    assert claim(board, 1).number == 1


@pytest.mark.parametrize("again", [(KEY,), (OTHER, KEY)])
def test_an_upstream_that_stays_keeps_its_table(again: tuple[PeersKey, ...]) -> None:
    board = board_for()
    old = claim(board, 1)
    board.admit(2, again, 2)
    board.keep([2])
    assert claim(board, 2, 2).tables[KEY] is old.tables[KEY]


def test_a_configuration_that_is_given_up_leaves_the_tables_as_they_were() -> None:
    board = board_for()
    table = claim(board, 1).tables[KEY]
    board.admit(2, (OTHER,), 2)
    board.keep([1])
    board.admit(2, (KEY,), 2)
    assert claim(board, 2, 2).tables[KEY] is table


def test_totals_of_servers_that_stay_go_on() -> None:
    """Also of one that is there twice."""
    board = board_for(2, ("nodes", False, ("a", "b", "a")))
    row = claim(board, 1)
    (table,) = row.tables.values()
    for index in range(3):
        table[row.number][table.cell(REQUESTS, index)] = 10 + index
    board.admit(2, [("nodes", False, ("c", "a", "a", "a"))], 2)
    (table,) = claim(board, 2, 2).tables.values()
    assert [table.combined((), REQUESTS, index) for index in range(4)] == [0, 10, 12, 0]


def test_tables_of_one_load_do_not_overlap() -> None:
    board = board_for(2, KEY, OTHER)
    row = claim(board, 1)
    for number, table in enumerate(row.tables.values(), 1):
        for index in range(table.rows):
            cells = table[index]
            for place in range(len(cells)):
                assert cells[place] == 0
                cells[place] = number
    assert {cell for table in row.tables.values() for cell in table[0].tolist()} == {1, 2}


def test_a_table_has_rows_for_several_configurations() -> None:
    """Beyond that a worker does without it, and decides alone."""
    board = board_for(100)
    rows = [claim(board, worker) for worker in range(1601)]
    assert [KEY in row.tables for row in (rows[0], rows[1599], rows[1600])] == [True, True, False]


def test_a_table_that_has_become_small_is_made_anew_with_what_is_known() -> None:
    board = board_for(2)
    row = claim(board, 1)
    row.tables[KEY][row.number][row.tables[KEY].cell(REQUESTS, 1)] = 3
    board.admit(2, (KEY,), 200)
    table = claim(board, 2, 2).tables[KEY]
    assert table.rows > 2 * 200
    assert table.combined((), REQUESTS, 1) == 3


def test_when_all_rows_are_taken_workers_do_without() -> None:
    board = board_for(1)
    for worker in range(8191):
        board._roll._cells[2 + worker] = 1
    board._roll._cells[1] = 8191
    assert board.claim(1, 1) is None
