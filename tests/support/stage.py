"""Everything that one test sets up: ports, backends, nodes and proxies, in one short-lived directory."""

from __future__ import annotations

import re
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from tests.support.backends import Backend, Reply, Request, Script, UwsgiBackend, answers
from tests.support.client import Address
from tests.support.daemon import Lbproxy
from tests.support.nginx import Nginx
from tests.support.node import Kind, Node
from tests.support.ports import Ports
from tests.support.waiting import Journal


def fill(text: str, names: dict[str, object]) -> str:
    """Replace each ``<name>`` in *text* that *names* knows; things with an address stand for that."""

    def value(match: re.Match[str]) -> str:
        thing = names.get(match[1], match[0])
        return str(getattr(thing, "address", thing))

    return re.sub(r"<(\w+)>", value, text)


class Stage:
    """
    What a test uses, closed in reverse order when it leaves the context.

    In configurations ``<listen>`` stands for the address of the proxy, ``<dir>`` for the stage's directory (short,
    so that unix sockets fit), and any other ``<name>`` for a keyword argument.
    """

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.directory = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="lb-")))
        self._ports = Ports()
        self._stack.callback(self._ports.close)
        self._count = 0
        self.listen = ("127.0.0.1", self.port())

    def port(self, host: str = "0.0.0.0") -> int:
        """Return a port that nobody listens on, kept for this test."""
        return self._ports.take(host)

    def dead(self) -> str:
        """Return an address that refuses connections."""
        return f"127.0.0.1:{self.port()}"

    def path(self, name: str) -> str:
        """Return the path of a file in the directory."""
        return str(self.directory / name)

    def _room(self) -> Path:
        self._count += 1
        room = self.directory / str(self._count)
        room.mkdir()
        return room

    def backend(
        self, *replies: Reply, script: Script | None = None, at: Address | None = None,
        requests: Journal[Request] | None = None,
    ) -> Backend:  # fmt: skip
        """Start an HTTP backend that gives *replies* in turn, or runs *script*."""
        place = at or ("127.0.0.1", self.port())
        return self._stack.enter_context(Backend(script or answers(*replies), place, requests))

    def uwsgi(
        self, *replies: Reply, script: Script | None = None, at: Address | None = None,
        requests: Journal[Request] | None = None,
    ) -> UwsgiBackend:  # fmt: skip
        """Start a uwsgi backend likewise; unlike uWSGI it closes only if the reply does."""
        place = at or ("127.0.0.1", self.port())
        return self._stack.enter_context(UwsgiBackend(script or answers(*replies), place, requests))

    def node(
        self, name: str, kind: Kind = "socket", *options: str, at: Address | None = None, delay: float = 0
    ) -> Node:
        """Start a real uWSGI node."""
        node = Node(name, at or ("127.0.0.1", self.port()), kind, delay, *options)
        self._stack.callback(node.close)
        return node

    def text(self, conf: str, **names: object) -> str:
        """Return *conf* with its placeholders filled."""
        listen = f"{self.listen[0]}:{self.listen[1]}"
        return fill(conf, {"listen": listen, "port": self.listen[1], "dir": self.directory, **names})

    def lbproxy(self, conf: str, /, *words: str, **names: object) -> Lbproxy:
        """Start lbproxy with *conf* and more command-line *words*, and wait until it serves."""
        return self.start(self.text(conf, **names), *words)

    def start(self, text: str, *words: str, name: str = "site.conf") -> Lbproxy:
        """Start lbproxy likewise with a complete *text* in a file of this *name*."""
        return self._stack.enter_context(Lbproxy(self._room(), text, self.listen, *words, name=name))

    def nginx(self, conf: str, /, **names: object) -> Nginx:
        """Start nginx with *conf* as its http block."""
        return self._stack.enter_context(Nginx(self._room(), self.text(conf, **names)))

    def close(self) -> None:
        """Stop and close everything."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
