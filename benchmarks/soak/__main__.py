"""
Run lbproxy under a mixed load and look for what goes wrong or grows: python -m benchmarks.soak (or `make soak`).

Clients keep connections, return to them after pauses, close them, upload, download and abort; nodes are killed and
come back.  In the first half of the time the configuration is changed and reloaded every few seconds; in the second
half it is left alone, so that the same workers live long enough to show whether they grow.  No request may fail.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import trio

from benchmarks.macro.processes import BenchmarkError
from benchmarks.soak.clients import KINDS, Tally, Visit, live
from benchmarks.soak.measure import holdings
from benchmarks.soak.world import World

_WARM = 10.0  # seconds before anything is measured
_CALM = 8.0  # seconds after the load, longer than superseded workers wait for clients
_REPORT = 30.0  # seconds between two lines


def main() -> int:
    """Run it; return 0 if no request failed and the error log holds nothing grave."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=2.0, help="how long (%(default)s)")
    parser.add_argument("--clients", type=int, default=84, help="how many at once (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="worker_processes (%(default)s)")
    parser.add_argument("--reload-every", type=float, default=4.0, metavar="SECONDS", help="on average (%(default)s)")
    parser.add_argument("--kill-every", type=float, default=6.0, metavar="SECONDS", help="a node (%(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (%(default)s)")
    options = parser.parse_args()
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="lbproxy-soak-") as name:
        world = World(Path(name), random.Random(options.seed), options.workers)
        try:
            with world:
                trio.run(_soak, world, tally, options)
        except* BenchmarkError as errors:
            tally.fail("soak", str(errors.exceptions[0]))
        except* KeyboardInterrupt:
            print("interrupted; so far:")
        complaints = world.complaints()
    return _judge(world, tally, complaints)


async def _soak(world: World, tally: Tally, options: argparse.Namespace) -> None:
    half = options.minutes * 30
    async with trio.open_nursery() as load:
        for number in range(options.clients):
            load.start_soon(live, _kind(number), world.port, random.Random(f"{options.seed} {number}"), tally)
        load.start_soon(world.kill_nodes_for_ever, options.kill_every)
        load.start_soon(_report_for_ever, tally)
        await trio.sleep(_WARM)
        if not tally.answered:
            raise BenchmarkError("nothing is answered")
        _show("at the start", world)
        with trio.move_on_after(half):
            await world.reload_for_ever(options.reload_every)
        await trio.sleep(_CALM)
        _show(f"after {world.reloads} reloads", world)
        for when in ("a third of the rest later", "two thirds later", "at the end"):
            await trio.sleep(half / 3)
            _show(when, world)
        load.cancel_scope.cancel()
    await trio.sleep(_CALM)
    _show("without load", world)


def _kind(number: int) -> Visit:
    kinds = [kind for kind, share in KINDS for _ in range(share)]
    return kinds[number % len(kinds)]


async def _report_for_ever(tally: Tally) -> None:
    begin = time.monotonic()
    while True:
        await trio.sleep(_REPORT)
        print(f"{time.monotonic() - begin:6.0f} s {tally.answered.total():8} answered, {tally.failed.total()} failed, "
              f"{tally.aborted} aborted", flush=True)


def _show(when: str, world: World) -> None:
    print(f"{when}:", *holdings(world.proxy.pid), sep="\n    ", flush=True)


def _judge(world: World, tally: Tally, complaints: Sequence[str]) -> int:
    answered = ", ".join(f"{kind} {count}" for kind, count in sorted(tally.answered.items()))
    print(f"{tally.answered.total()} answered ({answered}), {tally.aborted} aborted on purpose; "
          f"{world.reloads} reloads, {world.deaths} deaths of nodes")
    print(f"{tally.failed.total()} failed", *tally.reasons, sep="\n    ")
    print(f"{len(complaints)} grave lines in the error log", *complaints[:20], sep="\n    ")
    return 1 if tally.failed or complaints else 0


if __name__ == "__main__":
    sys.exit(main())
