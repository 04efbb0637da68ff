"""The proxies that are compared.  nginx and lbproxy read the very same file; HAProxy gets its equal."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro.cases import Backend, Case
from benchmarks.macro.processes import Process, free_port, program

_NGINX = """
worker_processes 1;
pid {dir}/{name}.pid;
error_log {dir}/{name}.error.log;
daemon off;
events {{ worker_connections 4096; }}
http {{
    access_log {dir}/{name}.access.log combined;
    keepalive_requests 100000000;
    upstream app {{
        server {server};
        keepalive 64;
        keepalive_requests 100000000;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ {location} }}
    }}
}}
"""

# A syslog socket that nobody reads would drop lines: HAProxy logs to its stdout, which is a file.
_HAPROXY = """
global
    nbthread 1
    maxconn 4096
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    timeout client 60s
    timeout server 60s
    timeout connect 60s
    http-reuse always
frontend front
    bind 127.0.0.1:{port} backlog 1024
    default_backend app
backend app
    server one {server} pool-max-conn 64
"""


@dataclass(frozen=True, slots=True)
class Contestant:
    """
    One proxy.

    Args:
        command: Its command line, from the path of its configuration.
        conf: The configuration's template.
    """

    name: str
    command: Callable[[str, str], list[str]]
    conf: str
    only_http: bool = False

    def start(self, case: Case, backend: Backend, directory: Path, core: int | None) -> tuple[Process, str]:
        """Start it on *core* in front of *backend*; return the process and the URL to load."""
        port = free_port()
        path = directory / f"{self.name}.conf"
        path.write_text(self.conf.format(dir=directory, name=self.name, port=port, server=backend.server,
                                         location=case.location))
        command = self.command(str(directory), str(path))
        process = Process(command, core=core, log=directory / f"{self.name}.log")
        process.wait_listening(("127.0.0.1", port))
        return process, f"http://127.0.0.1:{port}/"


def _nginx(prefix: str, conf: str) -> list[str]:
    return ["nginx", "-p", prefix, "-c", conf]


def _haproxy(_prefix: str, conf: str) -> list[str]:
    return ["haproxy", "-db", "-f", conf]


def _lbproxy(prefix: str, conf: str) -> list[str]:
    return [program("lbproxy"), "-p", prefix, "-c", conf]


NGINX = Contestant("nginx", _nginx, _NGINX)
HAPROXY = Contestant("haproxy", _haproxy, _HAPROXY, only_http=True)
LBPROXY = Contestant("lbproxy", _lbproxy, _NGINX)


def version(command: list[str]) -> str:
    """Return the first x.y.z that *command* prints, "" when it prints none or is missing."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else ""
