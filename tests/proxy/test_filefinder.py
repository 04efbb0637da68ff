"""try_files at work; that it is nginx's is checked in tests/conformance/test_static.py."""

from __future__ import annotations

from tests.proxy.test_files import SITE, write
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene


async def test_the_usual_form(scene: Scene) -> None:
    """Files from here, all else from the application, which sees the request as it was."""
    write(scene, a_css="css", d__index_html="index")
    app = scene.answering(reply("app"))
    conf = SITE % "location / { try_files $uri $uri/ @app; } location @app { proxy_pass http://<app>; }"
    await scene.serve(conf, app=app)
    assert (await scene.ask(octets("/a.css"))).text == "css"
    assert (await scene.ask(octets("/d/"))).text == "index"
    assert (await scene.ask(octets("/d"))).status == 301
    assert (await scene.ask(octets("/x/%79?q=1", method="POST", body=b"body"))).text == "app"
    (asked,) = app.requests
    assert (asked.line, asked.body) == (b"POST /x/%79?q=1 HTTP/1.1", b"body")


async def test_a_page_for_all_else(scene: Scene) -> None:
    """As applications in the browser want it."""
    write(scene, index_html="app", a="a")
    await scene.serve(SITE % "location / { try_files $uri /index.html; }")
    for path, text in {"/a": "a", "/x": "app", "/": "app", "/x/y?z": "app"}.items():
        assert (await scene.ask(octets(path))).text == text


async def test_a_script_for_all_else(scene: Scene) -> None:
    """Gets what was posted."""
    write(scene)
    await scene.serve(SITE % """location / { try_files $uri /index.php?$args; }
        location ~ php$ { return 200 "$request_method $uri $args"; }""")
    assert (await scene.ask(octets("/x?a=b", method="POST", body=b"x"))).text == "POST /index.php a=b"


async def test_a_status_for_all_else(scene: Scene) -> None:
    """Even none at all."""
    write(scene, a="a")
    await scene.serve(SITE % "location / { try_files $uri =410; } location /b { try_files $uri =444; }")
    assert (await scene.ask(octets("/a"))).text == "a"
    assert (await scene.ask(octets("/x"))).status == 410
    client = await scene.client()
    await client.send(octets("/b"))
    assert await client.rest() == b""


async def test_nothing_is_looked_for_below_an_alias_behind_a_script(scene: Scene) -> None:
    """As nginx: the path is no longer the one that the alias is for."""
    write(scene, d__x="x")
    await scene.serve(SITE % "location /d/ { alias <dir>/www/d/; rewrite ^ /d/x break; try_files $uri =404; }")
    scene.forgive('"alias" cannot be used')
    assert (await scene.ask(octets("/d/x"))).status == 500
    assert '"alias" cannot be used in location "/d/" where URI was rewritten' in scene.errors("alert")[0]


async def test_a_file_in_front_of_a_server(scene: Scene) -> None:
    """The server is asked for what was found."""
    write(scene, b="b")
    app = scene.answering(reply("app"))
    await scene.serve(SITE % "location / { try_files /b =404; proxy_pass http://<app>/; }", app=app)
    assert (await scene.ask(octets("/a"))).text == "app"
    assert app.requests[0].line == b"GET /b HTTP/1.1"


async def test_a_circle(scene: Scene) -> None:
    """Is left after ten rounds."""
    write(scene)
    await scene.serve(SITE % "location / { try_files $uri /x; }")
    assert (await scene.ask(octets("/y"))).status == 500
    assert "redirection cycle" in scene.errors()[0]


async def test_what_cannot_be_looked_at(scene: Scene) -> None:
    """Is not there, and the log says why."""
    www = write(scene, b="b")
    (www / "loop").symlink_to("loop")
    await scene.serve(SITE % "location / { try_files $uri /b =404; } location /arg { try_files /$arg_f =404; }")
    assert (await scene.ask(octets("/loop"))).text == "b"
    (error,) = scene.errors("crit")
    assert f'stat() "{www}/loop" failed (40: Too many levels of symbolic links)' in error
    assert (await scene.ask(octets("/arg?f=../error.log"))).status == 404


async def test_links(scene: Scene) -> None:
    """Are as good as the location says."""
    www = write(scene, b="b")
    (www / "link").symlink_to("b")
    await scene.serve(SITE % "location / { disable_symlinks on from=$document_root; try_files $uri =404; }")
    assert (await scene.ask(octets("/b"))).text == "b"
    assert (await scene.ask(octets("/link"))).status == 404
    assert "openat() " in scene.errors("crit")[0]


async def test_an_alias_of_an_expression(scene: Scene) -> None:
    """What was found lies behind it."""
    write(scene, d__x="x")
    await scene.serve(SITE % "location ~ ^/a/(.*)$ { alias <dir>/www/d/; try_files $1 =404; }")
    assert (await scene.ask(octets("/a/x"))).text == "x"
    assert (await scene.ask(octets("/a/y"))).status == 404
