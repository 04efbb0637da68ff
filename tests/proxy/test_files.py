"""Which file a request means, and whether it can be had; that answers are nginx's is checked in tests/conformance."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from lbproxy.http.exchange import Exchange
from lbproxy.proxy.filesystem import Lookup
from tests.support.client import octets
from tests.support.scene import Scene

SITE = "server { listen 80; root <dir>/www; %s }"


def write(scene: Scene, **files: str | bytes) -> Path:
    """Write *files* under www, "__" in their names for a slash and "_" for a dot; return that directory."""
    www = scene.directory / "www"
    www.mkdir(exist_ok=True)
    for name, content in files.items():
        path = www / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return www


async def test_a_file(scene: Scene) -> None:
    """With all that is to be said of it."""
    www = write(scene, a_html="hello")
    os.utime(www / "a.html", (1_700_000_000, 1_700_000_000))
    await scene.serve(SITE % "")
    answer = await scene.ask(octets("/a.html"))
    assert (answer.status, answer.text) == (200, "hello")
    assert answer.get("Content-Type") == "text/html"
    assert answer.get("Last-Modified") == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert answer.get("ETag") == '"6553f100-5"'
    assert answer.get("Accept-Ranges") == "bytes"
    assert answer.get("Content-Length") == "5"


async def test_the_last_resort(scene: Scene) -> None:
    """Without a root it is html under the prefix, as in nginx; also where no location matches."""
    (scene.directory / "html").mkdir()
    (scene.directory / "html" / "x").write_text("x")
    await scene.serve("server { listen 80; location /a { } }")
    assert (await scene.ask(octets("/x"))).text == "x"
    assert (await scene.ask(octets("/a"))).status == 404


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/a", 200), ("HEAD", "/a", 200), ("POST", "/a", 405), ("PUT", "/a", 405), ("POST", "/b", 404),
    ("PUT", "/b", 405), ("POST", "/d", 301), ("POST", "/d/", 403), ("PUT", "/d/", 405),
])  # fmt: skip
async def test_methods(scene: Scene, method: str, path: str, status: int) -> None:
    """A file is there to be read."""
    write(scene, a="x", d__x="y")
    await scene.serve(SITE % "")
    answer = await scene.ask(octets(path, method=method), method)
    assert answer.status == status


async def test_bodies_are_passed_over(scene: Scene) -> None:
    """And what comes behind them is the next request; one that is malformed is an error."""
    write(scene, a="x", b="y")
    await scene.serve(SITE % "")
    client = await scene.client()
    assert (await client.ask(octets("/a", body=b"12345"))).text == "x"
    assert (await client.ask(octets("/b"))).text == "y"
    assert (await scene.ask(octets("/a", "Transfer-Encoding: chunked") + b"x\r\n")).status == 400


class TestRefusals:
    """What the system says no to, in nginx's words."""

    async def test_missing(self, scene: Scene) -> None:
        """With and without a word in the log."""
        www = write(scene, a="x")
        await scene.serve(SITE % "location /silent { log_not_found off; }")
        for path in ("/b", "/a/b", "/" + "x" * 300, "/silent", "/silent/"):
            assert (await scene.ask(octets(path))).status == 404
        first, second, third = scene.errors("error", "crit")
        assert f'open() "{www}/b" failed (2: No such file or directory), client: 127.0.0.1, server: ' in first
        assert f'open() "{www}/a/b" failed (20: Not a directory)' in second
        assert "failed (36: File name too long)" in third

    async def test_no_regular_file(self, scene: Scene) -> None:
        """A fifo is not waited for."""
        www = write(scene)
        os.mkfifo(www / "fifo")
        await scene.serve(SITE % "")
        assert (await scene.ask(octets("/fifo"))).status == 404
        assert f'"{www}/fifo" is not a regular file' in scene.errors("crit")[0]

    async def test_forbidden(self, scene: Scene) -> None:
        """A loop of links is not walked."""
        www = write(scene)
        (www / "loop").symlink_to("loop")
        await scene.serve(SITE % "")
        assert (await scene.ask(octets("/loop"))).status == 403
        assert f'open() "{www}/loop" failed (40: Too many levels of symbolic links)' in scene.errors()[0]

    async def test_out_of_the_directory(self, scene: Scene) -> None:
        """Nothing but what an alias stands for can be had through it."""
        write(scene, d__x="x", secret="s")
        await scene.serve(SITE % "location /d { alias <dir>/www/d/; }")
        assert (await scene.ask(octets("/d/x"))).text == "x"
        assert (await scene.ask(octets("/d../secret"))).status == 404
        assert '"/d../secret" leads out of the directory of its location' in scene.errors()[0]

    async def test_an_alias_behind_a_script(self, scene: Scene) -> None:
        """That leads elsewhere and stays: a mistake of the configuration, as in nginx."""
        write(scene, d__x="x")
        await scene.serve(SITE % "location /d/ { alias <dir>/www/d/; rewrite ^ /e break; }")
        scene.forgive('"alias" cannot be used')
        assert (await scene.ask(octets("/d/x"))).status == 500
        assert '"alias" cannot be used in location "/d/" where URI was rewritten' in scene.errors("alert")[0]

    async def test_a_nul(self, scene: Scene) -> None:
        """However it got there, no file has it in its name."""
        write(scene)
        await scene.serve("server { listen 80; location / { root <dir>/$a; set $a '\0'; } }")
        assert (await scene.ask(octets("/x"))).status == 404


    async def test_too_many_open_files(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        """Somebody will be done with one; who waits in vain is told."""
        www = write(scene, a="x")
        await scene.serve(SITE % "send_timeout 5s;")
        left, real = [OSError(24, "Too many open files")] * 3, Lookup.open

        def refuse(lookup: Lookup, ex: Exchange, path: bytes) -> int:
            if left:
                raise left.pop()
            return real(lookup, ex, path)

        monkeypatch.setattr(Lookup, "open", refuse)
        assert (await scene.ask(octets("/a"))).text == "x"
        left += [OSError(24, "Too many open files")] * 500
        assert (await scene.ask(octets("/a"))).status == 500
        assert f'open() "{www}/a" failed (24: Too many open files)' in scene.errors("crit")[0]


class TestDirectories:
    """Paths without their slash."""

    @pytest.mark.parametrize(("path", "location"), [
        ("/d", "/d/"), ("/d?a=b", "/d/?a=b"), ("/s%20p", "/s%20p/"), ("/l%0aX:1", "/l%0AX:1/"), ("/alias", "/alias/"),
    ])  # fmt: skip
    async def test_are_redirected(self, scene: Scene, path: str, location: str) -> None:
        """Nothing in the name can get out of the field."""
        www = write(scene, d__x="x")
        (www / "s p").mkdir()
        (www / "l\nX:1").mkdir()
        await scene.serve(SITE % "absolute_redirect off; location = /alias { alias <dir>/www/d; }")
        answer = await scene.ask(octets(path))
        assert (answer.status, answer.get("Location")) == (301, location)


class TestPacked:
    """gzip_static."""

    async def test_who_gets_it(self, scene: Scene) -> None:
        """Who can take it; caches are told."""
        write(scene, a_css="plain", a_css_gz=gzip.compress(b"packed"), b_css="alone")
        await scene.serve(SITE % "types { text/css css; } gzip_static on; gzip_vary on;")
        packed = await scene.ask(octets("/a.css", "Accept-Encoding: gzip"))
        assert gzip.decompress(packed.body) == b"packed"
        assert (packed.get("Content-Encoding"), packed.get("Content-Type")) == ("gzip", "text/css")
        plain = await scene.ask(octets("/a.css"))
        assert (plain.text, plain.get("Content-Encoding")) == ("plain", None)
        assert packed.get("Vary") == plain.get("Vary") == "Accept-Encoding"
        alone = await scene.ask(octets("/b.css", "Accept-Encoding: gzip"))
        assert (alone.text, alone.get("Vary")) == ("alone", None)

    async def test_always(self, scene: Scene) -> None:
        """Whatever the client says; the file itself need not exist."""
        write(scene, a_gz=gzip.compress(b"packed"))
        await scene.serve(SITE % "gzip_static always;")
        assert gzip.decompress((await scene.ask(octets("/a"))).body) == b"packed"
        assert (await scene.ask(octets("/a", method="POST"))).status == 404

    async def test_what_is_no_file(self, scene: Scene) -> None:
        """Is passed over, with a word if it is odd."""
        www = write(scene, a="a", a_gz__x="x", b="b")
        (www / "b.gz").symlink_to("b.gz")
        await scene.serve(SITE % "gzip_static on;")
        assert (await scene.ask(octets("/a", "Accept-Encoding: gzip"))).text == "a"
        assert (await scene.ask(octets("/b", "Accept-Encoding: gzip"))).text == "b"
        (error,) = scene.errors()
        assert f'open() "{www}/b.gz" failed (40: ' in error


async def test_descriptors_are_given_back(scene: Scene) -> None:
    """Also when the client goes away amid a file; the scene counts them."""
    write(scene, a=bytes(20_000_000))
    await scene.serve(SITE % "")
    client = await scene.client(window=4096)
    await client.send(octets("/a"))
    await client.until(b"\r\n\r\n")
    client.reset()
