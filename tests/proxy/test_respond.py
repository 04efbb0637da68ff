"""Answers that are made here."""

from __future__ import annotations

import re
import time
from email.utils import parsedate_to_datetime

import pytest

from lbproxy import __version__
from tests.support.client import octets
from tests.support.scene import Scene


def server(*lines: str) -> str:
    """Return a server with *lines*."""
    return "\n".join(["server { listen 80;", *lines, "}"])


async def test_pages_are_nginxs(scene: Scene) -> None:
    """Octet by octet, but for the signature."""
    await scene.serve(server())
    answer = await scene.ask(octets("/x"))
    assert answer.text == (
        "<html>\r\n<head><title>404 Not Found</title></head>\r\n<body>\r\n<center><h1>404 Not Found</h1></center>\r\n"
        f"<hr><center>lbproxy/{__version__}</center>\r\n</body>\r\n</html>\r\n"
    )
    assert answer.get("Content-Type") == "text/html"
    assert answer.get("Content-Length") == str(len(answer.body))
    assert answer.get("Server") == f"lbproxy/{__version__}"


async def test_server_tokens_off(scene: Scene) -> None:
    """No version anywhere."""
    await scene.serve(server("server_tokens off;"))
    answer = await scene.ask(octets("/x"))
    assert answer.get("Server") == "lbproxy"
    assert __version__ not in answer.text


async def test_date(scene: Scene) -> None:
    """Is the time, in the form of RFC 9110 section 5.6.7."""
    await scene.serve(server("return 200 x;"))
    date = (await scene.ask(octets())).get("Date") or ""
    assert re.fullmatch(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", date)
    assert abs(parsedate_to_datetime(date).timestamp() - time.time()) < 5


async def test_head(scene: Scene) -> None:
    """HEAD gets the same head without the body."""
    await scene.serve(server("return 200 hello;"))
    client = await scene.client()
    await client.send(octets(method="HEAD") + octets())
    head = await client.until(b"\r\n\r\n")
    assert b"Content-Length: 5\r\n" in head
    assert (await client.answer()).text == "hello"


@pytest.mark.parametrize("status", [204, 304])
async def test_bodiless_statuses(scene: Scene, status: int) -> None:
    """204 and 304 have neither body nor length nor type."""
    await scene.serve(server(f"return {status} text;"))
    client = await scene.client()
    for _ in range(2):
        answer = await client.ask(octets())
        assert (answer.status, answer.body) == (status, b"")
        assert (answer.get("Content-Length"), answer.get("Content-Type")) == (None, None)


@pytest.mark.parametrize(("status", "stays"), [
    (400, False), (403, True), (404, True), (413, False), (414, False), (500, False), (501, False), (502, True),
    (503, True),
])
async def test_some_errors_end_the_connection(scene: Scene, status: int, stays: bool) -> None:
    """Those after which the client's next octets could mean anything, and those that say we are in trouble."""
    await scene.serve(server(f"return {status};"))
    answer = await scene.ask(octets())
    assert answer.get("Connection") == ("keep-alive" if stays else "close")


async def test_head_and_body_are_one_write(scene: Scene) -> None:
    """A small answer is one packet."""
    await scene.serve(server("return 200 hello;"))
    client = await scene.client()
    await client.send(octets())
    assert (await client.arrived()).endswith(b"\r\n\r\nhello")


async def test_large_text_to_a_slow_client(scene: Scene) -> None:
    """An answer that does not fit the socket is sent as the client reads."""
    await scene.serve(server("location / { error_page 404 /a; }", "location /a { return 200 '" + "x" * 3000000 + "'; }",
                             "send_timeout 20s;"))
    client = await scene.client(window=4096)
    await client.send(octets("/a"))
    answer = await client.answer()
    assert len(answer.body) == 3000000


@pytest.mark.parametrize("path", ["/%0d%0aX:%20y", "/%0a", "/%7f%01"])
async def test_no_control_character_in_a_redirect(scene: Scene, path: str) -> None:
    """Wherever the text of a Location comes from."""
    await scene.serve(server("error_page 404 http://else.test$uri;"))
    answer = await scene.ask(octets(path))
    assert answer.status == 302
    assert all(" " <= character < "\x7f" for character in answer.get("Location") or "\n")
    assert answer.get("X") is None


async def test_charset(scene: Scene) -> None:
    """Texts made here say what they are written in, where that is configured."""
    await scene.serve(server("charset utf-8;", "default_type text/plain;", "return 200 x;"))
    assert (await scene.ask(octets())).get("Content-Type") == "text/plain; charset=utf-8"
