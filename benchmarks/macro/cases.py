"""What is measured: a backend, and the lines that nginx and lbproxy, reading the same file, get for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro.processes import Process, free_port, program

CONNECTIONS = 64
HERE = Path(__file__).resolve().parent

_NGINX_BACKEND = """
worker_processes 1;
daemon off;
pid {dir}/backend.pid;
error_log {dir}/backend.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """
    Something that answers, running.

    Args:
        server: Its address as a `server` line of `upstream` has it.
        url: How wrk reaches it without a proxy between; None if it does not speak HTTP.
    """

    process: Process
    server: str
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """
    One row of the comparison.

    Args:
        location: The directives inside `location /` of nginx's and lbproxy's file.
        start: Starts the backend in a directory, on a core.
        http: Whether the backend speaks HTTP, so that HAProxy can take part.
    """

    name: str
    title: str
    location: str
    start: Callable[[Path, int | None], Backend]
    http: bool


def start_nginx_backend(directory: Path, core: int | None) -> Backend:
    """Start an nginx that answers 60 octets over keep-alive connections."""
    port = free_port()
    conf = directory / "backend.conf"
    conf.write_text(_NGINX_BACKEND.format(dir=directory, port=port, body="b" * 60))
    command = ["nginx", "-p", str(directory), "-c", str(conf)]
    process = Process(command, core=core, log=directory / "backend.log")
    process.wait_listening(("127.0.0.1", port))
    return Backend(process, f"127.0.0.1:{port}", f"http://127.0.0.1:{port}/")


def start_uwsgi(socket: str, directory: Path, core: int | None, node: str = "node") -> Process:
    """Start one uWSGI process with two threads that listens on *socket*, as its `--socket` option has it."""
    command = [program("uwsgi"), "--socket", socket, "--chmod-socket=666", "--die-on-term",
               "--wsgi-file", str(HERE / "app.py"), "--need-app", "--threads", "2", "--disable-logging"]
    process = Process(command, core=core, log=directory / f"{node}.log", environment={"NODE": node})
    host, colon, port = socket.rpartition(":")
    return process.wait_listening((host, int(port)) if colon else socket)


def _start_uwsgi_tcp(directory: Path, core: int | None) -> Backend:
    address = f"127.0.0.1:{free_port()}"
    return Backend(start_uwsgi(address, directory, core), address)


def _start_uwsgi_unix(directory: Path, core: int | None) -> Backend:
    path = directory / "uwsgi.sock"
    return Backend(start_uwsgi(str(path), directory, core), f"unix:{path}")


_PROXY = 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";'
_UWSGI = "include uwsgi_params; uwsgi_pass app;"

CASES = (
    Case("http", "small keep-alive GET, pooled HTTP backend", _PROXY, start_nginx_backend, http=True),
    Case("uwsgi-tcp", "small GET, uWSGI over TCP", _UWSGI, _start_uwsgi_tcp, http=False),
    Case("uwsgi-unix", "small GET, uWSGI over a unix socket", _UWSGI, _start_uwsgi_unix, http=False),
)
