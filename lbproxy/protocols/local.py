"""
The address that connections to servers are made from: ``proxy_bind``, ``uwsgi_bind``.

As ngx_http_upstream.c:ngx_http_upstream_bind_set_slot and :ngx_http_upstream_set_local.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from lbproxy.config.addresses import is_literal, parse_endpoint
from lbproxy.config.octets import text_of
from lbproxy.config.parser import Directive
from lbproxy.config.values import Misfit
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable

_REMEMBERED = 1024  # addresses with variables, parsed


class Local(NamedTuple):
    """
    A local address.

    Args:
        host: An address without brackets.
        port: 0: any.
        transparent: It may be somebody else's (IP_TRANSPARENT).
    """

    host: str
    port: int = 0
    transparent: bool = False


class Bind(NamedTuple):
    """A ``*_bind`` directive; *local* is None if *template* has variables."""

    local: Local | None
    template: Template
    transparent: bool


LocalOf = Callable[[Exchange], Local | None]
"""Says where the connection for a request comes from; None: from anywhere. Raises ValueError: that is no address."""


def parse_bind(directive: Directive) -> Bind | None:
    """``*_bind address [transparent] | off``; None for ``off``."""
    address, *rest = directive.args
    if rest and rest[0].text != "transparent":
        raise Misfit('invalid parameter "{value}"', rest[0], "did you mean transparent?")
    if address.text == "off" and not rest:
        return None
    template, transparent = Template.parse(address), bool(rest)
    if template.constant is None:
        return Bind(None, template, transparent)
    local = _parse(address.text, transparent)
    if local is None:
        raise Misfit('invalid address "{value}"', address, "an address of this machine, with a port or without")
    return Bind(local, template, transparent)


@lru_cache(_REMEMBERED)
def _parse(text: str, transparent: bool) -> Local | None:
    """Return the address *text*, None if it is none (ngx_parse_addr_port)."""
    try:
        endpoint = parse_endpoint(f"[{text}]" if text.count(":") > 1 and not text.startswith("[") else text)
    except ValueError:
        return None
    if endpoint.path or not is_literal(endpoint.host):
        return None
    return Local(endpoint.host, endpoint.port or 0, transparent)


def compile_bind(bind: Bind | None, table: VariableTable) -> LocalOf | None:
    """Return what says where connections come from, None: always from anywhere; raises InvalidValue."""
    if bind is None:
        return None
    local, transparent = bind.local, bind.transparent
    if local is not None:
        return lambda _: local
    value_of = bind.template.bind(table)

    def local_of(ex: Exchange) -> Local | None:
        text = text_of(value_of(ex))
        found = _parse(text, transparent) if text else None
        if found is None and text:
            raise ValueError(f'invalid local address "{text}"')
        return found

    return local_of
