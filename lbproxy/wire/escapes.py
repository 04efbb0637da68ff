"""Octets as they stand in strings of other languages."""

from __future__ import annotations

import re

_IN_JSON = re.compile(rb'[\x00-\x1f"\\]')
_JSON_SHORT = {
    b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t", b"\b": b"\\b", b"\f": b"\\f", b'"': b'\\"', b"\\": b"\\\\",
}  # fmt: skip


def escape_json(text: bytes) -> bytes:
    """Return *text* as it stands between quotes in JSON; nothing is refused (src/core/ngx_string.c:ngx_escape_json)."""
    return _IN_JSON.sub(lambda match: _JSON_SHORT.get(match[0]) or b"\\u%04X" % match[0][0], text)
