"""
The directives of `lbproxy.http.limits`: ``limit_req``, ``limit_conn``, and the zones they name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import Context, setting, setting_list
from lbproxy.config.values import Misfit, choice, decimal, flag, number_between, size
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.template import Template

_SMALLEST = 8 * 4096  # octets of a zone: eight pages
_NO_DELAY = 1 << 63  # an excess that no request reaches
_LEVELS = choice("info", "notice", "warn", "error")


class ZoneConf(NamedTuple):
    """
    A ``limit_req_zone`` or ``limit_conn_zone``.

    Args:
        key: What requests are told apart by; *written*: as it was written.
        size: Octets.
        rate: Thousandths of requests per second; 0: it counts connections.
    """

    name: str
    key: Template
    written: str
    size: int
    position: Position
    rate: int = 0


class RateUse(NamedTuple):
    """A ``limit_req``: excesses in thousandths of requests."""

    zone: str
    burst: int
    delay: int
    position: Position


class ConnectionUse(NamedTuple):
    """A ``limit_conn``: how many requests of one key may be in hand at once."""

    zone: str
    most: int
    position: Position


def parse_zone(directive: Directive) -> ZoneConf:
    """Parse ``limit_req_zone key zone=name:size rate=r`` or ``limit_conn_zone key zone=name:size``."""
    key, *parameters = directive.args
    rated = directive.name == "limit_req_zone"
    name, octets, rate = "", 0, 1000 if rated else 0
    for arg in parameters:
        word, _, value = arg.text.partition("=")
        if word == "zone":
            name, octets = _zone(arg, value)
        elif word == "rate" and rated:
            rate = _rate(arg, value)
        else:
            raise Misfit('invalid parameter "{value}"', arg)
    if not name:
        message = f'"{directive.name}" must have "zone" parameter'
        raise InvalidValue(message, directive.position, "zone=name:10m, for instance")
    return ZoneConf(name, Template.parse(key), key.text, octets, directive.position, rate)


def _zone(arg: Argument, value: str) -> tuple[str, int]:
    name, _, octets = value.partition(":")
    try:
        found = size(Argument(octets, arg.position))
    except InvalidValue as error:
        raise Misfit('invalid zone size "{value}"', arg, error.hint) from None
    if found < _SMALLEST:
        raise Misfit('zone "{value}" is too small', arg, "32k at least")
    return name, found


def _rate(arg: Argument, value: str) -> int:
    digits, _, unit = value.partition("r/")
    count = decimal(digits)
    if not count or unit not in ("", "s", "m"):
        raise Misfit('invalid rate "{value}"', arg, "a rate is written like 10r/s or 30r/m")
    return count * 1000 // (60 if unit == "m" else 1)


def parse_rate_use(directive: Directive) -> RateUse:
    """Parse ``limit_req zone=name [burst=n] [nodelay | delay=n]`` (ngx_http_limit_req)."""
    zone, burst, delay = "", 0, 0
    for arg in directive.args:
        word, _, value = arg.text.partition("=")
        if word == "zone":
            zone = value
        elif word == "burst":
            burst = _count(arg, value)
        elif word == "delay":
            delay = _count(arg, value) * 1000
        elif arg.text == "nodelay":
            delay = _NO_DELAY
        else:
            raise Misfit('invalid parameter "{value}"', arg)
    if not zone:
        raise InvalidValue(f'"{directive.name}" must have "zone" parameter', directive.position)
    return RateUse(zone, burst * 1000, delay, directive.position)


def _count(arg: Argument, value: str) -> int:
    count = decimal(value)
    if not count:
        raise Misfit(f'invalid {arg.text.partition("=")[0]} value "{{value}}"', arg)
    return count


def parse_connection_use(directive: Directive) -> ConnectionUse:
    """Parse ``limit_conn zone number`` (ngx_http_limit_conn)."""
    zone, most = directive.args
    count = decimal(most.text)
    if not count:
        raise Misfit('invalid number of connections "{value}"', most)
    if count > 65535:
        raise Misfit("connection limit must be less 65536", most)
    return ConnectionUse(zone.text, count, directive.position)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RateSettings:
    """How often requests may come."""

    zones: tuple[ZoneConf, ...] = setting_list("limit_req_zone", parse_zone, arity=(3, 3), contexts=Context.HTTP)
    uses: tuple[RateUse, ...] = setting_list("limit_req", parse_rate_use, arity=(1, 3))
    status: int = setting("limit_req_status", number_between(400, 599), 503)
    log_level: str = setting("limit_req_log_level", _LEVELS, "error")
    dry_run: bool = setting("limit_req_dry_run", flag, False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ConnectionSettings:
    """How many requests may be in hand at once."""

    zones: tuple[ZoneConf, ...] = setting_list("limit_conn_zone", parse_zone, arity=(2, 2), contexts=Context.HTTP)
    uses: tuple[ConnectionUse, ...] = setting_list("limit_conn", parse_connection_use, arity=(2, 2))
    status: int = setting("limit_conn_status", number_between(400, 599), 503)
    log_level: str = setting("limit_conn_log_level", _LEVELS, "error")
    dry_run: bool = setting("limit_conn_dry_run", flag, False)
