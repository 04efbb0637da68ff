"""One case: everything is started, then the contestants take turns, so that the machine's moods meet all of them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from benchmarks.macro import machine
from benchmarks.macro.backends import Backend, write_files
from benchmarks.macro.cases import Case, Variant
from benchmarks.macro.contestants import Contestant
from benchmarks.macro.figures import DIRECT, Lane, Outcome, Turn
from benchmarks.macro.loads import Target, gather
from benchmarks.macro.machine import Cores, Jiffies

ROUNDS, SECONDS = 5, 2.0  # unless told otherwise
_WARM = 1.0  # seconds in which caches and pools fill


@dataclass(frozen=True, slots=True)
class Arena:
    """How all cases are run: who may take part, how many rounds, how long each turn is (seconds), and where."""

    contestants: Sequence[Contestant]
    rounds: int
    seconds: float
    cores: Cores

    def run(self, case: Case) -> Outcome:
        """
        Run *case*.

        Raises:
            BenchmarkError: Something does not start, or does not do what it should.
        """
        notes = [case.note, machine.unrest()]
        begun = Jiffies.now()
        rounds, seconds = min(self.rounds, case.most_rounds), min(self.seconds, case.most_seconds)
        with tempfile.TemporaryDirectory(prefix="lbproxy-bench-") as name, ExitStack() as running:
            directory = Path(name)
            directory.chmod(0o755)  # nginx's workers may run as another user
            targets = self._prepare(case, directory, running)
            self._warm(case, targets, running)
            turns: dict[Lane, list[Turn]] = {lane: [] for lane in targets}
            for _ in range(rounds):
                for lane, target in targets.items():
                    turns[lane].append(case.load.turn(target, seconds))
        notes.append(machine.theft(begun))
        return Outcome(case.name, case.title, case.load.figures, turns, case.axis, tuple(filter(None, notes)))

    def length(self, case: Case) -> float:
        """Return about how many seconds *case* takes."""
        lanes = case.direct + sum(len(self._field(case, variant)) for variant in case.variants)
        gathering = sum(bool(variant.crowd) * 4 * len(self._field(case, variant)) for variant in case.variants)
        turns = min(self.rounds, case.most_rounds) * min(self.seconds, case.most_seconds)
        return 1 + gathering + lanes * (0.5 + _WARM + turns)

    def _field(self, case: Case, variant: Variant) -> list[Contestant]:
        """Return who takes part in a variant."""
        return [each for each in self.contestants if each in case.field and each.takes(variant.site)]

    def _prepare(self, case: Case, directory: Path, running: ExitStack) -> dict[Lane, Target]:
        """Start the backend and whoever takes part; return where each is found."""
        write_files(directory)
        (directory / "uwsgi_params").write_text(files("lbproxy.config").joinpath("params", "uwsgi_params").read_text())
        backend = case.backend(directory, self.cores.load(max(variant.site.workers for variant in case.variants)))
        if backend.process:
            running.enter_context(backend.process)
        targets = {}
        if case.direct and backend.port:
            targets[Lane(DIRECT)] = Target(backend.port, self.cores.load())
        for variant in case.variants:
            for contestant in self._field(case, variant):
                target = self._target(contestant, variant, backend, directory)
                targets[Lane(contestant.name, variant.label)] = target
                if not case.load.starts_it:
                    assert target.prepared is not None
                    target.process = running.enter_context(target.prepared.start(target.proxy_core))
        return targets

    def _target(self, contestant: Contestant, variant: Variant, backend: Backend, directory: Path) -> Target:
        site = variant.site
        label = f"-{variant.label}" if variant.label else ""
        prepared = contestant.prepare(site, backend, directory, label)
        return Target(prepared.port, self.cores.load(site.workers), self.cores.proxy(site.workers), prepared=prepared,
                      arguments=(str(site.locations), str(site.names)))

    @staticmethod
    def _warm(case: Case, targets: Mapping[Lane, Target], running: ExitStack) -> None:
        """Load each once without looking; then let idle clients come."""
        crowds = {variant.label: variant.crowd for variant in case.variants}
        for lane, target in targets.items():
            case.load.turn(target, _WARM)
            if crowd := crowds.get(lane.variant, 0):
                gather(target, crowd, running)
