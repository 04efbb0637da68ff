"""Balancing directives: what they accept, what they refuse and with which words."""

from __future__ import annotations

import pytest

from lbproxy.balance.method import KeyKind
from lbproxy.balance.methods import ARITIES, BALANCERS, method_of
from lbproxy.errors import ConfigError, InvalidValue
from tests.support.upstreams import group, order, server, servers, upstream

ALL = (
    "", "ip_hash", "hash $request_uri", "hash $request_uri consistent", "url_hash", "least_conn",
    "least_time header", "least_time last_byte", "least_time header inflight", "least_time last_byte inflight",
    "fair", "fair no_rr", "fair weight_mode=idle", "fair weight_mode=peak no_rr", "random", "random two",
    "random two least_conn",
)
WITHOUT_BACKUP = ("ip_hash", "hash $request_uri", "hash $request_uri consistent", "url_hash", "random", "random two")


@pytest.mark.parametrize("method", ALL)
def test_every_form_serves(method: str) -> None:
    assert set(order(group(servers(1, 1), method), 60, b"abcd")) <= {"1", "2"}


def test_every_row_is_tried_above() -> None:
    assert {row.directive for row in BALANCERS} == {form.split()[0] for form in ALL if form}
    assert set(ARITIES) == {row.directive for row in BALANCERS}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("ip_hash yes", 'invalid parameter "yes"'),
        ("least_conn yes", 'invalid parameter "yes"'),
        ("url_hash $uri", 'invalid parameter "$uri"'),
        ("hash $uri ketama", 'invalid parameter "ketama"'),
        ("random three", 'invalid parameter "three"'),
        ("random two least_time=header", 'invalid parameter "least_time=header"'),
        ("least_time body", 'invalid value "body"'),
        ("least_time header yes", 'invalid parameter "yes"'),
        ("fair weight_mode=most", 'invalid parameter "weight_mode=most"'),
        ("fair weight_mode=idle weight_mode=peak", '"weight_mode=" options are mutually exclusive'),
    ],
)
def test_wrong_argument_is_an_error_at_its_place(method: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        method_of(upstream(servers(1), method))
    assert caught.value.message == message
    wrong = message.split('"')[1] if message.startswith("invalid") else "weight_mode=peak"
    assert caught.value.position.column == method.index(wrong) + 1


@pytest.mark.parametrize("method", ALL)
def test_backups_are_refused_where_nginx_refuses_them(method: str) -> None:
    lines = [server("a"), server("b", backup=True)]
    if method not in {*WITHOUT_BACKUP, "random two least_conn"}:
        assert method_of(upstream(lines, method)).backup
        return
    with pytest.raises(InvalidValue, match='balancing method does not support parameter "backup"') as caught:
        method_of(upstream(lines, method))
    assert caught.value.position is lines[1].position


def test_backups_alone_are_no_upstream() -> None:
    with pytest.raises(ConfigError, match='no servers in upstream "nodes"'):
        method_of(upstream([server("a", backup=True)]))


@pytest.mark.parametrize(
    ("method", "kind", "key"),
    [
        ("", KeyKind.NONE, None),
        ("fair", KeyKind.NONE, None),
        ("ip_hash", KeyKind.ADDRESS, None),
        ("hash $host$uri consistent", KeyKind.TEMPLATE, "$host$uri"),
        ("url_hash", KeyKind.TEMPLATE, "$request_uri"),
    ],
)
def test_method_says_what_it_chooses_by(method: str, kind: KeyKind, key: str | None) -> None:
    parsed = method_of(upstream(servers(1), method))
    assert parsed.key_kind is kind
    assert (parsed.key and parsed.key.text) == key
