"""
Compare lbproxy with nginx, HAProxy and Python proxies in one run: python -m benchmarks.macro (or `make bench`).

Every proxy has one core to itself, the load and the server share another; the proxies take turns within each round, so
that a change of the machine's mood meets all of them.  Trust the CPU per request (user + system time of the proxy's
processes, from /proc) more than requests/s, and ratios more than either.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.macro import machine, report, svg
from benchmarks.macro.arena import ROUNDS, SECONDS, Arena
from benchmarks.macro.backends import ROOT
from benchmarks.macro.cases import CASES, GROWING, Case
from benchmarks.macro.contestants import ALL, Contestant
from benchmarks.macro.figures import Outcome
from benchmarks.macro.loads import CONNECTIONS
from benchmarks.macro.machine import Cores
from benchmarks.macro.processes import BenchmarkError

RESULTS = ROOT / "benchmarks" / "results"


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.macro", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="turns of every proxy in a case (%(default)s)")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of each turn (%(default)s)")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--all", action="store_true", help="every case: half an hour; unless told, the short ones")
    chosen.add_argument("--case", nargs="+", metavar="NAME", choices=[case.name for case in CASES],
                        help=f"only these cases: {', '.join(case.name for case in CASES)}")
    parser.add_argument("--without", nargs="+", metavar="PROXY", choices=[each.name for each in ALL], default=[],
                        help=f"leave out some of {', '.join(each.name for each in ALL)}")
    parser.add_argument("--results", type=Path, metavar="DIR",
                        help="where a page and a plot are written (benchmarks/results, unless --case is given)")
    return parser.parse_args()


def chosen_cases(options: argparse.Namespace) -> list[Case]:
    """Return the cases that were asked for."""
    if options.case:
        return [case for case in CASES if case.name in options.case]
    return [case for case in CASES if case.short or options.all]


def present(without: Sequence[str]) -> list[Contestant]:
    """Return who can take part; says who can't, and what to install."""
    found = []
    for contestant in ALL:
        if contestant.name in without:
            continue
        if missing := contestant.missing():
            print(f"without {contestant.name}: {missing}")
        else:
            found.append(contestant)
    return found


def write(outcomes: Sequence[Outcome], heading: Sequence[str], name: str, directory: Path) -> None:
    """Keep *outcomes* as a page and a plot."""
    directory.mkdir(parents=True, exist_ok=True)
    page, picture = directory / f"{name}.md", directory / f"{name}.svg"
    page.write_text(report.markdown(outcomes, heading, picture.name))
    picture.write_text(svg.plot(outcomes, f"lbproxy beside others: {heading[0]}"))
    print(f"\nwritten: {page} and {picture}")


def main() -> int:
    """Run the benchmark; return 0, or 1 when something is missing or a case failed."""
    options = arguments()
    needed = {"wrk": "wrk", "nginx": "nginx-light", "taskset": "util-linux"}
    missing = [package for command, package in needed.items() if shutil.which(command) is None]
    if missing:
        print(f"missing: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for the clients
    cores = Cores.here()
    command = shlex.join(["python", "-m", "benchmarks.macro", *sys.argv[1:]])
    heading = [
        *machine.described(cores),
        f"{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, `{command}`",
        (f"{options.rounds} rounds of {options.seconds:g} s, at most {GROWING[0]} of {GROWING[1]:g} s where something "
        f"grows; {CONNECTIONS} connections unless said otherwise; figures are medians (minimum..maximum)"),
    ]
    print("\n".join(heading), flush=True)
    arena = Arena(present(options.without), options.rounds, options.seconds, cores)
    cases = chosen_cases(options)
    print(f"{len(cases)} cases, about {sum(map(arena.length, cases)) / 60:.0f} minutes", flush=True)
    outcomes, failed = [], []
    for case in cases:
        try:
            outcomes.append(arena.run(case))
        except BenchmarkError as error:
            failed.append(case.name)
            print(f"\n{case.title}\n  {error}", file=sys.stderr, flush=True)
        else:
            print(f"\n{report.text(outcomes[-1])}", flush=True)
    directory = options.results or (None if options.case else RESULTS)
    if directory and outcomes:
        heading += [f"without the cases that failed: {', '.join(failed)}"] if failed else []
        write(outcomes, heading, "all" if options.all else "short", directory)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
