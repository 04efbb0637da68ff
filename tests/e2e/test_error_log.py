"""
When a backend fails, the error log says why.

Each line has nginx's shape (client, server, request, upstream), the phase, the cause, and the mend where one is
known; the messages are in English and their exact words are free, so tests look for what an operator would look for.
"""

from __future__ import annotations

import os
import re
import signal
import socket
from pathlib import Path

import pytest

from tests.support.backends import close, closing, hang, reply, reset
from tests.support.client import Client, get, octets
from tests.support.daemon import Lbproxy
from tests.support.node import Node
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
server {
    listen <listen>;
    server_name example.com;
    location / { include uwsgi_params; <pass>; }
}
"""

ROOT = os.geteuid() == 0


def failure(proxy: Lbproxy, phase: str, upstream: str, status: int = 502) -> str:
    """Send a GET, check the answer's status and what every line has, and return the error line."""
    assert get(proxy.address, "/page?x=1").status == status
    (line,) = proxy.stderr.wait_for(r"\[error\]")
    assert re.match(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[error\] \d+#\d+: ", line), line
    for part in ("client: 127.0.0.1", "server: example.com", 'request: "GET /page?x=1 HTTP/1.1"', phase):
        assert part in line
    assert re.search(f'upstream: "{re.escape(upstream)}', line), line
    return line


def test_connection_refused(stage: Stage) -> None:
    dead = stage.dead()
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_pass http://{dead}"})
    line = failure(proxy, "while connecting to upstream", f"http://{dead}")
    assert "(111: Connection refused)" in line


def test_socket_that_does_not_exist(stage: Stage) -> None:
    path = stage.path("none.sock")
    proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass unix:{path}"})
    line = failure(proxy, "while connecting to upstream", f"uwsgi://unix:{path}")
    assert "(2: No such file or directory)" in line


def test_socket_permission(stage: Stage) -> None:
    """The usual mistake: the node's socket belongs to somebody else. Root may do everything, hence the `user`."""
    path = stage.path("mine.sock")
    stage.uwsgi(reply("ok"), at=path)
    Path(path).chmod(0o600 if ROOT else 0)
    stage.directory.chmod(0o755)
    conf = "user daemon; events {} http { " + CONF + " }" if ROOT else CONF
    proxy = stage.lbproxy(conf, **{"pass": f"uwsgi_pass unix:{path}"})
    line = failure(proxy, "while connecting to upstream", f"uwsgi://unix:{path}")
    assert "(13: Permission denied)" in line
    assert re.search("chmod|permission|user", line.replace("(13: Permission denied)", ""))


def test_listen_queue_full(stage: Stage) -> None:
    """A unix socket refuses at once, with EAGAIN, when its backlog is full."""
    path = stage.path("full.sock")
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as filler:
        full.bind(path)
        full.listen(0)
        filler.connect(path)
        proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass unix:{path}"})
        line = failure(proxy, "while connecting to upstream", f"uwsgi://unix:{path}")
    assert "(11: Resource temporarily unavailable)" in line
    assert re.search("queue|backlog|--listen", line)


def test_packet_without_the_inherited_variables(stage: Stage) -> None:
    """The trap of uwsgi_param: one line in a location, and uwsgi_params of the server are gone."""
    conf = CONF.replace("location / {", "include uwsgi_params; location / {").replace("{ include uwsgi_params; ", "{ ")
    backend = stage.uwsgi(close)
    proxy = stage.lbproxy(conf, **{"pass": f"uwsgi_param A b; uwsgi_pass {backend.address}"})
    line = failure(proxy, "while reading response header from upstream", f"uwsgi://{backend.address}")
    assert "no variable REQUEST_METHOD" in line


def test_http_sent_to_a_uwsgi_socket(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    """uWSGI reads "GET " as a packet of 21573 octets and closes without a byte."""
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_pass http://{nodes[0].address}"})
    line = failure(proxy, "while reading response header from upstream", f"http://{nodes[0].address}")
    assert "uwsgi_pass" in line


def test_uwsgi_sent_to_an_http_port(stage: Stage) -> None:
    backend = stage.node("h", "http-socket", "--socket-timeout", "1")  # it waits that long for an HTTP head
    proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass {backend.address}"})
    line = failure(proxy, "while reading response header from upstream", f"uwsgi://{backend.address}")
    assert "proxy_pass" in line


def test_packet_over_the_buffer_size_of_uwsgi(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass {nodes[0].address}"})
    assert get(proxy.address, "/", f"X-Large: {'x' * 5000}").status == 502
    (line,) = proxy.stderr.wait_for(r"\[error\]")
    assert "buffer-size" in line
    assert f'upstream: "uwsgi://{nodes[0].address}' in line


def test_more_than_128_variables(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass {nodes[0].address}"})
    assert get(proxy.address, "/", *(f"X-{number}: 1" for number in range(120))).status == 502
    (line,) = proxy.stderr.wait_for(r"\[error\]")
    assert "128" in line


def test_packet_over_65535_octets_is_refused_here(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    more = "large_client_header_buffers 8 32k;" + CONF
    proxy = stage.lbproxy(more, **{"pass": f"uwsgi_pass {nodes[0].address}"})
    answer = get(proxy.address, "/", *(f"X-{number}: {'x' * 25000}" for number in range(3)))
    assert answer.status in (400, 431, 500)
    assert get(proxy.address).text == "a"


@pytest.mark.parametrize(("end", "cause"), [(close, "closed"), (reset, r"\(104: Connection reset by peer\)")])
def test_closed_before_the_head(stage: Stage, end: object, cause: str) -> None:
    backend = stage.backend(end)  # type: ignore[arg-type]
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_pass http://{backend.address}"})
    line = failure(proxy, "while reading response header from upstream", f"http://{backend.address}")
    assert re.search(cause, line)


def test_answer_that_is_no_http(stage: Stage) -> None:
    backend = stage.backend(closing(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"))
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_pass http://{backend.address}"})
    line = failure(proxy, "while reading response header from upstream", f"http://{backend.address}")
    assert re.search("invalid|no valid|not HTTP", line)


@pytest.mark.parametrize("protocol", ["http", "uwsgi"])
def test_truncated_body(stage: Stage, protocol: str) -> None:
    short = closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort")
    backend = stage.backend(short) if protocol == "http" else stage.uwsgi(short)
    directive = f"proxy_pass http://{backend.address}" if protocol == "http" else f"uwsgi_pass {backend.address}"
    proxy = stage.lbproxy(CONF, **{"pass": directive})
    with Client(proxy.address) as client:
        client.send(octets("/page?x=1"))
        client.rest()
    (line,) = proxy.stderr.wait_for(r"\[error\]")
    assert "prematurely closed connection" in line
    assert "while reading upstream" in line
    assert f'upstream: "{protocol}://{backend.address}' in line


def test_truncated_chunks(stage: Stage) -> None:
    backend = stage.backend(closing(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nwhole\r\n5\r\nha"))
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_pass http://{backend.address}"})
    with Client(proxy.address) as client:
        client.send(octets())
        assert not client.rest().endswith(b"0\r\n\r\n")
    proxy.stderr.wait_for(r"\[error\].*prematurely closed connection.*while reading upstream")


def test_timeout_says_which(stage: Stage) -> None:
    backend = stage.backend(hang)
    proxy = stage.lbproxy(CONF, **{"pass": f"proxy_read_timeout 200ms; proxy_pass http://{backend.address}"})
    line = failure(proxy, "while reading response header from upstream", f"http://{backend.address}", status=504)
    assert "(110: Connection timed out)" in line
    assert "proxy_read_timeout" in line


def test_no_live_upstreams_names_the_upstream(stage: Stage) -> None:
    conf = "upstream u { server <a> down; server <b> down; }" + CONF
    proxy = stage.lbproxy(conf, a=stage.dead(), b=stage.dead(), **{"pass": "proxy_pass http://u"})
    line = failure(proxy, "while connecting to upstream", "http://u/")
    assert "no live upstreams" in line


def test_failure_that_another_server_made_good_is_logged_too(stage: Stage) -> None:
    conf = "upstream u { server <a>; server <b>; }" + CONF
    a, b = stage.dead(), stage.backend(reply("b"))
    proxy = stage.lbproxy(conf, a=a, b=b, **{"pass": "proxy_pass http://u"})
    line = failure(proxy, "while connecting to upstream", f"http://{a}/page?x=1", status=200)
    assert "Connection refused" in line


def test_ordinary_run_logs_no_error(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    proxy = stage.lbproxy(CONF, **{"pass": f"uwsgi_pass {nodes[0].address}"})
    with Client(proxy.address) as client:
        for _ in range(3):
            assert client.ask().status == 200
    assert proxy.stop() == 0
    assert not proxy.stderr.matching(r"\[(error|crit|alert|emerg|warn)\]")


def test_level_of_the_log(stage: Stage) -> None:
    """`error_log` names a file and the least level that goes there."""
    dead = stage.dead()
    path = stage.path("error.log")
    proxy = stage.lbproxy(f"error_log {path} crit;" + CONF, **{"pass": f"proxy_pass http://{dead}"})
    assert get(proxy.address).status == 502
    assert proxy.stop() == 0
    assert Path(path).read_text() == ""
    assert proxy.errors() == []


OWN_LOGS = """
error_log <main>;
server {
    listen <listen>;
    location / { proxy_pass http://<dead>; }
    location /own/ {
        error_log <own>;
        proxy_pass http://<dead>;
        location /own/quiet/ { error_log <quiet> crit; proxy_pass http://<dead>; }
    }
}
"""


def test_locations_may_have_their_own(stage: Stage) -> None:
    """As in nginx: what concerns a request goes to the nearest error_log and nowhere else, by its level."""
    paths = {name: stage.path(f"{name}.log") for name in ("main", "own", "quiet")}
    proxy = stage.lbproxy(OWN_LOGS, dead=stage.dead(), **paths)
    for path in ("/a", "/own/b", "/own/quiet/c"):
        assert get(proxy.address, path).status == 502
    texts = {name: Path(path).read_text() for name, path in paths.items()}
    assert [texts["main"].count(f"GET {path} ") for path in ("/a", "/own/b", "/own/quiet/c")] == [1, 0, 0]
    assert [texts["own"].count(f"GET {path} ") for path in ("/a", "/own/b", "/own/quiet/c")] == [0, 1, 0]
    assert texts["quiet"] == ""
    assert "start worker process" not in texts["own"]


def test_own_logs_are_reopened(stage: Stage) -> None:
    """USR1 reaches every log there is."""
    path = Path(stage.path("own.log"))
    conf = f"server {{ listen <listen>; location / {{ error_log {path}; proxy_pass http://<dead>; }} }}"
    proxy = stage.lbproxy(conf, dead=stage.dead())
    path.rename(path.with_suffix(".1"))
    proxy.send_signal(signal.SIGUSR1)
    until(path.exists, "the new file")
    until(lambda: get(proxy.address, "/").status == 502 and path.read_text(), "a line in it")
