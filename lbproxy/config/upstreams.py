"""``upstream`` blocks and their ``server`` lines (src/http/ngx_http_upstream.c:ngx_http_upstream_server)."""

from __future__ import annotations

import re
from typing import Any

from lbproxy.config.addresses import Resolver, parse_endpoint, resolve
from lbproxy.config.model import Address, UpstreamConf, UpstreamServer
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.reader import BlockReader, Contents
from lbproxy.config.settings import Context, TypeMap, inherited
from lbproxy.config.values import Misfit, did_you_mean, seconds
from lbproxy.errors import InvalidValue, WrongContext

DEFAULT_PORT = 80

_COUNT = re.compile(r"[0-9]{1,9}")
_COUNTS = {"weight": 1, "max_fails": 0, "max_conns": 0}  # name -> least value
_SWITCHES = ("backup", "down")
_KNOWN = ("weight=", "max_fails=", "max_conns=", "fail_timeout=", *_SWITCHES)
_COMMERCIAL = "it is of nginx's commercial version: leave it out"
_UNSUPPORTED = {
    "resolve": "names are resolved at load: leave it out, and reload when addresses change",
    "service": "SRV records are not looked at",
    "slow_start": _COMMERCIAL,
    "route": _COMMERCIAL,
    "drain": _COMMERCIAL,
    "id": "",
}
"""Parameters that are refused, and what to do."""


def compile_upstream(
    reader: BlockReader, directive: Directive, outer: TypeMap, resolver: Resolver
) -> UpstreamConf:
    """Return an ``upstream`` block; its mistakes stay with *reader*."""
    mistakes = len(reader.errors)
    contents = reader.read(directive.block or (), Context.UPSTREAM, inherited(outer))
    servers = []
    for line in contents.named("server"):
        with reader.catching():
            servers.append(parse_upstream_server(line, resolver))
    if not contents.named("server") and len(reader.errors) == mistakes:
        with reader.catching():
            raise InvalidValue("no servers are inside upstream", directive.position, "add a server line")
    return UpstreamConf(
        name=directive.args[0].text,
        servers=tuple(servers),
        method=_method(reader, contents),
        position=directive.position,
        merged=contents.merged,
    )


def _method(reader: BlockReader, contents: Contents) -> Directive | None:
    """Return the balancing directive; every further one is a mistake."""
    if not contents.methods:
        return None
    first, *others = contents.methods
    for other in others:
        with reader.catching():
            hint = f'"{first.name}" in {first.position} has chosen already'
            raise WrongContext("load balancing method redefined", other.position, hint)
    return first


def parse_upstream_server(directive: Directive, resolver: Resolver) -> UpstreamServer:
    """
    Parse ``server address [parameters]`` of an upstream.

    Raises:
        InvalidValue: ``host not found in upstream "x"``, ``invalid parameter "x"``, ...
    """
    first, *parameters = directive.args
    values: dict[str, Any] = {}
    for parameter in parameters:
        _apply(values, parameter)
    return UpstreamServer(
        name=first.text,
        addresses=resolve_upstream(first, resolver),
        position=directive.position,
        **values,
    )


def resolve_upstream(
    arg: Argument, resolver: Resolver, default_port: int = DEFAULT_PORT
) -> tuple[Address, ...]:
    """
    Return the addresses of ``host[:port]`` or ``unix:/path``.

    Raises:
        InvalidValue: ``host not found in upstream "x"``, ``invalid port in upstream "x"``, ...
    """
    try:
        return resolve(parse_endpoint(arg.text), default_port, resolver)
    except ValueError as error:
        hint = "an upstream server has no scheme and no path" if "/" in arg.text.removeprefix("unix:") else ""
        raise InvalidValue(f'{error} in upstream "{arg.text}"', arg.position, hint) from None
    except LookupError:
        raise InvalidValue(f'host not found in upstream "{arg.text}"', arg.position) from None


def _apply(values: dict[str, Any], arg: Argument) -> None:
    """Put one parameter into *values*, fields of `UpstreamServer`."""
    name, equals, value = arg.text.partition("=")
    if arg.text in _SWITCHES:
        values[name] = True
    elif name in _COUNTS and equals:
        if not _COUNT.fullmatch(value) or int(value) < _COUNTS[name]:
            raise InvalidValue(f'invalid parameter "{arg.text}"', arg.position, f"at least {_COUNTS[name]}")
        values[name] = int(value)
    elif name == "fail_timeout" and equals:
        try:
            values[name] = seconds(Argument(value, arg.position))
        except Misfit as misfit:
            raise InvalidValue(f'invalid parameter "{arg.text}"', arg.position, misfit.hint) from None
    elif name in _UNSUPPORTED:
        raise InvalidValue(f'parameter "{arg.text}" is not supported by lbproxy', arg.position, _UNSUPPORTED[name])
    else:
        hint = did_you_mean(name + equals, _KNOWN) or f"known are {', '.join(_KNOWN)}"
        raise InvalidValue(f'invalid parameter "{arg.text}"', arg.position, hint)
