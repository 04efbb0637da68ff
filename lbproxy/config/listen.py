"""
The arguments of ``listen`` and ``server_name``.

As src/http/ngx_http_core_module.c:ngx_http_core_listen and ngx_http_core_server_name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lbproxy.config.addresses import Endpoint, Resolver, parse_endpoint, port_number, resolve
from lbproxy.config.model import Address, KeepAlive, ServerName
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.values import did_you_mean, duration, flag, number, number_between, size
from lbproxy.errors import InvalidValue, Position

DEFAULT_PORT = 80

SWITCHES = ("reuseport", "deferred")
"""Parameters without a value, each a field of `lbproxy.config.model.Listener`."""

WITHOUT_EFFECT = ("bind", "setfib=", "accept_filter=")
"""Each address has a socket of its own anyway, and Linux none of the others (a last "=" takes a value)."""

OF_FILES = ("mode", "user", "group")
"""Parameters for unix sockets, which nginx has not and HAProxy's ``bind`` has under these names."""

_HTTP1 = "HTTP/1.1 only: leave it out"
UNSUPPORTED = {
    "ssl": "no TLS: end it in front of lbproxy, and leave this out",
    "http2": _HTTP1,
    "quic": _HTTP1,
    "spdy": _HTTP1,
}
"""Parameters that are refused, and what to do."""


@dataclass(slots=True)
class Listen:
    """
    One ``listen`` directive.

    Args:
        options: Fields of `lbproxy.config.model.Listener` that it sets.
        configures: It sets any option at all, so no other ``listen`` of the address may.
        proxy_protocol: Clients are introduced; what one ``listen`` says of that goes for all of the address.
    """

    addresses: tuple[Address, ...]
    position: Position
    default: bool = False
    configures: bool = False
    proxy_protocol: bool = False
    options: dict[str, int | bool | str | KeepAlive] = field(default_factory=dict)


def parse_listen(directive: Directive, resolver: Resolver) -> Listen:
    """
    Parse ``listen address[:port] [parameters]``.

    Raises:
        InvalidValue: In nginx's words: ``invalid port in "x" of the "listen" directive``, ...
    """
    first, *parameters = directive.args
    listen = Listen(_addresses(first, resolver), directive.position)
    for parameter in parameters:
        _apply(listen, parameter)
    return listen


def default_listen(position: Position, port: int) -> Listen:
    """Return what a server without ``listen`` answers on: every IPv4 address."""
    return Listen((Address("0.0.0.0", port),), position)  # noqa: S104 - nginx's default


def _addresses(arg: Argument, resolver: Resolver) -> tuple[Address, ...]:
    """Return the addresses of ``80``, ``*:80``, ``name:80``, ``[::]:80``, ``[::]:80-88``, ``unix:/path``."""
    try:
        endpoint, last_port = _split_range(arg.text)
        if endpoint.host == "*":
            endpoint = endpoint._replace(host="0.0.0.0")  # noqa: S104 - what "*" means
        found = resolve(endpoint, DEFAULT_PORT, resolver)
    except ValueError as error:
        raise InvalidValue(f'{error} in "{arg.text}" of the "listen" directive', arg.position) from None
    except LookupError:
        message = f'host not found in "{arg.text}" of the "listen" directive'
        raise InvalidValue(message, arg.position) from None
    if last_port is None:
        return found
    return tuple(one._replace(port=port) for port in range(found[0].port, last_port + 1) for one in found)


def _split_range(text: str) -> tuple[Endpoint, int | None]:
    """Return the endpoint and, for ``8000-8010``, the last port of the range."""
    last: int | None = None
    head, dash, tail = text.rpartition("-")
    if dash and tail.isdecimal() and head[-1:].isdecimal() and not text.startswith("unix:"):
        text, last = head, port_number(tail)
    endpoint = Endpoint("*", port_number(text, 0)) if text.isdecimal() else parse_endpoint(text, 0)
    if last is not None and (endpoint.port is None or endpoint.port > last):
        raise ValueError("invalid port range")
    return endpoint, last


def _apply(listen: Listen, arg: Argument) -> None:
    """Put one parameter into *listen*."""
    name, equals, value = arg.text.partition("=")
    if arg.text in ("default_server", "default"):
        listen.default = True
        return
    if arg.text == "proxy_protocol":
        listen.proxy_protocol = True
        return
    if name in UNSUPPORTED:
        message = f'the "{name}" parameter of the "listen" directive is not supported by lbproxy'
        raise InvalidValue(message, arg.position, UNSUPPORTED[name])
    listen.configures = True
    if arg.text in SWITCHES:
        listen.options[arg.text] = True
    elif name in _VALUES and equals:
        try:
            listen.options[name] = _VALUES[name](Argument(value, arg.position))
        except InvalidValue as error:
            wrong = f'value: "{value}"' if name == "so_keepalive" else f'"{arg.text}"'
            raise InvalidValue(f"invalid {name} {wrong}", arg.position, error.hint) from None
        if name in OF_FILES and not all(address.is_unix for address in listen.addresses):
            raise InvalidValue(f'"{arg.text}" is for unix sockets only', arg.position)
    elif name + equals not in WITHOUT_EFFECT:
        valued = (f"{name}=" for name in _VALUES)
        known = ("default_server", "proxy_protocol", *SWITCHES, *valued, *WITHOUT_EFFECT)
        raise InvalidValue(f'invalid parameter "{arg.text}"', arg.position, did_you_mean(name + equals, known))


def _backlog(arg: Argument) -> int:
    return number_between(1, (1 << 31) - 1)(arg)


def _so_keepalive(arg: Argument) -> KeepAlive:
    """``on``, ``off``, or seconds, seconds and a number, each of which may be missing: ``30m::10``."""
    if arg.text in ("on", "off"):
        return KeepAlive(arg.text == "on")
    parts = arg.text.split(":")
    if len(parts) != 3 or not any(parts):
        raise InvalidValue("invalid so_keepalive", arg.position, "on, off, or idle:interval:probes such as 30m::10")
    idle, interval = (int(duration(arg._replace(text=text))) if text else 0 for text in parts[:2])
    return KeepAlive(True, idle, interval, number(arg._replace(text=parts[2])) if parts[2] else 0)


def _mode(arg: Argument) -> int:
    if not re.fullmatch("0?[0-7]{3}", arg.text):
        raise InvalidValue("invalid mode", arg.position, "three octal digits, such as 0660")
    return int(arg.text, 8)


def _name(arg: Argument) -> str:
    if not arg.text:
        raise InvalidValue("empty name", arg.position)
    return arg.text


_VALUES: Mapping[str, Callable[[Argument], int | bool | str | KeepAlive]] = {
    "backlog": _backlog, "rcvbuf": size, "sndbuf": size, "ipv6only": flag, "fastopen": number,
    "so_keepalive": _so_keepalive, "mode": _mode, "user": _name, "group": _name,
}  # fmt: skip
"""Parameters with a value, each a field of `lbproxy.config.model.Listener`."""


def parse_server_name(arg: Argument, hostname: str) -> ServerName:
    """
    Parse one name of ``server_name``: exact, ``*.x``, ``x.*``, ``.x``, ``~regex`` or ``$hostname``.

    Raises:
        InvalidValue: ``server name "x" is invalid``, or a regular expression that is none.
    """
    text = arg.text
    if text.startswith("~"):
        if text == "~":
            raise InvalidValue('empty regex in server name "~"', arg.position)
        nocase = any("A" <= char <= "Z" for char in text)
        return ServerName(text=text, regex=compile_regex(arg, text[1:], nocase=nocase))
    if text == "$hostname":
        return ServerName(text=hostname.lower())
    labels = text.split(".")
    if (text.startswith("*") and (len(text) < 3 or labels[0] != "*")) or text == ".":
        raise InvalidValue(f'server name "{text}" is invalid', arg.position)
    return ServerName(text=text.lower())


def is_hashable(name: ServerName) -> bool:
    """Return whether requests can be told apart by *name* (src/core/ngx_hash.c:ngx_hash_add_key)."""
    if name.regex is not None:
        return True
    text = name.text
    inner = text.removeprefix("*.") if text.startswith("*.") else text.removesuffix(".*")
    return "*" not in inner and ".." not in text
