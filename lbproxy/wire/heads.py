"""
What a message's head says: `RequestHead` and `ResponseHead`, made by the parsers in requests, responses and uwsgi.

The start line is parsed, the framing decided, the field block validated and kept as octets; the list of
fields is made when somebody asks for it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, Self, TypeVar

from lbproxy.errors import MalformedMessage
from lbproxy.wire import uri
from lbproxy.wire.body import NO_BODY, Framing
from lbproxy.wire.fields import HOP_BY_HOP, Field, parse_block
from lbproxy.wire.grammar import OWS

REMEMBERED = 2048
"""Octets up to which a head is worth remembering: the same fields come again and again."""
MOST_REMEMBERED = 512
"""Field blocks remembered of each kind, those used last."""

_MEMO_SIZE = 64  # entries: what many locations make of one block is not kept without end

_LISTS = frozenset((b"connection", b"upgrade"))  # of the fields that heads are read by, those that may repeat
# Not names of further fields to remove; Host and Content-Length would change what the message is.
_OPTIONS = HOP_BY_HOP | {b"", b"close", b"host", b"content-length"}


@dataclasses.dataclass(frozen=True, slots=True)
class HeadLimits:
    """
    What a request's head may be; the defaults are nginx's.

    Args:
        line: Octets of the request line with its end; beyond: 414.
        field: Octets of one field line with its end; beyond: 400.
        total: Octets of the whole head; beyond: 400.
        count: Field lines; beyond: 400.
        underscores: Names may contain ``_`` (underscores_in_headers).
        ignore_invalid: Drop fields with other than letters, digits, hyphens in the name (ignore_invalid_headers).

    Attributes:
        harmless: A head of up to this many octets keeps every limit, since the shortest field line has four.
    """

    line: int = 8192
    field: int = 8192
    total: int = 32768
    count: int = 1000
    underscores: bool = False
    ignore_invalid: bool = True
    harmless: int = dataclasses.field(init=False)

    @property
    def names(self) -> tuple[bool, bool]:
        """Which field names pass; only this may differ between the servers of one address."""
        return self.underscores, self.ignore_invalid

    def __post_init__(self) -> None:
        object.__setattr__(self, "harmless", min(self.line, self.field, self.total, 4 * self.count))


Derived = TypeVar("Derived")


class Head:
    """
    The field block of a head and the ways to look into it.

    The block often is the same octets again: one client's fields hardly change from request to request, nor does
    one application's from answer to answer.  So heads of equal blocks share a *memo* of what has been made of
    them, and whoever computes something from nothing but the block can leave it there (see `derive`).
    """

    __slots__ = ("block", "memo")

    block: bytes
    memo: dict[object, Any]  # by what made it

    def derive(self, make: Callable[[Self], Derived]) -> Derived:
        """
        Return what *make* makes of this head, from the memo if it has been asked before.

        Args:
            make: Depends on nothing but the block, and what the block says of the message; its identity is the key.
        """
        memo = self.memo
        if make in memo:
            known: Derived = memo[make]
            return known
        made = make(self)
        if len(memo) < _MEMO_SIZE:
            memo[make] = made
        return made

    def fields(self) -> list[Field]:
        """Return the (lower-case name, value) pairs in order; the list is shared, not to be changed."""
        return self.derive(_parse_fields)

    def get(self, name: bytes) -> bytes | None:
        """Return the first value of *name* (lower case), None where there is none."""
        for found, value in self.fields():
            if found == name:
                return value
        return None

    def get_all(self, name: bytes) -> list[bytes]:
        """Return all values of *name* (lower case) in order."""
        return [value for found, value in self.fields() if found == name]


def _parse_fields(head: Head) -> list[Field]:
    return parse_block(head.block)


class RequestHead(Head):
    """
    A request's head; not to be changed, for equal heads may be one object.

    Attributes:
        line: The request line as received, without its end ($request).
        method, target: As received; the target in origin-form, absolute-form with a valid authority, or ``*``.
        version: 10 or 11.
        block: The field lines that were not dropped, validated, names as received, each ended by CRLF.
        host: The value of the Host field, valid; None only in HTTP/1.0.
        host_name: The name that the target, or else Host, gives: lower case, no port; b"" where neither does.
        raw_path, args: The two parts of the target (see `lbproxy.wire.uri.split`).
        framing: How the body is delimited; `NO_BODY` where no field announces one.
        content_length: The announced length in plain digits, None where there is none.
        keep_alive: The client would use the connection again.
        expect_continue: The client waits for 100 (Continue).
        upgrade: The protocols it would switch to, where Connection names Upgrade; never with h2c among them.
        connection_tokens: Other field names in Connection, lower case; none that is in `HOP_BY_HOP` anyway.
        size: Octets of the head as received, with blank lines before it and its end.
    """

    __slots__ = ("_paths", "args", "connection_tokens", "content_length", "expect_continue", "framing", "host",
                 "host_name", "keep_alive", "line", "method", "raw_path", "size", "target", "upgrade", "version")

    def __init__(self, line: bytes, method: bytes, target: bytes, version: int, block: bytes, *, size: int) -> None:
        self.line, self.method, self.target, self.version = line, method, target, version
        self.block, self.size = block, size
        self.memo = {}
        self.raw_path, self.args = uri.split(target)
        self._paths: dict[bool, bytes] = {}
        self.host: bytes | None = None
        self.host_name = b""
        self.framing: Framing = NO_BODY
        self.content_length: bytes | None = None
        self.expect_continue = False
        self.keep_alive = version == 11
        self.upgrade: bytes | None = None
        self.connection_tokens: tuple[bytes, ...] = ()

    def again(self, line: bytes, method: bytes, target: bytes, size: int) -> RequestHead:
        """Return the head of another request with the same version and fields, whose memo it shares."""
        head = object.__new__(RequestHead)
        head.line, head.method, head.target, head.version, head.size = line, method, target, self.version, size
        head.block, head.memo = self.block, self.memo
        head.raw_path, head.args = uri.split(target)
        head._paths = {}
        named = None if target.startswith(b"/") else uri.authority(target)
        head.host_name = self.host_name if named is None else uri.parse_host(named)
        head.host, head.framing, head.content_length = self.host, self.framing, self.content_length
        head.expect_continue, head.keep_alive = self.expect_continue, self.keep_alive
        head.upgrade, head.connection_tokens = self.upgrade, self.connection_tokens
        return head

    def path(self, merge_slashes: bool) -> bytes:
        """Return the decoded, folded path; raises as `lbproxy.wire.uri.normalise`."""
        path = self._paths.get(merge_slashes)
        if path is None:
            path = self._paths[merge_slashes] = uri.normalise(self.raw_path, merge_slashes)
        return path

    def __repr__(self) -> str:
        return f"<RequestHead {self.line!r} framing={self.framing}>"


class ResponseHead(Head):
    """
    An answer's head; not to be changed, for equal heads may be one object.

    Attributes:
        status: 100-999.
        reason: The phrase as received, perhaps b"".
        version: 10 or 11.
        block: The field lines, validated, names as received, each ended by CRLF.
        framing: How the body is delimited; `NO_BODY` also where method or status rule one out.
        content_length: The announced length in plain digits, also where there is no body to come (HEAD, 304).
        keep_alive: The server would take another request on the connection once this answer is complete.
        upgrade, connection_tokens: As in `RequestHead`.
        size: Octets of the head as received.
    """

    __slots__ = ("connection_tokens", "content_length", "framing", "keep_alive", "reason", "size", "status",
                 "upgrade", "version")

    def __init__(self, status: int, reason: bytes, version: int, block: bytes, size: int) -> None:
        self.status, self.reason, self.version = status, reason, version
        self.block, self.size = block, size
        self.memo = {}
        self.framing: Framing = NO_BODY
        self.content_length: bytes | None = None
        self.keep_alive = version == 11
        self.upgrade: bytes | None = None
        self.connection_tokens: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"<ResponseHead {self.status} framing={self.framing}>"


def by_name(pairs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """
    Return the values of *pairs* by lower-case name, lists joined.

    Raises:
        MalformedMessage: A field that is no list stands there twice.
    """
    found: dict[bytes, bytes] = {}
    for name, value in pairs:
        key, text = name.lower(), value.rstrip(OWS)
        if key not in found:
            found[key] = text
        elif key in _LISTS:
            found[key] += b", " + text
        else:
            raise MalformedMessage(f"repeated field {key.decode()}")
    return found


def framing_fields(found: dict[bytes, bytes]) -> list[tuple[bytes, ...]]:
    """Return the values of Content-Length and those of Transfer-Encoding in *found*, for `lbproxy.wire.body`."""
    return [(found[name],) if name in found else () for name in (b"content-length", b"transfer-encoding")]


def read_connection(head: RequestHead | ResponseHead, value: bytes, upgrade: bytes | None) -> None:
    """
    Set what the Connection field says (RFC 9110 7.6.1, RFC 9112 9.3) in *head*.

    Args:
        head: The head that has these fields.
        value: All Connection values, joined by commas.
        upgrade: All Upgrade values, joined by commas; None where there is none.
    """
    value = value.lower()
    if value == b"keep-alive":
        head.keep_alive = True
        return
    options = [option.strip(OWS) for option in value.split(b",")]
    if b"close" in options:
        head.keep_alive = False
    elif b"keep-alive" in options:
        head.keep_alive = True
    if upgrade and head.version == 11 and b"upgrade" in options and not _offers_h2c(upgrade):
        head.upgrade = upgrade
    head.connection_tokens = tuple(dict.fromkeys(option for option in options if option not in _OPTIONS))


def _offers_h2c(upgrade: bytes) -> bool:
    """Say whether anybody could read an offer of HTTP/2 in clear: its requests would pass the proxy unseen."""
    return b"h2c" in upgrade.lower()
