"""Answers that lbproxy makes itself: `return`, `error_page` and the built-in pages."""

from __future__ import annotations

import pytest

from tests.support.backends import close, reply
from tests.support.client import Client, ask, get, octets
from tests.support.stage import Stage

CONF = """
server {
    listen <listen>;
    <more>
}
"""


RETURNS = {
    "/text": ('return 200 "hello $remote_addr";', 200, None, "hello 127.0.0.1"),
    "/204": ("return 204;", 204, None, ""),
    "/301": ("return 301 https://$host$request_uri;", 301, "https://example.com/301?y=1", None),
    "/302": ("return 302 /other;", 302, "http://example.com:<port>/other", None),
    "/url": ("return http://elsewhere/;", 302, "http://elsewhere/", None),
    "/403": ("return 403;", 403, None, None),
    "/404": ("return 404 missing;", 404, None, "missing"),
}


def test_forms_of_return(stage: Stage) -> None:
    locations = "".join(f"location {path} {{ {directive} }}" for path, (directive, *_) in RETURNS.items())
    proxy = stage.lbproxy(CONF, more=locations)
    for path, (_, status, location, text) in RETURNS.items():
        answer = get(proxy.address, f"{path}?y=1")
        assert (answer.status, answer.get("Location")) == (status, location and stage.text(location)), path
        assert text is None or answer.text == text


def test_return_444_closes_without_a_word(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="return 444;")
    with Client(proxy.address) as client:
        client.send(octets())
        assert client.rest() == b""


def test_return_discards_the_body_and_keeps_in_step(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="return 200 ok;")
    with Client(proxy.address) as client:
        client.send(octets("/1", method="POST", body=b"GET /evil HTTP/1.1\r\n\r\n") + octets("/2"))
        assert [client.answer("POST").text, client.answer().text] == ["ok", "ok"]
    assert len(proxy.stdout.wait_for("HTTP/1.1", count=2)) == 2


def test_built_in_page(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="return 403;")
    answer = get(proxy.address)
    assert answer.reason == b"Forbidden"
    assert answer.get("Content-Type") == "text/html"
    assert answer.text.startswith("<html>\r\n<head><title>403 Forbidden</title></head>\r\n")


def test_error_page_of_a_location(stage: Stage) -> None:
    more = """
        error_page 502 504 /sorry;
        location / { proxy_pass http://<dead>; }
        location = /sorry { return 200 "back soon"; }
    """
    proxy = stage.lbproxy(CONF.replace("<more>", more), dead=stage.dead())
    answer = get(proxy.address)
    assert (answer.status, answer.text) == (502, "back soon")


@pytest.mark.parametrize(
    ("form", "status"), [("=200 /sorry", 200), ("= /sorry", 503), ("@sorry", 502), ("=404 @sorry", 404)]
)
def test_forms_of_error_page(stage: Stage, form: str, status: int) -> None:
    """``=code`` sets the status, ``=`` takes the page's own, a named location keeps the method and URI."""
    page = stage.backend(reply("sorry", status="503 Later"))
    more = f"""
        error_page 502 {form};
        location / {{ proxy_pass http://<dead>; }}
        location = /sorry {{ proxy_pass http://<page>; }}
        location @sorry {{ proxy_pass http://<page>; }}
    """
    proxy = stage.lbproxy(CONF.replace("<more>", more), dead=stage.dead(), page=page)
    answer = get(proxy.address)
    assert (answer.status, answer.text) == (status, "sorry")


@pytest.mark.parametrize(("form", "status"), [("@sorry", 502), ("=503 @sorry", 503), ("= @sorry", 200)])
def test_status_variable_of_an_error_page(stage: Stage, form: str, status: int) -> None:
    """$status in the page is what the client is told."""
    more = f"""
        error_page 502 {form};
        location / {{ proxy_pass http://<dead>; }}
        location @sorry {{ return 200 "$status"; }}
    """
    proxy = stage.lbproxy(CONF.replace("<more>", more), dead=stage.dead())
    answer = get(proxy.address)
    assert (answer.status, answer.text) == (status, str(status))


def test_error_page_redirects_to_a_url(stage: Stage) -> None:
    more = "error_page 502 http://status.example.com/; location / { proxy_pass http://<dead>; }"
    proxy = stage.lbproxy(CONF.replace("<more>", more), dead=stage.dead())
    answer = get(proxy.address)
    assert (answer.status, answer.get("Location")) == (302, "http://status.example.com/")


def test_answers_of_the_server_are_replaced_only_with_intercept(stage: Stage) -> None:
    more = """
        error_page 404 /none;
        location / { proxy_pass http://<b>; }
        location /replaced { proxy_pass http://<b>; proxy_intercept_errors on; }
        location = /none { return 200 ours; }
    """
    backend = stage.backend(reply("theirs", status="404 Not Found"))
    proxy = stage.lbproxy(CONF.replace("<more>", more), b=backend)
    assert get(proxy.address).text == "theirs"
    answer = get(proxy.address, "/replaced")
    assert (answer.status, answer.text) == (404, "ours")


def test_error_page_is_fetched_with_get(stage: Stage) -> None:
    page = stage.backend(reply("page"))
    more = """
        error_page 502 /page;
        location / { proxy_pass http://<b>; }
        location = /page { proxy_pass http://<page>; }
    """
    proxy = stage.lbproxy(CONF.replace("<more>", more), b=stage.backend(close), page=page)
    assert ask(proxy.address, octets(method="POST", body=b"x"), method="POST").text == "page"
    assert page.requests.wait()[0].line.startswith(b"GET /page ")


def test_nothing_to_serve_is_404(stage: Stage) -> None:
    proxy = stage.lbproxy(CONF, more="location /a { return 200; }")
    assert get(proxy.address, "/b").status == 404
