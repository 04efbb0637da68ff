"""
The WSGI application of the uWSGI nodes in tests.

It answers by the last segment of the path; any other path gets the node's name, which is NODE in the environment.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterable
from typing import Any

Environ = dict[str, Any]
StartResponse = Callable[[str, list[tuple[str, str]]], object]

NAME = os.environ.get("NODE", "node")
DELAY = float(os.environ.get("DELAY", "0"))  # seconds each answer takes, for tests of what measures time


def name(_environ: Environ) -> bytes:
    """The node's name."""
    return NAME.encode()


def environ(environ: Environ) -> bytes:
    """The request's variables as JSON, and the SHA-256 and length of its body."""
    body = environ["wsgi.input"].read()
    texts = {key: value for key, value in environ.items() if isinstance(value, str)}
    return json.dumps({**texts, "node": NAME, "body": len(body), "sha256": hashlib.sha256(body).hexdigest()}).encode()


def echo(environ: Environ) -> bytes:
    """The request's body."""
    body: bytes = environ["wsgi.input"].read()
    return body


def large(environ: Environ) -> bytes:
    """As many octets as the query string says."""
    return bytes(range(256)) * (int(environ["QUERY_STRING"]) // 256)


PAGES: dict[str, Callable[[Environ], bytes]] = {"environ": environ, "echo": echo, "large": large}


def chunks() -> Iterable[bytes]:
    """A body that the application framed itself: "one", "two"."""
    yield b"3\r\none\r\n"
    yield b"3\r\ntwo\r\n0\r\n\r\n"


def application(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Serve one request (PEP 3333)."""
    if DELAY:
        threading.Event().wait(DELAY)
    page = environ.get("PATH_INFO", "").rpartition("/")[2]
    if page == "chunks":
        start_response("200 OK", [("Content-Type", "text/plain"), ("Transfer-Encoding", "chunked")])
        return chunks()
    if page.startswith("status-"):
        start_response(f"{page[7:]} Told", [("Content-Type", "text/plain")])
        return [NAME.encode()]
    body = PAGES.get(page, name)(environ)
    fields = [("Content-Type", "text/plain"), ("X-Node", NAME)]
    if environ.get("QUERY_STRING") != "unsized":
        fields.append(("Content-Length", str(len(body))))
    start_response("200 OK", fields)
    return [body]
