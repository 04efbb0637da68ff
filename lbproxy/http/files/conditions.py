"""
Requests with conditions (RFC 9110 section 13): is the file still the one that the client knows?

As src/http/modules/ngx_http_not_modified_filter_module.c, which lets a file count as unchanged only if every condition
of the request says so; If-Range as ngx_http_range_filter_module.c.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from lbproxy.wire.dates import http_date, parse_date
from lbproxy.wire.heads import RequestHead


class Validators(NamedTuple):
    """
    What tells one version of a file from another.

    Args:
        modified: Seconds since 1970.
        etag: With its quotes; b"" if there is none.
        lines: Both as fields.
        etag_line: That of *etag* alone: what an error page says of itself.
    """

    modified: int
    etag: bytes
    lines: bytes
    etag_line: bytes


@lru_cache(maxsize=1024)
def validators(modified: int, size: int, etag: bool) -> Validators:
    """Return those of a file of *size* octets; the ETag as ngx_http_core_module.c:ngx_http_set_etag makes it."""
    tag = b'"%x-%x"' % (modified, size) if etag else b""
    line = b"ETag: %b\r\n" % tag if etag else b""
    return Validators(modified, tag, b"Last-Modified: %b\r\n%b" % (http_date(modified), line), line)


class Conditions(NamedTuple):
    """The fields of a request that may change what it gets of a file; each None if it is not there."""

    if_match: bytes | None
    if_unmodified_since: bytes | None
    if_none_match: bytes | None
    if_modified_since: bytes | None
    range: bytes | None
    if_range: bytes | None

    def status(self, known: Validators, rule: str) -> int:
        """
        Return what to answer instead of the file: 412, 304, or 0: nothing but the file.

        Args:
            rule: As ``if_modified_since``: off, exact or before.
        """
        if self.if_unmodified_since is not None:
            since = parse_date(self.if_unmodified_since)
            if since is None or since < known.modified:
                return 412
        if self.if_match is not None and not _matches(self.if_match, known.etag, weak=False):
            return 412
        if self.if_modified_since is None and self.if_none_match is None:
            return 0
        if self.if_modified_since is not None and _is_modified(self.if_modified_since, known.modified, rule):
            return 0
        if self.if_none_match is not None and not _matches(self.if_none_match, known.etag, weak=True):
            return 0
        return 304

    def wanted_range(self, known: Validators) -> bytes | None:
        """Return the Range field, unless If-Range says that it was meant for another version."""
        wanted = self.if_range
        if wanted is None or self.range is None:
            return self.range
        if len(wanted) >= 2 and wanted.endswith(b'"'):
            return self.range if wanted == known.etag else None
        return self.range if parse_date(wanted) == known.modified else None


_NAMES = {name.encode(): name.replace("-", "_") for name in (
    "if-match", "if-unmodified-since", "if-none-match", "if-modified-since", "range", "if-range")}  # fmt: skip


def conditions(head: RequestHead) -> Conditions | None:
    """Return the conditions of a request, None if it has none; for `Head.derive`."""
    found = {_NAMES[name]: value for name, value in head.fields() if name in _NAMES}
    return Conditions(**{field: found.get(field) for field in Conditions._fields}) if found else None


def _is_modified(since: bytes, modified: int, rule: str) -> bool:
    if rule == "off":
        return True
    known = parse_date(since)
    if known == modified:
        return False
    return rule == "exact" or known is None or known < modified


_TAG = re.compile(rb"[ \t,]*(?:(W/)?(\"[^\"]*\")|[^,]*)[ \t]*(?=,|\Z)")


def _matches(value: bytes, etag: bytes, *, weak: bool) -> bool:
    """Return whether *etag* is in the list *value*, which may be ``*``; with *weak*, weak tags count as strong ones."""
    if value == b"*":
        return True
    if not etag:
        return False
    return any(match[2] == etag and (weak or not match[1]) for match in _TAG.finditer(value))
