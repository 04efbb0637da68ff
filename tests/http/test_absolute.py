"""Redirects to a path are made whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lbproxy.config.core import ClientSettings
from lbproxy.http.absolute import absolute_url
from lbproxy.http.exchange import Exchange
from tests.support.exchanges import exchange, virtual_server


def asked(*, host: bytes | None = b"Example.com:99", server_port: int = 8080, **changes: bool) -> Exchange:
    """Return a request for which ClientSettings has *changes*."""
    switches: dict[str, Any] = dict(changes)
    settings: dict[type, object] = {ClientSettings: replace(ClientSettings(), **switches)}
    ex = exchange(server=virtual_server(".example.org", settings=settings))
    ex.head.host, ex.client.server_port = host, server_port
    return ex


def test_a_path_gets_scheme_host_and_port() -> None:
    """The host is what the client called us, the port the one it reached."""
    assert absolute_url(asked(), b"/a?b") == b"http://example.com:8080/a?b"


@pytest.mark.parametrize("location", [b"http://other/", b"other", b""])
def test_anything_but_a_path_stays(location: bytes) -> None:
    """A URL is whole already."""
    assert absolute_url(asked(), location) == location


def test_switched_off_a_path_stays_a_path() -> None:
    """absolute_redirect off."""
    assert absolute_url(asked(absolute_redirect=False), b"/a") == b"/a"


def test_the_port_is_left_out_where_it_says_nothing() -> None:
    """Port 80, a unix socket, port_in_redirect off."""
    for ex in (asked(server_port=80), asked(server_port=0), asked(port_in_redirect=False)):
        assert absolute_url(ex, b"/a") == b"http://example.com/a"


def test_the_server_s_own_name_on_request() -> None:
    """server_name_in_redirect."""
    assert absolute_url(asked(server_name_in_redirect=True), b"/") == b"http://example.org:8080/"


@pytest.mark.parametrize(("address", "shown"), [(b"192.0.2.1", b"192.0.2.1"), (b"::1", b"[::1]")])
def test_without_any_host_the_address_it_reached(address: bytes, shown: bytes) -> None:
    """An HTTP/1.0 request need not name one."""
    ex = asked(host=None)
    ex.client.server_address = address
    assert absolute_url(ex, b"/") == b"http://%b:8080/" % shown


def test_the_host_of_an_absolute_target_counts() -> None:
    """It overrides the Host field, and is there in HTTP/1.0 too."""
    ex = exchange(b"http://example.com/a")
    ex.head.host = None
    assert absolute_url(ex, b"/b") == b"http://example.com:8080/b"
