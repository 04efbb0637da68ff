"""The application of the demo: one WSGI callable, no framework, that says which node answered."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

NODE = os.environ.get("NODE", "unnamed")


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer any request with the node's name, the request line and the client's address (PEP 3333)."""
    client = environ.get("HTTP_X_REAL_IP") or environ.get("REMOTE_ADDR", "?")
    body = f"node {NODE}: {environ['REQUEST_METHOD']} {environ['PATH_INFO']} for {client}\n".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
