"""
``auth_request``: who may come, by what another location says of the request.

As src/http/modules/ngx_http_auth_request_module.c: a request for that location is answered inside; 2xx lets the client
pass, 401 and 403 are for him, anything else is a mistake.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import setting, setting_list
from lbproxy.config.values import Misfit
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable, variable_name
from lbproxy.wire.fields import parse_block

_CHALLENGE = b"www-authenticate"


class Assignment(NamedTuple):
    """One ``auth_request_set``; the name in lower case, without its "$"."""

    name: str
    value: Template


def _assignment(directive: Directive) -> Assignment:
    target, value = directive.args
    return Assignment(variable_name(target), Template.parse(value))


def _place(arg: Argument) -> bytes:
    """Return the path to ask, b"" for ``off``."""
    if arg.text == "off":
        return b""
    if not arg.text.startswith("/"):
        raise Misfit('invalid value "{value}" in "{directive}" directive', arg, 'it is a path, such as "/auth", or off')
    return octets(arg.text)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AuthRequestSettings:
    """
    Whom to ask.

    Args:
        place: The path of a location; b"" for nobody.
        sets: Variables made of what was said.
    """

    place: bytes = setting("auth_request", _place, b"")
    sets: tuple[Assignment, ...] = setting_list("auth_request_set", _assignment, arity=(2, 2))


class AuthRequest(NamedTuple):
    """The settings, compiled."""

    place: bytes
    sets: tuple[tuple[str, Callable[[Exchange], bytes]], ...]

    def assign(self, ex: Exchange, asked: Exchange) -> None:
        """Put the values that *asked* gives to variables into *ex*."""
        if self.sets:
            values = {name: value(asked) for name, value in self.sets}
            ex.values = {**(ex.values or {}), **values}


def compile_auth_request(settings: AuthRequestSettings, table: VariableTable) -> AuthRequest | None:
    """Return whom to ask, None for nobody; raises InvalidValue for an unknown variable."""
    if not settings.place:
        return None
    return AuthRequest(settings.place, tuple((name, value.bind(table)) for name, value in settings.sets))


def challenges(asked: Exchange) -> Iterator[bytes]:
    """Yield the values of WWW-Authenticate with which *asked* was answered, or those that its server sent."""
    answered = [value for name, value in parse_block(asked.sent_fields) if name == _CHALLENGE]
    if answered or asked.response is None:
        return iter(answered)
    return iter(asked.response.get_all(_CHALLENGE))
