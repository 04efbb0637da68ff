"""The inputs kept for fuzzing, run through their targets without any fuzzer: targets must not rot, nor mends."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.fuzz.mutation import change
from tests.fuzz.targets import CRASHERS, SEEDS, TARGETS, kept

INPUTS = [pytest.param(name, path, id=f"{name}/{path.name}") for name in TARGETS for path in kept(name)]


@pytest.mark.parametrize(("name", "path"), INPUTS)
def test_kept_inputs_are_handled(name: str, path: Path) -> None:
    """Seeds, and what once made a target fail."""
    TARGETS[name].run(path.read_bytes())


@pytest.mark.parametrize("name", [name for name, target in TARGETS.items() if target.corpus])
def test_corpora_are_handled(name: str) -> None:
    """Configurations and cases that stand elsewhere."""
    for octets in TARGETS[name].corpus:
        TARGETS[name].run(octets)


@pytest.mark.parametrize("name", TARGETS)
def test_inputs_out_of_lines_are_handled(name: str) -> None:
    """A few changed seeds of every target: also the mutator stays in use."""
    target, rng = TARGETS[name], random.Random(name)
    data = b"0"
    for path in kept(name)[:12]:
        data = change(path.read_bytes() or data, target.most, rng, target.phrases)
        target.run(data)


def test_every_folder_has_its_target() -> None:
    """And every target has seeds."""
    assert {path.name for path in SEEDS.iterdir()} == set(TARGETS)
    assert not CRASHERS.is_dir() or {path.name for path in CRASHERS.iterdir()} <= set(TARGETS)
    assert all(kept(name) for name in TARGETS)
