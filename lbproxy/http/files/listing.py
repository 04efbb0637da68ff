"""
The contents of a directory as a page, or as data: ``autoindex``.

As src/http/modules/ngx_http_autoindex_module.c writes them, octet by octet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from lbproxy.wire.dates import MONTHS, http_date
from lbproxy.wire.escapes import escape_json

_NAME_WIDTH = 50
_IN_PATH = re.compile(rb"[^A-Za-z0-9._~-]")
_IN_HTML = {ord("<"): "&lt;", ord(">"): "&gt;", ord("&"): "&amp;", ord('"'): "&quot;"}
_CALLBACK = re.compile(rb"[A-Za-z0-9_.]{0,128}")

CONTENT_TYPES: Mapping[str, bytes] = {
    "html": b"text/html", "json": b"application/json", "jsonp": b"application/javascript", "xml": b"text/xml",
}  # fmt: skip


class Entry(NamedTuple):
    """
    One thing in a directory.

    Args:
        kind: ``directory``, ``file`` or ``other``.
        modified: Seconds since 1970.
        size: In octets.
    """

    name: bytes
    kind: str
    modified: int
    size: int


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return *entries* by name, directories first."""
    return sorted(entries, key=lambda entry: (entry.kind != "directory", entry.name))


def html(uri: bytes, entries: Iterable[Entry], *, exact_size: bool, offset: int, utf8: bool) -> bytes:
    """
    Return the page.

    Args:
        uri: The directory's, decoded.
        exact_size: Show octets, rather than K, M and G.
        offset: Seconds by which the times shown are ahead of UTC.
        utf8: The page is said to be UTF-8, so that widths are those of characters.
    """
    title = _escape_html(uri)
    lines = [_line(entry, exact_size, offset, utf8) for entry in entries]
    return b"".join((
        b"<html>\r\n<head><title>Index of ", title, b"</title></head>\r\n<body>\r\n<h1>Index of ", title,
        b'</h1><hr><pre><a href="../">../</a>\r\n', *lines, b"</pre><hr></body>\r\n</html>\r\n",
    ))  # fmt: skip


def _line(entry: Entry, exact_size: bool, offset: int, utf8: bool) -> bytes:
    slash = b"/" if entry.kind == "directory" else b""
    href = _IN_PATH.sub(lambda match: b"%%%02X" % match[0][0], entry.name)
    shown, width = _cut(entry.name, utf8)
    if slash and width < _NAME_WIDTH:
        shown, width = shown + slash, width + 1
    from datetime import UTC, datetime  # noqa: PLC0415 - 5 ms, which -t need not wait for

    at = datetime.fromtimestamp(entry.modified + offset, UTC)
    time = f"{at:%d}-{MONTHS[at.month - 1]}-{at.year} {at:%H:%M}".encode()
    blanks = b" " * (_NAME_WIDTH - width)
    return b'<a href="%b%b">%b</a>%b %b %b\r\n' % (href, slash, shown, blanks, time, _size(entry, exact_size))


def _cut(name: bytes, utf8: bool) -> tuple[bytes, int]:
    """Return *name* for the page, cut if it is too wide, and how wide it is then."""
    text = name.decode("latin-1")
    if utf8:
        try:
            text = name.decode()
        except UnicodeDecodeError:
            utf8 = False
    width = len(text)
    if width > _NAME_WIDTH:
        text, width = text[: _NAME_WIDTH - 3] + "..>", _NAME_WIDTH
    return text.translate(_IN_HTML).encode("utf-8" if utf8 else "latin-1"), width


def _size(entry: Entry, exact: bool) -> bytes:
    """Return the size, in 19 columns if it is exact, else in 7."""
    if entry.kind == "directory":
        return (b"%19s" if exact else b"%7s") % b"-"
    if exact:
        return b"%19d" % entry.size
    size = entry.size
    for unit, least, letter in ((1 << 30, 1 << 30, b"G"), (1 << 20, 1 << 20, b"M"), (1 << 10, 10000, b"K")):
        if size >= least:
            return b"%6d%b" % (size // unit + (size % unit >= unit // 2), letter)
    return b" %6d" % size


def _escape_html(text: bytes) -> bytes:
    return text.decode("latin-1").translate(_IN_HTML).encode("latin-1")


def json(entries: Iterable[Entry], callback: bytes = b"") -> bytes:
    """Return the entries as JSON, or as a script that calls *callback* with them."""
    lines = []
    for entry in entries:
        size = b', "size":%d' % entry.size if entry.kind == "file" else b""
        lines.append(b'\r\n{ "name":"%b", "type":"%b", "mtime":"%b"%b }' % (
            escape_json(entry.name), entry.kind.encode(), http_date(entry.modified), size))  # fmt: skip
    body = b"[" + b",".join(lines) + b"\r\n]"
    return b"/* callback */\r\n%b(%b);" % (callback, body) if callback else body


def is_callback(name: bytes) -> bool:
    """Return whether *name* may be called in a script."""
    return _CALLBACK.fullmatch(name) is not None


def xml(entries: Iterable[Entry]) -> bytes:
    """Return the entries as XML."""
    from datetime import UTC, datetime  # noqa: PLC0415 - as above

    lines = []
    for entry in entries:
        at = datetime.fromtimestamp(entry.modified, UTC)
        size = b' size="%d"' % entry.size if entry.kind == "file" else b""
        kind, name = entry.kind.encode(), _escape_html(entry.name)
        lines.append(b'<%b mtime="%b"%b>%b</%b>\r\n' % (kind, f"{at:%Y-%m-%dT%H:%M:%SZ}".encode(), size, name, kind))
    return b'<?xml version="1.0"?>\r\n<list>\r\n' + b"".join(lines) + b"</list>\r\n"
