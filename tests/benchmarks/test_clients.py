"""benchmarks/macro/clients/: loads on a server of the test's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from benchmarks.macro.clients import crowd, sink, transfer
from benchmarks.macro.clients.pace import Pace

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def server(converse: Callable[[socket.socket], None]) -> Iterator[int]:
    """Serve connections, one after the other in threads; yields the port."""
    threads: list[threading.Thread] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    sock, _ = listener.accept()
                except OSError:
                    return
                threads.append(threading.Thread(target=converse, args=(sock,)))
                threads[-1].start()

        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()
            for thread in threads:
                thread.join()


def answering(answer: bytes) -> Callable[[socket.socket], None]:
    """Answer every request so, in two pieces; with an empty answer, close."""

    def converse(sock: socket.socket) -> None:
        with sock, suppress(ConnectionError):
            while sock.recv(4096) and answer:
                sock.sendall(answer[:20])
                sock.sendall(answer[20:])

    return converse


def paced(answer: bytes) -> Pace:
    """Send fifty requests to a server that answers so."""
    with server(answering(answer)) as port:
        pace = Pace(port, 1000)
        pace.run(0.05)
        pace.close()
    return pace


def test_every_request_of_a_pace_is_accounted_for() -> None:
    """One latency each; none is less than nothing."""
    pace = paced(OK)
    assert (len(pace.latencies), pace.failures) == (50, 0)
    assert min(pace.latencies) > 0


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"])
def test_other_answers_are_failures(answer: bytes) -> None:
    """None at all, and those with another status."""
    pace = paced(answer)
    assert (len(pace.latencies), pace.failures) == (0, 50)


def test_crowd_knows_who_was_sent_away() -> None:
    """Those whose connection has ended, and only those."""
    number = iter(range(5))

    def converse(sock: socket.socket) -> None:
        stays = next(number) != 2
        with sock:
            sock.recv(4096)
            sock.sendall(OK)
            if stays:
                sock.recv(4096)

    with server(converse) as port:
        clients = crowd.gather(port, 5)
        clients[2].settimeout(5)
        clients[2].recv(1, socket.MSG_PEEK)  # wait for the end
        clients[2].setblocking(False)
        gone = crowd.lost(clients)
        for client in clients:
            client.close()
    assert gone == 1


def test_large_bodies_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the sink takes and what a server gives has the whole length; at least one passes."""
    monkeypatch.setattr(transfer, "TRANSFER", 3_000_000)
    large = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000)
    with server(sink.converse) as port:
        assert transfer.run(port, "put", "/", 0)[0] == 1
    with server(answering(large)) as port:
        assert transfer.run(port, "get", "/", 0)[0] == 1
    with server(answering(large.replace(b"3000000", b"2999999", 1)[:-1])) as port, pytest.raises(transfer.Broken):
        transfer.run(port, "get", "/", 0)
