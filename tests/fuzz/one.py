"""
Fuzz one target in this process, for `tests.fuzz.__main__`: ``python -m tests.fuzz.one NAME LIBFUZZER-ARGUMENTS``.

The code of lbproxy and h11 is instrumented, so that inputs which reach a new branch are kept and changed further.
"""

from __future__ import annotations

import random
import sys

import atheris


def main() -> None:
    """Run until libFuzzer ends the process."""
    with atheris.instrument_imports(include=["lbproxy", "h11"]):
        from tests.fuzz.mutation import change
        from tests.fuzz.targets import TARGETS

    name, *arguments = sys.argv[1:]
    target = TARGETS[name]

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if target.phrases and rng.random() < 0.5:
            return change(data, most, rng, target.phrases)
        mutated: bytes = atheris.Mutate(data, most)
        return mutated

    atheris.Setup([sys.argv[0], *arguments], target.run, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
