"""From a head to what is done about it: scripts, locations, limits, ``return``, and error pages."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene

OK = reply("ok")


def server(*lines: str) -> str:
    """Return a server with *lines*."""
    return "\n".join(["server { listen 80;", *lines, "}"])


class TestLocations:
    """Which block answers."""

    async def test_nothing_configured_is_404(self, scene: Scene) -> None:
        """A location that does nothing has nothing."""
        await scene.serve(server("location /there/ { return 200 there; }"))
        answer = await scene.ask(octets("/else"))
        assert (answer.status, answer.reason) == (404, b"Not Found")
        assert (await scene.ask(octets("/there/x"))).text == "there"

    async def test_paths_are_matched_decoded_and_folded(self, scene: Scene) -> None:
        """Robustness 10. However a path is written, it is the same location."""
        await scene.serve(server('location /a/b/ { return 200 "$uri $request_uri"; }'))
        assert (await scene.ask(octets("/a//./x/../%62/c%20d"))).text == "/a/b/c d /a//./x/../%62/c%20d"

    async def test_a_slash_is_added(self, scene: Scene) -> None:
        """What lacks only the slash of a forwarding location is sent there, arguments kept."""
        await scene.serve(server("location /a/ { proxy_pass http://<b>; }"), b=scene.dead())
        client = await scene.client()
        answer = await client.ask(octets("/a?x=%20"))
        assert answer.status == 301
        assert answer.get("Location") == f"http://example.com:{scene.proxies[0].port}/a/?x=%20"

    async def test_captures_of_a_regular_expression(self, scene: Scene) -> None:
        """A location's expression sets $1 and its names."""
        await scene.serve(server(r'location ~ ^/(?<what>\w+)/(\d+)$ { return 200 "$what $2"; }'))
        assert (await scene.ask(octets("/user/17"))).text == "user 17"

    async def test_the_script_of_a_server_comes_first(self, scene: Scene) -> None:
        """A server's ``return`` leaves no choice; its ``set`` is seen in locations."""
        await scene.serve(server("set $a one;", 'location / { set $b two; return 200 "$a $b"; }'))
        assert (await scene.ask(octets())).text == "one two"
        await scene.serve(server("return 200 server;", "location / { return 200 location; }"))
        assert (await scene.ask(octets())).text == "server"


class TestReturn:
    """The forms of ``return``."""

    @pytest.mark.parametrize(
        ("said", "status", "location", "body"),
        [
            ("return 200 'hi $arg_a';", 200, None, "hi b"),
            ("return 404 gone;", 404, None, "gone"),
            ("return 204;", 204, None, ""),
            ("return 301 /there?$args;", 301, "http://example.com:PORT/there?a=b", None),
            ("return 302 http://else.test/;", 302, "http://else.test/", None),
            ("return https://else.test$request_uri;", 302, "https://else.test/x?a=b", None),
            ("return 503;", 503, None, None),
        ],
    )
    async def test_forms(
        self, scene: Scene, said: str, status: int, location: str | None, body: str | None
    ) -> None:
        """A status with a text, with a URL, or alone; a URL alone is a redirect."""
        proxy = await scene.serve(server("location / {", said, "}"))
        answer = await scene.ask(octets("/x?a=b"))
        assert answer.status == status
        assert answer.get("Location") == (location.replace("PORT", str(proxy.port)) if location else None)
        if body is None:
            assert f"<h1>{status} " in answer.text
        else:
            assert answer.text == body

    async def test_444_says_nothing(self, scene: Scene) -> None:
        """The connection is closed without an octet; the log tells."""
        await scene.serve(server("return 444;"))
        client = await scene.client()
        await client.send(octets())
        assert await client.rest() == b""
        assert '" 444 0 ' in scene.log()[0]

    async def test_a_line_end_cannot_enter_a_location(self, scene: Scene) -> None:
        """Robustness 10. What was decoded from the path is escaped again where it would end the field."""
        await scene.serve(server("location / { return 301 http://else.test$uri; }"))
        answer = await scene.ask(octets("/a%0d%0aSet-Cookie:%20x=1"))
        assert answer.get("Location") == "http://else.test/a%0D%0ASet-Cookie: x=1"
        assert answer.get("Set-Cookie") is None

    async def test_a_body_has_the_type_of_its_path(self, scene: Scene) -> None:
        """``types`` and ``default_type`` count for texts made here."""
        conf = server("types { text/html html; application/json json; }", "default_type text/css;",
                      "location / { return 200 x; }")
        await scene.serve(conf)
        for path, kind in (("/a.json", "application/json"), ("/a.html", "text/html"), ("/a", "text/css")):
            assert (await scene.ask(octets(path))).get("Content-Type") == kind


class TestBodyLimit:
    """client_max_body_size."""

    CONF = server("client_max_body_size 10;", "location / { proxy_pass http://<b>; }",
                  "location /large { client_max_body_size 0; proxy_pass http://<b>; }")

    @pytest.mark.parametrize("size", [10, 11])
    @pytest.mark.parametrize("form", ["length", "chunked"])
    async def test_a_body_up_to_the_limit_passes(self, scene: Scene, size: int, form: str) -> None:
        """One octet more is 413, however the body is framed, and no server hears of it."""
        b = scene.answering(OK)
        await scene.serve(self.CONF, b=b)
        body = bytes(size)
        request = octets(method="POST", body=body) if form == "length" else octets(chunks=[body[:6], body[6:]])
        answer = await scene.ask(request)
        assert answer.status == (200 if size == 10 else 413)
        assert len(b.wires) == (1 if size == 10 else 0)

    async def test_zero_is_no_limit(self, scene: Scene) -> None:
        """And each location has its own."""
        b = scene.answering(OK)
        await scene.serve(self.CONF, b=b)
        assert (await scene.ask(octets("/large", method="POST", body=bytes(100)))).status == 200

    async def test_413_is_logged_with_the_size(self, scene: Scene) -> None:
        """The operator sees what limit would have done."""
        await scene.serve(self.CONF, b=scene.dead())
        await scene.ask(octets(method="POST", body=bytes(11)))
        assert "client intended to send too large body: 11 bytes" in scene.errors()[-1]

    @pytest.mark.parametrize("request_", [octets(method="POST", body=bytes(100)), octets(chunks=[bytes(100)])])
    async def test_an_error_page_for_413(self, scene: Scene, request_: bytes) -> None:
        """The page's own limit is no second obstacle; what the page passes on has no body."""
        b = scene.answering(reply("too much"))
        conf = server("client_max_body_size 10;", "error_page 413 /413;", "location / { proxy_pass http://<dead>; }",
                      "location = /413 { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=scene.dead())
        answer = await scene.ask(request_)
        assert (answer.status, answer.text, answer.get("Connection")) == (413, "too much", "close")
        (request,) = b.requests
        assert (request.line, request.body) == (b"GET /413 HTTP/1.1", b"")
        assert request.get("Content-Length") == "0"


class TestErrorPages:
    """``error_page``: inside, by name, with a status of its own, and to a URL."""

    async def test_inside(self, scene: Scene) -> None:
        """The page is another location's answer, with the error's status."""
        await scene.serve(server("error_page 404 /missing?a=b;", 'location = /missing { return 200 "$uri $args"; }'))
        answer = await scene.ask(octets("/x?y"))
        assert (answer.status, answer.reason, answer.text) == (404, b"Not Found", "/missing a=b")

    async def test_with_a_status(self, scene: Scene) -> None:
        """``=200`` is what the client is told."""
        b = scene.answering(reply("page", status="201 Created"))
        await scene.serve(server("error_page 404 =200 /page;", "location = /page { proxy_pass http://<b>; }"), b=b)
        answer = await scene.ask(octets("/x"))
        assert (answer.status, answer.reason, answer.text) == (200, b"OK", "page")

    async def test_with_the_status_of_the_page(self, scene: Scene) -> None:
        """``=`` alone passes the status of the page's server on."""
        b = scene.answering(reply("page", status="201 Created"))
        await scene.serve(server("error_page 404 = /page;", "location = /page { proxy_pass http://<b>; }"), b=b)
        answer = await scene.ask(octets("/x"))
        assert (answer.status, answer.reason, answer.text) == (201, b"Created", "page")

    @pytest.mark.parametrize(("form", "status"), [("", 302), ("=301", 301), ("=200", 302)])
    async def test_to_a_url(self, scene: Scene, form: str, status: int) -> None:
        """A URL is a redirect, whatever the error was."""
        await scene.serve(server(f"error_page 404 {form} http://else.test$uri;"))
        answer = await scene.ask(octets("/x"))
        assert (answer.status, answer.get("Location")) == (status, "http://else.test/x")

    async def test_named_location_keeps_the_request(self, scene: Scene) -> None:
        """A named location gets method, URI and body as they were: the usual fallback for a failing server."""
        b = scene.answering(OK)
        conf = server("error_page 502 = @fallback;", "location / { proxy_pass http://<dead>; }",
                      "location @fallback { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=scene.dead())
        answer = await scene.ask(octets("/a%20b?c", "X: y", method="POST", body=b"hello"))
        assert (answer.status, answer.text) == (200, "ok")
        (request,) = b.requests
        assert (request.line, request.body) == (b"POST /a%20b?c HTTP/1.1", b"hello")
        assert request.get("X") == "y"

    @pytest.mark.parametrize("size", [5, 50000])
    async def test_a_chunked_body_reaches_the_fallback(self, scene: Scene, size: int) -> None:
        """A body that was read whole is at hand again, in memory or in a file."""
        b = scene.answering(OK)
        conf = server("error_page 502 = @fallback;", "location / { proxy_pass http://<dead>; }",
                      "location @fallback { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=scene.dead())
        body = bytes(range(250)) * (size // 250) or b"hello"
        assert (await scene.ask(octets(chunks=[body]))).status == 200
        (request,) = b.requests
        assert (request.body, request.get("Content-Length")) == (body, str(len(body)))

    async def test_an_unbuffered_body_reaches_the_fallback_if_nothing_was_sent(self, scene: Scene) -> None:
        """A server that refused the connection has cost nothing of the body."""
        b = scene.answering(OK)
        conf = server("proxy_request_buffering off;", "error_page 502 = @fallback;",
                      "location / { proxy_pass http://<dead>; }", "location @fallback { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=scene.dead())
        assert (await scene.ask(octets("/", method="POST", body=b"hello"))).status == 200
        assert b.requests[0].body == b"hello"

    async def test_an_unbuffered_body_that_is_spent_is_not_promised_again(self, scene: Scene) -> None:
        """What went to a server that failed is gone: the page gets no length that nothing follows."""
        b = scene.answering(OK)
        first = scene.answering(reply("oops", status="500 Oops"))
        conf = server("proxy_request_buffering off;", "proxy_intercept_errors on;", "error_page 500 = @fallback;",
                      "location / { proxy_pass http://<first>; }", "location @fallback { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, first=first)
        answer = await scene.ask(octets("/", method="POST", body=b"hello"))
        assert (answer.status, answer.text) == (200, "ok")
        (request,) = b.requests
        assert (request.body, request.get("Content-Length")) == (b"", None)

    @pytest.mark.parametrize("chunks", [None, [b"some ", b"body"]])
    @pytest.mark.parametrize("together", [True, False])
    async def test_a_body_reaches_where_return_sends_it(
        self, scene: Scene, chunks: list[bytes] | None, together: bool
    ) -> None:
        """The usual trick to choose a location, ``return`` with a status that nothing else has; however it is cut."""
        b = scene.answering(OK)
        await scene.serve(server("error_page 418 = @app; return 418; location @app { proxy_pass http://<b>; }"), b=b)
        head, _, body = octets("/x", method="POST", body=b"some body", chunks=chunks).partition(b"\r\n\r\n")
        client = await scene.client()
        await client.send(head + b"\r\n\r\n" + (body if together else b""))
        if not together:
            await wait_all_tasks_blocked()
            await client.send(body)
        assert (await client.answer()).status == 200
        assert [(request.line, request.body) for request in b.requests] == [(b"POST /x HTTP/1.1", b"some body")]

    async def test_a_page_is_asked_for_with_get(self, scene: Scene) -> None:
        """A path is another request: GET, or HEAD if the client asked that."""
        b = scene.answering(reply("page"))
        conf = server("error_page 502 /page;", "location / { proxy_pass http://<dead>; }",
                      "location = /page { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=scene.dead())
        await scene.ask(octets("/", method="DELETE"))
        client = await scene.client()
        await client.send(octets("/", method="HEAD"))
        head = await client.until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
        assert [request.line for request in b.requests] == [b"GET /page HTTP/1.1", b"HEAD /page HTTP/1.1"]

    async def test_intercepted(self, scene: Scene) -> None:
        """With proxy_intercept_errors an answer of the server is replaced, if there is a page for it."""
        b = scene.answering(reply("no", status="404 Not Found"), reply("oops", status="500 Oops"))
        conf = server("proxy_intercept_errors on;", "error_page 404 /page;", "location / { proxy_pass http://<b>; }",
                      "location = /page { return 200 page; }")
        await scene.serve(conf, b=b)
        answer = await scene.ask(octets())
        assert (answer.status, answer.text) == (404, "page")
        answer = await scene.ask(octets())
        assert (answer.status, answer.reason, answer.text) == (500, b"Oops", "oops")

    async def test_an_intercepted_401_says_how_to_prove_who_one_is(self, scene: Scene) -> None:
        """The fields of the server's answer stay, whatever the page (ngx_http_upstream_intercept_errors)."""
        b = scene.answering(reply("", 'WWW-Authenticate: Basic realm="x"', status="401 Unauthorized"))
        conf = server("proxy_intercept_errors on;", "error_page 401 = @login;", "location / { proxy_pass http://<b>; }",
                      "location @login { return 302 /login; }")  # fmt: skip
        await scene.serve(conf, b=b)
        answer = await scene.ask(octets())
        assert (answer.status, answer.get("WWW-Authenticate")) == (302, 'Basic realm="x"')

    async def test_an_error_of_the_page_gets_no_page(self, scene: Scene) -> None:
        """Errors do not chase each other round: the client is told of the last one."""
        conf = server("error_page 404 502 /page;", "location = /page { proxy_pass http://<dead>; }")
        await scene.serve(conf, dead=scene.dead())
        answer = await scene.ask(octets("/x"))
        assert answer.status == 502
        assert "<h1>502 Bad Gateway</h1>" in answer.text
        assert len(scene.log()) == 1

    @pytest.mark.parametrize("chunks", [[b"x" * 20], None])
    async def test_a_bad_body_on_the_way_to_its_page(self, scene: Scene, chunks: list[bytes] | None) -> None:
        """The page for a malformed body may itself pass requests on."""
        b = scene.answering(reply("page"))
        conf = server("client_max_body_size 10;", "error_page 400 413 /page;", "location / { proxy_pass http://<b>; }",
                      "location = /page { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b)
        bad = octets("/", "Transfer-Encoding: chunked", method="POST") + b"xyz\r\n"
        answer = await scene.ask(octets(chunks=chunks) if chunks else bad)
        assert (answer.status, answer.text) == (413 if chunks else 400, "page")

    async def test_unknown_name(self, scene: Scene) -> None:
        """A named location that does not exist is our own error."""
        await scene.serve(server("error_page 404 @nowhere;"))
        assert (await scene.ask(octets("/x"))).status == 500
        assert 'could not find named location "@nowhere"' in scene.errors()[-1]

    async def test_a_page_named_by_the_client_in_odd_octets(self, scene: Scene) -> None:
        """Variables in the place of the page may hold any octets."""
        await scene.serve(server("error_page 404 @$arg_page;"))
        assert (await scene.ask(b"GET /?page=\xff HTTP/1.1\r\nHost: a\r\n\r\n")).status in (400, 500)
        await scene.serve(server("location = /a { error_page 404 @$uri$1; }",
                                 r"location ~ ^/(.*)$ { error_page 404 @$1; }"))
        assert (await scene.ask(octets("/%ff%fe"))).status == 500

    async def test_the_upstreams_before_a_redirect_stay_in_the_log(self, scene: Scene) -> None:
        """nginx separates them by a colon."""
        dead, b = scene.dead(), scene.answering(OK)
        conf = "log_format f '$upstream_addr $upstream_status'; access_log <dir>/f f;" + server(
            "error_page 502 = @fallback;", "location / { proxy_pass http://<dead>; }",
            "location @fallback { proxy_pass http://<b>; }")
        await scene.serve(conf, b=b, dead=dead)
        await scene.ask(octets())
        assert scene.log("f") == [f"{dead} : {b.address} 502 : 200"]


async def test_a_server_may_pass_to_itself(scene: Scene) -> None:
    """Several levels deep, in one process, without a deadlock."""
    conf = server("listen unix:<dir>/s;", 'location /0 { return 200 "bottom $http_x"; }',
                  *(f"location /{n} {{ proxy_set_header X $http_x{n}; proxy_pass http://unix:<dir>/s:/{n - 1}; }}"
                    for n in range(1, 6)))
    await scene.serve(conf)
    assert (await scene.ask(octets("/5"))).text.strip() == "bottom"
    await wait_all_tasks_blocked()
    assert len(scene.log()) == 6
