"""
Statuses: reason phrases as nginx words them, and the statuses that only nginx has.

As src/http/ngx_http_header_filter_module.c:ngx_http_status_lines and src/http/ngx_http_request.h.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

NO_ANSWER = 444
"""Of ``return``: close the connection without a word."""
FIELDS_TOO_LARGE = 494
"""A field or the whole head is too large: sent as 400, with a page of its own."""
CLIENT_GONE = 499
"""For the log: the client closed before it was answered."""

REDIRECTS = frozenset({301, 302, 303, 307, 308})

STATUS_REASONS: Mapping[int, bytes] = MappingProxyType(
    {
        100: b"Continue",
        101: b"Switching Protocols",
        103: b"Early Hints",
        200: b"OK",
        201: b"Created",
        202: b"Accepted",
        204: b"No Content",
        206: b"Partial Content",
        301: b"Moved Permanently",
        302: b"Moved Temporarily",
        303: b"See Other",
        304: b"Not Modified",
        307: b"Temporary Redirect",
        308: b"Permanent Redirect",
        400: b"Bad Request",
        401: b"Unauthorized",
        402: b"Payment Required",
        403: b"Forbidden",
        404: b"Not Found",
        405: b"Not Allowed",
        406: b"Not Acceptable",
        408: b"Request Time-out",
        409: b"Conflict",
        410: b"Gone",
        411: b"Length Required",
        412: b"Precondition Failed",
        413: b"Request Entity Too Large",
        414: b"Request-URI Too Large",
        415: b"Unsupported Media Type",
        416: b"Requested Range Not Satisfiable",
        421: b"Misdirected Request",
        429: b"Too Many Requests",
        431: b"Request Header Fields Too Large",
        500: b"Internal Server Error",
        501: b"Not Implemented",
        502: b"Bad Gateway",
        503: b"Service Temporarily Unavailable",
        504: b"Gateway Time-out",
        505: b"HTTP Version Not Supported",
        507: b"Insufficient Storage",
    }
)
