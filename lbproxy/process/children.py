"""Worker processes: forked, listened to, signalled, reaped.  The mechanics only; `supervise` decides."""

from __future__ import annotations

import enum
import os
import selectors
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from signal import Signals

from lbproxy.process.signals import held_back

_LONGEST = 4096  # octets of a message


class Word(enum.Enum):
    """What a worker tells the master."""

    SERVING = "serving"
    WITHDRAWN = "withdrawn"
    PRESENT = "present"
    FAILED = "failed"


class Order(enum.Enum):
    """What the master tells a worker."""

    LEAVE = "leave"  # others serve in its place: it may take its time over clients that are idle
    REPORT = "report"  # and be it only to say that it is there


class Line:
    """
    A worker's end of its line to the master; at its end of file the master is dead.

    Args:
        socket: Becomes readable when there is something to `hear`.
    """

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock

    def tell_serving(self) -> None:
        """Tell the master that clients are accepted from now on."""
        self._tell(Word.SERVING)

    def tell_withdrawn(self) -> None:
        """Tell the master that no more clients are accepted."""
        self._tell(Word.WITHDRAWN)

    def tell_present(self) -> None:
        """Tell the master that this worker attends to what happens."""
        self._tell(Word.PRESENT)

    def tell_failed(self, reason: str) -> None:
        """Tell the master why this worker is going to end without ever serving."""
        self._tell(Word.FAILED, reason)

    def hear(self) -> Order | None:
        """Return the order that made the line readable; None: the master is dead."""
        try:
            message = self.socket.recv(_LONGEST)
        except OSError:  # it died with words of ours unread
            return None
        return Order(message.decode()) if message else None

    def _tell(self, word: Word, reason: str = "") -> None:
        message = f"{word.value} {reason}".encode(errors="backslashreplace")
        with suppress(OSError):  # a dead master is noticed by reading
            self.socket.send(message[:_LONGEST])


@dataclass(frozen=True, slots=True)
class Ended:
    """
    A process that is gone.

    Args:
        number: Of the worker; None: it was another child, perhaps an orphan that this process inherited as PID 1.
        code: Its exit status; minus the number of the signal that killed it.
    """

    number: int | None
    pid: int
    code: int

    @property
    def how(self) -> str:
        """In nginx's words (src/os/unix/ngx_process.c:ngx_process_get_status)."""
        return f"exited on signal {-self.code}" if self.code < 0 else f"exited with code {self.code}"


@dataclass(frozen=True, slots=True)
class _Child:
    pid: int
    line: socket.socket


def be_called(name: str) -> None:
    """Set what ps and top call this process, at most 15 octets; Linux only, elsewhere it stays as it is."""
    with suppress(OSError):
        Path("/proc/self/comm").write_text(name)


class Children:
    """
    The worker processes, each under the number that the supervisor gave it.

    Args:
        selector: Where the master waits; it calls what is registered with each line.
        told: Called with the number of a child, what it said, and the reason if it failed.
    """

    def __init__(self, selector: selectors.BaseSelector, told: Callable[[int, Word, str], None]) -> None:
        self._selector, self._told = selector, told
        self._children: dict[int, _Child] = {}

    def start(self, number: int, run: Callable[[Line], int]) -> int:
        """
        Fork a child that calls *run*, with the signals held back, and exits with what that returns.

        Returns:
            The child's pid.

        Raises:
            OSError: The system has no process or no descriptors for it.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            with held_back():
                pid = os.fork()
                if pid == 0:
                    self._live(ours, theirs, run)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._children[number] = _Child(pid, ours)
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._listen(number))
        return pid

    def signal(self, number: int, what: Signals) -> None:
        """Send *what* to a child; nothing happens if it is gone."""
        child = self._children.get(number)
        if child is not None:
            with suppress(ProcessLookupError):
                os.kill(child.pid, what)

    def order(self, number: int, what: Order) -> None:
        """Tell a child something; nothing happens if it is gone, or so far behind that its line is full."""
        child = self._children.get(number)
        if child is not None and child.line.fileno() >= 0:
            with suppress(OSError):
                child.line.send(what.value.encode())

    def numbers(self) -> list[int]:
        """Return the children that are not known to be gone."""
        return list(self._children)

    def reap(self) -> Iterator[Ended]:
        """
        Yield the processes that have ended, having passed on the last words of workers.

        Others may be started before the next is asked for, and have ended by then.
        """
        with suppress(ChildProcessError):  # there are none at all
            while (found := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                pid, status = found
                number = next((number for number, child in self._children.items() if child.pid == pid), None)
                if number is not None:
                    self._listen(number)
                    self._forget_line(self._children.pop(number))
                yield Ended(number, pid, os.waitstatus_to_exitcode(status))

    def _live(self, ours: socket.socket, theirs: socket.socket, run: Callable[[Line], int]) -> None:
        """Be the child; does not return."""
        code = 1
        try:
            ours.close()
            self._selector.close()
            for child in self._children.values():
                child.line.close()  # else the master's death would go unnoticed at the other end
            code = run(Line(theirs))
        except BaseException:  # noqa: BLE001 - nothing may unwind into the master's frames
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _listen(self, number: int) -> None:
        child = self._children.get(number)
        while child is not None and child.line.fileno() >= 0:
            try:
                message = child.line.recv(_LONGEST)
            except OSError:
                return  # nothing more for now
            if message:
                word, _, reason = message.decode(errors="replace").partition(" ")
                self._told(number, Word(word), reason)
            else:
                self._forget_line(child)

    def _forget_line(self, child: _Child) -> None:
        if child.line.fileno() >= 0:
            self._selector.unregister(child.line)
            child.line.close()
