"""What the master asks of a configuration (`Cycle`), and what it gives to a worker (`Seat`)."""

from __future__ import annotations

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lbproxy.balance.rows import Row
from lbproxy.balance.shared import PeersKey
from lbproxy.config.model import Address, Listener
from lbproxy.process.children import Line


@dataclass(frozen=True, slots=True)
class Seat:
    """
    What a worker gets from the master.

    Args:
        sockets: What it listens on; several of one address where the workers have become fewer.
        line: To the master.
        row: What it shares with the other workers; None: there was no place for it.
    """

    sockets: Mapping[Address, Sequence[socket.socket]]
    line: Line
    row: Row | None = None


class Cycle(Protocol):
    """One configuration that was read and found good (nginx: ngx_cycle_t)."""

    @property
    def listeners(self) -> Sequence[Listener]:
        """What to listen on, each address once."""

    @property
    def workers(self) -> int:
        """How many processes serve it, at least 1."""

    @property
    def peers(self) -> Sequence[PeersKey]:
        """The upstreams whose servers its workers know in common."""

    @property
    def pid_path(self) -> Path | None:
        """Where the pid file belongs, absolute; None: there is no place for one."""

    @property
    def warnings(self) -> Sequence[str]:
        """What deserves a word though it can be served."""

    def take_over(self) -> None:
        """Come into force: lbproxy serves it from now on."""

    def log(self, level: str, message: str) -> None:
        """Write to its error log."""

    def complain(self, message: str) -> None:
        """Write what keeps it from being served to its error log, and to stderr if that is elsewhere."""

    def reopen_logs(self) -> None:
        """Open its log files anew, after a rotation."""

    def close_logs(self) -> None:
        """Close its log files in this process."""

    def work(self, seat: Seat) -> int:
        """Serve, as a worker, until told to end; return the exit status."""
