"""
Supervision of the workers as a table: what happened comes in (`events`), what to do comes out (`commands`).

Pure: no clock, no pids, no system calls.  Workers are known by serial numbers that this module gives out; the
master maps them to processes.  No decision about the life of a worker is made elsewhere (how long a place stays
empty is `pauses`).

A *generation* is a configuration with the workers that run it.  At most two matter: the *current* one, proven
because all its workers have served at the same time, and a *candidate* that has yet to prove itself.  The
*successor* is another master, started on the same sockets.

=============  ===========  =============  ============  ===============  ===========  =========
event          STARTING     RUNNING        RELOADING     RESTING          QUITTING     STOPPING
=============  ===========  =============  ============  ===============  ===========  =========
RELOAD         afterwards   load           afterwards    wake             -            -
UPGRADE        afterwards   start it       afterwards    start it         -            -
REST           afterwards   rest           afterwards    -                -            -
REOPEN         reopen       reopen         reopen        reopen           reopen       reopen
QUIT           quit         quit           quit          quit             idle too     -
STOP           stop         stop           stop          stop             stop         -
Loaded         start it     -              start it      -                drop it      drop it
Refused        -            -              keep the old  -                -            -
Serving        all: adopt   noted          all: adopt    noted            noted        noted
Withdrawn      -            all: announce  noted         all: announce    noted        noted
Exited         give up      replace        replace, or   -                all: exit    all: exit
                                           keep the old
SuccessorGone  restore      restore        restore       restore, wake    restore      restore
=============  ===========  =============  ============  ===============  ===========  =========

The candidate is given up as soon as one of its workers ends before all have served: at start lbproxy exits
with 1, on reload the old configuration goes on.  A worker of the current generation is replaced: at once when
it had served for a while, after growing pauses when it ends soon after its start again and again.

A start or reload is announced when it is over for clients: the workers of the new configuration accept them, and
those of the old one no longer do.

RESTING is the old program's part of an upgrade (nginx: ngx_noaccepting): it has no workers and keeps its sockets,
until HUP or the end of the successor wakes it.  Whoever is followed by others, be it workers or a successor, may
wait a while for clients that are idle; at the end of the service nobody would serve those.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from signal import SIGKILL, SIGQUIT, SIGTERM
from typing import TypeAlias

from lbproxy.process.commands import (
    Abandon,
    Adopt,
    Announce,
    Close,
    Command,
    Exit,
    Load,
    Postpone,
    Reopen,
    Restore,
    Signal,
    Spawn,
    Supersede,
    Upgrade,
)
from lbproxy.process.events import (
    Event,
    Exited,
    Loaded,
    Refused,
    Request,
    Serving,
    SuccessorGone,
    Tick,
    Withdrawn,
)
from lbproxy.process.pauses import Pauses

START_TIMEOUT = 60.0
"""Seconds in which a worker must serve, else it is killed."""

STOP_TIMEOUT = 0.75
"""Seconds that a worker may take when told to stop at once, else it is killed."""


class State(enum.Enum):
    """Of the whole; GONE: Exit was commanded, nothing may follow."""

    STARTING = enum.auto()
    RUNNING = enum.auto()
    RELOADING = enum.auto()
    RESTING = enum.auto()
    QUITTING = enum.auto()
    STOPPING = enum.auto()
    GONE = enum.auto()


class _Told(enum.IntEnum):
    """How urgently a worker was told to go, if it was; later words are only more urgent."""

    NOTHING = 0
    SUPERSEDED = 1
    QUIT = 2
    STOP = 3


@dataclass(slots=True)
class _Worker:
    """
    One process.

    Args:
        since: When it was started; once it serves, since when it does.
        told: To go; from then on its end is expected.
        deadline: When it will be killed, unless it serves or ends before.
    """

    slot: int
    generation: int
    since: float
    deadline: float | None
    serving: bool = False
    told: _Told = _Told.NOTHING
    withdrawn: bool = False


class Supervisor:
    """The state machine; feed it every event, carry out every command in order."""

    def __init__(self) -> None:
        self.state = State.STARTING
        self.current = 0  # generation; 0: none yet
        self.candidate = 0  # generation; 0: none
        self.successor = False  # it was started and is not known to be gone
        self._workers: dict[int, _Worker] = {}
        self._serial = 0
        self._places = 0  # of the current generation
        self._wanted = 0  # places of the candidate
        self._pauses = Pauses()  # of the current generation
        self._afterwards: dict[Request, None] = {}  # each once, in order
        self._announced = self._refusal = False
        self._exit_code = 0
        self._now = 0.0

    def handle(self, event: Event, now: float) -> list[Command]:
        """Return what to do about *event*, in order; *now* in monotonic seconds."""
        self._now = now
        return list(self._respond(event))

    def deadline(self) -> float | None:
        """Return when to send the next `Tick`, in monotonic seconds; None: no need."""
        times = [worker.deadline for worker in self._workers.values()]
        return min((time for time in (*times, self._pauses.deadline()) if time is not None), default=None)

    def on_duty(self) -> list[int]:
        """Return the workers that serve and are to go on."""
        return [number for number, worker in self._workers.items() if worker.serving and not worker.told]

    def _respond(self, event: Event) -> Iterator[Command]:
        match event:
            case Request():
                handler = _REQUESTS.get((self.state, event))
                if handler is not None:
                    yield from handler(self)
                elif (self.state, event) in _AFTERWARDS:
                    self._afterwards[event] = None
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
            case SuccessorGone():
                yield from self._successor_gone()
            case Tick():
                yield from self._tick()

    # Requests

    def _reload(self) -> Iterator[Command]:
        self.state, self._announced, self._refusal = State.RELOADING, False, False
        yield Load()

    def _rest(self) -> Iterator[Command]:
        self.state = State.RESTING
        self._pauses.call_off()
        yield from self._dismiss(_Told.SUPERSEDED if self.successor else _Told.QUIT)

    def _wake(self) -> Iterator[Command]:
        self.state = State.RUNNING
        for slot in range(self._places):
            yield self._spawn(slot, self.current)

    def _wake_or_reload(self) -> Iterator[Command]:
        """Beside a successor the old configuration comes back as it was, as in nginx (ngx_master_process_cycle)."""
        yield from self._wake()
        if not self.successor:
            yield from self._reload()

    def _upgrade(self) -> Iterator[Command]:
        if not self.successor:
            self.successor = True
            yield Upgrade()

    def _reopen(self) -> Iterator[Command]:
        yield Reopen()

    def _quit(self) -> Iterator[Command]:
        self.state = State.QUITTING
        yield from self._dismiss(_Told.SUPERSEDED if self.successor else _Told.QUIT)
        yield from self._close()

    def _hasten(self) -> Iterator[Command]:
        yield from self._dismiss(_Told.QUIT)

    def _stop(self) -> Iterator[Command]:
        closed = self.state is State.QUITTING
        self.state = State.STOPPING
        yield from self._dismiss(_Told.STOP)
        if not closed:
            yield from self._close()

    # What happened to configurations, workers and the successor

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
            self._refusal = True
            yield from self._settle()

    def _serving(self, number: int) -> Iterator[Command]:
        worker = self._workers.get(number)
        if worker is None or worker.told is _Told.STOP:
            return
        worker.serving, worker.since, worker.deadline = True, self._now, None
        if worker.told:
            return
        proven = sum(w.serving for w in self._workers.values() if w.generation == self.candidate)
        if self.candidate and proven == self._wanted:
            self.current, self.candidate = self.candidate, 0
            self._places, self._pauses = self._wanted, Pauses()
            yield Adopt(self.current)
            yield from self._dismiss(_Told.SUPERSEDED, lambda worker: worker.generation != self.current)
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

    def _successor_gone(self) -> Iterator[Command]:
        if self.successor and self.state is not State.GONE:
            self.successor = False
            yield Restore()
            if self.state is State.RESTING:
                yield from self._wake()

    def _tick(self) -> Iterator[Command]:
        for number, worker in self._workers.items():
            if worker.deadline is not None and worker.deadline <= self._now:
                worker.deadline = None
                yield Signal(number, SIGKILL)
        for slot in self._pauses.due(self._now):
            yield self._spawn(slot, self.current)

    # Parts of the above

    def _spawn(self, slot: int, generation: int) -> Spawn:
        self._serial += 1
        self._workers[self._serial] = _Worker(slot, generation, self._now, self._now + START_TIMEOUT)
        return Spawn(self._serial, slot, generation)

    def _replace(self, worker: _Worker) -> Iterator[Command]:
        served = self._now - worker.since if worker.serving else 0.0
        pause = self._pauses.after_end(worker.slot, served, self._now)
        if pause:
            yield Postpone(worker.slot, pause)
        else:
            yield self._spawn(worker.slot, worker.generation)

    def _abandon(self) -> Iterator[Command]:
        """Give the candidate up; clients that one of its workers has by now are served to the end on a reload."""
        generation, self.candidate = self.candidate, 0
        if self.current:
            yield from self._dismiss(_Told.SUPERSEDED, lambda each: each.generation == generation and each.serving)
        yield from self._dismiss(_Told.STOP, lambda each: each.generation == generation and not each.told)
        yield Abandon(generation)
        if self.current:
            self._refusal = True
            yield from self._settle()
        else:
            self.state, self._exit_code = State.STOPPING, 1
            yield from self._close()

    def _settle(self) -> Iterator[Command]:
        """The matter of the candidate is decided: now for what was asked meanwhile."""
        self.state = State.RUNNING
        while self._afterwards and self.state is not State.RELOADING:
            request = next(iter(self._afterwards))
            del self._afterwards[request]
            yield from self._respond(request)
        yield from self._announce()

    def _announce(self) -> Iterator[Command]:
        """Announce what was settled, once, when nobody lives by anything else any more."""
        settled = self.state in (State.RUNNING, State.RESTING)
        leaving = any(worker.told and not worker.withdrawn for worker in self._workers.values())
        if settled and not self._announced and not leaving:
            self._announced = True
            yield Announce(self._refusal)

    def _dismiss(self, told: _Told, meant: Callable[[_Worker], bool] = lambda _: True) -> Iterator[Command]:
        """Tell the workers that are *meant* to go, unless they were told as urgently before."""
        for number, worker in self._workers.items():
            if worker.told < told and meant(worker):
                worker.told = told
                match told:
                    case _Told.SUPERSEDED:
                        yield Supersede(number)
                    case _Told.QUIT:
                        yield Signal(number, SIGQUIT)
                    case _:
                        worker.deadline = self._now + STOP_TIMEOUT
                        yield Signal(number, SIGTERM)

    def _close(self) -> Iterator[Command]:
        self._pauses.call_off()
        yield Close()
        yield from self._exit_when_empty()

    def _exit_when_empty(self) -> Iterator[Command]:
        if not self._workers:
            self.state = State.GONE
            yield Exit(self._exit_code)


_Handler: TypeAlias = Callable[[Supervisor], Iterator[Command]]

_ALIVE = (State.STARTING, State.RUNNING, State.RELOADING, State.RESTING)

_REQUESTS: Mapping[tuple[State, Request], _Handler] = {
    (State.RUNNING, Request.RELOAD): Supervisor._reload,
    (State.RESTING, Request.RELOAD): Supervisor._wake_or_reload,
    (State.RUNNING, Request.UPGRADE): Supervisor._upgrade,
    (State.RESTING, Request.UPGRADE): Supervisor._upgrade,
    (State.RUNNING, Request.REST): Supervisor._rest,
    **{(state, Request.QUIT): Supervisor._quit for state in _ALIVE},
    (State.QUITTING, Request.QUIT): Supervisor._hasten,
    **{(state, Request.STOP): Supervisor._stop for state in (*_ALIVE, State.QUITTING)},
    **{(state, Request.REOPEN): Supervisor._reopen for state in State if state is not State.GONE},
}
"""What a request leads to in each state; nothing where it has no row."""

_AFTERWARDS = {
    (state, request)
    for state in (State.STARTING, State.RELOADING)
    for request in (Request.RELOAD, Request.UPGRADE, Request.REST)
}
"""What is put off until the start or the reload at hand has been decided."""
