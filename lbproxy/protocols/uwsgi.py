"""
uwsgi servers: ``uwsgi_pass`` and what belongs to it.

The packet is nginx's (ngx_http_uwsgi_create_request): the variables of ``uwsgi_param`` in order,
HTTP_HOST unless configured, then one HTTP_* per field of the client, repeats joined, but none that is
configured.  On top of nginx, what would lie to an application stays out:

* CONTENT_LENGTH is the length of the body as it is sent; HTTP_TRANSFER_ENCODING does not appear;
* HTTP_PROXY, which CGI programs take for their own proxy (CVE-2016-5385);
* fields that the client's Connection names (RFC 9110 section 7.6.1), and an upgrade to h2c;
* line ends, which only a decoded path can bring: such a request is refused;
* HTTP_X_FORWARDED_PROTO is ours, and HTTP_X_FORWARDED_SSL nobody's: uWSGI believes them (core/protocol.c).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from lbproxy.config.model import Location
from lbproxy.config.octets import octets
from lbproxy.config.parser import Directive
from lbproxy.config.settings import Context, setting, setting_list
from lbproxy.config.values import Misfit, number_between
from lbproxy.errors import MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter
from lbproxy.http.pace import compile_size
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.forwarding import CONTROL_FIELDS, ForwardSettings, as_routed, compile_hiding
from lbproxy.protocols.local import compile_bind
from lbproxy.protocols.target import Pass, uwsgi_pass
from lbproxy.wire import uwsgi
from lbproxy.wire.body import Framing
from lbproxy.wire.heads import RequestHead, ResponseHead

_UNSAID = frozenset({b"transfer-encoding", b"proxy", b"x-forwarded-ssl", b"upgrade"})
_UNLIKE = _UNSAID | {b"content-length", b"content-type", b"x-forwarded-proto"}  # no look-alike has a say in these
_REMEMBERED = 512  # names of variables that are made once for all requests

_CONTENT_LENGTH = uwsgi.encode_name(b"HTTP_CONTENT_LENGTH")
_FORWARDED_PROTO = uwsgi.encode_name(b"HTTP_X_FORWARDED_PROTO")
_UPGRADE = uwsgi.encode_name(b"HTTP_UPGRADE")

Variables = list[tuple[bytes, bytes]]
"""Names, as `uwsgi.encode_name` makes them, and values."""



class Param(NamedTuple):
    """One ``uwsgi_param``; with *if_not_empty* it is left out where its value is empty."""

    name: bytes
    value: Template
    if_not_empty: bool = False


def _param(directive: Directive) -> Param:
    name, value, *condition = directive.args
    if condition and condition[0].text != "if_not_empty":
        raise Misfit('invalid parameter "{value}"', condition[0], "did you mean if_not_empty?")
    if not name.text:
        raise Misfit('"{directive}" needs a name', name)
    return Param(octets(name.text), Template.parse(value), bool(condition))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class UwsgiSettings(ForwardSettings):
    """The directives of uwsgi servers."""

    prefix: ClassVar[str] = "uwsgi"

    destination: Pass | None = setting(
        "uwsgi_pass", uwsgi_pass, None, contexts=Context.LOCATION | Context.IF, inherit=False, into_if=True
    )
    params: tuple[Param, ...] = setting_list("uwsgi_param", _param, (), arity=(2, 3))
    modifier1: int = setting("uwsgi_modifier1", number_between(0, 255), 0)
    modifier2: int = setting("uwsgi_modifier2", number_between(0, 255), 0)


class UwsgiProtocol:
    """
    The uwsgi of one location; see `UpstreamProtocol` for what it offers.

    Raises:
        InvalidValue: An unknown variable.
    """

    name = "uwsgi"
    default_port: int | None = None
    keepalive = chunked_requests = False
    method = set_body = None

    def __init__(self, location: Location, table: VariableTable) -> None:
        settings = location.settings(UwsgiSettings)
        assert settings.destination is not None
        self.settings = settings
        self.local = compile_bind(settings.bind, table)
        self.read_rate = compile_size(settings.limit_rate, table) if settings.limit_rate else None
        self.passed = frozenset({b"server", b"date"}.difference(settings.hide_header))
        self.target = settings.destination.compile(table)
        self._params = _compile_params(settings.params, table)
        self._fields = _compile_fields([param.name for param in settings.params], table)
        self._visible = compile_hiding(settings, CONTROL_FIELDS)

    def encode_request(self, ex: Exchange, framing: Framing) -> bytes:
        """See `UpstreamProtocol`."""
        settings = self.settings
        params = self._params(ex, framing)
        # once the path has been changed here, any variable may hold what it was decoded from
        decoded = ex.path if ex.raw_path is not None else b"".join([value for _, value in params])
        if b"\n" in decoded or b"\r" in decoded:
            raise MalformedMessage("a line end in what a uwsgi variable is made of")
        packed = uwsgi.encode_entries(params)
        if settings.pass_request_headers:
            packed += self._fields(ex, framing)
        return uwsgi.encode_packet(packed, settings.modifier1, settings.modifier2)

    def parse_head(self, buf: bytes, method: bytes, searched: int = 0) -> ResponseHead | None:
        """See `UpstreamProtocol`."""
        return uwsgi.parse_response(buf, method, searched, self.settings.buffer_size)

    def client_fields(self, ex: Exchange, head: ResponseHead) -> bytes:  # noqa: ARG002
        """See `UpstreamProtocol`."""
        return self._visible(head)

    def adds_own(self, name: bytes, head: ResponseHead) -> bool:
        """See `UpstreamProtocol`; an application may name itself, but need not (nginx hides neither)."""
        return name not in self.passed or head.get(name) is None


def _compile_params(
    params: Sequence[Param], table: VariableTable
) -> Callable[[Exchange, Framing], Variables]:
    """
    Return what makes the configured variables in order, each once, and HTTP_HOST behind them.

    Of several with one name the last that is not left out counts, as it does for an application that reads
    the packet nginx would send.
    """
    entries: dict[bytes, tuple[Getter | None, bool]] = {}  # None: the length of the body
    for param in params:
        value_of = param.value.bind_optional(table)
        if param.name == b"HTTP_HOST":
            value_of = as_routed(param.value, value_of)
        earlier = entries.get(param.name)
        if param.name == b"CONTENT_LENGTH":
            entries[param.name] = None, param.if_not_empty
        elif earlier is not None and earlier[0] is not None and param.if_not_empty:
            entries[param.name] = _first_given(value_of, earlier[0]), earlier[1]
        else:
            entries[param.name] = value_of, param.if_not_empty
    entries.setdefault(b"HTTP_HOST", (_compile_host(table), False))
    rows = [(uwsgi.encode_name(name), value_of, optional) for name, (value_of, optional) in entries.items()]

    def make(ex: Exchange, framing: Framing) -> Variables:
        made = []
        for name, value_of, optional in rows:
            value = _length(framing) if value_of is None else value_of(ex)
            if value or not optional:
                made.append((name, value or b""))
        return made

    return make


def _length(framing: Framing) -> bytes:
    return b"%d" % framing if framing >= 0 else b""


def _first_given(first: Getter, second: Getter) -> Getter:
    return lambda ex: first(ex) or second(ex)


def _compile_host(table: VariableTable) -> Getter:
    """Return what makes HTTP_HOST: ``$host$is_request_port$request_port``, as nginx does since 1.29."""
    port_of = table.lookup("request_port")

    def host(ex: Exchange) -> bytes:
        if ex.head.host == ex.host and ex.head.target.startswith(b"/"):
            return ex.host
        port = port_of(ex)
        return b"%b:%b" % (ex.host, port) if port else ex.host

    return host


class _FieldVariables(dict[bytes, bytes | None]):
    """Field names (lower case) to names of variables; None where a field makes none."""

    def __init__(self, configured: Iterable[bytes]) -> None:
        super().__init__()
        self.configured = frozenset(configured) | {b"HTTP_HOST"}

    def __missing__(self, name: bytes) -> bytes | None:
        variable = b"HTTP_" + name.upper().replace(b"-", b"_")
        alike = name.replace(b"_", b"-")
        unsaid = name in _UNSAID if alike == name else alike in _UNLIKE
        made = None if unsaid or variable in self.configured else uwsgi.encode_name(variable)
        if len(self) < _REMEMBERED:
            self[name] = made
        return made


def _compile_fields(
    configured: Iterable[bytes], table: VariableTable
) -> Callable[[Exchange, Framing], bytes]:
    """Return what makes variables of the client's fields, but for those that are *configured*, encoded."""
    names = _FieldVariables(configured)
    scheme_of = table.lookup("scheme")
    upgradable = b"HTTP_UPGRADE" not in names.configured

    def of_head(head: RequestHead) -> dict[bytes, bytes]:
        fields = head.fields()
        if head.connection_tokens:
            fields = [field for field in fields if field[0] not in head.connection_tokens]
        values: dict[bytes, bytes] = {}
        for name, value in fields:
            variable = names[name]
            if variable is not None:
                if variable in values:
                    values = _joined(fields, names)
                    break
                values[variable] = value
        if head.upgrade is not None and upgradable:
            values[_UPGRADE] = head.upgrade
        return values

    def encoded(head: RequestHead) -> bytes:
        return uwsgi.encode_entries(list(head.derive(of_head).items()))

    def make(ex: Exchange, framing: Framing) -> bytes:
        values = ex.head.derive(of_head)
        if _FORWARDED_PROTO not in values and (framing >= 0 or _CONTENT_LENGTH not in values):
            return ex.head.derive(encoded)
        values = dict(values)
        if framing < 0:  # the body, if there was one, is not passed on
            values.pop(_CONTENT_LENGTH, None)
        if _FORWARDED_PROTO in values:
            values[_FORWARDED_PROTO] = scheme_of(ex) or b""
        return uwsgi.encode_entries(list(values.items()))

    return make


def _joined(fields: Iterable[tuple[bytes, bytes]], names: _FieldVariables) -> dict[bytes, bytes]:
    """
    Return variables of *fields* among which some make the same.

    Repeats are joined (ngx_http_link_multi_headers); of different spellings (``X-A``, ``X_A``) the one with
    the fewest underscores counts, so that a look-alike does not mix with what a proxy before us has set.
    """
    spelling: dict[bytes, bytes] = {}
    for name, _ in fields:
        variable = names[name]
        if variable is not None:
            spelled = spelling.setdefault(variable, name)
            if name.count(b"_") < spelled.count(b"_"):
                spelling[variable] = name
    values: dict[bytes, bytes] = {}
    for name, value in fields:
        variable = names[name]
        if variable is None or spelling[variable] != name:
            continue
        separator = b"; " if name == b"cookie" else b", "
        values[variable] = values[variable] + separator + value if variable in values else value
    return values
