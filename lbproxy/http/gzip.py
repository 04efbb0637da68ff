"""
``gzip``: answers compressed on their way out.

Which ones is decided as in src/http/modules/ngx_http_gzip_filter_module.c:ngx_http_gzip_header_filter and
src/http/ngx_http_core_module.c:ngx_http_gzip_ok.  What comes in pieces of unknown number is flushed with each
piece: nothing is held back in the hope of more.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.settings import EVERY_LEVEL, Context, setting, setting_args
from lbproxy.config.values import Misfit, flag, number_between, size
from lbproxy.http.browsers import MSIE6
from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import BodyFilterFactory, Filtered
from lbproxy.wire import fields
from lbproxy.wire.dates import parse_date

PROXIED = ("off", "expired", "no-cache", "no-store", "private", "no_last_modified", "no_etag", "auth", "any")
"""What ``gzip_proxied`` knows: which answers to requests with a Via field are compressed."""

_STATUSES = frozenset({200, 403, 404})
_WITH_HEADER = 31  # zlib: a window of 32 KiB, and gzip's header and trailer around it
_ACCEPTS = re.compile(rb"(?i)(?:^|[, \t])gzip[ \t]*(?:;[ \t]*q=([0-9.]*)[ \t]*)?(?:,|$)")
_FIELD = re.compile(
    rb"(?i)(?:^|(?<=\n))(content-type|content-encoding|cache-control|expires|date|last-modified|etag):[ \t]*+([^\r]*)\r"
)
_STRONG_TAG = re.compile(rb'(?i)(?:^|(?<=\n))(etag:[ \t]*+)(?=")')


def _types(directive: Directive) -> frozenset[bytes]:
    return frozenset({b"text/html", *(octets(text.lower()) for text in directive.texts)})


def _proxied(directive: Directive) -> frozenset[str]:
    for arg in directive.args:
        if arg.text not in PROXIED:
            raise Misfit('invalid value "{value}"', arg, f"it must be one of {', '.join(PROXIED)}")
    return frozenset(directive.texts)


def _disable(directive: Directive) -> tuple[re.Pattern[bytes], ...]:
    return tuple(
        MSIE6 if arg.text == "msie6" else compile_regex(arg, arg.text, nocase=True) for arg in directive.args
    )


def _version(arg: Argument) -> int:
    if arg.text not in ("1.0", "1.1"):
        raise Misfit('invalid value "{value}"', arg, "it must be 1.0 or 1.1")
    return int(arg.text.replace(".", ""))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GzipSettings:
    """
    Which answers are compressed, and how much.

    Args:
        types: Media types; ``*`` stands for all.
        min_length: Octets; shorter answers are left alone, if their length is known.
        level: 1 (fast) to 9 (small).
        http_version: The lowest that a request may have: 10 or 11.
        disable: User agents that get nothing compressed.
    """

    enabled: bool = setting("gzip", flag, False, contexts=EVERY_LEVEL | Context.IF)
    types: frozenset[bytes] = setting_args("gzip_types", _types, frozenset({b"text/html"}))
    min_length: int = setting("gzip_min_length", size, 20)
    level: int = setting("gzip_comp_level", number_between(1, 9), 1)
    vary: bool = setting("gzip_vary", flag, False)
    proxied: frozenset[str] = setting_args("gzip_proxied", _proxied, frozenset({"off"}))
    http_version: int = setting("gzip_http_version", _version, 11)
    disable: tuple[re.Pattern[bytes], ...] = setting_args("gzip_disable", _disable, ())


class _Compressor:
    """
    Compresses one body.

    Args:
        at_once: Each piece is to be readable as soon as it has arrived.
    """

    __slots__ = ("_at_once", "_stream")

    def __init__(self, level: int, *, at_once: bool) -> None:
        self._stream = zlib.compressobj(level, zlib.DEFLATED, _WITH_HEADER)
        self._at_once = at_once

    def feed(self, data: bytes) -> bytes:
        """Return what can be sent once *data* is known."""
        packed = self._stream.compress(data)
        return packed + self._stream.flush(zlib.Z_SYNC_FLUSH) if self._at_once else packed

    def end(self) -> bytes:
        """Return the rest."""
        return self._stream.flush()


def compile_gzip(settings: GzipSettings) -> BodyFilterFactory | None:
    """Return what compresses answers; None for ``gzip off``."""
    if not settings.enabled:
        return None
    suits = _compile_suits(settings)
    vary = b"Vary: Accept-Encoding\r\n" if settings.vary else b""

    def choose(ex: Exchange, block: bytes, length: int | None) -> Filtered | None:
        if ex.status not in _STATUSES or (length is not None and length < settings.min_length):
            return None
        said = _said(block)
        if not suits(said):
            return None
        block += vary
        if not accepts_gzip(ex, settings, said):
            return Filtered(block, None)
        block = _STRONG_TAG.sub(rb"\1W/", _without_ranges(block)) + b"Content-Encoding: gzip\r\n"
        return Filtered(block, _Compressor(settings.level, at_once=length is None))

    return choose


_without_ranges = fields.removal([b"accept-ranges"])


def _said(block: bytes) -> dict[bytes, bytes]:
    """Return what an answer's fields say, as far as it matters here; repeated ones joined."""
    said: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(block):
        lowered = name.lower()
        said[lowered] = said[lowered] + b", " + value if lowered in said else value
    return said


def _compile_suits(settings: GzipSettings) -> Callable[[dict[bytes, bytes]], bool]:
    """Return what tells from an answer's fields whether it is one to compress."""
    everything = b"*" in settings.types

    def suits(said: dict[bytes, bytes]) -> bool:
        if said.get(b"content-encoding"):
            return False
        media_type = said.get(b"content-type", b"").partition(b";")[0].rstrip().lower()
        return everything or media_type in settings.types

    return suits


def accepts_gzip(ex: Exchange, settings: GzipSettings, said: dict[bytes, bytes]) -> bool:
    """Tell whether the client of *ex* wants answers compressed (RFC 9110 section 12.5.3), and may have them so."""
    accepted = ex.head.get(b"accept-encoding")
    if accepted is None or ex.head.version < settings.http_version:
        return False
    match = _ACCEPTS.search(accepted)
    if match is None or (match[1] is not None and not match[1].strip(b"0.")):
        return False
    if ex.head.get(b"via") is not None and not _allowed_for_proxies(ex, settings.proxied, said):
        return False
    agent = ex.head.get(b"user-agent")
    return agent is None or not any(regex.search(agent) for regex in settings.disable)


def _allowed_for_proxies(ex: Exchange, flags: frozenset[str], said: dict[bytes, bytes]) -> bool:
    """Tell whether an answer that passes another proxy may be compressed (``gzip_proxied``)."""
    if "off" in flags:
        return False
    if "any" in flags or ("auth" in flags and ex.head.get(b"authorization") is not None):
        return True
    expires = said.get(b"expires")
    if expires is not None:
        at, date = parse_date(expires), parse_date(said.get(b"date", b""))
        return "expired" in flags and at is not None and at < (ex.logged_at if date is None else date)
    control = said.get(b"cache-control")
    if control is not None:
        words = {word.strip().lower().decode("latin-1") for word in control.split(b",")}
        return bool(words & flags & {"no-cache", "no-store", "private"})
    if "no_last_modified" in flags and b"last-modified" in said:
        return False
    return not ("no_etag" in flags and b"etag" in said)
