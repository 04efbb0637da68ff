"""HUP: a new configuration without a lost request; a bad one changes nothing."""

from __future__ import annotations

import signal
import threading

from tests.support.backends import held, reply
from tests.support.client import Client, get, octets, refuses
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
    """Clients that ask without pause until told to stop; half of them keep their connection."""

    def __init__(self, proxy: Lbproxy, clients: int = 4) -> None:
        self._address = proxy.address
        self._over = threading.Event()
        self.count = 0
        self.failures: list[str] = []
        self._threads = [threading.Thread(target=self._run, args=(i % 2 == 0,)) for i in range(clients)]

    def _run(self, keep: bool) -> None:
        fields = () if keep else ("Connection: close",)
        client: Client | None = None
        try:
            while not self._over.is_set():
                client = client or Client(self._address)
                answer = client.ask("/", *fields)
                self.count += 1
                if answer.status != 200:
                    self.failures.append(str(answer))
                if answer.get("Connection") == "close":
                    client.close()
                    client = None
        except Exception as error:  # noqa: BLE001 - every kind of failure is a lost request
            self.failures.append(repr(error))
        finally:
            if client:
                client.close()

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
    """
    A kept connection may be closed between two requests, which HTTP allows; so a request counts as lost only
    if it was answered wrongly, or if a connection that had just been made was not answered.
    """
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF.replace("listen <listen>;", "listen <listen>; keepalive_requests 5;"), b=backend)
    with Load(proxy) as load:
        load.goes_on()
        for _ in range(3):
            proxy.reload(proxy.conf.read_text())
            load.goes_on()
    assert [failure for failure in load.failures if "RemoteProtocolError" not in failure] == []


def test_request_in_flight_is_finished_by_the_old_worker(stage: Stage) -> None:
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


def test_faulty_configuration_keeps_the_old_one(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("old")))
    proxy.conf.write_text("server { listen <listen>; proxy_passs http://x; }")
    proxy.send_signal(signal.SIGHUP)
    proxy.stderr.wait_for(r'unknown directive "proxy_passs"')
    assert get(proxy.address).text == "old"


def test_listening_address_moves(stage: Stage) -> None:
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=backend)
    moved = ("127.0.0.1", stage.port())
    proxy.reload(stage.text(CONF, b=backend, listen=f"127.0.0.1:{moved[1]}"))
    assert get(moved).text == "ok"
    until(lambda: refuses(proxy.address), "the old address to be closed")
