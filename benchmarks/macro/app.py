"""The WSGI application behind the uwsgi benchmarks: as little work as an answer can be."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from typing import Any

BODY = os.environ.get("NODE", "node").ljust(59).encode() + b"\n"  # 60 octets, as the HTTP backend sends
FIELDS = [("Content-Type", "text/plain"), ("Content-Length", str(len(BODY)))]


def application(_environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer 200 with 60 octets (PEP 3333)."""
    start_response("200 OK", FIELDS)
    return [BODY]
