"""
Compare lbproxy with nginx and HAProxy in one run: python -m benchmarks.macro (or `make bench`).

Every proxy has one core to itself, wrk and the backend share another; the proxies take turns within each
round, so that a change of the machine's mood meets all of them.  Trust the CPU per request (user + system
time of the proxy's processes, from /proc) more than requests/s, and ratios more than either.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.macro import wrk
from benchmarks.macro.cases import CASES, CONNECTIONS, Case
from benchmarks.macro.contestants import HAPROXY, LBPROXY, NGINX, Contestant, version
from benchmarks.macro.processes import BenchmarkError, Process
from benchmarks.macro.report import Round, ratios, table
from lbproxy import __version__

PARAMS = Path(__file__).resolve().parents[2] / "lbproxy" / "config" / "params"


def cores() -> tuple[int | None, int | None]:
    """Return the core of the proxies and that of wrk and the backend; None, None where there is only one."""
    usable = sorted(os.sched_getaffinity(0))
    return (usable[0], usable[1]) if len(usable) > 1 else (None, None)


def machine(proxy_core: int | None) -> str:
    """Return what the figures depend on: processor, system, versions."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in info if line.startswith("model name")), "?")
    haproxy = version(["haproxy", "-v"])
    versions = [
        f"lbproxy {__version__} on {platform.python_implementation()} {platform.python_version()}",
        f"nginx {version(['nginx', '-v'])}",
        f"HAProxy {haproxy}" if haproxy else "no HAProxy (apt-get install haproxy)",
        f"wrk {version(['wrk', '-v'])}",
        f"uWSGI {version([str(Path(sys.executable).with_name('uwsgi')), '--version'])}",
    ]
    placed = "one core for the proxy, another for wrk and the backend"
    if proxy_core is None:
        placed = "ONE CORE FOR EVERYTHING: requests/s say little, look at the CPU per request"
    busy = os.getloadavg()[0]
    if busy > 0.5:
        placed += f"\nTHE MACHINE IS BUSY (load {busy:.1f}): requests/s say little, look at the CPU per request"
    return (f"{model}, {os.cpu_count()} cores, {platform.system()} {platform.release()}\n"
            f"{', '.join(versions)}\n{CONNECTIONS} connections; {placed}")


def measure(process: Process | None, url: str, seconds: int, core: int | None) -> Round:
    """Load *url* once; the CPU time is 0 where no proxy stands between."""
    before = process.cpu_seconds() if process else (0.0, 0.0)
    load = wrk.run(url, connections=CONNECTIONS, seconds=seconds, core=core)
    after = process.cpu_seconds() if process else (0.0, 0.0)
    scale = 1e6 / max(load.requests, 1)
    user, system = ((late - early) * scale for early, late in zip(before, after, strict=True))
    return Round(load.rate, user, system, load.failures)


Results = dict[str, list[Round]]


def compare(case: Case, contestants: Sequence[Contestant], rounds: int, seconds: int) -> Results:
    """Run *case* with every contestant that can take part; "direct" is the load on the bare backend."""
    proxy_core, load_core = cores()
    with tempfile.TemporaryDirectory(prefix="lbproxy-bench-") as name, contextlib.ExitStack() as running:
        directory = Path(name)
        directory.chmod(0o755)  # nginx's workers may run as another user
        shutil.copy(PARAMS / "uwsgi_params", directory)
        backend = case.start(directory, load_core)
        running.enter_context(backend.process)
        lanes: dict[str, tuple[Process | None, str]] = {"direct": (None, backend.url)} if backend.url else {}
        for contestant in contestants:
            if case.http or not contestant.only_http:
                process, url = contestant.start(case, backend, directory, proxy_core)
                running.enter_context(process)
                lanes[contestant.name] = process, url
        for proxy, url in lanes.values():
            measure(proxy, url, 1, load_core)  # warm caches, fill pools
        results: Results = {lane: [] for lane in lanes}
        for _ in range(rounds):
            for lane, (proxy, url) in lanes.items():
                results[lane].append(measure(proxy, url, seconds, load_core))
        return results


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.macro", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns of every proxy in a case (%(default)s)")
    parser.add_argument("--seconds", type=int, default=3, help="length of each turn (%(default)s)")
    parser.add_argument("--case", nargs="+", choices=[case.name for case in CASES], help="only these cases")
    parser.add_argument("--without", nargs="+", choices=["haproxy", "lbproxy"], default=[], help="leave out")
    return parser.parse_args()


def main() -> int:
    """Run the benchmark; return 0, or 1 when something is missing or does not start."""
    options = arguments()
    missing = [tool for tool in ("wrk", "nginx", "taskset") if shutil.which(tool) is None]
    if missing:
        print(f"missing: {', '.join(missing)} (apt-get install wrk nginx-light util-linux)", file=sys.stderr)
        return 1
    contestants = [c for c in (NGINX, HAPROXY, LBPROXY) if c.name not in options.without]
    if not shutil.which("haproxy"):
        contestants = [c for c in contestants if c is not HAPROXY]
    print(machine(cores()[0]))
    print(f"{options.rounds} rounds of {options.seconds} s; figures: median (min..max)", flush=True)
    try:
        for case in CASES:
            if options.case is None or case.name in options.case:
                results = compare(case, contestants, options.rounds, options.seconds)
                print(f"\n{case.title}\n{table(results)}")
                others = [lane for lane in results if lane not in ("direct", "lbproxy")]
                for other in others if "lbproxy" in results else []:
                    print(ratios(results, "lbproxy", other))
                sys.stdout.flush()
    except BenchmarkError as exc:
        print(exc, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
