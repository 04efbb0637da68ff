"""
``expires``: how long clients may keep an answer, said by Expires and Cache-Control.

As src/http/modules/ngx_http_headers_filter_module.c:ngx_http_set_expires; what a server said gives way.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.octets import text_of
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting_args
from lbproxy.config.values import Misfit, seconds
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import FieldFilter
from lbproxy.http.headers import SAFE_STATUSES
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire import fields
from lbproxy.wire.dates import http_date, parse_date
from lbproxy.wire.fields import finder

_DAY = 86400
_FOR_EVER = b"Expires: Thu, 31 Dec 2037 23:55:55 GMT\r\nCache-Control: max-age=315360000\r\n"
_LONG_AGO = b"Expires: Thu, 01 Jan 1970 00:00:01 GMT\r\nCache-Control: no-cache\r\n"
_LAST_MODIFIED = finder(b"last-modified")


class Since(enum.Enum):
    """What a lifetime counts from."""

    ACCESS = enum.auto()
    MODIFIED = enum.auto()
    MIDNIGHT = enum.auto()


class Lifetime(NamedTuple):
    """
    When an answer expires.

    Args:
        since: MIDNIGHT: at that time of (the next) day, local time.
        seconds: May be negative: it has expired already.
    """

    since: Since
    seconds: int


Period = Lifetime | bytes
"""A lifetime, or the two fields as they are to be sent: b"" for ``off``."""

_NAMED: dict[str, bytes] = {"off": b"", "epoch": _LONG_AGO, "max": _FOR_EVER}


class Expiry(NamedTuple):
    """One ``expires``: its period, or the template of one, which variables decide."""

    period: Period
    template: Template | None = None
    modified: bool = False


def parse_period(arg: Argument, *, modified: bool = False) -> Period:
    """
    Return what one argument says: ``off``, ``epoch``, ``max``, ``[+|-]time`` or ``@time``.

    Raises:
        Misfit: It is none of them.
    """
    text = arg.text
    if not modified and text in _NAMED:
        return _NAMED[text]
    sign, rest = (text[:1], text[1:]) if text[:1] in {"@", "+", "-"} else ("", text)
    if sign == "@" and modified:
        raise Misfit('"{directive}" directive daily time cannot be used with "modified" parameter', arg)
    count = int(seconds(Argument(rest, arg.position)))
    if sign == "@":
        if count > _DAY:
            raise Misfit('"{directive}" directive daily time value must be less than 24 hours', arg)
        return Lifetime(Since.MIDNIGHT, count)
    return Lifetime(Since.MODIFIED if modified else Since.ACCESS, -count if sign == "-" else count)


def _parse_expires(directive: Directive) -> Expiry:
    """Parse ``expires [modified] time``."""
    *rest, last = directive.args
    if rest and rest[0].text != "modified":
        raise Misfit('invalid value "{value}"', rest[0], "only modified may stand in front of the time")
    template = Template.parse(last)
    if template.constant is None:
        return Expiry(b"", template, bool(rest))
    return Expiry(parse_period(last, modified=bool(rest)))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ExpiresSettings:
    """How long answers are fresh."""

    expires: Expiry = setting_args(
        "expires", _parse_expires, Expiry(b""), arity=(1, 2), contexts=EVERY_LEVEL | Context.IF
    )


def compile_expires(settings: ExpiresSettings, table: VariableTable) -> FieldFilter | None:
    """
    Return what says when an answer expires; None for ``off``.

    Raises:
        InvalidValue: An unknown variable.
    """
    expiry = settings.expires
    if expiry.template is None and expiry.period == b"":
        return None
    period_of = _compile_period(expiry, table)
    remove = fields.removal([b"expires", b"cache-control"])

    def apply(ex: Exchange, block: bytes) -> bytes:
        if ex.status not in SAFE_STATUSES:
            return block
        period = period_of(ex)
        if isinstance(period, Lifetime):
            period = _lines(period, ex.logged_at, block)
        return remove(block) + period if period else block

    return apply


def _compile_period(expiry: Expiry, table: VariableTable) -> Callable[[Exchange], Period]:
    if expiry.template is None:
        return lambda _: expiry.period
    text = expiry.template.bind(table)
    place = expiry.template.position

    def evaluate(ex: Exchange) -> Period:
        try:
            return parse_period(Argument(text_of(text(ex)), place), modified=expiry.modified)
        except InvalidValue:
            return b""  # as nginx: nothing is said

    return evaluate


def _lines(period: Lifetime, now: float, block: bytes) -> bytes:
    """Return the two fields of an answer made at *now*, seconds since 1970 (UTC)."""
    since, count = period
    if count == 0 and since is not Since.MIDNIGHT:
        return b"Expires: %b\r\nCache-Control: max-age=0\r\n" % http_date(now)
    age = count
    if since is Since.MIDNIGHT:
        age = _until(count, int(now))
    elif since is Since.MODIFIED:
        match = _LAST_MODIFIED.search(block)
        modified = parse_date(match[1].strip()) if match else None
        if modified is not None:
            age = modified + count - int(now)
    control = b"no-cache" if age < 0 or count < 0 else b"max-age=%d" % age
    return b"Expires: %b\r\nCache-Control: %b\r\n" % (http_date(int(now) + age), control)


def _until(time_of_day: int, now: int) -> int:
    """Return the seconds until it is *time_of_day* (seconds since midnight, local time) again (ngx_next_time)."""
    from datetime import datetime, timedelta  # noqa: PLC0415 - 5 ms, which -t need not wait for

    today = datetime.fromtimestamp(now).replace(hour=0, minute=0, second=0, microsecond=0)
    at = today + timedelta(seconds=time_of_day)
    if at.timestamp() <= now:
        at += timedelta(days=1)
    return int(at.timestamp()) - now
