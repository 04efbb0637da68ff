"""The WSGI application of the soak: small answers, large ones, and what was uploaded, as its length and checksum."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any

SMALL = b"small".ljust(60, b".")
LARGE = bytes(range(256)) * 4096  # 1 MiB


def application(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """Answer 200 (PEP 3333)."""
    if environ["REQUEST_METHOD"] == "PUT":
        body = receipt(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    else:
        body = LARGE if environ["PATH_INFO"] == "/large" else SMALL
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


def receipt(data: bytes) -> bytes:
    """Return what whoever uploads *data* is to be told."""
    return b"%d %08x" % (len(data), zlib.crc32(data))
