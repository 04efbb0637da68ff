"""What stands behind the proxies: servers that do as little as an answer can be."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro.processes import Process, free_port, program

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
TRANSFER = 200_000_000  # octets of a large body
FILES = {"1k": 1024, "64k": 65536, "200m": TRANSFER}
"""Under /files/ of the HTTP backend, and in the proxies' own document root: name and octets."""

_NGINX = """
worker_processes 1;
daemon off;
pid {dir}/backend.pid;
error_log {dir}/backend.log;
worker_rlimit_nofile 8192;
events {{ worker_connections 8192; }}
http {{
    access_log off;
    keepalive_requests 100000000;
    keepalive_timeout 10m;
    client_max_body_size 0;
    sendfile on;
    open_file_cache max=100;
    server {{
        {listens}
        location / {{ return 200 "{body}"; }}
        location /files/ {{ root {dir}/www; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Backend:
    """
    Something that answers, running.

    Args:
        process: None where the proxies answer themselves.
        servers: Its addresses as `server` lines of `upstream` have them.
        port: Where it speaks HTTP without a proxy between; None if it does not.
    """

    process: Process | None
    servers: tuple[str, ...]
    port: int | None = None


def write_files(directory: Path) -> None:
    """Make the files that are asked for; those of large bodies are holes."""
    folder = directory / "www" / "files"
    folder.mkdir(parents=True)
    for name, size in FILES.items():
        with (folder / name).open("wb") as file:
            if size < TRANSFER:
                file.write(b"f" * size)
            file.truncate(size)


def start_http(directory: Path, core: str | None, addresses: int = 1) -> Backend:
    """Start an nginx that answers over keep-alive connections, at as many loopback addresses as wanted."""
    port = free_port()
    hosts = ["127.0.0.1", *(f"127.0.{number >> 8 | 128}.{number & 255}" for number in range(1, addresses))]
    conf = directory / "backend.conf"
    listens = " ".join(f"listen {host}:{port} backlog=1024;" for host in hosts)
    conf.write_text(_NGINX.format(dir=directory, listens=listens, body="b" * 60))
    command = ["nginx", "-p", str(directory), "-c", str(conf)]
    process = Process(command, core=core, log=directory / "backend.log")
    process.wait_listening(("127.0.0.1", port))
    return Backend(process, tuple(f"{host}:{port}" for host in hosts), port)


def start_many(directory: Path, core: str | None) -> Backend:
    """Start an nginx that answers at a thousand addresses."""
    return start_http(directory, core, 1000)


def start_sink(directory: Path, core: str | None) -> Backend:
    """Start a server that takes bodies of any size and answers 60 octets."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.macro.clients.sink", str(port)]
    process = Process(command, core=core, log=directory / "backend.log", cwd=ROOT)
    process.wait_listening(("127.0.0.1", port))
    return Backend(process, (f"127.0.0.1:{port}",), port)


def no_backend(_directory: Path, _core: str | None) -> Backend:
    """Start nothing: the proxies answer themselves."""
    return Backend(None, ("127.0.0.1:1",))


def start_uwsgi_tcp(directory: Path, core: str | None) -> Backend:
    """Start uWSGI at a port."""
    address = f"127.0.0.1:{free_port()}"
    return Backend(_start_uwsgi(address, directory, core), (address,))


def start_uwsgi_unix(directory: Path, core: str | None) -> Backend:
    """Start uWSGI at a unix socket."""
    path = directory / "uwsgi.sock"
    return Backend(_start_uwsgi(str(path), directory, core), (f"unix:{path}",))


def _start_uwsgi(socket: str, directory: Path, core: str | None) -> Process:
    """Start one uWSGI process with two threads that listens on *socket*, as its `--socket` option has it."""
    command = [program("uwsgi"), "--socket", socket, "--chmod-socket=666", "--die-on-term",
               "--wsgi-file", str(HERE / "app.py"), "--need-app", "--threads", "2", "--disable-logging"]
    process = Process(command, core=core, log=directory / "uwsgi.log")
    host, colon, port = socket.rpartition(":")
    return process.wait_listening((host, int(port)) if colon else socket)
