"""Error pages and where they come from."""

from __future__ import annotations

import json

import pytest

from lbproxy.errors import InvalidValue
from lbproxy.http.errorpage import (
    ErrorPage,
    compile_error_pages,
    error_body,
    error_json,
    parse_error_page,
    wants_json,
)
from lbproxy.http.variables import VariableTable
from lbproxy.wire.status import FIELDS_TOO_LARGE, STATUS_REASONS
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({})


def test_the_page_is_nginx_s_but_for_the_signature() -> None:
    """Octet by octet."""
    assert error_body(502, b"lbproxy/0.1.0") == (
        b"<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n"
        b"<center><h1>502 Bad Gateway</h1></center>\r\n"
        b"<hr><center>lbproxy/0.1.0</center>\r\n</body>\r\n</html>\r\n"
    )


def test_a_head_too_large_explains_itself() -> None:
    """494 is shown as 400 with a line of explanation."""
    assert error_body(494, b"lbproxy") == (
        b"<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n"
        b"<center><h1>400 Bad Request</h1></center>\r\n"
        b"<center>Request Header Or Cookie Too Large</center>\r\n"
        b"<hr><center>lbproxy</center>\r\n</body>\r\n</html>\r\n"
    )


# From the binary of nginx 1.22; lengths with its signature "nginx/1.22.1" as sent.
PAGES = {
    301: b"301 Moved Permanently", 302: b"302 Found", 303: b"303 See Other", 307: b"307 Temporary Redirect",
    308: b"308 Permanent Redirect", 400: b"400 Bad Request", 401: b"401 Authorization Required",
    402: b"402 Payment Required", 403: b"403 Forbidden", 404: b"404 Not Found", 405: b"405 Not Allowed",
    406: b"406 Not Acceptable", 408: b"408 Request Time-out", 409: b"409 Conflict", 410: b"410 Gone",
    411: b"411 Length Required", 412: b"412 Precondition Failed", 413: b"413 Request Entity Too Large",
    414: b"414 Request-URI Too Large", 415: b"415 Unsupported Media Type",
    416: b"416 Requested Range Not Satisfiable", 421: b"421 Misdirected Request",
    429: b"429 Too Many Requests", 500: b"500 Internal Server Error", 501: b"501 Not Implemented",
    502: b"502 Bad Gateway", 503: b"503 Service Temporarily Unavailable", 504: b"504 Gateway Time-out",
    505: b"505 HTTP Version Not Supported", 507: b"507 Insufficient Storage",
}


@pytest.mark.parametrize("status", sorted({*PAGES, *STATUS_REASONS, 418, 499, 599}))
def test_the_statuses_that_have_a_page(status: int) -> None:
    """The same as in nginx, under the same headings."""
    body = error_body(status, b"nginx/1.22.1")
    heading = PAGES.get(status)
    assert (b"<title>%b</title>" % heading in body) if heading else body == b""


@pytest.mark.parametrize(("status", "length"), [(301, 169), (302, 145), (303, 153), (307, 171), (413, 183)])
def test_pages_are_as_long_as_nginx_s(status: int, length: int) -> None:
    """Content-Length of nginx 1.22 for the same answer."""
    assert len(error_body(status, b"nginx/1.22.1")) == length


# error_page


def error_page(*args: str) -> ErrorPage:
    return parse_error_page(directive("error_page", *args))


@pytest.mark.parametrize(
    ("args", "statuses", "response"),
    [
        (("404", "/404.html"), (404,), None),
        (("500", "502", "504", "/50x.html"), (500, 502, 504), None),
        (("404", "=200", "/empty.gif"), (404,), 200),
        (("404", "=", "@fallback"), (404,), 0),
    ],
)
def test_forms_of_error_page(args: tuple[str, ...], statuses: tuple[int, ...], response: int | None) -> None:
    """Statuses, the status to answer with, a URI."""
    page = error_page(*args)
    assert (page.statuses, page.response, page.uri.constant) == (statuses, response, args[-1].encode())


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("x", "/a"), 'invalid value "x"'),
        (("499", "/a"), 'invalid value "499"'),
        (("200", "/a"), 'value "200" must be between 300 and 599'),
        (("600", "/a"), 'value "600" must be between 300 and 599'),
        (("=200", "/a"), 'invalid value "=200"'),
        (("404", "=x", "/a"), 'invalid value "=x"'),
        (("404", "=200", "404", "/a"), 'invalid value "=200"'),
    ],
)
def test_error_pages_that_are_refused(args: tuple[str, ...], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue) as caught:
        error_page(*args)
    assert caught.value.message == message


def test_the_first_page_for_a_status_counts() -> None:
    """As in nginx; a URI may have variables."""
    pages = [error_page("404", "/a$uri"), error_page("404", "500", "=301", "/b")]
    targets = compile_error_pages(pages, TABLE)
    assert targets[404].uri(exchange(b"/x")) == b"/a/x"
    assert targets[404].response is None
    assert targets[500].response == 301
    assert 502 not in targets


@pytest.mark.parametrize(("response", "status"), [("", 302), ("=", 302), ("=200", 302), ("=308", 308)])
def test_a_redirect_to_a_url_has_a_redirect_s_status(response: str, status: int) -> None:
    """302 unless =code is another redirect."""
    args = ["404", response, "http://other/"] if response else ["404", "http://other/"]
    assert compile_error_pages([error_page(*args)], TABLE)[404].redirect_status == status


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        (b"application/json", True),
        (b"application/json;q=0.9, */*;q=0.1", True),
        (b"text/html, application/json", False),
        (b"*/*", False),
        (b"application/problem+json", False),
    ],
)
def test_who_wants_json(accepted: bytes, *, expected: bool) -> None:
    """Programs that say so; browsers name HTML."""
    assert wants_json(exchange(fields=b"Accept: %b\r\n" % accepted)) is expected
    assert not wants_json(exchange())


@pytest.mark.parametrize("status", [301, 404, 413, 418, 502, FIELDS_TOO_LARGE])
def test_pages_as_json(status: int) -> None:
    """They say the same as those in HTML."""
    html = error_body(status, b"lbproxy").decode()
    text = error_json(status)
    if not html:
        assert text == b""
    else:
        page = json.loads(text)
        assert f"<title>{page['status']} {page['error']}</title>" in html
