"""Several workers in this process, each with its own view of an upstream, on a real board."""

from __future__ import annotations

import random

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.rows import Row, Table
from lbproxy.balance.shared import peers_key
from lbproxy.balance.zone import new_group
from lbproxy.config.model import UpstreamConf
from lbproxy.process.board import Board


class Workers:
    """
    Workers that share one upstream.

    Attributes:
        groups: Each worker's peers, by its number; the numbers of those who are gone are not used again.
    """

    def __init__(self, conf: UpstreamConf, count: int, board: Board | None = None) -> None:
        self.board = board or Board()
        self.conf, self._count = conf, count
        self._generation = self._serial = 0
        self.groups: dict[int, PeerGroup] = {}
        self.load(conf)

    def load(self, conf: UpstreamConf) -> None:
        """Start the workers of a new configuration, as many as before, beside those there are."""
        self.conf, self._generation = conf, self._generation + 1
        self.board.admit(self._generation, [peers_key(conf)], self._count)
        for _ in range(self._count):
            self.start()
        self.board.keep([self._generation])

    def start(self) -> int:
        """Start a worker; return its number."""
        self._serial += 1
        self.groups[self._serial] = new_group(self.conf, random.Random(self._serial), self.row())
        return self._serial

    def row(self) -> Row:
        """Claim a row for the worker that was numbered last."""
        row = self.board.claim(self._serial, self._generation)
        assert row is not None
        return row

    def kill(self, number: int) -> None:
        """End a worker, whatever it has in hand."""
        del self.groups[number]
        self.board.release(number)

    @property
    def table(self) -> Table:
        """The upstream's."""
        return self.board._generations[self._generation][peers_key(self.conf)]

    def __getitem__(self, index: int) -> PeerGroup:
        """Return the peers of the living worker number *index*, counted from 0."""
        return list(self.groups.values())[index]
