"""Directives of ``upstream`` that say how a group treats its servers, beside the balancing method."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.model import UpstreamConf
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import Context, setting, setting_args
from lbproxy.config.values import Misfit, choice, size
from lbproxy.errors import ConfigError, InvalidValue

_LEAST_ZONE = 8 * 4096  # octets: nginx wants eight pages


class ZoneName(NamedTuple):
    """
    What ``zone`` says.

    Args:
        size: Octets of nginx's zone, which it can't do without; lbproxy takes what it needs.  0: said elsewhere.
        place: Of the name.
    """

    name: str
    size: int
    place: Argument


def _zone(directive: Directive) -> ZoneName:
    """``zone name [size]`` (src/http/modules/ngx_http_upstream_zone_module.c:ngx_http_upstream_zone)."""
    name, *rest = directive.args
    if not name.text:
        raise Misfit('invalid zone name "{value}"', name)
    if not rest:
        return ZoneName(name.text, 0, name)
    try:
        octets = size(rest[0])
    except Misfit as misfit:
        raise Misfit('invalid zone size "{value}"', rest[0], misfit.hint) from None
    if octets < _LEAST_ZONE:
        raise Misfit('zone "{value}" is too small', name, f"it takes {_LEAST_ZONE >> 10}k at least")
    return ZoneName(name.text, octets, name)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BalanceSettings:
    """
    How the servers of an upstream are treated.

    Args:
        fail_window: "nginx": failures less than fail_timeout apart add up; "sliding": those within it do.
        all_down: When every server is out: "fail" (502 at once, as nginx), or "try_all" (try them even so).
        zone: The workers balance as one; None: each by itself.
    """

    fail_window: str = setting("fail_window", choice("nginx", "sliding"), "nginx", contexts=Context.UPSTREAM)
    all_down: str = setting("all_down", choice("fail", "try_all"), "fail", contexts=Context.UPSTREAM)
    zone: ZoneName | None = setting_args("zone", _zone, None, arity=(1, 2), contexts=Context.UPSTREAM)


def zone_mistakes(upstreams: Iterable[UpstreamConf]) -> Iterator[ConfigError]:
    """Yield what is wrong with zones that several upstreams name (src/core/ngx_cycle.c:ngx_shared_memory_add)."""
    zones = [zone for conf in upstreams if (zone := conf.settings(BalanceSettings).zone) is not None]
    sizes: dict[str, int] = {}
    for name, octets, place in zones:
        known = sizes[name] = sizes.get(name) or octets
        if octets not in (0, known):
            conflict = f"conflicts with already declared size {known}"
            yield InvalidValue(f'the size {octets} of shared memory zone "{name}" {conflict}', place.position)
    for name, _, place in zones:
        if not sizes[name]:
            yield InvalidValue(f'zero size shared memory zone "{name}"', place.position, "say it once, as in 64k")
