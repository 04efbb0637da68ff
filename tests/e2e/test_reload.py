"""HUP: a new configuration without a lost request; a bad one changes nothing."""

from __future__ import annotations

import signal
import threading

import h11

from tests.support.backends import Conversation, held, reply
from tests.support.client import Answer, Client, get, octets, refuses
from tests.support.daemon import Lbproxy
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
server {
    listen <listen>;
    location / { proxy_pass http://<b>; }
}
"""


class Load:
    """
    Clients that ask without pause until told to stop; half of them keep their connection.

    A kept connection is given up only when an answer says so (RFC 9112, section 9.6).  A request counts as lost when
    it is not answered with 200, also the one that comes just when lbproxy would rather close.
    """

    def __init__(self, proxy: Lbproxy, clients: int = 4) -> None:
        self._address = proxy.address
        self._over = threading.Event()
        self.count = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(i % 2 == 0,)) for i in range(clients)]

    def _run(self, keep: bool) -> None:
        while not self._over.is_set():
            try:
                self._use_connection(keep)
            except (OSError, h11.RemoteProtocolError) as error:
                self.failures.append(repr(error))

    def _use_connection(self, keep: bool) -> None:
        """Ask on one new connection until an answer is the last."""
        fields = () if keep else ("Connection: close",)
        with Client(self._address) as client:
            while not self._over.is_set() and self._go_on(client.ask("/", *fields)):
                pass

    def _go_on(self, answer: Answer) -> bool:
        self.count += 1
        if answer.status != 200:
            self.failures.append(str(answer))
        return answer.get("Connection") != "close"

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def goes_on(self, requests: int = 50) -> None:
        """Wait until so many more requests were answered."""
        aim = self.count + requests
        until(lambda: self.count >= aim or self.failures, f"{requests} more requests")


def test_new_configuration_is_served(stage: Stage) -> None:
    old, new = stage.backend(reply("old")), stage.backend(reply("new"))
    proxy = stage.lbproxy(CONF, b=old)
    assert get(proxy.address).text == "old"
    proxy.reload(stage.text(CONF, b=new))
    assert get(proxy.address).text == "new"


def test_reload_under_load_loses_no_request(stage: Stage) -> None:
    """Robustness 21. Reloads that follow each other included."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF.replace("listen <listen>;", "listen <listen>; keepalive_requests 7;"), b=backend)
    with Load(proxy) as load:
        load.goes_on()
        for _ in range(3):
            proxy.reload(proxy.conf.read_text())
            load.goes_on()
    assert load.failures == []


def test_idle_connections_are_told_by_the_next_answer(stage: Stage) -> None:
    """However many configurations have come since, and from whichever each client had its last answer."""
    old, new = stage.backend(reply("old")), stage.backend(reply("new"))
    proxy = stage.lbproxy(CONF, b=old)
    with Client(proxy.address) as first, Client(proxy.address) as second:
        assert first.ask().get("Connection") == "keep-alive"
        proxy.reload(stage.text(CONF, b=new))
        assert second.ask().get("Connection") == "close", "it came before the reload"
        with Client(proxy.address) as third:
            assert third.ask().text == "new"
            proxy.reload(stage.text(CONF, b=new))
            assert [third.ask().text, third.at_end()] == ["new", True]
        answer = first.ask()
        assert (answer.text, answer.get("Connection"), first.at_end()) == ("old", "close", True)


def test_reload_moves_addresses_under_load(stage: Stage) -> None:
    """Those that stay lose nothing while others come and go."""
    backend = stage.backend(reply("ok"))
    conf = CONF.replace("listen <listen>;", "listen <listen>; listen 127.0.0.1:<more>; keepalive_requests 20;")
    ports = [stage.port(), stage.port()]
    proxy = stage.lbproxy(conf, b=backend, more=ports[0])
    with Load(proxy) as load:
        for port, gone in (ports[::-1], ports):
            proxy.reload(stage.text(conf, b=backend, more=port))
            assert get(("127.0.0.1", port)).text == "ok"
            assert refuses(("127.0.0.1", gone))
            load.goes_on()
    assert load.failures == []


def test_port_that_is_taken_keeps_the_old_configuration(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=backend)
    added = stage.port()
    proxy.reload(stage.text(CONF, b=backend, listen=f"127.0.0.1:{added}; listen {backend.address}"))
    proxy.stderr.wait_for(rf"\[emerg\] .*bind\(\) to {backend.address} failed \(98: Address already in use\)")
    assert get(proxy.address).text == "ok"
    assert refuses(("127.0.0.1", added))


def test_request_in_flight_is_finished_by_the_old_worker(stage: Stage) -> None:
    """Robustness 21. However long it takes."""
    gate = threading.Event()
    backend = stage.backend(held(gate, reply("late")))
    other = stage.backend(reply("new"))
    proxy = stage.lbproxy(CONF, b=backend)
    with Client(proxy.address) as client:
        client.send(octets())
        backend.requests.wait()
        proxy.reload(stage.text(CONF, b=other))
        assert get(proxy.address).text == "new"
        gate.set()
        assert client.answer().text == "late"
    until(lambda: len(proxy.workers()) == 1, "the old worker to end")


def test_tunnel_lives_on_in_the_old_worker_until_its_time_is_up(stage: Stage) -> None:
    """An upgraded connection, until either side ends it or worker_shutdown_timeout passes."""
    def echo(conversation: Conversation) -> None:
        conversation.request()
        conversation.send(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
        while data := conversation.socket.recv(100):
            conversation.send(data)

    backend = stage.backend(script=echo)
    whole = "worker_shutdown_timeout 1s; events {} http {" + CONF + "}"
    proxy = stage.lbproxy(whole, b=backend)
    with Client(proxy.address) as client:
        client.send(octets("/", "Connection: Upgrade", "Upgrade: echo"))
        assert client.answer().status == 101
        proxy.reload(proxy.conf.read_text())
        client.send(b"still here")
        assert client.read(10) == b"still here"
        assert client.at_end()
    until(lambda: len(proxy.workers()) == 1, "the old worker to end")


def test_faulty_configuration_keeps_the_old_one(stage: Stage) -> None:
    """Robustness 21. It is refused and logged."""
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("old")))
    proxy.conf.write_text("server { listen <listen>; proxy_passs http://x; }")
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait_for(r'unknown directive "proxy_passs"')
    assert get(proxy.address).text == "old"


def test_listening_address_moves(stage: Stage) -> None:
    """Robustness 21. The old one is closed."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=backend)
    moved = ("127.0.0.1", stage.port())
    proxy.reload(stage.text(CONF, b=backend, listen=f"127.0.0.1:{moved[1]}"))
    assert get(moved).text == "ok"
    until(lambda: refuses(proxy.address), "the old address to be closed")


def test_quit_during_a_reload_is_no_failure_of_the_new_configuration(stage: Stage) -> None:
    """What is given up only because lbproxy ends is not called unservable."""
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("b")))
    proxy.send_signal(signal.SIGHUP)
    proxy.send_signal(signal.SIGQUIT)
    assert proxy.wait() == 0
    assert "[emerg]" not in proxy.stderr.text
