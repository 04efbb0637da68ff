"""
Answers to errors: nginx's small pages, and ``error_page``.

The pages are those of src/http/ngx_http_special_response.c octet by octet, but for the signature below.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting, setting_list
from lbproxy.config.values import decimal, flag
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire.requests import TOO_LARGE
from lbproxy.wire.status import CLIENT_GONE, FIELDS_TOO_LARGE, REDIRECTS, STATUS_REASONS

# Where a page is not headed by the reason phrase, or by nothing at all though there is a phrase.
_TITLES = {302: b"Found", 401: b"Authorization Required"}
_WITHOUT_PAGE = frozenset({304, 431})
_TOO_LARGE = TOO_LARGE.encode()


@lru_cache(maxsize=128)
def error_body(status: int, signature: bytes) -> bytes:
    """
    Return the page for *status*; b"" where nginx has none.

    Args:
        status: As sent, or `FIELDS_TOO_LARGE`.
        signature: ``lbproxy/1.2.3``, or ``lbproxy`` with ``server_tokens off``.
    """
    if status == FIELDS_TOO_LARGE:
        explanation = b"<center>%b</center>\r\n" % _TOO_LARGE
        return _page(b"400 " + _TOO_LARGE, b"400 Bad Request", explanation, signature)
    title = _TITLES.get(status) or STATUS_REASONS.get(status)
    if status < 301 or status in _WITHOUT_PAGE or title is None:
        return b""
    heading = b"%d %b" % (status, title)
    return _page(heading, heading, b"", signature)


def wants_json(ex: Exchange) -> bool:
    """Tell whether the client names application/json among what it accepts, and no HTML (RFC 9110 section 12.5.1)."""
    accepted = ex.head.get(b"accept")
    if accepted is None or b"json" not in accepted:
        return False
    types = {part.partition(b";")[0].strip().lower() for part in accepted.split(b",")}
    return b"application/json" in types and not types & {b"text/html", b"application/xhtml+xml"}


@lru_cache(maxsize=128)
def error_json(status: int) -> bytes:
    """Return the page for *status* as JSON; b"" where `error_body` has none either."""
    html = error_body(status, b"")
    if not html:
        return b""
    shown = 400 if status == FIELDS_TOO_LARGE else status
    title = html.partition(b"<title>")[2].partition(b"</title>")[0].removeprefix(b"%d " % shown)
    return b'{"status": %d, "error": "%b"}\n' % (shown, title)


def _page(title: bytes, heading: bytes, explanation: bytes, signature: bytes) -> bytes:
    return (
        b"<html>\r\n<head><title>%b</title></head>\r\n<body>\r\n<center><h1>%b</h1></center>\r\n%b"
        b"<hr><center>%b</center>\r\n</body>\r\n</html>\r\n" % (title, heading, explanation, signature)
    )


class ErrorPage(NamedTuple):
    """
    One ``error_page`` directive.

    Args:
        statuses: The errors it is for.
        response: The status to answer with; 0: that of the target (``=``); None: the error's own.
        uri: A path here, the ``@name`` of a location, or a URL to redirect to.
    """

    statuses: tuple[int, ...]
    response: int | None
    uri: Template


def parse_error_page(directive: Directive) -> ErrorPage:
    """Parse ``error_page code ... [=[response]] uri`` (ngx_http_core_module.c:ngx_http_core_error_page)."""
    *codes, uri = directive.args
    response = None
    if codes[-1].text.startswith("="):
        response = _response(codes.pop(), alone=not codes)
    return ErrorPage(tuple(map(_status, codes)), response, Template.parse(uri))


def _response(arg: Argument, alone: bool) -> int:
    response = decimal(arg.text[1:] or "0")
    if alone or response is None:
        raise InvalidValue(f'invalid value "{arg.text}"', arg.position, "error_page 404 =200 /page;")
    return response


def _status(arg: Argument) -> int:
    status = decimal(arg.text)
    if status is None or status == CLIENT_GONE:
        raise InvalidValue(f'invalid value "{arg.text}"', arg.position)
    if not 300 <= status <= 599:
        raise InvalidValue(f'value "{arg.text}" must be between 300 and 599', arg.position)
    return status


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ErrorPageSettings:
    """
    What is shown instead of the small pages; a block with any ``error_page`` inherits none.

    Args:
        recursive: Whether an error on the way to such a page may have one too.
    """

    pages: tuple[ErrorPage, ...] = setting_list(
        "error_page", parse_error_page, (), arity=(2, None), contexts=EVERY_LEVEL | Context.IF
    )
    recursive: bool = setting("recursive_error_pages", flag, False)


class ErrorTarget:
    """
    What an ``error_page`` says of one status.

    Attributes:
        response: As in `ErrorPage`.
        uri: Its URI for an exchange: ``/path?args`` (redirect inside, as GET unless HEAD), ``@name`` (the
            same, but method and URI stay), or a URL for the client.
    """

    __slots__ = ("response", "uri")

    def __init__(self, response: int | None, uri: Callable[[Exchange], bytes]) -> None:
        self.response, self.uri = response, uri

    @property
    def redirect_status(self) -> int:
        """The status of a redirect to a URL: *response* where that is one, else 302."""
        return self.response if self.response in REDIRECTS else 302


def compile_error_pages(pages: Iterable[ErrorPage], table: VariableTable) -> Mapping[int, ErrorTarget]:
    """
    Return the target for each status that has one; of several the first counts, as in nginx.

    Raises:
        InvalidValue: An unknown variable.
    """
    targets: dict[int, ErrorTarget] = {}
    for page in pages:
        target = ErrorTarget(page.response, page.uri.bind(table))
        for status in page.statuses:
            targets.setdefault(status, target)
    return targets
