"""
How fast octets may go: ``limit_rate``, ``limit_rate_after`` and ``*_limit_rate``.

nginx's arithmetic (ngx_http_write_filter_module.c:ngx_http_write_filter, ngx_event_pipe.c:
ngx_event_pipe_read_upstream): so much as the rate allows for the time since the beginning and one second more, and
behind each portion a pause of the time that it stands for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.parser import Argument
from lbproxy.config.settings import EVERY_LEVEL, Context, setting
from lbproxy.config.values import size
from lbproxy.errors import InvalidValue, Position, Source
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable

SizeOf = Callable[[Exchange], int]
"""Octets, or octets per second, for a request; 0: no limit."""

_NOWHERE = Position(Source(""), 0, 0)
_MOMENT = 0.001  # seconds that a pause is longer than it must be, so that at its end something may go


def size_template(arg: Argument) -> Template:
    """Parse a size that may have variables."""
    template = Template.parse(arg)
    if template.constant is not None:
        size(arg)
    return template


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PaceSettings:
    """
    How fast answers go to clients.

    Args:
        limit_rate: Octets per second.
        limit_rate_after: Octets of each answer that go without a limit first.
    """

    limit_rate: Template | None = setting(
        "limit_rate", size_template, None, contexts=EVERY_LEVEL | Context.IF
    )
    limit_rate_after: Template | None = setting(
        "limit_rate_after", size_template, None, contexts=EVERY_LEVEL | Context.IF
    )


class Rates(NamedTuple):
    """What is configured of the answers of one location: octets per second, and octets that go before."""

    rate: SizeOf
    after: SizeOf


def compile_rates(settings: PaceSettings, table: VariableTable) -> Rates | None:
    """Return the rates of *settings*, None if there is no limit; raises InvalidValue for unknown variables."""
    if settings.limit_rate is None and settings.limit_rate_after is None:
        return None
    return Rates(compile_size(settings.limit_rate, table), compile_size(settings.limit_rate_after, table))


def compile_size(template: Template | None, table: VariableTable) -> SizeOf:
    """Return what makes the size of *template*, 0 where it is none; raises InvalidValue for unknown variables."""
    constant = b"0" if template is None else template.constant
    if template is None or constant is not None:
        fixed = parse_size(constant or b"") or 0
        return lambda _: fixed
    value_of = template.bind(table)
    return lambda ex: parse_size(value_of(ex)) or 0


def parse_size(text: bytes) -> int | None:
    """Return the octets that *text* names, as ``10k``; None if it names none."""
    try:
        return size(Argument(text.decode("ascii"), _NOWHERE))
    except (InvalidValue, UnicodeDecodeError):
        return None


class Pace:
    """
    One transfer at a limited rate.

    Args:
        rate: Octets per second.
        free: How far the count of octets may go before the rate counts: they are counted from anywhere.
        started: When the transfer began; seconds.
    """

    __slots__ = ("_due", "_free", "_rate", "_started")

    def __init__(self, rate: int, free: int, started: float) -> None:
        self._rate, self._free, self._started = rate, free, started
        self._due = started

    def room(self, passed: int, now: float) -> int:
        """Return how many octets may go at *now*, *passed* having gone; 0: none before `pause` is over."""
        if now < self._due:
            return 0
        room = int(self._rate * (now - self._started + 1)) - (passed - self._free)
        if room <= 0:
            self._due = now - room / self._rate + _MOMENT
        return max(room, 0)

    def passed(self, before: int, after: int, now: float) -> None:
        """Note that the count has gone from *before* to *after*."""
        self._due = now + (max(after, self._free) - max(before, self._free)) / self._rate

    def pause(self, now: float) -> float:
        """Return the seconds in which nothing may go; 0.0: something may."""
        return max(self._due - now, 0.0)
