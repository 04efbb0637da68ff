"""Listening sockets: opened together or not at all, kept over reloads, cleaned up."""

from __future__ import annotations

import os
import pwd
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.config.model import Address, KeepAlive, Listener
from lbproxy.errors import Position, Source
from lbproxy.process.sockets import BindFailed, ListenSockets

PLACE = Position(Source("test"), 1, 1)
LOOPBACK = Address("127.0.0.1", 0)


def listener(address: Address, **options: object) -> Listener:
    return Listener(address=address, position=PLACE, **options)  # type: ignore[arg-type]  # options of the test


def unix(path: Path, **options: object) -> Listener:
    return listener(Address(path=str(path)), **options)


@pytest.fixture
def sockets() -> Iterator[ListenSockets]:
    """Sockets that are closed in the end."""
    sockets = ListenSockets()
    yield sockets
    sockets.close()


def port_of(sockets: ListenSockets, address: Address) -> int:
    return int(sockets.bound(address).rpartition(":")[2])


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_port_0_is_any_free_port_and_told(sockets: ListenSockets, host: str) -> None:
    address = Address(host, 0)
    sockets.open([listener(address)], 1)
    with socket.create_connection((host, port_of(sockets, address)), timeout=5):
        pass


def test_all_workers_share_one_socket(sockets: ListenSockets) -> None:
    sockets.open([listener(LOOPBACK)], 3)
    parts = [sockets.for_worker([listener(LOOPBACK)], slot, 3)[LOOPBACK] for slot in range(3)]
    assert parts[0] == parts[1] == parts[2]
    assert len(parts[0]) == 1


def test_reuseport_gives_each_worker_its_own_of_one_port(sockets: ListenSockets) -> None:
    entry = listener(LOOPBACK, reuseport=True)
    sockets.open([entry], 3)
    parts = [sockets.for_worker([entry], slot, 3)[LOOPBACK] for slot in range(3)]
    assert len({part[0].fileno() for part in parts}) == 3
    assert len({part[0].getsockname() for part in parts}) == 1


def test_fewer_workers_share_out_what_is_open_and_more_add_to_it(sockets: ListenSockets) -> None:
    entry = listener(LOOPBACK, reuseport=True)
    sockets.open([entry], 3)
    sockets.open([entry], 2)
    assert [len(sockets.for_worker([entry], slot, 2)[LOOPBACK]) for slot in range(2)] == [2, 1]
    sockets.open([entry], 4)
    assert [len(sockets.for_worker([entry], slot, 4)[LOOPBACK]) for slot in range(4)] == [1, 1, 1, 1]


def test_reuseport_can_be_turned_on_and_off_by_a_reload(sockets: ListenSockets) -> None:
    sockets.open([listener(LOOPBACK)], 2)
    entry = listener(LOOPBACK, reuseport=True)
    sockets.open([entry], 2)
    assert [len(sockets.for_worker([entry], slot, 2)[LOOPBACK]) for slot in range(2)] == [1, 1]
    sockets.open([listener(LOOPBACK)], 3)
    assert [len(sockets.for_worker([entry], slot, 3)[LOOPBACK]) for slot in range(3)] == [1, 1, 1]


def test_socket_stays_the_same_while_it_is_configured(sockets: ListenSockets) -> None:
    sockets.open([listener(LOOPBACK)], 1)
    port = port_of(sockets, LOOPBACK)
    sockets.open([listener(LOOPBACK, backlog=5)], 1)
    sockets.keep([listener(LOOPBACK)])
    assert port_of(sockets, LOOPBACK) == port


def test_buffers_are_obeyed_at_once_and_after_a_reload(sockets: ListenSockets) -> None:
    def sizes() -> list[int]:
        (sock,) = sockets.for_worker([listener(LOOPBACK)], 0, 1)[LOOPBACK]
        return [sock.getsockopt(socket.SOL_SOCKET, which) for which in (socket.SO_RCVBUF, socket.SO_SNDBUF)]

    sockets.open([listener(LOOPBACK, rcvbuf=8192, sndbuf=16384)], 1)
    assert sizes() == [2 * 8192, 2 * 16384], "the kernel doubles them: socket(7)"
    sockets.open([listener(LOOPBACK, rcvbuf=32768)], 1)
    assert sizes() == [2 * 32768, 2 * 16384]


def test_options_of_connections_are_those_of_their_listening_socket(sockets: ListenSockets) -> None:
    """deferred and fastopen say how they begin, so_keepalive how long silent ones last."""
    said = listener(LOOPBACK, deferred=True, fastopen=3, so_keepalive=KeepAlive(True, 1800, probes=10))
    sockets.open([said], 1)
    (sock,) = sockets.all()[LOOPBACK]
    names = ("TCP_DEFER_ACCEPT", "TCP_FASTOPEN", "TCP_KEEPIDLE", "TCP_KEEPCNT")
    first, *others = (sock.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in names)
    assert (first > 0, *others) == (True, 3, 1800, 10)
    with socket.create_connection(sock.getsockname()) as client:
        client.sendall(b"x")
        sock.setblocking(True)
        accepted, _ = sock.accept()
        with accepted:
            assert accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 1800
    sockets.open([listener(LOOPBACK, so_keepalive=KeepAlive(False))], 1)
    assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


@pytest.mark.parametrize("ipv6only", [True, False])
def test_ipv6only_refuses_ipv4_clients(sockets: ListenSockets, ipv6only: bool) -> None:
    address = Address("::", 0)
    sockets.open([listener(address, ipv6only=ipv6only)], 1)
    with socket.socket() as client:
        assert (client.connect_ex(("127.0.0.1", port_of(sockets, address))) == 0) is not ipv6only


def test_what_is_configured_no_longer_is_closed(sockets: ListenSockets, tmp_path: Path) -> None:
    sockets.open([listener(LOOPBACK), unix(tmp_path / "s")], 1)
    port = port_of(sockets, LOOPBACK)
    sockets.keep([unix(tmp_path / "s")])
    with socket.socket() as client:
        assert client.connect_ex(("127.0.0.1", port)) != 0
    assert (tmp_path / "s").exists()


def test_every_socket_that_fails_is_named_and_none_stays_open(sockets: ListenSockets, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = Address("127.0.0.1", taken.getsockname()[1])
        missing = tmp_path / "no" / "s"
        with pytest.raises(BindFailed) as caught:
            sockets.open([unix(tmp_path / "s"), listener(address), unix(missing)], 1)
    taken_reason, missing_reason = str(caught.value).splitlines()
    assert taken_reason.startswith(f"bind() to {address} failed (98: Address already in use)")
    assert missing_reason == f"bind() to unix:{missing} failed (2: No such file or directory)"
    assert not (tmp_path / "s").exists()


def test_abandoning_closes_only_what_was_added(sockets: ListenSockets, tmp_path: Path) -> None:
    first = sockets.open([unix(tmp_path / "a")], 1)
    second = sockets.open([unix(tmp_path / "a"), unix(tmp_path / "b")], 1)
    assert first.added != second.added
    sockets.abandon(second)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_abandoning_after_the_end_is_no_harm(sockets: ListenSockets) -> None:
    """A stop while the first configuration is not in force yet."""
    opening = sockets.open([listener(LOOPBACK)], 1)
    sockets.close()
    sockets.abandon(opening)


def test_unix_socket_is_open_to_all_and_removed_at_the_end(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.open([unix(path)], 2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    assert sockets.bound(Address(path=str(path))) == f"unix:{path}"
    sockets.close()
    assert not path.exists()


def test_mode_of_a_unix_socket_follows_the_configuration(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.open([unix(path, mode=0o600)], 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    sockets.open([unix(path, mode=0o660)], 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_refused_configuration_leaves_the_mode_alone(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.open([unix(path, mode=0o600)], 1)
    with pytest.raises(BindFailed):
        sockets.open([unix(path, mode=0o666), unix(tmp_path / "no" / "s")], 1)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_owner_of_a_unix_socket(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.open([unix(path, user="daemon", group="12345")], 1)
    assert (path.stat().st_uid, path.stat().st_gid) == (pwd.getpwnam("daemon").pw_uid, 12345)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may give files away")
def test_owner_that_cannot_be_given_leaves_no_file(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with pytest.raises(BindFailed, match="Operation not permitted"):
        sockets.open([unix(path, user="root")], 1)
    assert not path.exists()


def test_sockets_handed_over_are_used_and_not_opened(tmp_path: Path) -> None:
    first, second = ListenSockets(), ListenSockets()
    path = tmp_path / "s"
    entries = [listener(LOOPBACK), unix(path)]
    first.open(entries, 1)
    port = port_of(first, LOOPBACK)
    second.adopt(first.all(), own_files=True)
    assert second.open([*entries, listener(Address("::1", 0))], 1).added == ((Address("::1", 0), 0),)
    assert port_of(second, LOOPBACK) == port
    assert second.keep([entries[1]]) == [LOOPBACK, Address("::1", 0)]
    second.close(shared=True)
    assert path.exists(), "others serve on it"
    first.close()
    assert not path.exists()


def test_stale_unix_socket_is_replaced(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    sockets.open([unix(path)], 1)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))


def test_live_unix_socket_is_left_alone(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as live:
        live.bind(str(path))
        live.listen()
        with pytest.raises(BindFailed, match=r"\(98: Address already in use\)"):
            sockets.open([unix(path)], 1)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))


def test_file_of_another_kind_is_left_alone(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_text("precious")
    with pytest.raises(BindFailed):
        sockets.open([unix(path)], 1)
    assert path.read_text() == "precious"


def test_unix_socket_that_another_program_replaced_is_left_alone(sockets: ListenSockets, tmp_path: Path) -> None:
    path = tmp_path / "s"
    sockets.open([unix(path)], 1)
    path.rename(tmp_path / "old")
    path.write_text("precious")
    sockets.close()
    assert path.read_text() == "precious"


def test_directory_that_is_gone_does_not_disturb_the_end(sockets: ListenSockets, tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    sockets.open([unix(tmp_path / "d" / "s")], 1)
    (tmp_path / "d").rename(tmp_path / "e")
    sockets.close()


def test_worker_lets_go_of_all_sockets_but_its_own(sockets: ListenSockets, tmp_path: Path) -> None:
    sockets.open([listener(LOOPBACK, reuseport=True), unix(tmp_path / "s")], 2)
    own = sockets.for_worker([listener(LOOPBACK)], 0, 2)[LOOPBACK]
    other = sockets.for_worker([listener(LOOPBACK)], 1, 2)[LOOPBACK]
    sockets.release(own)
    assert own[0].fileno() >= 0
    assert other[0].fileno() == -1
    assert (tmp_path / "s").exists(), "files are the master's"
    own[0].close()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may bind to any port")
def test_low_port_says_what_is_needed(sockets: ListenSockets) -> None:
    with pytest.raises(BindFailed, match="need root or CAP_NET_BIND_SERVICE"):
        sockets.open([listener(Address("127.0.0.1", 1))], 1)
