"""
Hostile clients and misbehaving servers, mixed, beside good requests: python -m benchmarks.hostile (or `make hostile`).

Thousands of idle clients, attacks of every kind, and bodies of a gibibyte go on for the given time, while good
requests come at a steady pace.  Not one of those may fail, the error log may hold nothing that a peer must not be able
to cause, and when all have gone the worker must hold what it held before.  ``--deadlines`` measures something else:
see `benchmarks.hostile.deadlines`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import trio

from benchmarks.hostile import deadlines, gauge
from benchmarks.hostile.attacks import Battle
from benchmarks.hostile.crowd import Crowd
from benchmarks.hostile.faulty import Faulty
from benchmarks.hostile.gauge import MIB
from benchmarks.hostile.stage import Stage, steady
from benchmarks.hostile.transfers import KINDS, Large, transfer
from benchmarks.macro.processes import BenchmarkError

_WARM = 10.0  # seconds of good requests before anything is measured
_CALM = 20.0  # seconds after which nobody hostile is left: longer than every timeout
_PAUSE = 2.0  # seconds that the large bodies' readers stand still
_BETWEEN = 20.0  # seconds between two large bodies
_MOST_GROWTH = 64 * MIB  # while a gibibyte passes
_MOST_LEFT = 16 * MIB  # afterwards, over what it was after the first wave


class Report:
    """What is said in the end."""

    def __init__(self) -> None:
        self.failed = False

    def say(self, what: str) -> None:
        """Print a line."""
        print(f"{time.strftime('%H:%M:%S')}  {what}", flush=True)

    def check(self, what: str, *, good: bool) -> None:
        """Print a line about something that must be *good*."""
        self.failed |= not good
        self.say(f"{'ok    ' if good else 'FAILED'}  {what}")


class Run:
    """One run, on *stage*."""

    def __init__(self, stage: Stage, options: argparse.Namespace, report: Report) -> None:
        self._stage, self._options, self._report = stage, options, report
        self._port = stage.ports.listen
        self._battle = Battle(self._port)
        self._crowd_size = min(options.idle, stage.files - 6000) if stage.files > 8000 else stage.files // 4
        self._transfers = 0

    async def run(self) -> None:
        """Do everything in turn."""
        stage, options = self._stage, self._options
        faulty, large = Faulty(options.seed), Large(options.size * MIB, _PAUSE)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(faulty.serve, stage.ports.faulty)
            nursery.start_soon(lambda: faulty.serve(stage.ports.packets, uwsgi=True))
            nursery.start_soon(large.serve, stage.ports.large)
            with steady(stage, options.rate, options.seed) as first:
                await trio.sleep(_WARM)
                self._report.say(f"before   {gauge.sample(stage.worker)}; {first.latencies.summary()}")
                await self._bodies()
                await self._wave(30.0, "first")
            await trio.sleep(_CALM)
            before = gauge.sample(stage.worker)
            self._report.say(f"start    {before}")
            with steady(stage, options.rate, options.seed) as load:
                await self._wave(options.minutes * 60, "main")
            await trio.sleep(_CALM)
            after = gauge.sample(stage.worker)
            self._report.say(f"end      {after}")
            nursery.cancel_scope.cancel()
        self._judge(before, after)
        self._report.say(f"good requests in the main wave: {load.latencies.summary()}")
        failures = first.failures + load.failures
        self._report.check(f"{len(failures)} good requests failed {failures[:5]}", good=not failures)

    async def _bodies(self) -> None:
        """Have a body of each kind pass, one after the other, with nobody else there but the good requests."""
        gauge.forget_peak(self._stage.worker)
        before = gauge.sample(self._stage.worker).resident
        for kind in KINDS:
            wrong = await transfer(self._port, kind, self._options.size * MIB, _PAUSE)
            self._report.check(wrong or f"{kind} of {self._options.size} MiB", good=not wrong)
        growth = gauge.peak(self._stage.worker) - before
        self._report.check(f"grown by {growth / MIB:.1f} MiB at most meanwhile", good=growth < _MOST_GROWTH)

    async def _wave(self, seconds: float, name: str) -> None:
        """Have everybody come for *seconds*."""
        over = trio.Event()
        crowd, watch = Crowd(self._port, self._crowd_size), gauge.Watch(self._stage.worker)
        try:
            async with trio.open_nursery() as nursery:
                await crowd.gather()
                self._report.say(f"{name} wave: {len(crowd)} idle clients, {self._options.attackers} attackers")
                nursery.start_soon(crowd.stay, over)
                nursery.start_soon(self._transfer_on_and_on, over)
                for number in range(self._options.attackers):
                    nursery.start_soon(self._battle.fight, f"{self._options.seed}/{name}/{number}", over)
                await self._wait(seconds)
                over.set()
        finally:
            crowd.leave()
            watch.close()
        most = max(watch.samples, key=lambda sample: sample.resident)
        self._report.say(f"{name} wave: {sum(self._battle.done.values())} attacks so far, most {most}; "
                         f"{crowd.lost} idle clients were sent away, {self._transfers} large bodies passed")

    async def _wait(self, seconds: float) -> None:
        """Wait, and tell every five minutes how it goes."""
        end = trio.current_time() + seconds
        while (left := end - trio.current_time()) > 0:
            await trio.sleep(min(left, 300))
            self._report.say(f"         {gauge.sample(self._stage.worker)}")

    async def _transfer_on_and_on(self, over: trio.Event) -> None:
        while not over.is_set():
            for kind in KINDS:
                if over.is_set():
                    return
                wrong = await transfer(self._port, kind, self._options.size * MIB, _PAUSE)
                if wrong:
                    self._report.check(wrong, good=False)
                self._transfers += 1
                with trio.move_on_after(_BETWEEN):
                    await over.wait()

    def _judge(self, before: gauge.Sample, after: gauge.Sample) -> None:
        check, done = self._report.check, self._battle.done
        self._report.say("attacks: " + ", ".join(f"{name} {count}" for name, count in sorted(done.items())))
        left = after.resident - before.resident
        check(f"{left / MIB:+.1f} MiB", good=left < _MOST_LEFT)
        check(f"{after.descriptors - before.descriptors:+} descriptors", good=after.descriptors <= before.descriptors)
        check(f"{after.threads - before.threads:+} threads", good=after.threads <= before.threads)
        words = gauge.complaints(self._stage.error_log)
        check(f"{len(words)} alerts and tracebacks {words[:5]}", good=not words)
        findings = self._battle.findings
        check(f"{len(findings)} findings of attackers {findings[:5]}", good=not findings)


async def _obedient(run: Callable[[], Awaitable[None]]) -> bool:
    """Do *run*, or end it at a signal; return whether it was done."""
    done = False
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_end_at_signal, nursery.cancel_scope)
        await run()
        done = True
        nursery.cancel_scope.cancel()
    return done


async def _end_at_signal(scope: trio.CancelScope) -> None:
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        await anext(signals)
    scope.cancel()


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=3.0, help="how long the main wave goes on (%(default)s)")
    parser.add_argument("--seed", default="1", help="of everything left to chance (%(default)s)")
    parser.add_argument("--rate", type=float, default=500.0, help="good requests per second (%(default)s)")
    parser.add_argument("--attackers", type=int, default=40, help="attacks at once (%(default)s)")
    parser.add_argument("--idle", type=int, default=10_000, help="idle clients at most (%(default)s)")
    parser.add_argument("--size", type=int, default=1024, help="of the large bodies in MiB (%(default)s)")
    parser.add_argument("--deadlines", action="store_true", help="measure what idle and slow clients cost others")
    return parser.parse_args()


def main() -> int:
    """Run it; return 0 if all is as it must be."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that all it started is ended
    options, report = _options(), Report()
    with tempfile.TemporaryDirectory(prefix="lbproxy-hostile-") as name:
        try:
            with Stage(Path(name)) as stage:
                run = deadlines.Run(stage, options, report) if options.deadlines else Run(stage, options, report)
                done = trio.run(_obedient, run.run)
        except (BenchmarkError, KeyboardInterrupt) as error:
            print(error, file=sys.stderr)
            return 1
    return int(report.failed or not done)


if __name__ == "__main__":
    sys.exit(main())
