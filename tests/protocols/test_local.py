"""The address that connections come from."""

from __future__ import annotations

import pytest

from lbproxy.errors import InvalidValue
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.local import Local, compile_bind, parse_bind
from tests.support.exchanges import directive, exchange
from tests.support.loading import CONSTANTS

TABLE = VariableTable(CONSTANTS)


@pytest.mark.parametrize(("args", "local"), [
    (["10.0.0.1"], Local("10.0.0.1")),
    (["10.0.0.1:8080"], Local("10.0.0.1", 8080)),
    (["10.0.0.1", "transparent"], Local("10.0.0.1", 0, True)),
    (["::1"], Local("::1")),
    (["[::1]:80"], Local("::1", 80)),
])
def test_addresses(args: list[str], local: Local) -> None:
    """With a port or without."""
    local_of = compile_bind(parse_bind(directive("proxy_bind", *args)), TABLE)
    assert local_of is not None
    assert local_of(exchange()) == local


def test_off() -> None:
    """From anywhere."""
    assert compile_bind(parse_bind(directive("proxy_bind", "off")), TABLE) is None


@pytest.mark.parametrize("args", [
    ["localhost"], ["10.0.0.1", "opaque"], ["off", "x"], ["10.0.0.1:0"], ["unix:/x"], ["10.0.0.1:99999"], [""],
])
def test_mistakes(args: list[str]) -> None:
    """Only addresses are addresses."""
    with pytest.raises(InvalidValue):
        parse_bind(directive("proxy_bind", *args))


def test_variables() -> None:
    """Nothing is no address; what is none is told."""
    local_of = compile_bind(parse_bind(directive("proxy_bind", "$arg_a", "transparent")), TABLE)
    assert local_of is not None
    assert local_of(exchange(b"/?a=10.0.0.7")) == Local("10.0.0.7", 0, True)
    assert local_of(exchange(b"/")) is None
    with pytest.raises(ValueError, match='invalid local address "nonsense"'):
        local_of(exchange(b"/?a=nonsense"))
    with pytest.raises(InvalidValue, match='unknown "nothing" variable'):
        compile_bind(parse_bind(directive("proxy_bind", "$nothing")), TABLE)
