"""
Supervision of the workers as a table: what happened comes in (`events`), what to do comes out (`commands`).

Pure: no clock, no pids, no system calls.  Workers are known by serial numbers that this module gives out; the
master maps them to processes.  No decision about the life of a worker is made elsewhere.

A *generation* is a configuration with the workers that run it.  At most two matter: the *current* one, proven
because all its workers have served at the same time, and a *candidate* that has yet to prove itself.

==========  ==============  ===============  ===============  =========  =========
event       STARTING        RUNNING          RELOADING        QUITTING   STOPPING
==========  ==============  ===============  ===============  =========  =========
RELOAD      again later     load             again later      -          -
REOPEN      reopen          reopen           reopen           reopen     reopen
QUIT        quit            quit             quit             -          -
STOP        stop            stop             stop             stop       -
Loaded      start it        -                start it         drop it    drop it
Refused     -               -                keep the old     -          -
Serving     all: adopt      noted            all: adopt       noted      noted
Withdrawn   -               all: announce    noted            -          -
Exited      give up         replace          replace, or      all: exit  all: exit
                                             keep the old
==========  ==============  ===============  ===============  =========  =========

The candidate is given up as soon as one of its workers ends before all have served: at start lbproxy exits
with 1, on reload the old configuration goes on.  A worker of the current generation is replaced: at once when
it had served for a while, after growing pauses when it ends soon after its start again and again.

A start or reload is announced when it is over for clients: the workers of the new configuration accept them, and
those of the old one no longer do.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from signal import SIGKILL, SIGQUIT, SIGTERM, Signals
from typing import TypeAlias

from lbproxy.process.commands import (
    Abandon,
    Adopt,
    Announce,
    Close,
    Command,
    Exit,
    Load,
    Reopen,
    Signal,
    Spawn,
)
from lbproxy.process.events import (
    Event,
    Exited,
    Loaded,
    Refused,
    Request,
    Serving,
    Tick,
    Withdrawn,
)

START_TIMEOUT = 60.0
"""Seconds in which a worker must serve, else it is killed."""

STOP_TIMEOUT = 2.0
"""Seconds that a worker may take when told to stop at once, else it is killed."""

STEADY = 1.0
"""Seconds of service after which the end of a worker is an accident, not a habit."""

FIRST_PAUSE, LONGEST_PAUSE = 0.25, 30.0
"""Seconds before the third start in a row (the second is at once), doubled from there on; their limit."""


class State(enum.Enum):
    """Of the whole; GONE: Exit was commanded, nothing may follow."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    RELOADING = enum.auto()
    QUITTING = enum.auto()
    STOPPING = enum.auto()
    GONE = enum.auto()


@dataclass(slots=True)
class _Worker:
    """
    One process.

    Args:
        since: When it was started; once it serves, since when it does.
        told: The signal that told it to go, SIGQUIT or SIGTERM; from then on its end is expected.
        deadline: When it will be killed, unless it serves or ends before.
    """

    slot: int
    generation: int
    since: float
    deadline: float | None
    serving: bool = False
    told: Signals | None = None
    withdrawn: bool = False


class Supervisor:
    """The state machine; feed it every event, carry out every command in order."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.current = 0  # generation; 0: none yet
        self.candidate = 0  # generation; 0: none
        self._workers: dict[int, _Worker] = {}
        self._serial = 0
        self._wanted = 0  # workers of the candidate
        self._reload_again = False
        self._announced = False
        self._exit_code = 0
        # Of the current generation, by slot: ends in a row soon after the start; when to start the next one.
        self._deaths: dict[int, int] = {}
        self._pauses: dict[int, float] = {}
        self._now = 0.0

    def handle(self, event: Event, now: float) -> list[Command]:
        """Return what to do about *event*, in order; *now* in monotonic seconds."""
        self._now = now
        return list(self._respond(event))

    def deadline(self) -> float | None:
        """Return when to send the next `Tick`, in monotonic seconds; None: no need."""
        times = [worker.deadline for worker in self._workers.values() if worker.deadline is not None]
        return min([*times, *self._pauses.values()], default=None)

    def _respond(self, event: Event) -> Iterator[Command]:
        match event:
            case Request():
                handler = _REQUESTS.get((self.state, event))
                if handler is not None:
                    yield from handler(self)
            case Loaded(generation, workers):
                yield from self._loaded(generation, workers)
            case Refused():
                yield from self._refused()
            case Serving(number):
                yield from self._serving(number)
            case Withdrawn(number):
                yield from self._withdrawn(number)
            case Exited(number):
                yield from self._exited(number)
            case Tick():
                yield from self._tick()

    # Requests

    def _reload(self) -> Iterator[Command]:
        self.state, self._announced = State.RELOADING, False
        yield Load()

    def _reload_later(self) -> Iterator[Command]:
        self._reload_again = True
        yield from ()

    def _reopen(self) -> Iterator[Command]:
        yield Reopen()

    def _quit(self) -> Iterator[Command]:
        self.state = State.QUITTING
        yield from self._dismiss(SIGQUIT, None)
        yield from self._close()

    def _stop(self) -> Iterator[Command]:
        closed = self.state is State.QUITTING
        self.state = State.STOPPING
        yield from self._dismiss(SIGTERM, self._now + STOP_TIMEOUT)
        if not closed:
            yield from self._close()

    # What happened to configurations and workers

    def _loaded(self, generation: int, workers: int) -> Iterator[Command]:
        if self.state not in (State.STARTING, State.RELOADING):
            if self.state is not State.GONE:  # nothing follows Exit
                yield Abandon(generation)
            return
        self.candidate, self._wanted = generation, workers
        for slot in range(workers):
            yield self._spawn(slot, generation)

    def _refused(self) -> Iterator[Command]:
        if self.state is State.RELOADING:
            yield from self._settle()

    def _serving(self, number: int) -> Iterator[Command]:
        worker = self._workers.get(number)
        if worker is None or worker.told is SIGTERM:
            return
        worker.serving, worker.since, worker.deadline = True, self._now, None
        if worker.told:
            return
        proven = sum(w.serving for w in self._workers.values() if w.generation == self.candidate)
        if self.candidate and proven == self._wanted:
            self.current, self.candidate = self.candidate, 0
            self._deaths.clear()
            self._pauses.clear()
            yield Adopt(self.current)
            yield from self._dismiss(SIGQUIT, None, except_generation=self.current)
            yield from self._settle()

    def _withdrawn(self, number: int) -> Iterator[Command]:
        worker = self._workers.get(number)
        if worker is not None and worker.told:
            worker.withdrawn = True
            yield from self._announce()

    def _exited(self, number: int) -> Iterator[Command]:
        worker = self._workers.pop(number, None)
        if self.state in (State.QUITTING, State.STOPPING):
            yield from self._exit_when_empty()
        elif worker is None or worker.told:
            yield from self._announce()
        elif worker.generation == self.candidate:
            yield from self._abandon()
        else:
            yield from self._replace(worker)

    def _tick(self) -> Iterator[Command]:
        for number, worker in self._workers.items():
            if worker.deadline is not None and worker.deadline <= self._now:
                worker.deadline = None
                yield Signal(number, SIGKILL)
        for slot in [slot for slot, due in self._pauses.items() if due <= self._now]:
            del self._pauses[slot]
            yield self._spawn(slot, self.current)

    # Parts of the above

    def _spawn(self, slot: int, generation: int) -> Spawn:
        self._serial += 1
        self._workers[self._serial] = _Worker(slot, generation, self._now, self._now + START_TIMEOUT)
        return Spawn(self._serial, slot, generation)

    def _replace(self, worker: _Worker) -> Iterator[Command]:
        steady = worker.serving and self._now - worker.since >= STEADY
        deaths = self._deaths[worker.slot] = 0 if steady else self._deaths.get(worker.slot, 0) + 1
        if deaths < 2:
            yield self._spawn(worker.slot, worker.generation)
        else:
            # bounded before it is raised: a worker may fail for months
            self._pauses[worker.slot] = self._now + min(FIRST_PAUSE * 2 ** min(deaths - 2, 16), LONGEST_PAUSE)

    def _abandon(self) -> Iterator[Command]:
        generation, self.candidate = self.candidate, 0
        yield from self._dismiss(SIGTERM, self._now + STOP_TIMEOUT, only_generation=generation)
        yield Abandon(generation)
        if self.current:
            yield from self._settle()
        else:
            self.state, self._exit_code = State.STOPPING, 1
            yield from self._close()

    def _settle(self) -> Iterator[Command]:
        """The matter of the candidate is decided; another reload may have been asked for meanwhile."""
        self.state = State.RUNNING
        if self._reload_again:
            self._reload_again = False
            yield from self._reload()
        yield from self._announce()

    def _announce(self) -> Iterator[Command]:
        """Announce what was settled, once, when nobody lives by anything else any more."""
        leaving = any(worker.told and not worker.withdrawn for worker in self._workers.values())
        if self.state is State.RUNNING and not self._announced and not leaving:
            self._announced = True
            yield Announce()

    def _dismiss(
        self, number: Signals, deadline: float | None, *, only_generation: int = 0, except_generation: int = 0
    ) -> Iterator[Command]:
        for serial, worker in self._workers.items():
            if worker.generation == except_generation or only_generation not in (0, worker.generation):
                continue
            if worker.told is None or (worker.told, number) == (SIGQUIT, SIGTERM):
                worker.told = number
                if deadline is not None:
                    worker.deadline = deadline
                yield Signal(serial, number)

    def _close(self) -> Iterator[Command]:
        self._pauses.clear()
        yield Close()
        yield from self._exit_when_empty()

    def _exit_when_empty(self) -> Iterator[Command]:
        if not self._workers:
            self.state = State.GONE
            yield Exit(self._exit_code)


_Handler: TypeAlias = Callable[[Supervisor], Iterator[Command]]

_ALIVE = (State.STARTING, State.RUNNING, State.RELOADING)

_REQUESTS: Mapping[tuple[State, Request], _Handler] = {
    (State.RUNNING, Request.RELOAD): Supervisor._reload,
    (State.STARTING, Request.RELOAD): Supervisor._reload_later,
    (State.RELOADING, Request.RELOAD): Supervisor._reload_later,
    **{(state, Request.QUIT): Supervisor._quit for state in _ALIVE},
    **{(state, Request.STOP): Supervisor._stop for state in (*_ALIVE, State.QUITTING)},
    **{(state, Request.REOPEN): Supervisor._reopen for state in State if state is not State.GONE},
}
"""What a request leads to in each state; nothing where it has no row."""
