"""A server in this process for every test here, and a clock that jumps: see tests/support/scene.py."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
import trio
from trio.abc import Clock, Instrument

from tests.support.scene import Scene, open_scene, virtual_clock

T = TypeVar("T")


def run_virtually(
    main: Callable[[], Awaitable[T]], clock: Clock | None = None, instruments: Sequence[Instrument] = ()
) -> T:
    """Run *main* as ``trio.run`` does, by a virtual clock."""
    return trio.run(main, clock=clock or virtual_clock(), instruments=instruments)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Have every asynchronous test of this folder run by the virtual clock."""
    for item in items:
        function = item.obj if isinstance(item, pytest.Function) else None
        if item.path.parent == Path(__file__).parent and inspect.iscoroutinefunction(function):
            item.add_marker(pytest.mark.trio(run=run_virtually))


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A scene of this test's own."""
    async with open_scene() as scene:
        yield scene
