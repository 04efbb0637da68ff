"""nginx's variables: name -> getter."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from types import MappingProxyType

from lbproxy.config.parser import Argument
from lbproxy.config.values import did_you_mean
from lbproxy.errors import InvalidValue
from lbproxy.http import getters
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter

Constants = Mapping[str, bytes | Callable[[], bytes]]
"""Variables that come from the world outside: octets, or a function that is asked once per request."""

_OF_TLS = """
alpn_protocol cipher ciphers client_cert client_escaped_cert client_fingerprint client_i_dn client_i_dn_legacy
client_raw_cert client_s_dn client_s_dn_legacy client_serial client_sigalg client_v_end client_v_remain client_v_start
client_verify curve curves early_data protocol server_name session_id session_reused sigalg
"""

VARIABLES: Mapping[str, Getter] = {
    # the request
    "args": getters.arguments,
    "content_length": attrgetter("content_length"),
    "content_type": getters.request_field("content_type"),
    "document_uri": attrgetter("path"),
    "host": attrgetter("host"),
    "http2": getters.absent,
    "http3": getters.absent,
    "quic_connection": getters.absent,
    "is_args": lambda ex: b"?" if ex.args else b"",
    "is_request_port": lambda ex: b":" if getters.request_port(ex) else b"",
    "query_string": getters.arguments,
    "remote_user": getters.OfHead(getters.remote_user),
    "request": attrgetter("head.line"),
    "request_body": lambda ex: ex.body or None,
    "request_body_file": attrgetter("body_file"),
    "request_length": lambda ex: b"%d" % ex.request_length,
    "request_method": lambda ex: (ex.main or ex).method,
    "request_port": getters.request_port,
    "request_time": getters.request_time,
    "request_uri": getters.request_uri,
    "server_protocol": lambda ex: b"HTTP/1.1" if ex.head.version == 11 else b"HTTP/1.0",
    "uri": attrgetter("path"),
    # the connection
    "binary_remote_addr": lambda ex: ex.client.packed or ex.client.address,
    "connection": lambda ex: b"%d" % ex.client.number,
    "connection_requests": lambda ex: b"%d" % ex.client.requests,
    "connection_time": getters.connection_time,
    "https": lambda _: b"",
    "pipe": lambda ex: b"p" if ex.pipelined else b".",
    "proxy_protocol_addr": getters.introduced(lambda said: said.source),
    "proxy_protocol_port": getters.introduced(lambda said: b"%d" % said.source_port),
    "proxy_protocol_server_addr": getters.introduced(lambda said: said.destination),
    "proxy_protocol_server_port": getters.introduced(lambda said: b"%d" % said.destination_port),
    "realip_remote_addr": getters.connected_address,
    "realip_remote_port": getters.connected_port,
    "remote_addr": attrgetter("client.address"),
    "remote_port": getters.remote_port,
    "scheme": lambda _: b"http",
    "server_addr": attrgetter("client.server_address"),
    "server_name": getters.server_name,
    "server_port": getters.server_port,
    "tcpinfo_rcv_space": getters.tcp_info(attrgetter("rcv_space")),
    "tcpinfo_rtt": getters.tcp_info(attrgetter("rtt")),
    "tcpinfo_rttvar": getters.tcp_info(attrgetter("rttvar")),
    "tcpinfo_snd_cwnd": getters.tcp_info(attrgetter("snd_cwnd")),
    # limits
    "limit_conn_status": getters.limit_status("connections"),
    "limit_req_status": getters.limit_status("requests"),
    # the answer
    "body_bytes_sent": lambda ex: b"%d" % ex.body_bytes_sent,
    "bytes_sent": lambda ex: b"%d" % ex.bytes_sent,
    "gzip_ratio": getters.absent,
    "limit_rate": lambda ex: b"%d" % (ex.limit_rate or 0),
    "request_completion": lambda ex: b"OK" if ex.completed else b"",
    "status": lambda ex: b"%03d" % (ex.forced_status or ex.status),  # as nginx, though the client may get 206 or 304
    # the clock
    "date_gmt": lambda ex: getters.date(int(ex.logged_at), local=False),
    "date_local": lambda ex: getters.date(int(ex.logged_at), local=True),
    "msec": lambda ex: b"%.3f" % ex.logged_at,
    "time_iso8601": lambda ex: getters.time_iso8601(int(ex.logged_at)),
    "time_local": lambda ex: getters.time_local(int(ex.logged_at)),
    # the servers behind
    "proxy_add_x_forwarded_for": getters.forwarded_for,
    "proxy_host": getters.proxy_host,
    "proxy_port": getters.proxy_port,
    "upstream_addr": getters.every_attempt(attrgetter("name")),
    "upstream_bytes_received": getters.every_attempt(lambda attempt: b"%d" % attempt.bytes_received),
    "upstream_bytes_sent": getters.every_attempt(lambda attempt: b"%d" % attempt.bytes_sent),
    "upstream_cache_etag": getters.absent,
    "upstream_cache_last_modified": getters.absent,
    "upstream_cache_status": getters.absent,
    "upstream_connect_time": getters.every_attempt(lambda attempt: getters.seconds(attempt.connect_time)),
    "upstream_header_time": getters.every_attempt(lambda attempt: getters.seconds(attempt.header_time)),
    "upstream_response_length": getters.every_attempt(lambda attempt: b"%d" % attempt.response_length),
    "upstream_response_time": getters.every_attempt(lambda attempt: getters.seconds(attempt.response_time)),
    "upstream_status": getters.every_attempt(lambda attempt: b"%d" % attempt.status if attempt.status else b"-"),
    # what directives that are refused would fill; log formats with every variable there is have them
    **dict.fromkeys(("secure_link", "secure_link_expires", "slice_range"), getters.absent),
    **dict.fromkeys(("uid_got", "uid_reset", "uid_set"), getters.absent),
    # TLS, which ends in front of lbproxy
    **dict.fromkeys((f"ssl_{name}" for name in _OF_TLS.split()), getters.absent),
}

PREFIXES: Mapping[str, Callable[[str], Getter]] = {
    "arg_": getters.argument,
    "cookie_": getters.cookie,
    "http_": getters.request_field,
    "sent_http_": getters.sent_field,
    "sent_trailer_": getters.sent_trailer,
    "proxy_protocol_tlv_": getters.introduced_tlv,
    "upstream_cookie_": getters.upstream_cookie,
    "upstream_http_": getters.upstream_field,
    "upstream_trailer_": lambda _: getters.absent,
}
"""Families of variables: prefix -> maker of the getter for the rest of the name."""


class Computed:
    """
    The getter of a variable that a block of the configuration (``map``, ``geo``, ...) makes.

    It is computed when it is first asked for, and kept for the rest of the request unless it is *volatile*; what
    ``set`` assigns is kept in any case.  A variable that needs itself finds nothing.

    Attributes:
        compute: Returns the value; to be set once all other variables are known.
    """

    __slots__ = ("_name", "_volatile", "compute")

    def __init__(self, name: str, *, volatile: bool = False) -> None:
        self._name, self._volatile = name, volatile
        self.compute: Getter = getters.absent

    def __call__(self, ex: Exchange) -> bytes:
        """Return the value for *ex*."""
        if ex.values is None:
            ex.values = {}
        values, name = ex.values, self._name
        value = values.get(name)
        if value is None:
            values[name] = b""
            value = values[name] = self.compute(ex) or b""
            if self._volatile:
                del values[name]
        return value


class VariableTable:
    """
    The variables of one configuration.

    Args:
        constants: What the world outside contributes: hostname, nginx_version, pid, request_id.
        defined: Names that `set` gives values to; b"" until it does.
        captured: Names of groups in regular expressions; not found until one matches.
        located: Those that depend on the location in force: document_root, realpath_root, request_filename.
        computed: Those that blocks make.
    """

    def __init__(
        self,
        constants: Constants,
        defined: Iterable[str] = (),
        captured: Iterable[str] = (),
        located: Mapping[str, Getter] = MappingProxyType({}),
        computed: Mapping[str, Computed] = MappingProxyType({}),
    ) -> None:
        self._getters: dict[str, Getter] = {
            **{name.lower(): _value(name.lower(), None) for name in captured},
            **{name.lower(): _settable(name.lower()) for name in defined},
            **computed,
            **{name: _constant(name, value) for name, value in constants.items()},
            **VARIABLES,
            **located,
        }

    def lookup(self, name: str) -> Getter:
        """Return the getter of variable *name*, in any letter case; raises KeyError when there is none."""
        name = name.lower()
        getter = self._getters.get(name) or _of_family(name)
        if getter is None:
            raise KeyError(name)
        return getter

    def suggest(self, name: str) -> str:
        """Return a hint for a name that `lookup` does not know; "" when nothing is near."""
        return did_you_mean(name.lower(), self._getters, 'did you mean "${}"?')


def variable_name(target: Argument) -> str:
    """Return the name that *target* gives to a new variable, in lower case; raises InvalidValue."""
    name = target.text.removeprefix("$").lower()
    if not target.text.startswith("$") or not name:
        raise InvalidValue(f'invalid variable name "{target.text}"', target.position, f"write ${target.text}")
    if name in VARIABLES:
        raise InvalidValue(f'the duplicate "{name}" variable', target.position, "nothing may change this one")
    return name


def _of_family(name: str) -> Getter | None:
    """Return the getter of one of `PREFIXES`."""
    for prefix, make in PREFIXES.items():
        if name.startswith(prefix) and len(name) > len(prefix):
            return make(name.removeprefix(prefix))
    return None


def _settable(name: str) -> Getter:
    """Return the getter of what ``set`` assigns; until it does, ``$http_x`` and its like mean what they always mean."""
    otherwise = _of_family(name)
    if otherwise is None:
        return _value(name, b"")

    def get(ex: Exchange) -> bytes | None:
        value = ex.values.get(name) if ex.values is not None else None
        return otherwise(ex) if value is None else value

    return get


def _value(name: str, unset: bytes | None) -> Getter:
    def get(ex: Exchange) -> bytes | None:
        return ex.values.get(name, unset) if ex.values is not None else unset

    return get


def _constant(name: str, value: bytes | Callable[[], bytes]) -> Getter:
    if isinstance(value, bytes):
        return lambda _: value

    def get(ex: Exchange) -> bytes:
        if ex.values is None:
            ex.values = {}
        found = ex.values.get(name)
        if found is None:
            found = ex.values[name] = value()
        return found

    return get
