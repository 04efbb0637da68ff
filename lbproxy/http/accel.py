"""
What servers tell the proxy in ``X-Accel-*`` fields: where to go on, and what of their answer is kept on the way.

As ngx_http_upstream.c:ngx_http_upstream_process_headers and ngx_http_parse.c:ngx_http_parse_unsafe_uri.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lbproxy.errors import MalformedMessage
from lbproxy.wire import fields, uri
from lbproxy.wire.heads import ResponseHead

_KEPT = frozenset({
    b"content-type", b"set-cookie", b"content-disposition", b"cache-control", b"expires", b"accept-ranges",
})  # fmt: skip
_ANY = re.compile(rb"(?:\A|\n)x-accel-", re.IGNORECASE)
_TYPE = fields.finder(b"content-type")
_BARE_TYPE = fields.finder(b"content-type", rb"[^\r;]++")
_CLIMBS = re.compile(rb"(?:\A|/)\.\.(?:/|\Z)|\0")

_without_type = fields.removal([b"content-type"])


class Orders(NamedTuple):
    """
    What an answer orders the proxy to do.

    Args:
        redirect: Where to go on; None without that.
        limit_rate: Octets per second; None without that.
        charset: b"" for none.
    """

    redirect: bytes | None
    limit_rate: int | None
    charset: bytes


def orders(head: ResponseHead) -> Orders | None:
    """Return what *head* orders; None, as nearly always, if it has none of these fields."""
    if not _ANY.search(head.block):
        return None
    rate = head.get(b"x-accel-limit-rate") or b""
    return Orders(
        head.get(b"x-accel-redirect"), int(rate) if rate.isdigit() else None, head.get(b"x-accel-charset") or b""
    )


def with_charset(block: bytes, charset: bytes) -> bytes:
    """Return *block* with the *charset* that a server orders, if any, unless its Content-Type names one already."""
    if not charset:
        return block
    return _BARE_TYPE.sub(lambda match: b"%b; charset=%b" % (match[0], charset), block, count=1)


def surviving(head: ResponseHead) -> bytes:
    """Return those fields of *head* that an ``X-Accel-Redirect`` beside them leaves to the client's answer."""
    return b"".join(fields.line(name, value) for name, value in head.fields() if name in _KEPT)


def merge_into_own(carried: bytes, block: bytes) -> bytes:
    """Return the block of an answer made here with what is *carried* from a server's, whose Content-Type counts."""
    return carried + (_without_type(block) if _TYPE.search(carried) else block)


def merge_into_reply(carried: bytes, block: bytes) -> bytes:
    """Return a server's *block* with what is *carried* from another's; its own Content-Type counts, if it has one."""
    return (_without_type(carried) if _TYPE.search(block) else carried) + block


def place_of(value: bytes) -> tuple[bytes, bytes | None]:
    """
    Return the decoded path and the arguments that ``X-Accel-Redirect`` names.

    Raises:
        MalformedMessage: There is no path, or it climbs.
    """
    path, mark, args = value.partition(b"?")
    decoded = uri.unescape(path)
    if not path or _CLIMBS.search(path) or _CLIMBS.search(decoded):
        raise MalformedMessage("unsafe URI", status=404)
    return decoded, args if mark else None
