"""
Who holds an address that can't be bound: a guess from /proc, for the message at start.

Linux only, and only as far as the permissions of this process reach; elsewhere it finds nobody.  Called on
the way out, never while serving.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from lbproxy.config.model import Address

_LISTEN = "0A"  # include/net/tcp_states.h


def holder(address: Address, proc: Path = Path("/proc")) -> str:
    """Return who listens on *address*, or on its port at another, as ``nginx (pid 42)``; "" if unknown."""
    inodes = set(_unix_inodes(address, proc) if address.is_unix else _tcp_inodes(address, proc))
    if not inodes:
        return ""
    for process in _processes(proc):
        if any(inode in inodes for inode in _sockets(process)):
            return f"{_name(process)} (pid {process.name})"
    return ""


def _tcp_inodes(address: Address, proc: Path) -> Iterator[str]:
    """Columns (Documentation/networking/proc_net_tcp.rst): sl local_address rem_address st ... [9] inode."""
    for table in ("net/tcp", "net/tcp6"):
        for line in _lines(proc / table):
            columns = line.split()
            if len(columns) > 9 and columns[3] == _LISTEN and columns[1].endswith(f":{address.port:04X}"):
                yield columns[9]


def _unix_inodes(address: Address, proc: Path) -> Iterator[str]:
    """Columns: Num RefCount Protocol Flags Type St Inode Path."""
    for line in _lines(proc / "net/unix"):
        columns = line.split(maxsplit=7)
        if len(columns) == 8 and columns[7] == address.path:
            yield columns[6]


def _lines(path: Path) -> Iterator[str]:
    """Yield the lines of a table one by one: a busy machine has tens of thousands of connections."""
    with suppress(OSError), path.open(errors="replace") as table:
        next(table, None)  # the heading
        for line in table:
            yield line.removesuffix("\n")


def _processes(proc: Path) -> list[Path]:
    """The lowest pid first: a master before its workers, which share its sockets."""
    return sorted((p for p in proc.glob("[0-9]*") if p.name != str(os.getpid())), key=lambda p: int(p.name))


def _sockets(process: Path) -> Iterator[str]:
    try:
        descriptors = list((process / "fd").iterdir())
    except OSError:
        return
    for descriptor in descriptors:
        try:
            target = str(descriptor.readlink())
        except OSError:
            continue
        if target.startswith("socket:["):
            yield target[8:-1]


def _name(process: Path) -> str:
    try:
        return (process / "comm").read_text().strip()
    except OSError:
        return "a process"
