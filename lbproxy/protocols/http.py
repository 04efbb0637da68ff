"""
HTTP servers: ``proxy_pass`` and what belongs to it.

The head that reaches a server is nginx's (ngx_http_proxy_create_request): the request line, the
fields of ``proxy_set_header``, Host and framing, then the client's other fields as they came in.  On top of
nginx, fields that the client's Connection names stay behind (RFC 9110 section 7.6.1), the framing fields
always tell how the body is really sent, and an upgrade is passed on without being configured, unless it is
to h2c.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import ClassVar, NamedTuple

from lbproxy.config.model import Location, MatchKind
from lbproxy.config.octets import octets
from lbproxy.config.parser import Directive
from lbproxy.config.settings import Context, setting, setting_list
from lbproxy.config.values import choice, field_name, on_one_line
from lbproxy.errors import InvalidValue, MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.pace import compile_size
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.cookies import (
    CookieRule,
    compile_cookies,
    parse_domain,
    parse_flags,
    parse_path,
    sets_cookies,
)
from lbproxy.protocols.forwarding import (
    CONTROL_FIELDS,
    ForwardSettings,
    as_routed,
    compile_hiding,
    is_own,
)
from lbproxy.protocols.local import compile_bind
from lbproxy.protocols.redirect import Redirect, compile_redirects, is_redirecting, parse_redirect
from lbproxy.protocols.target import Pass, Target, http_pass
from lbproxy.wire import fields, grammar, responses, uri
from lbproxy.wire.body import CHUNKED, Framing
from lbproxy.wire.heads import RequestHead, ResponseHead

_OWN_FIELDS = fields.HOP_BY_HOP | {b"host", b"content-length", b"expect"}
"""Client's fields that are written anew or end here (ngx_http_proxy_headers)."""

_FRAMING_FIELDS = frozenset({b"content-length", b"transfer-encoding"})
_HIDDEN = (b"date", b"server", b"x-pad", *CONTROL_FIELDS)
_NO_URI_PART = (
    '"proxy_pass" cannot have URI part in location given by regular expression, or inside named location, '
    'or inside "if" statement, or inside "limit_except" block'
)

FieldsOf = Callable[[Exchange], bytes]


class SetField(NamedTuple):
    """One ``proxy_set_header``: a field of every request; none where the value is empty."""

    name: bytes
    value: Template


def _set_field(directive: Directive) -> SetField:
    name, value = directive.args
    template = Template.parse(on_one_line(value))
    if template.constant is not None and not fields.value_ok(template.constant):
        message = 'invalid value in "proxy_set_header" directive'
        raise InvalidValue(message, value.position, "a field has no control characters")
    return SetField(field_name(name), template)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ProxySettings(ForwardSettings):
    """
    The directives of HTTP servers.

    Args:
        redirects: None given means ``default``.
        method: Sent instead of the client's.
        set_body: Sent instead of the client's body.
    """

    prefix: ClassVar[str] = "proxy"

    destination: Pass | None = setting(
        "proxy_pass", http_pass, None, contexts=Context.LOCATION | Context.IF | Context.LIMIT_EXCEPT,
        inherit=False, into_if=True,
    )
    set_header: tuple[SetField, ...] = setting_list("proxy_set_header", _set_field, (), arity=(2, 2))
    http_version: str = setting("proxy_http_version", choice("1.0", "1.1"), "1.1")
    redirects: tuple[Redirect, ...] = setting_list("proxy_redirect", parse_redirect, (), arity=(1, 2))
    cookie_domains: tuple[CookieRule, ...] = setting_list("proxy_cookie_domain", parse_domain, (), arity=(1, 2))
    cookie_paths: tuple[CookieRule, ...] = setting_list("proxy_cookie_path", parse_path, (), arity=(1, 2))
    cookie_flags: tuple[CookieRule, ...] = setting_list("proxy_cookie_flags", parse_flags, (), arity=(1, 4))
    method: Template | None = setting("proxy_method", Template.parse, None)
    set_body: Template | None = setting("proxy_set_body", Template.parse, None)


class HttpProtocol:
    """
    The HTTP of one location; see `UpstreamProtocol` for what it offers.

    Raises:
        InvalidValue: An unknown variable, or a URI part where the location can't have one.
    """

    name = "http"
    default_port: int | None = 80

    def __init__(self, location: Location, table: VariableTable) -> None:
        settings = location.settings(ProxySettings)
        destination = settings.destination
        assert destination is not None
        self.settings = settings
        self.keepalive = self.chunked_requests = settings.http_version == "1.1"
        self.method = _compile_method(settings.method, table) if settings.method else None
        self.set_body = settings.set_body.bind(table) if settings.set_body else None
        self.local = compile_bind(settings.bind, table)
        self.read_rate = compile_size(settings.limit_rate, table) if settings.limit_rate else None
        self.passed = frozenset({b"server", b"date"}.intersection(settings.pass_header))
        self.target = destination.compile(table)
        self.encode_request = self._encoder(location, destination, table)
        self._visible = compile_hiding(settings, _HIDDEN)
        self._cookies = compile_cookies(
            settings.cookie_domains, settings.cookie_paths, settings.cookie_flags, table
        )
        self._redirects = compile_redirects(settings.redirects, destination.target, location.pattern, table)

    def parse_head(self, buf: bytes, method: bytes, searched: int = 0) -> ResponseHead | None:
        """See `UpstreamProtocol`."""
        return responses.parse_response(buf, method, searched, self.settings.buffer_size)

    def client_fields(self, ex: Exchange, head: ResponseHead) -> bytes:
        """See `UpstreamProtocol`."""
        block = self._visible(head)
        if self._cookies and head.derive(sets_cookies):
            block = self._cookies(ex, block)
        return self._redirects(ex, block) if self._redirects and head.derive(is_redirecting) else block

    def adds_own(self, name: bytes, head: ResponseHead) -> bool:  # noqa: ARG002
        """See `UpstreamProtocol`; what is passed on is not made up where the server had none, as in nginx."""
        return name not in self.passed

    def _encoder(
        self, location: Location, destination: Pass, table: VariableTable
    ) -> Callable[[Exchange, Framing], bytes]:
        settings = self.settings
        names = {rule.name.lower() for rule in settings.set_header}
        rules = [rule for rule in settings.set_header if rule.name.lower() not in _FRAMING_FIELDS]
        version = f" HTTP/{settings.http_version}\r\n".encode()
        uri_of = _compile_uri(location, destination, self.target)
        lead_of = _compile_fields(version, rules, destination.target, table)
        upgrades = settings.http_version == "1.1" and not names & {b"connection", b"upgrade"}
        strip = fields.removal([*_OWN_FIELDS, *names], alike=True)
        method_of, target_of, passes_fields = self.method, self.target, settings.pass_request_headers

        def passed(head: RequestHead) -> bytes:
            block = strip(head.block)
            return fields.without(block, head.connection_tokens) if head.connection_tokens else block

        def encode(ex: Exchange, framing: Framing) -> bytes:
            head = ex.head
            ex.upstream_name = target_of(ex).host_field  # $proxy_host
            block = head.derive(passed) if passes_fields else b""
            if framing >= 0:
                block = b"Content-Length: %d\r\n%b" % (framing, block)
            elif framing == CHUNKED:
                block = b"Transfer-Encoding: chunked\r\n" + block
            if head.upgrade is not None and upgrades:
                block = b"Connection: upgrade\r\nUpgrade: %b\r\n%b" % (head.upgrade, block)
            method = ex.method if method_of is None else method_of(ex)
            return b"%b %b%b%b\r\n" % (method, uri_of(ex), lead_of(ex), block)

        return encode


def _compile_method(template: Template, table: VariableTable) -> Callable[[Exchange], bytes]:
    value_of = template.bind(table)
    if template.constant is not None and not grammar.is_token(template.constant):
        raise InvalidValue('invalid method in "proxy_method" directive', template.position)

    def method(ex: Exchange) -> bytes:
        value = value_of(ex)
        if not grammar.is_token(value):
            raise MalformedMessage("proxy_method gives no method", status=500)
        return value

    return method


def _compile_uri(
    location: Location, destination: Pass, target_of: Callable[[Exchange], Target]
) -> Callable[[Exchange], bytes]:
    """Return what makes the request target: with a URI part, that part for the location's prefix."""
    target = destination.target
    if target is None:

        def given(ex: Exchange) -> bytes:
            text = target_of(ex).uri
            return octets(text) if text else _same_uri(ex)

        return given
    if not target.uri:
        return _same_uri
    own_if = location.around is not None and is_own(location, ProxySettings)
    if own_if or location.kind in {MatchKind.REGEX, MatchKind.REGEX_NOCASE, MatchKind.NAMED}:
        raise InvalidValue(_NO_URI_PART, destination.position)
    start, skipped = octets(target.uri), len(octets(location.pattern))

    def replaced(ex: Exchange) -> bytes:
        if not ex.valid_location:
            return _same_uri(ex)
        path = start + _escaped(ex, ex.path[skipped:])
        return b"%b?%b" % (path, ex.args) if ex.args else path

    return replaced


def _same_uri(ex: Exchange) -> bytes:
    """Return the client's URI untouched or, once it was changed here, the new one escaped."""
    path = ex.raw_path
    if path is None:
        path = uri.escape(ex.path)
        return b"%b?%b" % (path, ex.args) if ex.args else path
    return path if ex.args is None else b"%b?%b" % (path, ex.args)


def _escaped(ex: Exchange, path: bytes) -> bytes:
    """Return *path* escaped, unless the client had nothing escaped (r->quoted_uri)."""
    return path if ex.raw_path is not None and b"%" not in ex.raw_path else uri.escape(path)


def _compile_fields(
    lead: bytes, rules: Sequence[SetField], target: Target | None, table: VariableTable
) -> FieldsOf:
    """
    Return what makes *lead*, the configured fields in order and, unless it is among them, Host behind them.

    Args:
        target: Whose name Host is; None: that of the request, in `Exchange.upstream_name`.
    """
    pieces: list[tuple[bytes, bytes, FieldsOf]] = []  # constant octets, then a name and what makes its value
    for rule in rules:
        value = rule.value.constant
        if value is None:
            pieces.append((lead, rule.name, _guarded(rule, rule.value.bind(table))))
            lead = b""
        elif value:
            lead += fields.line(rule.name, value)
    if not any(rule.name.lower() == b"host" for rule in rules):
        if target is None:
            pieces.append((lead, b"Host", _upstream_name))
            lead = b""
        else:
            lead += fields.line(b"Host", target.host_field)
    if not pieces:
        return lambda _: lead

    def make(ex: Exchange) -> bytes:
        made = []
        for constant, name, value_of in pieces:
            value = value_of(ex).translate(fields.BREAKS)
            made.append(b"%b%b: %b\r\n" % (constant, name, value) if value else constant)
        made.append(lead)
        return b"".join(made)

    return make


_upstream_name: FieldsOf = attrgetter("upstream_name")


def _guarded(rule: SetField, value_of: FieldsOf) -> FieldsOf:
    """Return *value_of*, but never an upgrade to h2c, nor an empty Host, which HTTP/1.1 can't do without."""
    match rule.name.lower():
        case b"upgrade":
            return lambda ex: b"" if b"h2c" in (value := value_of(ex)).lower() else value
        case b"host":  # $http_host of an HTTP/1.0 client
            routed = as_routed(rule.value, value_of)
            return lambda ex: routed(ex) or ex.upstream_name
        case _:
            return value_of
