"""Real socket pairs driven by a poller, safe with a virtual clock: what is sent has arrived at once."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
import trio

from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream


@pytest.fixture
async def poller(nursery: trio.Nursery) -> AsyncIterator[Poller]:
    """A poller that runs as long as the test."""
    poller = Poller()
    nursery.start_soon(poller.run)
    await trio.testing.wait_all_tasks_blocked()
    yield poller
    nursery.cancel_scope.cancel()
    poller.close()


@pytest.fixture
def pair(poller: Poller) -> Iterator[tuple[Stream, socket.socket]]:
    """A stream, and the plain non-blocking socket at its other end."""
    ours, other = socket.socketpair()
    ours.setblocking(False)
    other.setblocking(False)
    stream = Stream(poller, ours)
    yield stream, other
    stream.close()
    other.close()


@pytest.fixture
def stream(pair: tuple[Stream, socket.socket]) -> Stream:
    """Our end of *pair*."""
    return pair[0]


@pytest.fixture
def other(pair: tuple[Stream, socket.socket]) -> socket.socket:
    """The other end of *pair*."""
    return pair[1]
