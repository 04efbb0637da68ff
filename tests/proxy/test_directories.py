"""What speaks for a directory; that pages are nginx's is checked in tests/conformance/test_static.py."""

from __future__ import annotations

import json
import os

import pytest

from tests.proxy.test_files import SITE, write
from tests.support.client import octets
from tests.support.scene import Scene


async def test_the_first_index_that_is_there(scene: Scene) -> None:
    """May have another location; method and arguments stay."""
    write(scene, a__index_php="<?php", b__two="b", c__three="c")
    await scene.serve(SITE % 'index two three index.php; location ~ php$ { return 200 "$request_method $uri $args"; }')
    assert (await scene.ask(octets("/a/?q=1"))).text == "GET /a/index.php q=1"
    assert (await scene.ask(octets("/a/?q=1", method="POST", body=b"x"))).text == "POST /a/index.php q=1"
    assert (await scene.ask(octets("/b/"))).text == "b"
    assert (await scene.ask(octets("/c/"))).text == "c"


async def test_odd_names(scene: Scene) -> None:
    """A question mark in a name is no beginning of arguments, nor an @ that of a name."""
    www = write(scene)
    (www / "a?b").mkdir()
    (www / "a?b" / "index.html").write_text("odd")
    await scene.serve(SITE % "")
    assert (await scene.ask(octets("/a%3Fb/?q"))).text == "odd"


async def test_an_absolute_index(scene: Scene) -> None:
    """Is a place to go on at, whether it exists or not."""
    write(scene, a__x="x", b="b")
    await scene.serve(SITE % "index none /b; location /a/n/ { index /c; }")
    assert (await scene.ask(octets("/a/"))).text == "b"
    assert (await scene.ask(octets("/a/n/"))).status == 404


async def test_variables(scene: Scene) -> None:
    """Are made for each request."""
    write(scene, a__www_html="w", a__x_html="x")
    await scene.serve(SITE % "index $arg_i.html;")
    assert (await scene.ask(octets("/a/?i=www"))).text == "w"
    assert (await scene.ask(octets("/a/?i=x"))).text == "x"


@pytest.mark.parametrize(("path", "status", "said"), [
    ("/d/", 403, 'directory index of "{www}/d/" is forbidden'),
    ("/none/", 404, '"{www}/none/index.html" is not found (2: No such file or directory)'),
    ("/d/f/", 404, '"{www}/d/f/index.html" is not found (20: Not a directory)'),
    ("/loop/", 403, 'stat() "{www}/loop/index.html" failed (40: Too many levels of symbolic links)'),
    ("/l/", 403, 'stat() "{www}/l/index.html" failed (40: Too many levels of symbolic links)'),
])  # fmt: skip
async def test_nothing_speaks_for_it(scene: Scene, path: str, status: int, said: str) -> None:
    """In nginx's words."""
    www = write(scene, d__f="x", l__x="x")
    (www / "loop").symlink_to("loop")
    (www / "l" / "index.html").symlink_to("index.html")
    await scene.serve(SITE % "")
    assert (await scene.ask(octets(path))).status == status
    (error,) = scene.errors()
    assert said.format(www=www) in error


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
async def test_forbidden(scene: Scene) -> None:
    """A directory that may not be searched."""
    www = write(scene, d__index_html="x")
    (www / "d").chmod(0)
    await scene.serve(SITE % "")
    assert (await scene.ask(octets("/d/"))).status == 403
    assert '/d/index.html" is forbidden (13: Permission denied)' in scene.errors()[0]


class TestListings:
    """autoindex."""

    async def test_page(self, scene: Scene) -> None:
        """For who asks; the connection goes on."""
        write(scene, d__a="x", d__b__c="y")
        await scene.serve(SITE % "autoindex on;")
        client = await scene.client()
        answer = await client.ask(octets("/d/"))
        assert '<a href="b/">b/</a>' in answer.text
        assert answer.text.index('href="b/"') < answer.text.index('href="a"')
        assert answer.get("Content-Type") == "text/html"
        head = await client.ask(octets("/d/", method="HEAD"), "HEAD")
        assert (head.status, head.get("Content-Length")) == (200, str(len(answer.body)))
        assert (await client.ask(octets("/d/", method="POST"))).status == 403

    @pytest.mark.parametrize(("form", "query", "kind", "status"), [
        ("json", "", "application/json", 200), ("json", "?callback=f", "application/json", 200),
        ("jsonp", "?callback=f", "application/javascript", 200), ("jsonp", "", "application/json", 200),
        ("jsonp", "?callback=f(", "text/html", 400), ("xml", "", "text/xml", 200),
    ])  # fmt: skip
    async def test_data(self, scene: Scene, form: str, query: str, kind: str, status: int) -> None:
        """In other forms."""
        write(scene, d__a="x")
        await scene.serve(SITE % f"autoindex on; autoindex_format {form};")
        answer = await scene.ask(octets(f"/d/{query}"))
        assert (answer.status, answer.get("Content-Type")) == (status, kind)
        if kind == "application/json":
            assert json.loads(answer.text)[0]["name"] == "a"

    async def test_an_index_comes_first(self, scene: Scene) -> None:
        """If there is one."""
        write(scene, d__index_html="index")
        await scene.serve(SITE % "autoindex on;")
        assert (await scene.ask(octets("/d/"))).text == "index"

    async def test_what_cannot_be_listed(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """Or not all of it."""
        www = write(scene, d__a="x", e__b="y")
        await scene.serve(SITE % "autoindex on;")

        def refuse(*_: object) -> None:
            raise OSError(24, "Too many open files")

        with monkeypatch.context() as patched:
            patched.setattr("lbproxy.proxy.directories.contents", refuse)
            assert (await scene.ask(octets("/d/"))).status == 500
        assert f'opendir() "{www}/d" failed (24: Too many open files)' in scene.errors("crit")[0]

        def describe(entry: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr("lbproxy.proxy.filesystem._describe", describe)
        assert 'href="b"' not in (await scene.ask(octets("/e/"))).text
        assert f'stat() "{www}/e/b" failed (13: Permission denied)' in scene.errors("crit")[1]
