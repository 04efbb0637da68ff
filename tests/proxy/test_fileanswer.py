"""The answer that is a file; that it is nginx's is checked in tests/conformance/test_static.py."""

from __future__ import annotations

import os

import pytest

from tests.proxy.test_files import SITE, write
from tests.support.client import octets
from tests.support.scene import Scene

CHANGED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


def old(scene: Scene, **files: str | bytes) -> None:
    """Write *files*, all of the same age."""
    www = write(scene, **files)
    for path in www.rglob("*"):
        os.utime(path, (CHANGED, CHANGED))


async def test_unchanged(scene: Scene) -> None:
    """A client that knows the file gets neither body nor type; the connection goes on."""
    old(scene, a_html="hello")
    await scene.serve(SITE % "")
    client = await scene.client()
    for _ in range(2):
        answer = await client.ask(octets("/a.html", f"If-Modified-Since: {DATE}"))
        assert (answer.status, answer.body, answer.get("ETag")) == (304, b"", '"6553f100-5"')
        assert (answer.get("Content-Type"), answer.get("Content-Length")) == (None, None)
    assert (await client.ask(octets("/a.html", 'If-Match: "x"'))).status == 412


async def test_parts(scene: Scene) -> None:
    """One by itself, several in one body."""
    old(scene, a_html="0123456789")
    await scene.serve(SITE % "charset utf-8;")
    one = await scene.ask(octets("/a.html", "Range: bytes=2-4"))
    assert (one.status, one.text, one.get("Content-Range")) == (206, "234", "bytes 2-4/10")
    several = await scene.ask(octets("/a.html", "Range: bytes=0-0,-1"))
    kind = several.get("Content-Type") or ""
    assert kind.startswith("multipart/byteranges; boundary=")
    parts = several.text.split("--" + kind.partition("=")[2])
    assert parts[1:] == [
        "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Range: bytes 0-0/10\r\n\r\n0\r\n",
        "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Range: bytes 9-9/10\r\n\r\n9\r\n",
        "--\r\n",
    ]
    nothing = await scene.ask(octets("/a.html", "Range: bytes=10-"))
    assert (nothing.status, nothing.get("Content-Range")) == (416, "bytes */10")


async def test_head(scene: Scene) -> None:
    """Is told of what GET would get."""
    old(scene, a="0123456789")
    await scene.serve(SITE % "")
    client = await scene.client()
    for fields, status, length in [((), 200, "10"), (("Range: bytes=0-1",), 206, "2")]:
        answer = await client.ask(octets("/a", *fields, method="HEAD"), "HEAD")
        assert (answer.status, answer.get("Content-Length"), answer.body) == (status, length, b"")
    several = await client.ask(octets("/a", "Range: bytes=0-0,2-2", method="HEAD"), "HEAD")
    assert several.status == 206
    assert (await client.ask(octets("/a"))).text == "0123456789"


async def test_error_pages(scene: Scene) -> None:
    """Have the error's status and no conditions; their age is not told."""
    old(scene, page_html="sorry")
    await scene.serve(SITE % "error_page 404 /page.html; location /ok { error_page 404 =200 /page.html; }")
    answer = await scene.ask(octets("/x", f"If-Modified-Since: {DATE}", "Range: bytes=0-1"))
    assert (answer.status, answer.text, answer.get("Last-Modified")) == (404, "sorry", None)
    assert answer.get("Accept-Ranges") is None
    answer = await scene.ask(octets("/ok", "Range: bytes=0-1"))
    assert (answer.status, answer.text) == (206, "so")
    assert (await scene.ask(octets("/ok", "Range: bytes=9-"))).status == 416


async def test_fields_are_filtered(scene: Scene) -> None:
    """By what the location does to answers, which may depend on the file's own fields."""
    old(scene, a_html="x")
    await scene.serve(SITE % "add_header X-Type $sent_http_content_type; expires modified 1h; charset utf-8;")
    answer = await scene.ask(octets("/a.html"))
    assert answer.get("X-Type") == "text/html; charset=utf-8"
    assert answer.get("Expires") == "Tue, 14 Nov 2023 23:13:20 GMT"


async def test_packed_on_the_way(scene: Scene) -> None:
    """What gzip changes goes out in chunks, whole, and has no parts."""
    old(scene, a_html="x" * 200_000, empty_html="")
    await scene.serve(SITE % "gzip on; gzip_min_length 0;")
    client = await scene.client()
    for fields in ((), ("Range: bytes=0-1",)):
        answer = await client.ask(octets("/a.html", "Accept-Encoding: gzip", *fields))
        assert (answer.status, answer.get("Transfer-Encoding")) == (200, "chunked")
        assert answer.get("Accept-Ranges") is None
        assert answer.get("ETag") == 'W/"6553f100-30d40"'
        assert len(answer.body) < 2000
    assert (await client.ask(octets("/empty.html", "Accept-Encoding: gzip"))).status == 200
    head = await client.ask(octets("/a.html", "Accept-Encoding: gzip", method="HEAD"), "HEAD")
    assert (head.get("Content-Encoding"), head.get("Content-Length")) == ("gzip", None)


async def test_no_type(scene: Scene) -> None:
    """Where there is none to name."""
    old(scene, a="0123456789")
    await scene.serve(SITE % 'default_type "";')
    assert (await scene.ask(octets("/a"))).get("Content-Type") is None
    assert b"Content-Type" not in (await scene.ask(octets("/a", "Range: bytes=0-0,2-2"))).body


@pytest.mark.parametrize("conf", ["", "sendfile off;"])
async def test_log(scene: Scene, conf: str) -> None:
    """Octets are counted whichever way they went."""
    old(scene, a=bytes(300_000))
    await scene.serve(f"log_format f '$status $body_bytes_sent $request_completion'; {SITE % conf}".replace(
        "listen 80;", "listen 80; access_log access.log f;"))  # fmt: skip
    assert len((await scene.ask(octets("/a"))).body) == 300_000
    assert scene.log() == ["200 300000 OK"]
