"""
The grammar of message heads as fragments of regular expressions, and where a head ends.

RFC 9110 section 5 and RFC 9112 sections 2-5, narrowed: no control character but HTAB in a value (section 5.5
of RFC 9110 lets a recipient refuse them), and no line folding.  All quantifiers over octets are possessive,
so that matching is linear whatever arrives.
"""

from __future__ import annotations

import re

OWS = b" \t"

# RFC 9110 5.6.2: token = 1*tchar
TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
# What nginx takes for a field name unless told otherwise (underscores_in_headers, ignore_invalid_headers).
PLAIN_NAME = rb"[0-9A-Za-z-]++"
UNDERSCORE_NAME = rb"[0-9A-Za-z_-]++"
# RFC 9110 5.5: field-value = *( field-vchar / SP / HTAB ), obs-text included
VALUE = rb"[\t\x20-\x7e\x80-\xff]*+"
# nginx (ngx_http_parse_request_line): methods are upper case, which keeps "get" and binary rubbish apart
# early.
METHOD = rb"[A-Z][A-Z_-]*+"
# RFC 9112 3.2: request-target has no whitespace; raw 8-bit octets are no part of a URI (RFC 3986)
TARGET = rb"[\x21-\x7e]++"

MAX_BLANK = 64  # octets of blank lines tolerated before a request (RFC 9112 2.2 asks for at least one line)

_BLANK_LINES = re.compile(rb"(?:\r?\n)*+")
_END = re.compile(rb"\n\r?\n")
_TOKEN = re.compile(TOKEN)


def is_token(text: bytes) -> bool:
    """Say whether *text* is a token, as methods and names of fields are (RFC 9110 section 5.6.2)."""
    return _TOKEN.fullmatch(text) is not None


def field_lines(name: bytes) -> bytes:
    """Return the expression for any number of field lines whose names match *name*, CRLF included."""
    return rb"(?:" + name + rb":" + VALUE + rb"\r\n)*+"


def blank_lines(buf: bytes) -> int:
    """Return how many octets of blank lines *buf* begins with, looking no further than `MAX_BLANK` + 2."""
    match = _BLANK_LINES.match(buf, 0, MAX_BLANK + 2)
    return match.end() if match else 0


def head_end(buf: bytes, start: int, searched: int) -> int:
    """
    Return the index behind the empty line that ends the head, -1 while there is none.

    Args:
        buf: What has been received.
        start: Where the head begins, behind leading blank lines.
        searched: Octets of *buf* known not to hold the end.
    """
    match = _END.search(buf, max(start, searched - 2))
    return match.end() if match else -1


def split_lines(head: bytes) -> list[bytes]:
    """
    Return the lines of *head*, which ends in an empty one, without their ends and without the empty one.

    LF alone ends a line as CRLF does (RFC 9112 2.2); a CR anywhere else stays and is for the caller to
    refuse.
    """
    return [line.removesuffix(b"\r") for line in head.split(b"\n")[:-2]]
