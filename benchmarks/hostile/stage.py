"""The processes of the benchmark: the proxy, a server that behaves, and the load that must come to no harm."""

from __future__ import annotations

import json
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.hostile.histogram import Histogram
from benchmarks.macro.processes import BenchmarkError, Process, free_port, tree

HEADER_TIMEOUT = 5
BODY_TIMEOUT = 5
SEND_TIMEOUT = 5
READ_TIMEOUT = 3  # of servers
"""Seconds; what the proxy is configured with."""

_CONF = """
pid {directory}/lbproxy.pid;
error_log {directory}/error.log;
worker_processes 1;
worker_rlimit_nofile {files};
events {{ worker_connections {files}; }}
http {{
    access_log {directory}/access.log;
    client_max_body_size 0;
    client_header_timeout {header}s; client_body_timeout {body}s; send_timeout {send}s;
    keepalive_timeout 1h; keepalive_requests 1000000;
    lingering_time 5s; lingering_timeout 2s;
    proxy_connect_timeout 2s; proxy_read_timeout {read}s; proxy_send_timeout {send}s;
    uwsgi_connect_timeout 2s; uwsgi_read_timeout {read}s; uwsgi_send_timeout {send}s;
    upstream good {{ server 127.0.0.1:{good}; keepalive 64; keepalive_timeout 5s; }}
    upstream mixed {{ server 127.0.0.1:{faulty} max_fails=0; server 127.0.0.1:{good}; }}
    server {{
        listen 127.0.0.1:{listen} backlog=4096;
        location = /here {{ return 200 here; }}
        location / {{ proxy_pass http://good; }}
        location /good/ {{ proxy_pass http://good; }}
        location /mixed/ {{ proxy_pass http://mixed; proxy_next_upstream error timeout invalid_header http_502; }}
        location /small/ {{ client_max_body_size 10k; proxy_pass http://good; }}
        location /faulty/ {{ proxy_pass http://127.0.0.1:{faulty}; }}
        location /unspooled/ {{ proxy_pass http://127.0.0.1:{faulty}; proxy_request_buffering off; }}
        location /unbuffered/ {{ proxy_pass http://127.0.0.1:{faulty}; proxy_buffering off; }}
        location /uwsgi/ {{ include uwsgi_params; uwsgi_pass 127.0.0.1:{packets}; }}
        location /large/ {{ proxy_pass http://127.0.0.1:{large}; proxy_request_buffering off; proxy_read_timeout 60s;
                            proxy_send_timeout 60s; send_timeout 60s; client_body_timeout 60s; }}
        location /spooled/ {{ proxy_pass http://127.0.0.1:{large}; proxy_read_timeout 60s; proxy_send_timeout 60s; }}
    }}
}}
"""


class Ports:
    """Where everybody listens: the proxy, and the servers behind it."""

    def __init__(self) -> None:
        self.listen, self.good, self.faulty, self.packets, self.large = (free_port() for _ in range(5))


class Stage:
    """
    Everything that runs beside the attackers; a context manager.

    Attributes:
        worker: The process that serves.
        files: How many descriptors it may have.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.ports = Ports()
        self.error_log = directory / "error.log"
        _, self.files = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.files, self.files))
        self._stack = ExitStack()
        self.worker = 0

    def __enter__(self) -> Stage:
        try:
            self._start([sys.executable, "-m", "benchmarks.hostile.origin", str(self.ports.good)], self.ports.good)
            conf = self.directory / "hostile.conf"
            conf.write_text(_CONF.format(
                directory=self.directory, files=self.files, header=HEADER_TIMEOUT, body=BODY_TIMEOUT,
                send=SEND_TIMEOUT, read=READ_TIMEOUT, **vars(self.ports),
            ))
            words = [sys.executable, "-m", "lbproxy", "-p", str(self.directory), "-c", str(conf)]
            proxy = self._start(words, self.ports.listen, signal.SIGTERM)
            self._until_served()
            (self.worker,) = (pid for pid in tree(proxy.pid) if pid != proxy.pid)
        except BaseException:
            self._stack.close()
            raise
        return self

    def _start(self, words: list[str], port: int, stop: signal.Signals = signal.SIGKILL) -> Process:
        process = Process(words, core=None, log=self.directory / "output.log", stop_signal=stop)
        self._stack.enter_context(process)
        return process.wait_listening(("127.0.0.1", port))

    def _until_served(self) -> None:
        """Wait for an answer: the sockets listen before there is a worker."""
        with socket.create_connection(("127.0.0.1", self.ports.listen), timeout=15) as client:
            client.sendall(b"GET /here HTTP/1.0\r\n\r\n")
            if not client.recv(100).startswith(b"HTTP/1.1 200"):
                raise BenchmarkError("the proxy does not answer as it should")

    def __exit__(self, *_: object) -> None:
        self._stack.close()


class Steady:
    """The load that must come to no harm (`benchmarks.hostile.steady`), and what has come of it."""

    def __init__(self, port: int, rate: float, seed: str) -> None:
        words = [sys.executable, "-m", "benchmarks.hostile.steady", str(port), str(rate), seed]
        self._popen = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True)
        self.latencies = Histogram()
        self.failures: list[str] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        assert self._popen.stdout is not None
        for line in self._popen.stdout:
            said = json.loads(line)
            self.latencies.merge(Histogram({int(place): count for place, count in said["latencies"].items()}))
            self.failures += said["failures"]

    def finish(self) -> None:
        """Tell it that it is enough, and wait for its last words."""
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        try:
            self._popen.wait(15)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()
        self._thread.join()


@contextmanager
def steady(stage: Stage, rate: float, seed: str) -> Iterator[Steady]:
    """Have good requests come at *rate* per second meanwhile."""
    load = Steady(stage.ports.listen, rate, seed)
    try:
        yield load
    finally:
        load.finish()
