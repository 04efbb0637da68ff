"""
Redirects that name only a path, made whole: what clients older than RFC 7231 needed, and nginx still does.

As src/http/ngx_http_header_filter_module.c:ngx_http_header_filter.
"""

from __future__ import annotations

from lbproxy.config.core import ClientSettings
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import server_name
from lbproxy.wire import uri


def absolute_url(ex: Exchange, location: bytes) -> bytes:
    """Return *location*, a path with scheme, host and port in front unless ``absolute_redirect off``."""
    settings = ex.location.settings(ClientSettings)
    if not location.startswith(b"/") or not settings.absolute_redirect:
        return location
    port = ex.client.server_port
    shown = b":%d" % port if settings.port_in_redirect and port not in {0, 80} else b""
    return b"http://%b%b%b" % (_host(ex, named=settings.server_name_in_redirect), shown, location)


def _host(ex: Exchange, *, named: bool) -> bytes:
    """Return the host that the client is told: as it called us or, with *named*, the server's first name."""
    if named:
        return server_name(ex)
    if ex.head.host is not None or uri.authority(ex.head.target) is not None:
        return ex.host
    address = ex.client.server_address
    return b"[%b]" % address if b":" in address and not address.startswith(b"unix:") else address
