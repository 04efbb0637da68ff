"""`access_log` and `log_format`."""

from __future__ import annotations

import gzip
import json
import re
import socket
from pathlib import Path

from tests.support.backends import reply
from tests.support.client import Client, ask, get, octets
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
<format>
server {
    listen <listen>;
    <log>
    location / { proxy_pass http://<b>; }
    location /quiet { access_log off; return 204; }
}
"""


def test_combined_is_the_default_and_goes_to_stdout(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("four")), format="", log="")
    get(proxy.address, "/x?y", "User-Agent: test/1", "Referer: http://r/")
    (line,) = proxy.stdout.wait_for("GET")
    time = r"\[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\]"
    assert re.fullmatch(rf'127\.0\.0\.1 - - {time} "GET /x\?y HTTP/1\.1" 200 4 "http://r/" "test/1"', line)


def test_own_format(stage: Stage) -> None:
    backend = stage.backend(reply("body", "X-Answer: 42"))
    form = """
        log_format own '$request_method|$uri|$args|$status|$body_bytes_sent|$upstream_addr|$upstream_status|'
                       '$http_x_in|$sent_http_x_answer|$upstream_http_x_answer|$arg_a|$cookie_c|$host|$scheme';
    """
    proxy = stage.lbproxy(CONF, b=backend, format=form, log="access_log /dev/stdout own;")
    get(proxy.address, "/p%41?a=1", "X-In: in", "Cookie: c=d")
    (line,) = proxy.stdout.wait_for("GET")
    assert line == f"GET|/pA|a=1|200|4|{backend.address}|200|in|42|42|1|d|example.com|http"


def test_failed_attempts_are_listed(stage: Stage) -> None:
    dead, b = stage.dead(), stage.backend(reply("ok"))
    form = "log_format own '$upstream_addr|$upstream_status|$upstream_response_time|$upstream_connect_time';"
    conf = "upstream u { server <dead>; server <b>; }" + CONF.replace("http://<b>", "http://u")
    proxy = stage.lbproxy(conf, dead=dead, b=b, format=form, log="access_log /dev/stdout own;")
    get(proxy.address)
    (line,) = proxy.stdout.wait_for("127")
    assert re.fullmatch(rf"{dead}, {b.address}\|502, 200\|\d\.\d{{3}}, \d\.\d{{3}}\|-, \d\.\d{{3}}", line), line


def test_values_are_escaped(stage: Stage) -> None:
    """Robustness 12. What a client sends can't end the line or the quotes."""
    form = "log_format own '\"$http_x\"'; "
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format=form, log="access_log /dev/stdout own;")
    ask(proxy.address, octets("/", 'X: a"b\\c\xe9\td'))
    (line,) = proxy.stdout.wait_for("a")
    assert line == r'"a\x22b\x5Cc\xE9\x09d"'


def test_json(stage: Stage) -> None:
    form = """log_format own escape=json '{"uri":"$uri","agent":"$http_user_agent","none":"$http_none"}';"""
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format=form, log="access_log /dev/stdout own;")
    ask(proxy.address, octets("/", 'User-Agent: a"b\\c\td'))
    (line,) = proxy.stdout.wait_for("uri")
    assert json.loads(line) == {"uri": "/", "agent": 'a"b\\c\td', "none": ""}


def test_off_and_condition(stage: Stage) -> None:
    form = "log_format own '$request_uri';"
    log = "access_log /dev/stdout own if=$arg_log;"
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format=form, log=log)
    with Client(proxy.address) as client:
        for target in ("/quiet?log=1", "/?log=0", "/", "/?log=1"):
            client.ask(target)
    proxy.stdout.wait_for("log=1")
    assert proxy.stdout.lines.all() == ["/?log=1"]


def test_buffered_log_is_complete_after_the_end(stage: Stage) -> None:
    path = stage.path("access.log")
    log = f"access_log {path} own buffer=32k flush=1h;"
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format="log_format own '$request_uri';", log=log)
    for number in range(3):
        get(proxy.address, f"/{number}")
    assert Path(path).read_text() == ""
    assert proxy.stop() == 0
    assert Path(path).read_text() == "/0\n/1\n/2\n"


def test_two_logs_get_a_line_each(stage: Stage) -> None:
    path = stage.path("access.log")
    log = f"access_log {path} own; access_log /dev/stdout own;"
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format="log_format own '$request_uri';", log=log)
    get(proxy.address, "/both")
    proxy.stdout.wait_for("/both")
    until(lambda: Path(path).read_text() == "/both\n", "the line in the file")


def test_malformed_request_is_logged(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, b=stage.backend(reply("ok")), format="", log="")
    assert ask(proxy.address, b"GET / HTTP/1.1\r\n\r\n").status == 400
    assert '"GET / HTTP/1.1" 400 ' in proxy.stdout.wait_for("127.0.0.1")[0]


def test_a_file_for_each_host(stage: Stage) -> None:
    """Made when its first line comes; a renamed one gets nothing more."""
    conf = "server { listen <listen>; access_log <dir>/$host.log; return 204; }"
    proxy = stage.lbproxy(conf)
    for host in ("a.test", "b.test", "a.test"):
        ask(proxy.address, octets(f"/{host}", host=host))
    first = Path(stage.path("a.test.log"))
    until(lambda: first.exists() and first.read_text().count("/a.test") == 2, "two lines")
    first.rename(stage.path("old.log"))
    ask(proxy.address, octets("/again", host="a.test"))
    until(lambda: first.exists() and "/again" in first.read_text(), "a new file")
    assert Path(stage.path("b.test.log")).read_text().count("GET") == 1


def test_syslog(stage: Stage) -> None:
    """Requests and errors reach the system's log, labelled."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(stage.path("log"))
        server.settimeout(10)
        to = f"syslog:server=unix:{stage.path('log')},tag=site"
        logs = f"access_log {to},severity=debug; error_log {to} warn;"
        proxy = stage.lbproxy(
            logs + "server { listen <listen>; location / { proxy_pass http://<dead>; } }", dead=stage.dead()
        )
        get(proxy.address, "/x")
        messages = sorted(server.recv(4096).decode() for _ in range(2))
    assert re.fullmatch(r"<187>.* site: .*\[error\] .*connect\(\) failed \(111: Connection refused\).*", messages[0])
    assert re.fullmatch(r'<191>.* site: 127\.0\.0\.1 - - .* "GET /x HTTP/1\.1" 502 .*', messages[1])


def test_compressed(stage: Stage) -> None:
    """What was gathered is on disk when the proxy has ended."""
    proxy = stage.lbproxy("server { listen <listen>; access_log <dir>/a.gz combined gzip=9 flush=1h; return 204; }")
    get(proxy.address, "/x")
    assert proxy.stop() == 0
    assert b"GET /x" in gzip.decompress(Path(stage.path("a.gz")).read_bytes())
