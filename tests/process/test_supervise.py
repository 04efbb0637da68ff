"""Supervision: examples that read as traces, and a state machine that no order of events may confuse."""

from __future__ import annotations

from signal import SIGKILL, SIGQUIT, SIGTERM

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

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
from lbproxy.process.pauses import LONGEST_PAUSE, STEADY
from lbproxy.process.supervise import START_TIMEOUT, STOP_TIMEOUT, State, Supervisor


def serving(workers: int = 1) -> Supervisor:
    """Return a supervisor whose workers 1 to *workers* serve generation 1 since time 0."""
    supervisor = Supervisor()
    supervisor.handle(Loaded(1, workers), 0)
    for number in range(1, workers + 1):
        supervisor.handle(Serving(number), 0)
    assert supervisor.state is State.RUNNING
    return supervisor


def test_start_is_adopted_when_the_last_worker_serves() -> None:
    supervisor = Supervisor()
    assert supervisor.handle(Loaded(1, 2), 0) == [Spawn(1, 0, 1), Spawn(2, 1, 1)]
    assert supervisor.handle(Serving(2), 1) == []
    assert supervisor.handle(Serving(1), 1) == [Adopt(1), Announce()]
    assert supervisor.state is State.RUNNING
    assert supervisor.deadline() is None


def test_worker_that_dies_at_the_first_start_ends_everything_with_1() -> None:
    supervisor = Supervisor()
    supervisor.handle(Loaded(1, 2), 0)
    assert supervisor.handle(Exited(1), 1) == [Signal(2, SIGTERM), Abandon(1), Close()]
    assert supervisor.handle(Exited(2), 1) == [Exit(1)]


def test_reload_replaces_the_workers_only_when_all_new_ones_serve() -> None:
    supervisor = serving(2)
    assert supervisor.handle(Request.RELOAD, 10) == [Load()]
    assert supervisor.handle(Loaded(2, 2), 10) == [Spawn(3, 0, 2), Spawn(4, 1, 2)]
    assert supervisor.handle(Serving(3), 11) == []
    assert supervisor.handle(Serving(4), 11) == [Adopt(2), Supersede(1), Supersede(2)]
    assert supervisor.handle(Exited(1), 12) == []
    assert supervisor.handle(Withdrawn(2), 12) == [Announce()]
    assert supervisor.handle(Exited(2), 99) == []


def test_refused_reload_changes_nothing() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    assert supervisor.handle(Refused(), 10) == [Announce(refused=True)]
    assert supervisor.state is State.RUNNING


def test_reload_whose_worker_dies_keeps_the_old_workers() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Loaded(2, 2), 10)
    supervisor.handle(Serving(2), 11)
    assert supervisor.handle(Exited(3), 12) == [Supersede(2), Abandon(2)], "it may have clients by now"
    assert supervisor.state is State.RUNNING
    assert supervisor.handle(Exited(2), 13) == [Announce(refused=True)]
    assert supervisor.current == 1


def test_reload_that_is_given_up_ends_workers_that_never_served_at_once() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Loaded(2, 2), 10)
    assert supervisor.handle(Exited(3), 12) == [Signal(2, SIGTERM), Abandon(2)]
    assert supervisor.deadline() == 12 + STOP_TIMEOUT


def test_reload_asked_for_during_a_reload_follows_it() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Loaded(2, 1), 10)
    assert supervisor.handle(Request.RELOAD, 10) == []
    assert supervisor.handle(Request.RELOAD, 10) == []
    assert supervisor.handle(Serving(2), 11) == [Adopt(2), Supersede(1), Load()]
    assert supervisor.handle(Refused(), 11) == []
    assert supervisor.handle(Withdrawn(1), 12) == [Announce(refused=True)]


def test_worker_that_dies_is_replaced_in_its_place() -> None:
    supervisor = serving(2)
    assert supervisor.handle(Exited(2), STEADY) == [Spawn(3, 1, 1)]
    assert supervisor.handle(Serving(3), STEADY) == []


def test_old_worker_that_dies_during_a_reload_is_replaced_too() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Loaded(2, 1), 10)
    assert supervisor.handle(Exited(1), 10) == [Spawn(3, 0, 1)]
    assert supervisor.handle(Serving(2), 11) == [Adopt(2), Supersede(3)]


def test_workers_that_die_at_start_are_replaced_ever_more_slowly() -> None:
    supervisor = serving()
    supervisor.handle(Exited(1), 0)
    pauses, now, number = [], 0.0, 2
    for _ in range(10):
        (postponed,) = supervisor.handle(Exited(number), now)
        due = supervisor.deadline()
        assert due is not None
        assert postponed == Postpone(0, due - now)
        assert supervisor.handle(Tick(), due - 0.01) == []
        number += 1
        assert supervisor.handle(Tick(), due) == [Spawn(number, 0, 1)]
        pauses.append(due - now)
        now = due
    assert pauses == pytest.approx([0.25, 0.5, 1, 2, 4, 8, 16, 30, 30, 30])


def test_a_while_of_service_makes_up_for_earlier_deaths() -> None:
    supervisor = serving()
    supervisor.handle(Exited(1), 0)
    supervisor.handle(Exited(2), 0)
    supervisor.handle(Tick(), 100)
    supervisor.handle(Serving(3), 100)
    assert supervisor.handle(Exited(3), 100 + STEADY) == [Spawn(4, 0, 1)]


def test_worker_that_never_serves_is_killed() -> None:
    supervisor = Supervisor()
    supervisor.handle(Loaded(1, 1), 0)
    assert supervisor.deadline() == START_TIMEOUT
    assert supervisor.handle(Tick(), START_TIMEOUT) == [Signal(1, SIGKILL)]
    assert supervisor.deadline() is None
    assert supervisor.handle(Exited(1), START_TIMEOUT) == [Abandon(1), Close(), Exit(1)]


def test_stop_kills_a_worker_that_hangs() -> None:
    supervisor = serving()
    assert supervisor.handle(Request.STOP, 10) == [Signal(1, SIGTERM), Close()]
    assert supervisor.handle(Request.STOP, 10) == []
    assert supervisor.deadline() == 10 + STOP_TIMEOUT
    assert supervisor.handle(Tick(), 10 + STOP_TIMEOUT) == [Signal(1, SIGKILL)]
    assert supervisor.handle(Exited(1), 99) == [Exit(0)]
    assert supervisor.state is State.GONE


def test_quit_waits_for_the_workers_and_stop_cuts_it_short() -> None:
    supervisor = serving()
    assert supervisor.handle(Request.QUIT, 10) == [Signal(1, SIGQUIT), Close()]
    assert supervisor.deadline() is None
    assert supervisor.handle(Request.RELOAD, 10) == []
    assert supervisor.handle(Request.REOPEN, 10) == [Reopen()]
    assert supervisor.handle(Request.QUIT, 20) == []
    assert supervisor.handle(Request.STOP, 20) == [Signal(1, SIGTERM)]
    assert supervisor.handle(Exited(1), 20) == [Exit(0)]


def test_quit_hastens_workers_that_a_reload_left_behind() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Loaded(2, 1), 10)
    assert supervisor.handle(Serving(2), 10) == [Adopt(2), Supersede(1)]
    assert supervisor.handle(Request.QUIT, 11) == [Signal(1, SIGQUIT), Signal(2, SIGQUIT), Close()]


def test_upgrade_that_goes_well() -> None:
    """USR2, WINCH, QUIT, as nginx's manual has it; idle clients may take their time, since others serve."""
    supervisor = serving()
    assert supervisor.handle(Request.UPGRADE, 10) == [Upgrade()]
    assert supervisor.handle(Request.UPGRADE, 11) == [], "one at a time"
    assert supervisor.handle(Request.REST, 12) == [Supersede(1)]
    assert supervisor.handle(Withdrawn(1), 12) == []
    assert supervisor.handle(Exited(1), 13) == []
    assert supervisor.state is State.RESTING
    assert supervisor.handle(Request.QUIT, 14) == [Close(), Exit(0)]


def test_quit_beside_a_successor_is_patient_until_it_is_repeated() -> None:
    supervisor = serving()
    supervisor.handle(Request.UPGRADE, 10)
    assert supervisor.handle(Request.QUIT, 11) == [Supersede(1), Close()]
    assert supervisor.handle(Request.QUIT, 12) == [Signal(1, SIGQUIT)]
    assert supervisor.handle(SuccessorGone(), 13) == [Restore()]
    assert supervisor.handle(Exited(1), 13) == [Exit(0)]


def test_upgrade_that_fails_changes_nothing() -> None:
    supervisor = serving()
    supervisor.handle(Request.UPGRADE, 10)
    assert supervisor.handle(SuccessorGone(), 11) == [Restore()]
    assert supervisor.handle(Request.UPGRADE, 12) == [Upgrade()], "the next one may be better"


@pytest.mark.parametrize("how", [Request.RELOAD, SuccessorGone()])
def test_resting_master_wakes_for_hup_and_when_its_successor_ends(how: Event) -> None:
    supervisor = serving(2)
    supervisor.handle(Request.UPGRADE, 10)
    supervisor.handle(Request.REST, 11)
    back = [Spawn(3, 0, 1), Spawn(4, 1, 1)]
    assert supervisor.handle(how, 12) == (back if how is Request.RELOAD else [Restore(), *back])
    assert supervisor.handle(Serving(3), 13) == []


def test_rest_without_a_successor_dismisses_idle_clients_soon() -> None:
    supervisor = serving()
    assert supervisor.handle(Request.REST, 10) == [Signal(1, SIGQUIT)]
    assert supervisor.handle(Request.REST, 10) == []
    assert supervisor.handle(Request.RELOAD, 11) == [Spawn(2, 0, 1), Load()]


def test_what_is_asked_during_a_reload_follows_in_order() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    for request in (Request.UPGRADE, Request.REST, Request.RELOAD, Request.UPGRADE):
        assert supervisor.handle(request, 10) == []
    assert supervisor.handle(Refused(), 11) == [Upgrade(), Supersede(1), Spawn(2, 0, 1)]
    assert supervisor.state is State.RUNNING


def test_quit_before_service_still_bounds_the_start() -> None:
    supervisor = Supervisor()
    supervisor.handle(Loaded(1, 1), 0)
    assert supervisor.handle(Request.QUIT, 1) == [Signal(1, SIGQUIT), Close()]
    assert supervisor.deadline() == START_TIMEOUT
    assert supervisor.handle(Serving(1), 2) == []
    assert supervisor.deadline() is None


def test_stop_while_a_replacement_is_due_exits_at_once() -> None:
    supervisor = serving()
    supervisor.handle(Exited(1), 0)
    supervisor.handle(Exited(2), 0)
    assert supervisor.handle(Request.STOP, 0) == [Close(), Exit(0)]


def test_configuration_loaded_too_late_is_dropped() -> None:
    supervisor = serving()
    supervisor.handle(Request.RELOAD, 10)
    supervisor.handle(Request.QUIT, 10)
    assert supervisor.handle(Loaded(2, 1), 10) == [Abandon(2)]


class Supervision(RuleBasedStateMachine):
    """A world of processes around a supervisor: any event in any order, obedient and disobedient workers."""

    def __init__(self) -> None:
        super().__init__()
        self.supervisor = Supervisor()
        self.now = 0.0
        self.alive: dict[int, Spawn] = {}
        self.signals: dict[int, list[int]] = {}
        self.serving: set[int] = set()
        self.exited: int | None = None
        self.closed = False
        self.wanted = {1: 2}
        self.loading = False
        self.announced = False
        self.successor = False
        self.send(Loaded(1, 2))

    def send(self, event: Event) -> None:
        before = self.capacity()
        commands = self.supervisor.handle(event, self.now)
        adopted = any(isinstance(command, Adopt) for command in commands)
        for command in commands:
            self.obey(command)
        asked = event in (Request.STOP, Request.QUIT, Request.REST) or self.supervisor.state is State.RESTING
        if not (adopted or asked or isinstance(event, Exited) or self.closed):
            assert self.capacity() >= before, "nobody may lose a serving worker without need"

    def capacity(self) -> int:
        """How many workers serve and were not told to go."""
        current = self.supervisor.current
        return sum(1 for n in self.serving if not self.signals[n] and self.alive[n].generation == current)

    def obey(self, command: Command) -> None:
        assert self.exited is None, "nothing may follow Exit"
        match command:
            case Spawn(number, slot, generation):
                assert not self.closed
                assert number not in self.signals, "numbers are used once"
                assert 0 <= slot < self.wanted[generation]
                self.alive[number], self.signals[number] = command, []
            case Signal(number, what):
                assert number in self.alive
                assert what == SIGKILL or what not in self.signals[number], "asked twice"
                assert what != SIGQUIT or SIGTERM not in self.signals[number], "asked more politely than before"
                self.signals[number].append(what)
            case Supersede(number):
                assert not self.signals[number], "asked more politely than before"
                assert self.successor or self.capacity(), "patience while nobody serves"
                self.signals[number].append(0)
            case Postpone(slot, seconds):
                assert not self.closed
                assert slot not in {spawn.slot for n, spawn in self.alive.items() if not self.signals[n]
                                    and spawn.generation == self.supervisor.current}
                assert 0 < seconds <= LONGEST_PAUSE
            case Upgrade():
                assert not self.successor, "one at a time"
                self.successor = True
            case Restore():
                assert not self.successor
            case Load():
                assert not self.loading
                self.loading, self.announced = True, False
            case Adopt(generation):
                served = {self.alive[n].slot for n in self.serving if self.alive[n].generation == generation}
                assert served == set(range(self.wanted[generation]))
            case Announce():
                assert not self.announced
                assert not self.loading
                assert not self.closed
                self.announced = True
            case Close():
                assert not self.closed
                self.closed = True
            case Exit():
                assert not self.alive
                assert self.closed
                self.exited = command.code

    @rule(seconds=st.sampled_from([0.1, STEADY, STOP_TIMEOUT, LONGEST_PAUSE]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        self.send(Tick())

    @precondition(lambda self: self.loading)
    @rule(workers=st.integers(1, 3))
    def a_good_file(self, workers: int) -> None:
        self.loading = False
        generation = len(self.wanted) + 1
        self.wanted[generation] = workers
        self.send(Loaded(generation, workers))

    @precondition(lambda self: self.loading)
    @rule()
    def a_bad_file(self) -> None:
        self.loading = False
        self.send(Refused())

    @precondition(lambda self: not self.loading)
    @rule(request=st.sampled_from([Request.RELOAD, Request.RELOAD, Request.REOPEN, Request.UPGRADE, Request.REST]))
    def ask(self, request: Request) -> None:
        self.send(request)

    @precondition(lambda self: self.successor)
    @rule()
    def the_successor_ends(self) -> None:
        self.successor = False
        self.send(SuccessorGone())

    @precondition(lambda self: len(self.signals) > 4)
    @rule(request=st.sampled_from([Request.QUIT, Request.STOP]))
    def ask_to_end(self, request: Request) -> None:
        self.send(request)

    @precondition(lambda self: set(self.alive) - self.serving)
    @rule(data=st.data())
    def a_worker_serves(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(set(self.alive) - self.serving)))
        self.serving.add(number)
        self.send(Serving(number))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def a_worker_withdraws(self, data: st.DataObject) -> None:
        self.send(Withdrawn(data.draw(st.sampled_from(sorted(self.alive)))))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def a_worker_ends(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.alive)))
        del self.alive[number]
        self.serving.discard(number)
        self.send(Exited(number))

    @precondition(lambda self: any(self.signals[number] for number in self.alive))
    @rule()
    def who_was_told_ends(self) -> None:
        for number in [number for number in self.alive if self.signals[number]]:
            del self.alive[number]
            self.serving.discard(number)
            self.send(Exited(number))

    @invariant()
    def every_place_is_taken_or_about_to_be(self) -> None:
        if self.closed:
            return
        current = self.supervisor.current
        if self.supervisor.state is State.RESTING:
            assert all(self.signals[number] for number in self.alive), "everybody is on the way out"
            return
        if current:
            held = [spawn.slot for number, spawn in self.alive.items()
                    if spawn.generation == current and not set(self.signals[number]) - {SIGKILL}]
            assert len(held) == len(set(held)), "one worker per place"
            if len(held) < self.wanted[current]:
                assert self.supervisor.deadline() is not None, "a place is empty and nothing is planned"

    @invariant()
    def news_is_not_kept_back(self) -> None:
        everybody_stays = not any(self.signals[number] for number in self.alive)
        if self.supervisor.state is State.RUNNING and everybody_stays:
            assert self.announced

    @invariant()
    def exit_is_not_missed(self) -> None:
        if self.closed and not self.alive:
            assert self.exited is not None

    @invariant()
    def a_stop_is_bounded(self) -> None:
        if self.closed and self.supervisor.state is State.STOPPING:
            for number in self.alive:
                assert {SIGTERM, SIGKILL} & set(self.signals[number])
            unkilled = [number for number in self.alive if SIGKILL not in self.signals[number]]
            assert not unkilled or self.supervisor.deadline() is not None


TestSupervision = Supervision.TestCase
TestSupervision.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
