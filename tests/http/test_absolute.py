"""Redirects to a path, made whole."""

from __future__ import annotations

import pytest

from lbproxy.config.core import ClientSettings
from lbproxy.http.absolute import absolute_url
from lbproxy.http.exchange import Client
from tests.support.exchanges import client, exchange, virtual_server


def listener(port: int, address: bytes = b"192.0.2.1") -> Client:
    """Return a client that came in at *address* and *port*."""
    ours = client()
    ours.server_address, ours.server_port = address, port
    return ours


@pytest.mark.parametrize(
    ("port", "settings", "url"),
    [
        (8080, ClientSettings(), b"http://example.com:8080/a"),
        (80, ClientSettings(), b"http://example.com/a"),
        (0, ClientSettings(), b"http://example.com/a"),
        (8080, ClientSettings(port_in_redirect=False), b"http://example.com/a"),
        (8080, ClientSettings(server_name_in_redirect=True), b"http://first.test:8080/a"),
        (8080, ClientSettings(absolute_redirect=False), b"/a"),
    ],
)
def test_a_path_gets_host_and_port(port: int, settings: ClientSettings, url: bytes) -> None:
    """As the client called us unless configured otherwise; the port of a plain listener is left out."""
    server = virtual_server("first.test", settings={ClientSettings: settings})
    ex = exchange(server=server, peer=listener(port))
    ex.head.host = b"Example.com:99"
    assert absolute_url(ex, b"/a") == url


def test_a_url_is_left_alone() -> None:
    """It is whole already."""
    assert absolute_url(exchange(), b"https://x/") == b"https://x/"


@pytest.mark.parametrize(
    ("address", "url"), [(b"192.0.2.1", b"http://192.0.2.1:8080/a"), (b"2001:db8::1", b"http://[2001:db8::1]:8080/a")]
)
def test_without_a_host_our_address_stands_in(address: bytes, url: bytes) -> None:
    """An HTTP/1.0 client may not say how it called us."""
    assert absolute_url(exchange(peer=listener(8080, address), version=10), b"/a") == url
