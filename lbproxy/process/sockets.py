"""
The listening sockets: opened by the master, kept by address over every reload, shared with all workers.

A socket that stays configured is never closed: connections that wait in its queue would be lost.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lbproxy.config.model import Address, KeepAlive, Listener
from lbproxy.errors import LbproxyError, describe
from lbproxy.process.holders import holder
from lbproxy.process.privileges import owner_ids


class BindFailed(LbproxyError):
    """
    Sockets that could not be opened.

    Args:
        reasons: One line each, in nginx's words: ``bind() to ADDRESS failed (98: Address already in use)``.
    """

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__(*reasons)
        self.reasons = tuple(reasons)

    def __str__(self) -> str:
        return "\n".join(self.reasons)


@dataclass(frozen=True, slots=True)
class Opening:
    """Sockets opened for a configuration that is not in force yet: what `ListenSockets.abandon` closes."""

    added: tuple[tuple[Address, int], ...]  # with the place among the sockets of that address


class ListenSockets:
    """
    Every listening socket of the process, by address.

    An address has one socket, shared by all workers, or with ``reuseport`` one per worker: the kernel then
    spreads the connections.  Once opened they stay until their address is configured no longer; when there
    come to be more of them than workers, some workers serve several.
    """

    def __init__(self) -> None:
        self._sockets: dict[Address, list[socket.socket]] = {}
        self._files: dict[str, tuple[int, int]] = {}  # unix path -> (device, inode) of what we made there

    def adopt(self, inherited: Mapping[Address, Sequence[socket.socket]], *, own_files: bool) -> None:
        """
        Take sockets that somebody else opened, instead of opening those of their addresses.

        Args:
            own_files: The files of unix sockets among them are this program's affair, as if it had made them.
        """
        for address, sockets in inherited.items():
            self._sockets[address] = list(sockets)
            if own_files and address.is_unix:
                with suppress(OSError):  # somebody took the file away
                    self._files[address.path] = _identity(address.path)

    def open(self, listeners: Sequence[Listener], workers: int) -> Opening:
        """
        Open what *listeners* need beyond the sockets that are open already.

        Returns:
            What was added, for `abandon`.

        Raises:
            BindFailed: With every socket that could not be opened; none was added then.
        """
        added: list[tuple[Address, int]] = []
        reasons: list[str] = []
        kept = {address: tuple(sockets) for address, sockets in self._sockets.items()}
        for listener in listeners:
            address = listener.address
            have = self._sockets.setdefault(address, [])
            want = workers if listener.reuseport and not address.is_unix else 1
            try:
                if want > 1:
                    _share_port(have)
                while len(have) < want:
                    have.append(self._bind(listener, have))
                    added.append((address, len(have) - 1))
            except OSError as error:
                reasons.append(_reason(address, error))
        if not reasons:  # what serves already changes only when all else is well
            reasons = [reason for listener in listeners if (reason := self._adjust(listener, kept))]
        if reasons:
            self.abandon(Opening(tuple(added)))
            raise BindFailed(reasons)
        return Opening(tuple(added))

    def _adjust(self, listener: Listener, kept: Mapping[Address, Sequence[socket.socket]]) -> str:
        """Have those of *kept* that *listener* means do as it says; return why they can't, "" when they do."""
        try:
            for sock in kept.get(listener.address, ()):
                _apply_options(sock, listener)
                sock.listen(listener.backlog)
                if listener.address.path in self._files:
                    _protect(listener)
        except OSError as error:
            return _reason(listener.address, error)
        return ""

    def abandon(self, opening: Opening) -> None:
        """Close what *opening* added, unless all are closed: its configuration will not come into force."""
        for address, place in reversed(opening.added):
            sockets = self._sockets.get(address)
            if sockets is not None:
                sockets.pop(place).close()
                if not sockets:
                    self._forget(address)

    def keep(self, listeners: Iterable[Listener], *, shared: bool = False) -> list[Address]:
        """
        Close every socket whose address is not among *listeners*; return these addresses.

        Args:
            shared: Another program serves on them as well: the files of unix sockets stay.
        """
        kept = {listener.address for listener in listeners}
        closed = [address for address in self._sockets if address not in kept]
        for address in closed:
            if shared:
                self._files.pop(address.path, None)
            self._forget(address)
        return closed

    def close(self, *, shared: bool = False) -> None:
        """Close all, and remove the files of unix sockets unless others have replaced them, or they are *shared*."""
        self.keep((), shared=shared)

    def all(self) -> Mapping[Address, Sequence[socket.socket]]:
        """Return every socket by its address."""
        return self._sockets

    def for_worker(
        self, listeners: Iterable[Listener], slot: int, workers: int
    ) -> Mapping[Address, Sequence[socket.socket]]:
        """Return what worker *slot* of *workers* serves: its own part of each address, or a shared socket."""
        served: dict[Address, Sequence[socket.socket]] = {}
        for address in (listener.address for listener in listeners):
            sockets = self._sockets[address]
            served[address] = sockets[slot::workers] or [sockets[slot % len(sockets)]]
        return served

    def bound(self, address: Address) -> str:
        """Return the address in use as text: *address*, with the port that the system chose for port 0."""
        if address.is_unix or address.port:
            return str(address)
        return str(Address(address.host, self._sockets[address][0].getsockname()[1]))

    def release(self, kept: Iterable[socket.socket]) -> None:
        """Close this process's copies of all but *kept*: what other processes have, and files, stay."""
        spared = {sock.fileno() for sock in kept}
        for sockets in self._sockets.values():
            for sock in sockets:
                if sock.fileno() not in spared:
                    sock.close()
        self._sockets.clear()
        self._files.clear()

    def _bind(self, listener: Listener, siblings: Sequence[socket.socket]) -> socket.socket:
        address = listener.address
        if address.is_unix:
            return self._bind_unix(listener)
        sock = socket.socket(socket.AF_INET6 if address.is_ipv6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if address.is_ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, listener.ipv6only)
            _apply_options(sock, listener)
            port = siblings[0].getsockname()[1] if siblings else address.port
            sock.bind((address.host, port))
            sock.listen(listener.backlog)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            raise
        return sock

    def _bind_unix(self, listener: Listener) -> socket.socket:
        path = listener.address.path
        if _is_stale(path):
            Path(path).unlink(missing_ok=True)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            sock.bind(path)
            self._files[path] = _identity(path)
            _apply_options(sock, listener)
            _protect(listener)
            sock.listen(listener.backlog)
            sock.setblocking(False)
        except BaseException:
            sock.close()
            self._remove_file(path)
            raise
        return sock

    def _forget(self, address: Address) -> None:
        for sock in self._sockets.pop(address):
            sock.close()
        self._remove_file(address.path)

    def _remove_file(self, path: str) -> None:
        identity = self._files.pop(path, None)
        if identity is not None:
            with suppress(OSError):  # gone already, or its directory is no longer ours to write
                if _identity(path) == identity:
                    Path(path).unlink()


def _identity(path: str) -> tuple[int, int]:
    """Return what tells the file *path* from any other that may take its name."""
    status = Path(path).stat()
    return status.st_dev, status.st_ino


def _apply_options(sock: socket.socket, listener: Listener) -> None:
    """Set what *listener* says, on a new socket or on one that serves already."""
    if listener.rcvbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, listener.rcvbuf)
    if listener.sndbuf:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, listener.sndbuf)
    if listener.address.is_unix:
        return
    if listener.reuseport:
        _share_port([sock])
    if listener.deferred:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, 1)
    if listener.fastopen:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, listener.fastopen)
    if listener.so_keepalive is not None:
        _watch_peers(sock, listener.so_keepalive)


def _watch_peers(sock: socket.socket, keepalive: KeepAlive) -> None:
    """Have the system see to the connections of *sock*, which have its options."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, keepalive.on)
    times = (socket.TCP_KEEPIDLE, keepalive.idle), (socket.TCP_KEEPINTVL, keepalive.interval)
    for option, value in (*times, (socket.TCP_KEEPCNT, keepalive.probes)):
        if value:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def _share_port(sockets: Iterable[socket.socket]) -> None:
    """Let siblings join *sockets*."""
    for sock in sockets:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _protect(listener: Listener) -> None:
    """Give a unix socket's file to whom *listener* says."""
    path = Path(listener.address.path)
    owner = owner_ids(listener.user, listener.group)
    if owner != (-1, -1):
        os.chown(path, *owner)
    path.chmod(listener.mode)


def _is_stale(path: str) -> bool:
    """Whether *path* is a socket that nobody listens on; any other file is left for bind() to refuse."""
    try:
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return False
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # a live one with a full queue must not hold us up
        return probe.connect_ex(path) == errno.ECONNREFUSED


def _reason(address: Address, error: OSError) -> str:
    text = f"bind() to {address} failed {describe(error)}"
    if error.errno == errno.EADDRINUSE:
        who = holder(address)
        return f"{text}, {who} holds it" if who else text
    if error.errno == errno.EACCES and 0 < address.port < 1024:
        return f"{text}, ports below 1024 need root or CAP_NET_BIND_SERVICE"
    return text
