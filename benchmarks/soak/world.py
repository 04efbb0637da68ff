"""What the soak is about: lbproxy, reloaded again and again, in front of nodes that die and come back."""

from __future__ import annotations

import random
import signal
from contextlib import ExitStack
from pathlib import Path

import trio

from benchmarks.macro.processes import Process, free_port, program

_APP = Path(__file__).resolve().parent / "app.py"
_AWAY = 0.5  # seconds a node is gone

_CONF = """
pid {dir}/lbproxy.pid;
error_log {dir}/error.log;
worker_processes {workers};
events {{ worker_connections 4096; }}
http {{
    access_log {dir}/access.log;
    upstream app {{
        zone app 64k;
        {method}
        server {nodes[0]} fail_timeout=1s weight={weight};
        server {nodes[1]} fail_timeout=1s;
        server {nodes[2]} fail_timeout=1s;
        keepalive 16;
    }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        listen unix:{dir}/{another}.sock;
        include uwsgi_params;
        location / {{ uwsgi_pass app; }}
        location /large {{ uwsgi_pass {nodes[2]}; }}
    }}
}}
"""


class World:
    """
    Everything that runs; a context manager.

    Attributes:
        port: Where clients connect.
        reloads: How many there were; *deaths*: of nodes.
    """

    def __init__(self, directory: Path, rng: random.Random, workers: int) -> None:
        self._directory, self._rng, self._workers = directory, rng, workers
        self._stack = ExitStack()
        self.port = free_port()
        self._addresses = [f"127.0.0.1:{free_port()}" for _ in range(3)]
        self.reloads = self.deaths = 0

    def __enter__(self) -> World:
        with ExitStack() as stack:
            self._nodes = [self._start_node(number) for number in range(3)]
            stack.callback(self._stop_nodes)
            conf = self._write_conf()
            command = [program("lbproxy"), "-p", str(self._directory), "-c", str(conf)]
            self.proxy = Process(command, core=None, log=self._directory / "output.log", stop_signal=signal.SIGQUIT)
            stack.enter_context(self.proxy)
            self.proxy.wait_listening(("127.0.0.1", self.port))
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    async def reload_for_ever(self, every: float) -> None:
        """Change the configuration again and again: the method, a weight, an address."""
        while True:
            await trio.sleep(every * self._rng.uniform(0.5, 1.5))
            self._write_conf()
            self.proxy.popen.send_signal(signal.SIGHUP)
            self.reloads += 1

    async def kill_nodes_for_ever(self, every: float) -> None:
        """End the first and the second node in turn, by SIGTERM or SIGKILL, and start it again after a while."""
        while True:
            await trio.sleep(every * self._rng.uniform(0.5, 1.5))
            number = self.deaths % 2
            self.deaths += 1
            await trio.to_thread.run_sync(self._nodes[number].stop, self._rng.choice((signal.SIGTERM, signal.SIGKILL)))
            await trio.sleep(_AWAY)
            self._nodes[number] = await trio.to_thread.run_sync(self._start_node, number)

    def complaints(self) -> list[str]:
        """Return the lines of the error log that an operator would have to look at."""
        logs = [path for name in ("error.log", "output.log") if (path := self._directory / name).exists()]
        lines = [line for log in logs for line in log.read_text(errors="replace").splitlines()]
        return [line for line in lines if any(mark in line for mark in ("[alert]", "[emerg]", "[crit]", "Traceback"))]

    def _stop_nodes(self) -> None:
        for node in self._nodes:
            node.stop()

    def _start_node(self, number: int) -> Process:
        host, _, port = self._addresses[number].rpartition(":")
        command = [program("uwsgi"), "--socket", self._addresses[number], "--die-on-term", "--wsgi-file", str(_APP),
                   "--need-app", "--threads", "4", "--listen", "100", "--disable-logging"]
        process = Process(command, core=None, log=self._directory / f"node{number}.log")
        return process.wait_listening((host, int(port)))

    def _write_conf(self) -> Path:
        path = self._directory / "soak.conf"
        path.write_text(_CONF.format(
            dir=self._directory, port=self.port, nodes=self._addresses, workers=self._workers,
            another=self.reloads % 2, weight=self._rng.randint(1, 3),
            method=self._rng.choice(("", "least_conn;", "random two;")),
        ))  # fmt: skip
        return path
