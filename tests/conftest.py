"""Fixtures for all tests, and the marks that follow from a test's folder."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

pytest.register_assert_rewrite("tests.support")

from tests.support.nginx import NGINX  # noqa: E402 - assertions there shall be rewritten too
from tests.support.node import Node  # noqa: E402
from tests.support.stage import Stage  # noqa: E402

HERE = Path(__file__).parent

# The same examples in every run, and no judgement by the clock; HYPOTHESIS_PROFILE=explore looks for new ones.
settings.register_profile("same", derandomize=True, deadline=None)
settings.register_profile("explore", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "same"))


def pytest_configure() -> None:
    """
    Take TERM for an interrupt, so that a run that is cut short still ends the processes it started.

    What these import is compiled once, not by each of them: that may be forbidden where the tests run.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark e2e and conformance tests; skip the latter where there is no nginx."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in {"e2e", "conformance"}:
            item.add_marker(folder)
        if folder == "conformance" and NGINX is None:
            item.add_marker(pytest.mark.skip(reason="nginx is not installed"))


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A stage of this test's own."""
    with Stage() as stage:
        yield stage


@pytest.fixture(scope="session")
def nodes() -> Iterator[tuple[Node, Node, Node]]:
    """Three uWSGI nodes "a", "b" and "c" with a uwsgi socket over TCP, for tests that leave them alone."""
    with Stage() as stage:
        yield stage.node("a"), stage.node("b"), stage.node("c")
