"""The proxies that are compared.  nginx and lbproxy read the very same file; HAProxy gets its equal."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro.backends import HERE, Backend
from benchmarks.macro.processes import Process, free_port, program
from benchmarks.macro.site import HTTP, Site

_NGINX = """
worker_processes {site.workers};
worker_rlimit_nofile {files};
pid {dir}/{name}.pid;
error_log {dir}/{name}.error.log;
daemon off;
events {{ worker_connections {site.connections}; }}
http {{
    access_log {dir}/{name}.access.log combined;
    client_body_temp_path {dir}/{name}.bodies;
    proxy_temp_path {dir}/{name}.answers;
    uwsgi_temp_path {dir}/{name}.packets;
    client_max_body_size 0;
    keepalive_requests 100000000;
    keepalive_timeout 10m;
    server_names_hash_max_size 8192;
    sendfile on;
    upstream app {{
        {upstream}
        keepalive {site.keepalive};
        keepalive_requests 100000000;
    }}
{servers}
}}
"""

# A syslog socket that nobody reads would drop lines: HAProxy logs to its stdout, which is a file.
_HAPROXY = """
global
    nbthread {site.workers}
    maxconn {site.connections}
    no strict-limits
    log stdout format raw local0
defaults
    mode http
    log global
    option httplog
    option splice-request
    option splice-response
    timeout client 60s
    timeout http-keep-alive 10m
    timeout server 60s
    timeout connect 60s
    http-reuse always
frontend front
    bind 127.0.0.1:{port} backlog 1024
    default_backend app
backend app
    balance {balance}
{servers}
"""

_BALANCE = {"": "roundrobin", "ip_hash": "source", "hash $request_uri": "uri", "least_conn": "leastconn",
            "hash $request_uri consistent": "uri\n    hash-type consistent", "random": "random(1)",
            "random two": "random(2)"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Prepared:
    """A proxy that can be started: its command, one that only tests the configuration, and where it will listen."""

    command: list[str]
    test: list[str] | None
    port: int
    log: Path

    def start(self, core: str | None) -> Process:
        """Start it on *core* and wait until it serves."""
        return Process(self.command, core=core, log=self.log).wait_listening(("127.0.0.1", self.port))


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """
    One proxy.

    Args:
        configure: Its configuration for a site, in front of a backend: name, directory, port → text.
        command: Its command line: directory, configuration, port, server.
        test: The command line that only tests a configuration, if there is one.
        takes: Whether it can do what a site asks for.
        missing: What has to be installed, "" if all is there.
    """

    name: str
    configure: Callable[[Site, Backend, str, str, int], str]
    command: Callable[[str, str, int, str], list[str]]
    test: Callable[[str, str], list[str]] | None
    takes: Callable[[Site], bool]
    missing: Callable[[], str]

    def prepare(self, site: Site, backend: Backend, directory: Path, label: str) -> Prepared:
        """Write what it needs to do *site* in front of *backend*; *label* tells its files from others'."""
        port, name = free_port(), f"{self.name}{label}"
        path = directory / f"{name}.conf"
        path.write_text(self.configure(site, backend, name, str(directory), port))
        test = self.test(str(directory), str(path)) if self.test else None
        command = self.command(str(directory), str(path), port, backend.servers[0])
        return Prepared(command, test, port, directory / f"{name}.log")


def _as_nginx(site: Site, backend: Backend, name: str, directory: str, port: int) -> str:
    return _NGINX.format(site=site, dir=directory, name=name, files=site.connections + 2048,
                         upstream=site.upstream(backend.servers), servers=site.virtual_servers(port, directory))


def _as_haproxy(site: Site, backend: Backend, _name: str, _directory: str, port: int) -> str:
    lines = (f"    server s{number} {address} pool-max-conn {site.keepalive}"
             for number, address in enumerate(backend.servers[: site.servers]))
    return _HAPROXY.format(site=site, port=port, balance=_BALANCE[site.method], servers="\n".join(lines))


def _plain_http(site: Site) -> bool:
    return site.action.startswith(HTTP) and site.locations == site.names == 1


def _debian(command: str, package: str) -> Callable[[], str]:
    return lambda: "" if shutil.which(command) else f"apt-get install {package}"


def _python(*modules: str) -> Callable[[], str]:
    return lambda: "" if all(map(importlib.util.find_spec, modules)) else "pip install 'lbproxy[bench]'"


NGINX = Contestant(
    name="nginx", configure=_as_nginx, takes=lambda site: not site.method.startswith(("least_time", "fair")),
    command=lambda prefix, conf, _port, _server: ["nginx", "-p", prefix, "-c", conf],
    test=lambda prefix, conf: ["nginx", "-t", "-q", "-p", prefix, "-c", conf],
    missing=_debian("nginx", "nginx-light"),
)
HAPROXY = Contestant(
    name="haproxy", configure=_as_haproxy, takes=lambda site: _plain_http(site) and site.method in _BALANCE,
    command=lambda _prefix, conf, _port, _server: ["haproxy", "-db", "-f", conf],
    test=lambda _prefix, conf: ["haproxy", "-c", "-q", "-f", conf],
    missing=_debian("haproxy", "haproxy"),
)
LBPROXY = Contestant(
    name="lbproxy", configure=_as_nginx, takes=lambda _: True,
    command=lambda prefix, conf, _port, _server: [program("lbproxy"), "-p", prefix, "-c", conf],
    test=lambda prefix, conf: [program("lbproxy"), "-t", "-q", "-p", prefix, "-c", conf],
    missing=lambda: "",
)


def _in_python(name: str, script: str, *modules: str) -> Contestant:
    """Return a proxy of `proxies/`, which takes its port, its server and its access log as arguments."""
    return Contestant(
        name=name, configure=lambda *_: "", takes=lambda site: site == Site(), test=None, missing=_python(*modules),
        command=lambda _prefix, conf, port, server: [sys.executable, str(HERE / "proxies" / script), str(port), server,
                                                     conf.removesuffix(".conf") + ".access.log"],
    )  # fmt: skip


AIOHTTP = _in_python("aiohttp", "aio.py", "aiohttp")
TWISTED = _in_python("twisted", "twist.py", "twisted")
ALL = (NGINX, HAPROXY, LBPROXY, AIOHTTP, TWISTED)


def version(command: list[str]) -> str:
    """Return the first x.y.z that *command* prints, "" when it prints none or is missing."""
    if shutil.which(command[0]) is None:
        return ""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)
    found = re.search(r"\d+\.\d+(\.\d+)?", done.stdout + done.stderr)
    return found[0] if found else ""
