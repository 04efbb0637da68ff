"""
Coverage-guided fuzzing of the codecs and the configuration: ``make fuzz``, or ``python -m tests.fuzz``.

Each target runs in a process of its own for a while, several at a time.  Inputs that reached something new are kept
in .fuzz/ for the next run; what makes a target fail goes to tests/fuzz/crashers/, which `tests/fuzz/test_seeds.py`
reads: commit it with the mend.
"""

from __future__ import annotations

import argparse
import importlib.util
import re
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.targets import CRASHERS, SEEDS, TARGETS, Target

WORK = Path(".fuzz")
EACH = 60.0
SHOWN = 40  # lines of a finding's report


class Result(NamedTuple):
    """How one target fared; *found* is the end of libFuzzer's report, "" where nothing was found."""

    name: str
    executions: int
    edges: int
    corpus: int
    found: str


def _dictionary(target: Target) -> str:
    """Return the phrases of *target* in libFuzzer's format, which takes words of at most 64 octets."""
    words = dict.fromkeys(phrase for phrase in target.phrases if 0 < len(phrase) <= 64)
    return "".join('"{}"\n'.format("".join(f"\\x{octet:02x}" for octet in word)) for word in words)


def _last(pattern: str, report: str) -> int:
    found = re.findall(pattern, report)
    return int(found[-1]) if found else 0


def fuzz(name: str, seconds: float) -> Result:
    """Fuzz the target *name* for *seconds*, or until something is found."""
    target = TARGETS[name]
    corpus = WORK / name
    for folder in (corpus, SEEDS / name, CRASHERS / name):
        folder.mkdir(parents=True, exist_ok=True)
    for number, octets in enumerate(target.corpus):
        (corpus / f"corpus-{number}").write_bytes(octets)
    dictionary, log = WORK / f"{name}.dict", WORK / f"{name}.log"
    dictionary.write_text(_dictionary(target), "ascii")
    command = [
        sys.executable, "-m", "tests.fuzz.one", name, f"-max_total_time={max(1, round(seconds))}",
        f"-max_len={target.most}", f"-dict={dictionary}", "-timeout=20", "-rss_limit_mb=2048", "-report_slow_units=20",
        "-print_final_stats=1", f"-artifact_prefix={CRASHERS / name}/",
        str(corpus), str(SEEDS / name), str(CRASHERS / name),
    ]  # fmt: skip
    with log.open("wb") as report:
        status = subprocess.run(command, stdout=report, stderr=report, check=False).returncode
    text = log.read_text("utf-8", "replace")
    lines = [line for line in text.splitlines() if not line.startswith(("#", "INFO:", "stat::", "Dictionary"))]
    return Result(
        name,
        _last(r"stat::number_of_executed_units: +(\d+)", text) or _last(r"(?m)^#(\d+)\t", text),
        _last(r" cov: (\d+)", text),
        len(list(corpus.iterdir())),
        "\n".join(lines[-SHOWN:]) if status else "",
    )


def _arguments(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all unless named")
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--each", type=float, default=EACH, help="seconds for every target (%(default)g)")
    length.add_argument("--total", type=float, help="seconds for all of them together")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time (%(default)d)")
    chosen = parser.parse_args(words)
    unknown = set(chosen.targets) - set(TARGETS)
    if unknown:
        parser.error(f"no target called {', '.join(sorted(unknown))}")
    return chosen


def main(words: Sequence[str] | None = None) -> int:
    """Fuzz, print a line for each target, and return 1 if any failed."""
    chosen = _arguments(words)
    if importlib.util.find_spec("atheris") is None:
        print("Fuzzing needs atheris: pip install -e '.[fuzz]'", file=sys.stderr)
        return 2
    names = chosen.targets or list(TARGETS)
    each = chosen.total * min(chosen.jobs, len(names)) / len(names) if chosen.total else chosen.each
    print(f"{len(names)} targets, {each:.0f} s each, {chosen.jobs} at a time", flush=True)
    failed = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for result in pool.map(lambda name: fuzz(name, each), names):
            verdict = "FAILED" if result.found else "clean"
            print(f"{result.name:14} {verdict:7} {result.executions:9,} executions {result.edges:6,} edges "
                  f"{result.corpus:5,} inputs kept", flush=True)  # fmt: skip
            if result.found:
                failed += 1
                print(f"{result.found}\nThe input is in {CRASHERS / result.name}\n", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
