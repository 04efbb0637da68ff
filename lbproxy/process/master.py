"""
The master: opens the sockets, starts the workers, answers signals, and serves nobody itself.

Plain blocking code around one selector.  What to do is decided in `lbproxy.process.supervise` and done here.
The master never imports trio: a fork must not inherit an event loop.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from signal import SIGCHLD, SIGUSR1, Signals

from lbproxy.balance.rows import Row
from lbproxy.config.model import Address
from lbproxy.errors import describe
from lbproxy.process import commands, events, notify
from lbproxy.process.board import Board
from lbproxy.process.children import Children, Ended, Line, Order, Word, be_called
from lbproxy.process.detach import has_terminal
from lbproxy.process.events import Event, Request
from lbproxy.process.inheritance import NOTHING, Inheritance
from lbproxy.process.options import reasons
from lbproxy.process.pidfile import PidFile
from lbproxy.process.roles import Cycle, Seat
from lbproxy.process.signals import ANSWERS, REQUESTS, SignalInbox
from lbproxy.process.sockets import ListenSockets, Opening
from lbproxy.process.successor import Successor
from lbproxy.process.supervise import State, Supervisor
from lbproxy.process.watchdog import Watchdog

_SERVING = (State.STARTING, State.RUNNING, State.RELOADING)
_LEAVING = (State.QUITTING, State.STOPPING, State.GONE)


@dataclass(slots=True)
class _Candidate:
    """What was made for a configuration that is not in force yet; *pid_file* only if it is to move."""

    cycle: Cycle
    opening: Opening
    pid_file: PidFile | None


class Master:
    """
    The process that was started, or its daemon: `open`, then `run`.

    Args:
        load: Reads the configuration; raises what `reasons` understands.
        started: Called once, when every worker serves for the first time and the pid file is in place.
        inheritance: Sockets that are open already.
    """

    def __init__(
        self, load: Callable[[], Cycle], started: Callable[[], None] = lambda: None, inheritance: Inheritance = NOTHING
    ) -> None:
        self._load, self._started = load, started
        self._predecessor = inheritance.predecessor
        self._successor = Successor()
        self._board = Board()
        self._sockets = ListenSockets()
        self._sockets.adopt(inheritance.sockets, own_files=self._predecessor > 0)
        self._supervisor = Supervisor()
        self._events: deque[Event] = deque()
        self._generation = 0  # the newest
        self._candidates: dict[int, _Candidate] = {}
        self._cycles: dict[int, Cycle] = {}  # those that may start workers
        self._cycle: Cycle  # the one whose log is written: the current, before that the first
        self._pid_file: PidFile | None = None
        self._selector = selectors.DefaultSelector()
        self._children = Children(self._selector, self._told)
        self._inbox: SignalInbox | None = None
        self._watchdog: Watchdog | None = None
        self._exit_code: int | None = None

    def open(self) -> Cycle:
        """
        Read the configuration, claim the pid file and open the sockets; nothing serves yet.

        Returns:
            What was read.

        Raises:
            LbproxyError, OSError: What keeps lbproxy from starting; `reasons` puts it into words.
        """
        self._cycle = self._prepare()
        return self._cycle

    def bound(self) -> list[tuple[Address, str]]:
        """Return each address that is configured with the one in use: they differ for port 0."""
        return [(entry.address, self._sockets.bound(entry.address)) for entry in self._cycle.listeners]

    def run(self) -> int:
        """Serve until told to end; return the exit status."""
        be_called("lbproxy")
        self._inbox = SignalInbox()
        self._selector.register(self._inbox.socket, selectors.EVENT_READ, self._read_signals)
        silence = notify.allowed_silence(os.environ)
        if silence is not None:
            self._watchdog = Watchdog(silence, time.monotonic())
        self._reap()  # whom process 1 has inherited by now
        self._happened(events.Loaded(self._generation, self._cycle.workers))
        while self._exit_code is None:
            for key, _ in self._selector.select(self._timeout()):
                key.data()
            self._happened(events.Tick())
            self._watch()
        self._selector.close()
        self._inbox.close()
        return self._exit_code

    def _timeout(self) -> float | None:
        deadlines = [self._supervisor.deadline(), self._watchdog.deadline if self._watchdog else None]
        first = min((deadline for deadline in deadlines if deadline is not None), default=None)
        return None if first is None else max(0.0, first - time.monotonic())

    def _watch(self) -> None:
        """Ask the workers whether they are well, if a service manager wants to know and it is time."""
        now = time.monotonic()
        if self._watchdog is not None and self._watchdog.deadline <= now:
            on_duty = self._supervisor.on_duty()
            self._watchdog.ask(on_duty, now)
            for number in on_duty:
                self._children.order(number, Order.REPORT)
            if self._supervisor.state not in _SERVING:  # nobody has to be on duty
                notify.alive()

    # Events: what happened outside

    def _happened(self, event: Event) -> None:
        """Have *event* decided upon and the decision carried out, with the events that follow from it."""
        self._events.append(event)
        if len(self._events) > 1:
            return  # an outer call is at work on the first
        while self._events:
            for command in self._supervisor.handle(self._events[0], time.monotonic()):
                self._execute(command)
            self._events.popleft()

    def _read_signals(self) -> None:
        assert self._inbox is not None
        numbers = self._inbox.read()
        for number in numbers:
            request = REQUESTS.get(number)
            if request is not None and self._is_meant(request):
                self._log("notice", f"signal {number} ({Signals(number).name}) received, {ANSWERS[request]}")
                self._happened(request)
        if SIGCHLD in numbers:
            self._reap()

    def _reap(self) -> None:
        for ended in self._children.reap():
            self._ended(ended)

    def _is_meant(self, request: Request) -> bool:
        """Return whether a signal is to be obeyed (src/os/unix/ngx_process.c:ngx_signal_handler)."""
        if request is Request.UPGRADE and self._is_accompanied():
            self._log("notice", "SIGUSR2 is ignored: first either the old or the new program has to be ended")
            return False
        return request is not Request.REST or not has_terminal()  # else it is about a window's size

    def _is_accompanied(self) -> bool:
        """Return whether another program serves on the same sockets, a successor or a predecessor."""
        return self._successor.pid > 0 or (self._predecessor > 0 and os.getppid() == self._predecessor)

    def _ended(self, ended: Ended) -> None:
        event: Event
        if ended.number is not None:
            self._board.release(ended.number)
            who, event = "worker process", events.Exited(ended.number)
        elif self._successor.ended(ended.pid):
            who, event = "new binary process", events.SuccessorGone()
        else:
            return  # an orphan: process 1 inherits them
        self._log("alert" if ended.code else "notice", f"{who} {ended.pid} {ended.how}")
        self._happened(event)

    def _told(self, number: int, word: Word, reason: str) -> None:
        match word:
            case Word.SERVING:
                self._happened(events.Serving(number))
            case Word.WITHDRAWN:
                self._happened(events.Withdrawn(number))
            case Word.PRESENT:
                if self._watchdog is not None and self._watchdog.answered(number):
                    notify.alive()
            case Word.FAILED:  # its end follows
                self._cycle.complain(f"worker process can't start: {reason}")

    # Commands: what the supervisor decided

    def _execute(self, command: commands.Command) -> None:
        match command:
            case commands.Load():
                self._reload()
            case commands.Adopt(generation):
                self._adopt(generation)
            case commands.Abandon(generation):
                self._abandon(generation)
            case commands.Announce(refused):
                self._announce(refused)
            case commands.Upgrade():
                self._upgrade()
            case commands.Restore():
                self._restore()
            case commands.Reopen():
                self._reopen()
            case commands.Close():
                self._close()
            case commands.Exit(code):
                self._finish(code)
            case _:
                self._direct(command)

    def _direct(self, command: commands.WorkersCommand) -> None:
        match command:
            case commands.Spawn(number, slot, generation):
                self._spawn(number, slot, generation)
            case commands.Signal(number, what):
                self._children.signal(number, what)
            case commands.Supersede(number):
                self._children.order(number, Order.LEAVE)
            case commands.Postpone(slot, seconds):
                self._log("warn", f"worker {slot} ends again and again soon after its start, next try in {seconds:g} s")

    def _spawn(self, number: int, slot: int, generation: int) -> None:
        cycle, row = self._cycles[generation], self._board.claim(number, generation)
        try:
            pid = self._children.start(number, lambda line: self._work(cycle, slot, row, line))
        except OSError as error:
            self._board.release(number)
            self._log("alert", f"fork() failed {describe(error)}")
            self._happened(events.Exited(number))
        else:
            self._log("notice", f"start worker process {pid}")

    def _work(self, cycle: Cycle, slot: int, row: Row | None, line: Line) -> int:
        """Be a worker: let go of all that is the master's alone."""
        assert self._inbox is not None
        self._inbox.disown()
        for pid_file in (self._pid_file, *(candidate.pid_file for candidate in self._candidates.values())):
            if pid_file is not None:
                pid_file.release()
        sockets = self._sockets.for_worker(cycle.listeners, slot, cycle.workers)
        self._sockets.release(sock for several in sockets.values() for sock in several)
        return cycle.work(Seat(sockets, line, row))

    def _prepare(self) -> Cycle:
        """Load a configuration and open what it needs; it becomes the newest generation."""
        cycle = self._load()
        pid_file = None
        try:
            if cycle.pid_path and (self._pid_file is None or self._pid_file.path != cycle.pid_path):
                pid_file = PidFile(cycle.pid_path)
            self._board.admit(self._generation + 1, cycle.peers, cycle.workers)
            opening = self._sockets.open(cycle.listeners, cycle.workers)
        except BaseException:
            if pid_file is not None:
                pid_file.remove()
            self._board.keep(self._cycles)
            cycle.close_logs()
            raise
        self._generation += 1
        self._candidates[self._generation] = _Candidate(cycle, opening, pid_file)
        self._cycles[self._generation] = cycle
        return cycle

    def _reload(self) -> None:
        notify.reloading()
        try:
            cycle = self._prepare()
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the new, the old one goes on
            for reason in reasons(error):
                self._log("emerg", reason)
            self._happened(events.Refused())
        else:
            for warning in cycle.warnings:
                self._log("warn", warning)
            self._happened(events.Loaded(self._generation, cycle.workers))

    def _adopt(self, generation: int) -> None:
        candidate = self._candidates.pop(generation)
        old, self._cycle = self._cycle, candidate.cycle
        self._cycles = {generation: candidate.cycle}
        self._board.keep(self._cycles)
        closed = self._sockets.keep(self._cycle.listeners, shared=self._is_accompanied())
        if candidate.pid_file is not None:
            self._publish(candidate.pid_file)
        if old is not self._cycle:
            old.close_logs()
        if generation == 1:
            for address in closed:
                self._log("warn", f"closed the socket {address} that was handed over: no listen names it")
            self._started()
        self._cycle.take_over()

    def _publish(self, pid_file: PidFile) -> None:
        try:
            pid_file.publish()
        except OSError as error:
            self._log("alert", f'rename() to "{pid_file.path}" failed {describe(error)}')
        if self._pid_file is not None:
            self._pid_file.remove()
        self._pid_file = pid_file

    def _abandon(self, generation: int) -> None:
        candidate = self._candidates.pop(generation)
        del self._cycles[generation]
        self._board.keep(self._cycles)
        self._sockets.abandon(candidate.opening)
        if candidate.pid_file is not None:
            candidate.pid_file.remove()
        if candidate.cycle is not self._cycle:
            if self._supervisor.state not in _LEAVING:  # else it was only given up on the way out
                self._log("emerg", "the new configuration can't be served, the old one stays in force")
            candidate.cycle.close_logs()

    def _announce(self, refused: bool) -> None:
        workers = f"serving with {self._cycle.workers} worker{'s' if self._cycle.workers > 1 else ''}"
        status = f"{workers}; a reload was refused, the error log says why" if refused else workers
        notify.ready(status, main=not self._is_accompanied())

    def _reopen(self) -> None:
        self._cycle.reopen_logs()
        for number in self._children.numbers():
            self._children.signal(number, SIGUSR1)

    def _upgrade(self) -> None:
        """Start the successor: the pid file's name is its own from now on."""
        assert self._inbox is not None
        try:
            if self._pid_file is not None:
                self._pid_file.step_aside()
            self._successor.start(self._sockets.all(), self._inbox.disown)
        except OSError as error:
            self._log("alert", f"the new binary can't be started {describe(error)}")
            self._happened(events.SuccessorGone())
        else:
            self._log("notice", f"start new binary process {self._successor.pid}")

    def _restore(self) -> None:
        try:
            if self._pid_file is not None:
                self._pid_file.come_back()
        except OSError as error:
            self._log("alert", f"the pid file can't be restored {describe(error)}")

    def _close(self) -> None:
        if self._successor.pid:
            notify.hand_over(self._successor.pid)
        else:
            notify.stopping()
        self._sockets.close(shared=self._is_accompanied())

    def _finish(self, code: int) -> None:
        for generation in list(self._candidates):
            self._abandon(generation)
        if self._pid_file is not None:
            self._pid_file.remove()
        self._log("notice", "exit")
        self._cycle.close_logs()
        self._exit_code = code

    # The log

    def _log(self, level: str, message: str) -> None:
        self._cycle.log(level, message)
