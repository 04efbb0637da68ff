"""Who may come, as operators use it: a file of users, a balancer in front, an application that decides."""

from __future__ import annotations

import base64
import os

import pytest

from lbproxy.proxy.userfiles import system_crypt
from tests.support.backends import reply
from tests.support.client import ask, octets
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    auth_basic staff;
    auth_basic_user_file <dir>/users;
    location / { proxy_pass http://<b>; }
}
"""
BCRYPT = "$2y$05$/mnMOW9o3SKWTHBEs9xgZufwpvZZe7m7T1ZAGJPcEJPISzB9tPzTi"
APR1 = "$apr1$Sy9uAK3v$1Hbv3kId7QW76qVBnppOv1"


def basic(name: str, password: str) -> str:
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def test_a_file_of_users(stage: Stage) -> None:
    """Who is taken out of it does not come in again; the log has the name of who did."""
    path = stage.directory / "users"
    path.write_text(f"ann:{APR1}\nbob:{{PLAIN}}secret\n")
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("in")))
    assert [ask(proxy.address, octets("/", basic(name, "secret"))).status for name in ("ann", "bob")] == [200, 200]
    refused = ask(proxy.address, octets("/", basic("ann", "Secret")))
    assert (refused.status, refused.get("WWW-Authenticate")) == (401, 'Basic realm="staff"')
    path.write_text("bob:{PLAIN}other\n")
    os.utime(path, ns=(1, 1))
    assert [ask(proxy.address, octets("/", basic(name, "secret"))).status for name in ("ann", "bob")] == [401, 401]
    lines = proxy.stdout.wait_for("HTTP/1.1", count=5)
    assert [line.split()[2] for line in lines] == ["ann", "bob", "ann", "ann", "bob"]
    proxy.stderr.wait_for('user "ann" was not found in')


@pytest.mark.skipif(system_crypt()(b"secret", BCRYPT.encode()) != BCRYPT.encode(), reason="crypt(3) without bcrypt")
def test_bcrypt(stage: Stage) -> None:
    """By the system's crypt(3), in a thread of the worker."""
    (stage.directory / "users").write_text(f"ann:{BCRYPT}\n")
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("in")))
    assert [ask(proxy.address, octets("/", basic("ann", word))).status for word in ("secret", "secrets")] == [200, 401]


def test_a_balancer_in_front(stage: Stage) -> None:
    """Its client is who is logged, let in, and told to the server behind."""
    backend = stage.backend(reply("in"))
    proxy = stage.lbproxy(
        "server { listen <listen> proxy_protocol; set_real_ip_from 127.0.0.1; real_ip_header proxy_protocol;"
        "allow 203.0.113.0/24; deny all; proxy_set_header X-Real-IP $remote_addr;"
        "location / { proxy_pass http://<b>; } }",
        b=backend,
    )
    for address, status in (("203.0.113.7", 200), ("198.51.100.1", 403)):
        line = f"PROXY TCP4 {address} 192.0.2.1 40000 80\r\n".encode()
        assert ask(proxy.address, line + octets()).status == status
    assert [request.get("X-Real-IP") for request in backend.requests.all()] == ["203.0.113.7"]
    assert [line.split()[0] for line in proxy.stdout.wait_for("HTTP/1.1", count=2)] == ["203.0.113.7", "198.51.100.1"]
