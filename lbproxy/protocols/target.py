"""
Where requests go: the argument of ``proxy_pass`` and ``uwsgi_pass``.

One parser reads it while loading and, when it has variables, for each request
(src/core/ngx_inet.c:ngx_parse_url, ngx_http_proxy_pass and :ngx_http_proxy_eval).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from lbproxy.config.addresses import Endpoint, parse_endpoint
from lbproxy.config.octets import octets, text_of
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue, MalformedMessage, Position
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable

_SCHEME = re.compile(r"(?!unix:)([a-z][a-z0-9+.-]*)://", re.IGNORECASE)
_AUTHORITY_END = re.compile(r"[/?]")
_PORT = re.compile(r":[0-9]+$")
_UNSAFE = re.compile(r"[\x00-\x20#\x7f]")
_REMEMBERED = 1024  # targets with variables, parsed


class InvalidTargetError(ValueError):
    """
    The text names no destination.

    Args:
        hint: The mend, if one is likely.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Target:
    """
    One destination: an upstream's name, a host, or a unix socket.

    Args:
        endpoint: Without a port where none was written.
        authority: Host and port as written; "" for a unix socket.
        uri: What stands behind the authority, "" if nothing; a lone ``?args`` has got its "/".
        url: The whole as written, scheme included: what ``proxy_redirect default`` looks for.

    Attributes:
        host_field: The Host that an HTTP server is told unless configured ($proxy_host).
    """

    endpoint: Endpoint
    authority: str = ""
    uri: str = ""
    url: str = ""
    host_field: bytes = field(init=False)

    def __post_init__(self) -> None:
        """Set *host_field* as ngx_http_proxy_set_vars does."""
        host = _PORT.sub("", self.authority) if self.endpoint.port == 80 else self.authority
        shown = "localhost" if self.endpoint.path else host
        object.__setattr__(self, "host_field", octets(shown))


class Pass(NamedTuple):
    """
    A ``*_pass`` directive.

    Args:
        target: None when the argument has variables.
        template: None when it has none.
        parse: Text to `Target`, for what the template gives; raises `InvalidTargetError`.
    """

    target: Target | None
    template: Template | None
    parse: Callable[[str], Target]
    position: Position

    def compile(self, table: VariableTable) -> Callable[[Exchange], Target]:
        """
        Return the function that says where a request goes; it raises `MalformedMessage` (500) for nowhere.

        Raises:
            InvalidValue: An unknown variable.
        """
        target = self.target
        if target is not None:
            return lambda _: target
        assert self.template is not None
        value_of = self.template.bind(table)
        parse = lru_cache(_REMEMBERED)(self.parse)

        def target_of(ex: Exchange) -> Target:
            try:
                return parse(text_of(value_of(ex)))
            except InvalidTargetError as error:
                raise MalformedMessage(str(error), status=500) from error

        return target_of


def http_pass(arg: Argument) -> Pass:
    """Parse the argument of ``proxy_pass``."""
    return _pass(arg, http_target)


def uwsgi_pass(arg: Argument) -> Pass:
    """Parse the argument of ``uwsgi_pass``."""
    return _pass(arg, uwsgi_target)


def _pass(arg: Argument, parse: Callable[[str], Target]) -> Pass:
    template = Template.parse(arg)
    if template.constant is None:
        return Pass(None, template, parse, arg.position)
    try:
        return Pass(parse(arg.text), None, parse, arg.position)
    except InvalidTargetError as error:
        raise InvalidValue(str(error), arg.position, error.hint) from error


def http_target(text: str) -> Target:
    """
    Parse ``http://host[:port][/uri]`` or ``http://unix:/path[:/uri]``; "http://" may lack before ``unix:``.

    Raises:
        InvalidTargetError: In nginx's words.
    """
    scheme, rest = _split_scheme(text)
    if scheme == "https":
        hint = "lbproxy speaks plain HTTP to servers"
        raise InvalidTargetError("https protocol requires SSL support", hint)
    if rest.startswith("unix:") and scheme in {"", "http"}:
        path, _, uri = rest[5:].partition(":")
        return Target(_endpoint(f"unix:{path}", rest), uri=_uri(uri), url=text)
    if scheme != "http":
        hint = "http:// is what proxy_pass knows" if scheme else f"did you mean http://{text}?"
        raise InvalidTargetError(f'invalid URL prefix in "{text}"', hint)
    authority, uri = _split_authority(rest)
    return Target(_endpoint(authority, rest), authority, _uri(uri), text)


def uwsgi_target(text: str) -> Target:
    """
    Parse ``host:port``, an upstream's name or ``unix:path`` (all of it is path); "uwsgi://" may stand before.

    Raises:
        InvalidTargetError: In nginx's words.
    """
    scheme, rest = _split_scheme(text)
    if scheme == "suwsgi":
        hint = "lbproxy speaks plain uwsgi to servers"
        raise InvalidTargetError("suwsgi protocol requires SSL support", hint)
    if scheme not in {"", "uwsgi"}:
        hint = "for an HTTP server it is proxy_pass" if scheme.startswith("http") else ""
        raise InvalidTargetError(f'invalid host in upstream "{text}"', hint)
    if rest.startswith("unix:"):
        return Target(_endpoint(rest, rest), url=text)
    authority, uri = _split_authority(rest)
    if uri:
        raise InvalidTargetError(f'invalid host in upstream "{rest}"', "uwsgi_pass takes no URI part")
    return Target(_endpoint(authority, rest), authority, url=text)


def _split_scheme(text: str) -> tuple[str, str]:
    match = _SCHEME.match(text)
    return (match[1].lower(), text[match.end() :]) if match else ("", text)


def _split_authority(text: str) -> tuple[str, str]:
    match = _AUTHORITY_END.search(text)
    return (text[: match.start()], text[match.start() :]) if match else (text, "")


def _endpoint(text: str, whole: str) -> Endpoint:
    try:
        endpoint = parse_endpoint(text)
    except ValueError as error:
        raise InvalidTargetError(f'{error} in upstream "{whole}"') from error
    if _UNSAFE.search(text):
        raise InvalidTargetError(f'invalid host in upstream "{whole}"')
    return endpoint


def _uri(text: str) -> str:
    """Return a URI part fit for a request line: from its "/"; controls, blanks and "#" escaped."""
    if text and text[0] != "/":
        text = "/" + text
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", text)
