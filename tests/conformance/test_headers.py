"""Fields that the configuration adds to answers: ``add_header``, ``add_trailer``, ``expires``, ``gzip``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from tests.support.backends import Reply, reply, unsized
from tests.support.client import chunked, octets
from tests.support.stage import Stage
from tests.support.twins import Seen, Told, Twins


def product(*values: Iterable[object]) -> list[tuple[object, ...]]:
    """Return every combination of *values*."""
    return list(itertools.product(*values))


LONG = "many words, " * 40
ANSWERS: dict[str, Reply] = {
    "plain": reply(LONG, "Content-Type: text/plain"),
    "html": reply(LONG, "Content-Type: text/html; charset=utf-8", 'ETag: "x"', "Accept-Ranges: bytes"),
    "short": reply("short", "Content-Type: text/html"),
    "packed": reply("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "Content-Type: text/html", "Content-Encoding: br"),
    "cached": reply(LONG, "Content-Type: text/html", "Cache-Control: private, max-age=60", "Cache-Control: x=1",
                    "Expires: Thu, 01 Jan 2037 00:00:00 GMT", "ETag: \"old\"",
                    "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"),
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/html\r\n\r\n"
              + chunked(LONG.encode(), b"end"),
    "close": unsized(LONG),
    "empty": reply("", "Content-Type: text/css"),
    "s204": b"HTTP/1.1 204 No Content\r\nX-B: 1\r\n\r\n",
    "s304": b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n",
    "s404": reply(LONG, "Content-Type: text/html", status="404 Not Found"),
    "s500": reply(LONG, "Content-Type: text/html", status="500 Oops"),
    "s302": reply("", "Location: /b", status="302 Found"),
}  # fmt: skip

HEADERS = """
add_header X-Http http;
server {
    listen <listen>;
    add_header X-A "$uri $arg_x a" always;
    add_header X-B b;
    add_header X-Empty "$arg_none";
    location / { proxy_pass http://<a>; }
    location /own/ {
        add_header X-Status $status always;
        add_header Cache-Control no-store;
        add_header Link "</x>; rel=preload";
        add_header ETag '"new"';
        add_header Last-Modified "";
        add_header X-Up $upstream_http_content_type;
        proxy_pass http://<a>;
    }
    location /none/ { proxy_pass http://<a>; proxy_intercept_errors on; error_page 404 /sorry; }
    location /sorry { add_header X-Sorry yes always; return 404 sorry; }
    location /said { return 200 said; }
    location /moved { return 301 /elsewhere; }
    location /denied { return 403; }
    location /trailers/ { add_trailer X-Sum "$upstream_status $status"; add_trailer X-No "$arg_none";
                          proxy_pass http://<a>; }
    location /trailers-always/ { add_trailer X-Sum sum always; proxy_pass http://<a>; }
}
"""


@pytest.fixture(scope="module")
def adding() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, HEADERS, ANSWERS)


class TestAddHeader:
    """``add_header`` and ``add_trailer``."""

    @pytest.mark.parametrize(("place", "page"), product(("", "own/", "none/"), ANSWERS))
    def test_answers_of_servers(self, adding: Twins, place: str, page: str) -> None:
        adding.run(octets("/"))  # empties the pools
        adding.check(octets(f"/{place}{page}?x=1"), unlike=FRAMED)

    @pytest.mark.parametrize("target", ["/said?x=1", "/moved", "/denied"])
    def test_answers_made_here(self, adding: Twins, target: str) -> None:
        adding.check(octets(target))

    @pytest.mark.parametrize(
        ("place", "page", "version"), product(("trailers", "trailers-always"), ANSWERS, ("1.0", "1.1"))
    )
    def test_trailers(self, adding: Twins, place: str, page: str, version: str) -> None:
        """They make chunks of an answer whose length was known; what has no body has none."""
        adding.run(octets("/"))
        adding.check(octets(f"/{place}/{page}", version=version), unlike={*FRAMED, "body_bytes_sent"})


FRAMED = ("upstream_response_length", "request_completion")

EXPIRES = """
server {
    listen <listen>;
    location /hour/ { expires 1h; proxy_pass http://<a>; }
    location /plus/ { expires +30s; proxy_pass http://<a>; }
    location /ago/ { expires -1; proxy_pass http://<a>; }
    location /now/ { expires 0; proxy_pass http://<a>; }
    location /max/ { expires max; proxy_pass http://<a>; }
    location /epoch/ { expires epoch; proxy_pass http://<a>; }
    location /modified/ { expires modified 1d; proxy_pass http://<a>; }
    location /daily/ { expires @15h30m; proxy_pass http://<a>; }
    location /var/ { expires $arg_e; proxy_pass http://<a>; }
    location /said { expires 1h; return 200 said; }
    location / { proxy_pass http://<a>; }
}
"""
_AGE = re.compile(r"(?:max-age=)?(-?[0-9]+)(?: s)?")  # an Expires field is told as an age too
PLACES = ("hour", "plus", "ago", "now", "max", "epoch", "modified", "daily")
PAGES = ("plain", "cached", "s404", "s302")


@pytest.fixture(scope="module")
def expiring() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, EXPIRES, {page: ANSWERS[page] for page in PAGES})


class TestExpires:
    """``expires`` in all its forms."""

    def check(self, expiring: Twins, target: str) -> None:
        """Compare; ages may be a second apart."""
        theirs, ours = (_undated(seen) for seen in expiring.run(octets(target)))
        assert ours[0] == theirs[0]
        for ages in zip(*(sorted(dates) for dates in (ours[1], theirs[1])), strict=True):
            assert abs(ages[0] - ages[1]) <= 2

    @pytest.mark.parametrize(("place", "page"), product(PLACES, PAGES))
    def test_forms(self, expiring: Twins, place: str, page: str) -> None:
        self.check(expiring, f"/{place}/{page}")

    @pytest.mark.parametrize("value", ["1h", "max", "off", "epoch", "-5m", "", "rubbish", "0", "%20"])
    def test_variables(self, expiring: Twins, value: str) -> None:
        self.check(expiring, f"/var/plain?e={value}")

    def test_answers_made_here(self, expiring: Twins) -> None:
        self.check(expiring, "/said")


def _undated(seen: Seen) -> tuple[Told, list[int]]:
    """Return the answer without the ages in it, and those, in seconds."""
    found: list[int] = []
    fields = []
    for name, value in seen.answer.fields:
        age = _AGE.fullmatch(value) if name in {"expires", "cache-control"} else None
        if age is not None:
            found.append(int(age[1]))
        fields.append((name, "..." if age is not None else value))
    return replace(seen.answer, fields=tuple(fields)), found


GZIP = """
server {
    listen <listen>;
    gzip on;
    gzip_vary on;
    location / { proxy_pass http://<a>; }
    location /types/ { gzip_types text/plain text/css; gzip_vary off; gzip_comp_level 9; proxy_pass http://<a>; }
    location /all/ { gzip_types *; gzip_min_length 1; proxy_pass http://<a>; }
    location /old/ { gzip_http_version 1.0; proxy_pass http://<a>; }
    location /off/ { gzip off; proxy_pass http://<a>; }
    location /any/ { gzip_proxied any; proxy_pass http://<a>; }
    location /some/ { gzip_proxied expired no-cache private auth no_etag; proxy_pass http://<a>; }
    location /disabled/ { gzip_disable msie6 "bad.*bot"; proxy_pass http://<a>; }
    location /said { default_type text/html; return 200 "said and said and said and said and said"; }
}
"""
ACCEPT = "Accept-Encoding: deflate, gzip;q=1.0, *;q=0.5"


@pytest.fixture(scope="module")
def packing() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, GZIP, ANSWERS)


class TestGzip:
    """Which answers are compressed, and what else becomes of them."""

    def check(self, packing: Twins, target: str, *fields: str, method: str = "GET", version: str = "1.1") -> None:
        packing.run(octets("/"))
        packing.check(octets(target, *fields, method=method, version=version), unlike=FRAMED)

    @pytest.mark.parametrize(("place", "page"), product(("", "types/", "all/", "off/"), ANSWERS))
    def test_answers(self, packing: Twins, place: str, page: str) -> None:
        self.check(packing, f"/{place}{page}", ACCEPT)

    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    @pytest.mark.parametrize("target", ["/said", "/html"])
    def test_methods(self, packing: Twins, target: str, method: str) -> None:
        self.check(packing, target, ACCEPT, method=method)

    @pytest.mark.parametrize(("place", "version"), product(("", "old/"), ("1.0", "1.1")))
    def test_versions(self, packing: Twins, place: str, version: str) -> None:
        self.check(packing, f"/{place}html", ACCEPT, version=version)

    @pytest.mark.parametrize(
        "accepted", ["gzip", "gzip, br", "br;q=1, gzip;q=0.5", "gzip;q=0", "gzip; q=0.0", "identity", "*", "GZIP",
                     "xgzip", "gzipx", "gzip;q=0.001", "br,gzip", ""]
    )  # fmt: skip
    def test_what_the_client_accepts(self, packing: Twins, accepted: str) -> None:
        self.check(packing, "/html", f"Accept-Encoding: {accepted}")

    @pytest.mark.parametrize(
        ("place", "page", "fields"),
        product(("", "any/", "some/"), ("html", "cached"), (("Via: x",), ("Via: x", "Authorization: Basic eA=="))),
    )
    def test_behind_another_proxy(self, packing: Twins, place: str, page: str, fields: tuple[str, ...]) -> None:
        self.check(packing, f"/{place}{page}", ACCEPT, *fields)

    @pytest.mark.parametrize(
        "agent", ["Mozilla/4.0 (compatible; MSIE 6.0; Windows NT 5.1)", "MSIE 6.0 SV1 x", "a BAD Bot", "curl"]
    )
    def test_agents(self, packing: Twins, agent: str) -> None:
        self.check(packing, "/disabled/html", ACCEPT, f"User-Agent: {agent}")
