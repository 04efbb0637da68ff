"""Accepting clients."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from trio.testing import wait_all_tasks_blocked

from lbproxy.net.listener import Listener, Peername
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream
from tests.support.limits import no_more_descriptors


class Door:
    """A listener, and what it has said."""

    def __init__(self, poller: Poller, sock: socket.socket) -> None:
        self.socket = sock
        self.listener = Listener(poller, sock, self)
        self.clients: list[tuple[Stream, Peername]] = []
        self.refusals: list[OSError | None] = []
        self.most = 1000

    def has_room(self) -> bool:
        """See `Host`."""
        return len(self.clients) < self.most

    def accepted(self, listener: Listener, stream: Stream, peername: Peername) -> None:
        """See `Host`."""
        assert listener is self.listener
        self.clients.append((stream, peername))

    def make_room(self, refusal: OSError | None = None) -> None:
        """See `Host`."""
        self.refusals.append(refusal)
        self.listener.pause()


@pytest.fixture
def door(poller: Poller) -> Iterator[Door]:
    """A listener on 127.0.0.1."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(200)
        door = Door(poller, sock)
        yield door
        door.listener.pause()
        for stream, _ in door.clients:
            stream.close()


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Sockets to be closed in the end."""
    clients: list[socket.socket] = []
    yield clients
    for client in clients:
        client.close()


def come(door: Door, clients: list[socket.socket], count: int = 1) -> None:
    """Connect *count* clients."""
    clients += [socket.create_connection(door.socket.getsockname()) for _ in range(count)]


async def test_clients_are_accepted(door: Door, clients: list[socket.socket]) -> None:
    """Each with its name, ready to be read without blocking or delay."""
    door.listener.resume()
    come(door, clients)
    await wait_all_tasks_blocked()
    ((stream, peername),) = door.clients
    assert peername == clients[0].getsockname()
    assert stream.recv_now() is None
    assert stream.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    clients[0].send(b"hello")
    assert await stream.recv(60) == b"hello"


async def test_more_than_a_batch(door: Door, clients: list[socket.socket]) -> None:
    """What one round leaves over is accepted in the next."""
    come(door, clients, 150)
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 150


async def test_pause_and_resume(door: Door, clients: list[socket.socket]) -> None:
    """A paused listener leaves clients where they are; doing either twice changes nothing."""
    door.listener.resume()
    door.listener.resume()
    door.listener.pause()
    door.listener.pause()
    come(door, clients)
    await wait_all_tasks_blocked()
    assert door.clients == []
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 1


async def test_no_room_in_the_middle_of_a_batch(door: Door, clients: list[socket.socket]) -> None:
    """Not one more is taken, and the host hears of it."""
    door.most = 3
    come(door, clients, 10)
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 3
    assert door.refusals == [None]


async def test_no_room_for_nobody(door: Door, clients: list[socket.socket]) -> None:
    """Is no reason to make any."""
    door.most = 3
    come(door, clients, 3)
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 3
    assert door.refusals == []


async def test_out_of_descriptors(door: Door, clients: list[socket.socket]) -> None:
    """It pauses by itself and says why, instead of spinning; later it goes on with the same client."""
    door.listener.resume()
    come(door, clients)
    with no_more_descriptors():
        await wait_all_tasks_blocked()
    assert [refusal and refusal.errno for refusal in door.refusals] == [errno.EMFILE]
    assert door.clients == []
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 1


async def test_a_socket_that_listens_no_more(door: Door) -> None:
    """Somebody who shares it has shut it down: that is told, and does not spin."""
    door.listener.resume()
    door.socket.shutdown(socket.SHUT_RDWR)
    await wait_all_tasks_blocked()
    assert [refusal and refusal.errno for refusal in door.refusals] == [errno.EINVAL]


async def test_a_client_that_left_again(door: Door, clients: list[socket.socket]) -> None:
    """Is no trouble for those behind it."""
    come(door, clients, 3)
    clients[0].close()
    door.listener.resume()
    await wait_all_tasks_blocked()
    assert len(door.clients) == 3
    assert door.clients[0][0].recv_now() == b""


async def test_unix(poller: Poller, tmp_path: Path) -> None:
    """A unix socket has no name and no delay."""
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as sock, socket.socket(socket.AF_UNIX) as client:
        sock.bind(path)
        sock.listen()
        door = Door(poller, sock)
        door.listener.resume()
        client.connect(path)
        await wait_all_tasks_blocked()
        ((stream, peername),) = door.clients
        assert peername == ""
        stream.close()
        door.listener.pause()


async def test_two_workers_share_a_socket(
    poller: Poller, door: Door, clients: list[socket.socket]
) -> None:
    """Each client is accepted once, by one of them."""
    second = Door(poller, socket.socket(fileno=os.dup(door.socket.fileno())))
    door.listener.resume()
    second.listener.resume()
    come(door, clients, 20)
    await wait_all_tasks_blocked()
    assert len(door.clients) + len(second.clients) == 20
    second.listener.pause()
    second.socket.close()
    for stream, _ in second.clients:
        stream.close()
