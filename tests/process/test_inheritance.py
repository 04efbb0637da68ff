"""Sockets that somebody else has opened, in a process of its own: descriptors and environment are the process's."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from lbproxy.config.model import Address
from lbproxy.process.inheritance import NOTHING, VARIABLE, Inheritance, InheritanceError, inherit, will


def listening(address: Address) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX if address.is_unix else socket.AF_INET6 if address.is_ipv6 else socket.AF_INET)
    sock.bind(address.path or (address.host, address.port))
    sock.listen()
    return sock


def child(run: Callable[[], None]) -> None:
    """Do *run* in a process of its own, whose exit status says whether it went well."""
    pid = os.fork()
    if pid == 0:
        try:
            run()
        except BaseException as error:  # noqa: BLE001 - everything is said with the status
            os.write(2, repr(error).encode())
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def told(found: Inheritance) -> dict[str, int]:
    """Return how many sockets there are of each address."""
    return {str(address): len(sockets) for address, sockets in found.sockets.items()}


def test_sockets_of_a_service_manager_are_known_by_what_they_are_bound_to(tmp_path: Path) -> None:
    """They are descriptors 3, 4, ...; the variables are gone afterwards."""
    path = str(tmp_path / "s")
    sockets = [listening(address) for address in (Address("127.0.0.1"), Address(path=path), Address("::1"))]

    def run() -> None:
        for index, sock in enumerate(sockets):
            os.dup2(sock.fileno(), 100 + index)
        for index in range(len(sockets)):
            os.dup2(100 + index, 3 + index)
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "3", "LISTEN_FDNAMES": "a:b:c", "HOME": "/"}
        found = inherit(environ)
        v4, _, v6 = (sock.getsockname() for sock in sockets)
        assert told(found) == {f"127.0.0.1:{v4[1]}": 1, f"unix:{path}": 1, f"[::1]:{v6[1]}": 1}
        assert found.predecessor == 0
        assert environ == {"HOME": "/"}
        assert not os.get_inheritable(3)

    child(run)
    for sock in sockets:
        sock.close()


def test_sockets_for_another_process_are_not_taken() -> None:
    assert inherit({"LISTEN_PID": "1", "LISTEN_FDS": "1"}) is NOTHING
    assert inherit({}) is NOTHING


def test_will_is_what_the_successor_inherits() -> None:
    """By the addresses as they are configured, not as they are bound."""
    address = Address("127.0.0.1", 0)
    sockets = {address: [listening(address), listening(address)]}
    parent = os.getpid()

    def run() -> None:
        environ = {VARIABLE: will(parent, sockets)}
        found = inherit(environ)
        assert told(found) == {"127.0.0.1:0": 2}
        assert found.predecessor == parent
        assert not environ

    child(run)
    for sock in sockets[address]:
        sock.close()


def test_predecessor_that_has_ended_is_none() -> None:
    assert inherit({VARIABLE: will(os.getpid(), {})}).predecessor == 0, "the parent of this process is another"


@pytest.mark.parametrize(
    ("environ", "reason"),
    [
        ({VARIABLE: "5;6;"}, "can't be taken"),
        ({VARIABLE: "[1, [[999, '', 0, '']]]".replace("'", '"')}, "descriptor 999: Bad file descriptor"),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}, "can't be taken"),
    ],
)
def test_nonsense_is_told(environ: dict[str, str], reason: str) -> None:
    with pytest.raises(InheritanceError, match=reason):
        inherit(environ)


def test_socket_that_does_not_listen_is_told() -> None:
    with socket.socket() as sock, pytest.raises(InheritanceError, match=f"descriptor {sock.fileno()} is no listening"):
        inherit({VARIABLE: will(1, {Address("127.0.0.1", 0): [sock]})})
