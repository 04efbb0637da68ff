"""Files, as nginx serves them: which one, with which fields, and which octets of it."""

from __future__ import annotations

import gzip
import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from lbproxy.errors import ConfigErrors
from tests.support.backends import Reply, reply
from tests.support.client import octets
from tests.support.loading import load_text
from tests.support.nginx import verdict
from tests.support.stage import Stage
from tests.support.twins import LOGGED, Seen, Twins

CHANGED = 1_700_000_000
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"
EARLIER, LATER = "Tue, 14 Nov 2023 22:13:19 GMT", "Tue, 14 Nov 2023 22:13:21 GMT"
TEXT = bytes(range(32, 127)) + b"\n"
TAG = f'"{CHANGED:x}-{len(TEXT):x}"'
PLAIN = "/some.html"

FILES = {
    "some.html": TEXT, "UPPER.HTML": b"upper", "noext": b"none", ".hidden": b"dot", "a b?c#d%.txt": b"odd",
    "caf\u00e9.txt": b"accent", "empty.html": b"", "large.jpg": bytes(range(256)) * 1200, "two.tar.gz": b"not gzip",
    "dir/index.html": b"index of dir", "dir/sub/file.css": b"css", "bare/x.html": b"x", "app/index.php": b"<?php",
    "404.html": b"sorry", "packed.html": b"plain", "packed.html.gz": gzip.compress(b"packed", mtime=0),
    "only.html.gz": gzip.compress(b"only", mtime=0), "dirgz.html": b"d", "dirgz.html.gz/x": b"", "sub.txt/x": b"",
}  # fmt: skip


def make(root: Path) -> None:
    """Write the files, all of the same age."""
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "link.html").symlink_to("some.html")
    (root / "dangling").symlink_to("nowhere")
    (root / "linked").symlink_to("dir")
    os.mkfifo(root / "fifo")
    for path in sorted(root.rglob("*"), reverse=True):
        os.utime(path, (CHANGED, CHANGED), follow_symlinks=False)


def start(stage: Stage, conf: str, *pages: dict[str, Reply]) -> Twins:
    """Return the twins with the files in <dir>/www."""
    www = Path(stage.path("www"))
    make(www)
    return Twins(stage, f"server {{ listen <listen>; {conf} }}", *pages, root=str(www))


SITE = """
root <root>;
location / { }
location /alias/ { alias <root>/dir/; }
location /noslash { alias <root>/dir; }
location ~ ^/regex/(.*)\\.x$ { alias <root>/$1; }
location = /exact { alias <root>/some.html; }
location /vars/ { root <root>/$arg_d; }
location /types/ { alias <root>/; types { } default_type x/y; }
location /notype/ { alias <root>/; types { a/b none; } default_type ""; }
location /mime/ { alias <root>/; include mime.types; charset utf-8; charset_types text/css text/plain; }
location /php/ { alias <root>/app/; index nothing.html index.php; }
location ~ \\.php$ { return 200 "php $uri $args $request_method"; }
location /elsewhere/ { alias <root>/bare/; index nothing.html /some.html; }
location /none/ { alias <root>/bare/; index nothing.html; }
location /off/ { alias <root>/; etag off; if_modified_since off; max_ranges 0; }
location /before/ { alias <root>/; if_modified_since before; }
location /few/ { alias <root>/; max_ranges 2; }
location /missing/ { error_page 404 /404.html; }
location /turned/ { error_page 404 =200 /404.html; }
location /posted/ { alias <root>/; error_page 405 =200 $uri; }
location /paths/ { root <root>/; return 200 "$document_root $request_filename $document_uri $realpath_root"; }
location /paths/alias/ { alias <root>/dir/; return 200 "$document_root $request_filename $realpath_root"; }
location /added/ { alias <root>/; add_header X-A "$sent_http_etag"; add_header X-B b always; expires 1h; }
location /nosys/ { alias <root>/; sendfile off; }
location /upper { root <root>; location /upper/alias/ { alias <root>/dir/; location ~ \\.css$ { } } }
"""


@pytest.fixture(scope="module")
def site() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, SITE)


def alike(twins: Twins, request: bytes, unlike: Collection[str] = (), but: Collection[str] = ()) -> Seen:
    """
    Check that both answer *request* alike, but for what they put between the parts of a file.

    Args:
        unlike: Variables that are not compared.
        but: Fields of the answer that are not compared.
    """
    theirs, ours = twins.run(request)
    facts = [
        {fact: re.sub(r"(boundary=|--)\d{20}", r"\1N", value) for fact, value in seen.facts(set(LOGGED) - set(unlike))}
        for seen in (theirs, ours)
    ]
    for name in but:
        for told in facts:
            told.pop(f"answer 0 field {name}", None)
    assert facts[1] == facts[0]
    return ours


@pytest.mark.parametrize("path", [
    "/", "/some.html", "/some.html/", "/UPPER.HTML", "/noext", "/.hidden", "/a%20b%3Fc%23d%25.txt", "/caf%C3%A9.txt",
    "/empty.html", "/large.jpg", "/two.tar.gz", "/dir", "/dir?a=b", "/dir/", "/dir/?a=b", "/dir/sub", "/dir/sub/",
    "/bare/", "/nothing", "/nothing/", "/noext/x", "/link.html", "/dangling", "/linked", "/linked/", "/fifo",
    "/" + "x" * 300, "/" + "x/" * 2100, "//some.html", "/./some.html", "/dir/../some.html",
    "/sub.txt", "/dir%2Fsub%2Ffile.css",
    "/alias", "/alias/", "/alias/sub/file.css", "/alias/sub", "/alias/sub?x", "/alias/nothing", "/noslash",
    "/noslash/", "/noslash/sub/file.css", "/regex/some.html.x", "/regex/dir.x", "/regex/nothing.x", "/regex/dir/.x",
    "/exact", "/vars/?d=dir", "/types/some.html", "/notype/some.html", "/notype/a.none", "/mime/dir/sub/file.css",
    "/mime/noext", "/mime/large.jpg", "/mime/caf%C3%A9.txt", "/php/", "/php/?a=b", "/php", "/elsewhere/",
    "/elsewhere/?q", "/none/", "/missing/x", "/turned/x", "/paths/some.html", "/paths/alias/x", "/paths/alias/",
    "/added/some.html", "/added/nothing", "/nosys/some.html", "/nosys/large.jpg", "/upper/x", "/upper/alias/",
    "/upper/alias/sub/file.css", "/upper/alias/sub",
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_paths(site: Twins, path: str, method: str) -> None:
    alike(site, octets(path, method=method))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "X"])
@pytest.mark.parametrize("path", ["/some.html", "/nothing", "/dir", "/dir/", "/bare/", "/php/", "/posted/some.html"])
def test_other_methods(site: Twins, path: str, method: str) -> None:
    request = octets(path, method=method, body=b"x" if method == "POST" else b"")
    alike(site, request, ("args",) if path.startswith("/posted") else ())  # which nginx takes from anywhere there


CONDITIONS = [
    [f"If-Modified-Since: {DATE}"], [f"If-Modified-Since: {EARLIER}"], [f"If-Modified-Since: {LATER}"],
    ["If-Modified-Since: Tuesday, 14-Nov-23 22:13:20 GMT"], ["If-Modified-Since: Tue Nov 14 22:13:20 2023"],
    ["If-Modified-Since: nonsense"], ["If-Modified-Since: 0"],
    [f"If-Unmodified-Since: {DATE}"], [f"If-Unmodified-Since: {EARLIER}"], [f"If-Unmodified-Since: {LATER}"],
    ["If-Unmodified-Since: nonsense"],
    [f"If-None-Match: {TAG}"], [f"If-None-Match: W/{TAG}"], ["If-None-Match: *"], ['If-None-Match: "x"'],
    [f'If-None-Match: "x", {TAG}'], [f'If-None-Match: "x",W/{TAG} , "y"'], [f"If-None-Match: {TAG}x"],
    [f"If-None-Match: x{TAG}"], ["If-None-Match: "], [f"If-None-Match: ,, {TAG}"], ['If-None-Match: "a'],
    [f"If-Match: {TAG}"], [f"If-Match: W/{TAG}"], ["If-Match: *"], ['If-Match: "x"'], [f'If-Match: "x" , {TAG}'],
    [f"If-None-Match: {TAG}", f"If-Modified-Since: {EARLIER}"], [f"If-None-Match: {TAG}", f"If-Modified-Since: {DATE}"],
    ['If-None-Match: "x"', f"If-Modified-Since: {DATE}"], [f"If-Match: {TAG}", f"If-Unmodified-Since: {EARLIER}"],
    [f"If-Match: {TAG}", f"If-None-Match: {TAG}"],
]  # fmt: skip


@pytest.mark.parametrize("place", ["", "/off", "/before", "/added"])
@pytest.mark.parametrize("fields", CONDITIONS, ids=" | ".join)
def test_conditions(site: Twins, fields: list[str], place: str) -> None:
    alike(site, octets(place + PLAIN, *fields), ("request_completion",))  # which nginx lacks behind 412


RANGES = [
    "bytes=0-0", "bytes=0-9", "bytes=10-", "bytes=-10", "bytes=-0", "bytes=-1000", "bytes=0-1000", "bytes=96-",
    "bytes=95-",
    "bytes=200-", "bytes=5-4", "bytes=0-0,2-3", "bytes=0-0, 2-3 ,-1", "bytes=0-,0-", "bytes=0-50,50-95", "bytes=",
    "bytes=a", "bytes=0", "bytes=0-0,", "bytes=,0-0", "bytes=0-0;1-1", "bytes= 0 - 1 ", "bytes=- 1", "Bytes=0-1",
    "bytes 0-1",
    "items=0-1", "bytes=0-99999999999999999999", "bytes=9223372036854775807-", "bytes=9223372036854775808-",
    "bytes=1-0,0-0",
    "bytes=0-0,1-1,2-2", "bytes=500-600,0-1", "bytes=-5,500-", "bytes=00000-00001", "bytes=--1", "bytes=0--1", "none",
]  # fmt: skip


@pytest.mark.parametrize("place", ["", "/off", "/few", "/mime"])
@pytest.mark.parametrize("wanted", RANGES)
def test_ranges(site: Twins, wanted: str, place: str) -> None:
    alike(site, octets(place + PLAIN, f"Range: {wanted}"))


@pytest.mark.parametrize(
    "path", ["/empty.html", "/large.jpg", "/nosys/large.jpg", "/notype/some.html", "/turned/x", "/dir/"]
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("wanted", ["bytes=0-", "bytes=5-8", "bytes=0-3,5-9", "bytes=1-200000,200100-"])
def test_ranges_of_other_files(site: Twins, path: str, wanted: str, method: str) -> None:
    unlike = ("status",) if path.startswith("/turned") else ()  # where nginx logs 200 for its 206
    alike(site, octets(path, f"Range: {wanted}", method=method), unlike)


@pytest.mark.parametrize("version", [
    TAG, f"W/{TAG}", '"x"', DATE, EARLIER, LATER, "x", '"', '""', "",
])  # fmt: skip
def test_if_range(site: Twins, version: str) -> None:
    alike(site, octets(PLAIN, "Range: bytes=1-2", f"If-Range: {version}"))


def test_several_on_one_connection(site: Twins) -> None:
    """The length of each answer is right."""
    paths = ["/some.html", "/large.jpg", "/nothing", "/dir", "/empty.html", "/nosys/large.jpg", "/some.html"]
    site.check(*(octets(path) for path in paths), together=True)


LISTS = """
autoindex on;
location / { root <root>; }
location /short/ { alias <root>/; autoindex_exact_size off; }
location /local/ { alias <root>/; autoindex_localtime on; charset utf-8; }
location /json/ { alias <root>/; autoindex_format json; }
location /jsonp/ { alias <root>/; autoindex_format jsonp; }
location /xml/ { alias <root>/; autoindex_format xml; charset utf-8; }
location /off/ { alias <root>/; autoindex off; }
"""
NAMES = [
    "a&b", "<x>", 'quo"te', "back\\slash", "tab\there", "new\nline", "colon:x", "sp ace", "%41", "caf\u00e9",
    "\x01\x1f\x7f",
    "n" * 49, "n" * 50, "n" * 51, "\u00e9" * 25, "\u00e9" * 26, "\u00e9" * 51, "d/", "D/", ("x" * 49) + "/",
    ("y" * 50) + "/",
    ("z" * 51) + "/", "+;=@!$'()*,~._-",
]  # fmt: skip


@pytest.fixture(scope="module")
def lists() -> Iterator[Twins]:
    with Stage() as stage:
        www = Path(stage.path("www"))
        make(www)
        for name in NAMES:
            (www / name).mkdir() if name.endswith("/") else (www / name).write_bytes(b"x")
        (www / os.fsdecode(b"raw\xff\xfe")).write_bytes(b"x")
        for size in (0, 9999, 10000, 10751, 10752, 1 << 20, (1 << 20) + (1 << 19) - 1, 3 << 19, 1 << 30, 3 << 29):
            with (www / f"size{size}").open("wb") as sparse:
                sparse.truncate(size)
        for path in sorted(www.rglob("*"), reverse=True):
            os.utime(path, (CHANGED, CHANGED), follow_symlinks=False)
        yield Twins(stage, f"server {{ listen <listen>; {LISTS} }}", root=str(www))


@pytest.mark.parametrize("path", [
    "/", "/bare/", "/bare", "/dir/", "/nothing/", "/noext/", "/short/", "/local/", "/json/", "/json/?callback=x",
    "/jsonp/",
    "/jsonp/?callback=a.b_1", "/jsonp/?callback=a(", "/jsonp/?callback=" + "x" * 129, "/jsonp/?callback=", "/xml/",
    "/off/",
    "/a%26b", "/linked/", "/sub.txt/",
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_lists(lists: Twins, path: str, method: str) -> None:
    """Deliberate: lbproxy knows the length, and says it."""
    theirs, ours = lists.run(octets(path, method=method))
    framing = {"content-length", "transfer-encoding"}
    unframed = [[field for field in seen.answer.fields if field[0] not in framing] for seen in (theirs, ours)]
    assert unframed[1] == unframed[0]
    assert (ours.answer.status, ours.answer.body) == (theirs.answer.status, theirs.answer.body)


TRIED = """
root <root>;
location / { try_files $uri $uri/ @app; }
location /code/ { try_files $uri $uri/ =404; }
location /gone/ { try_files nothing =444; }
location /made/ { try_files nothing =204; }
location /page/ { try_files $uri /404.html; }
location /php/ { try_files $uri $uri/ /app/index.php?$args; }
location ~ \\.php$ { return 200 "php $uri $args $request_method $request_uri"; }
location /html/ { try_files $uri $uri.html $uri/index.html /some.html; }
location /alias/ { alias <root>/dir/; try_files $uri $uri/ =404; }
location /fall/ { alias <root>/dir/; try_files $uri $uri/ /fall//some.html; }
location /static/ { alias <root>/dir/; try_files sub/file.css =404; }
location ~ ^/whole/(.*)$ { alias <root>/; try_files $1 =404; }
location ~ ^/wholedir/(.*)$ { alias <root>/; try_files $1/ =404; }
location /proxied/ { try_files $uri /some.html @app; proxy_pass http://<a>; }
location /unknown/ { try_files $uri @nowhere; }
location /loop/ { try_files $uri /loop/x; }
location /dirs/ { try_files /dir/ =404; }
location /file/ { try_files /dir /some.html =404; }
location /inner/ { try_files $uri @app; location /inner/most/ { } }
location /arg/ { try_files /$arg_f =404; }
location /vars/ { set $x some; try_files /$x.html =404; }
location /slash/ { try_files /dir/sub/ =404; }
location @app { return 200 "app $uri $args $request_uri"; }
"""


@pytest.fixture(scope="module")
def tried() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, TRIED, {})


@pytest.mark.parametrize("path", [
    "/", "/some.html", "/dir", "/dir/", "/dir?a=b", "/bare/", "/nothing", "/nothing?a=b&c", "/some.html?a",
    "/no%3Fthing?x",
    "/code/x", "/made/x", "/page/x", "/php/x", "/php/x?a=b", "/app/", "/html/some", "/html/x", "/alias/", "/alias/sub",
    "/alias/sub/", "/alias/sub/file.css", "/alias/index.html", "/alias/nothing", "/fall/nothing", "/fall/index.html",
    "/static/", "/static/x", "/whole/some.html", "/whole/dir/index.html", "/whole/x", "/wholedir/dir", "/wholedir/x",
    "/proxied/x", "/unknown/x", "/loop/y", "/dirs/", "/dirs/x", "/file/x", "/inner/x", "/inner/most/x",
    "/arg/?f=some.html",
    "/arg/?f=x", "/arg/", "/vars/", "/slash/", "/slash/?a=b", "/" + "x" * 300, "/fifo", "/link.html", "/linked/",
    "/dangling",
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_try_files(tried: Twins, path: str, method: str) -> None:
    alike(tried, octets(path, method=method), ("args",))  # of a place without any, nginx makes - or nothing


ACCEL = """
location / { proxy_pass http://<a>; }
location /files/ { internal; alias <root>/; add_header X-A "$upstream_http_x_a"; }
"""


SCRIPTED = """
root <root>;
location / { if ($arg_a) { root <root>/dir; } if ($arg_b) { return 200 "$document_root"; } }
location /al/ { alias <root>/; if ($arg_a) { set $x 1; } if ($arg_c) { add_header X-A b; } }
location /t/ { if ($arg_a) { set $x 1; } try_files $uri /some.html; }
location /i/ { index none.html; if ($arg_a) { } }
location /rw/ { rewrite ^/rw/(.*)$ /$1 break; }
location /rw2/ { rewrite ^/rw2/(.*)$ /$1 last; }
location /int/ { internal; }
location /le/ { limit_except GET { deny all; } alias <root>/; }
"""


@pytest.fixture(scope="module")
def scripted() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, SCRIPTED)


@pytest.mark.parametrize("path", [
    "/index.html?a=1", "/some.html?a=1", "/some.html", "/x?b=1", "/x?a=1&b=1", "/al/some.html?a=1", "/al/some.html?c=1",
    "/al/dir?a=1", "/t/x?a=1", "/t/x", "/i/?a=1", "/rw/some.html", "/rw/dir/", "/rw/dir", "/rw2/some.html", "/rw2/dir",
    "/int/x", "/le/some.html",
])  # fmt: skip
def test_files_behind_scripts(scripted: Twins, path: str) -> None:
    alike(scripted, octets(path), ("args",))


CHOSEN = {
    "plain": ["some.html"], "typed": ["some.html", "Content-Type: a/b", "X-A: y", 'ETag: "z"', "Set-Cookie: x"],
    "missing": ["none", "Content-Type: a/b", "Cache-Control: no-store"], "dir": ["dir/"],
    "args": ["a%20b%3Fc%23d%25.txt?x"],
}  # fmt: skip


@pytest.fixture(scope="module")
def chosen() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, ACCEL, {
            name: reply("body", f"X-Accel-Redirect: /files/{path}", *lines, "Connection: close")
            for name, (path, *lines) in CHOSEN.items()
        })  # fmt: skip


@pytest.mark.parametrize("page", CHOSEN)
@pytest.mark.parametrize("fields", [
    [], ["Range: bytes=1-2"], ["Range: bytes=0-0,2-2"], [f"If-Modified-Since: {DATE}"], ["Range: bytes=500-"],
], ids=" | ".join)  # fmt: skip
def test_files_that_servers_choose(chosen: Twins, page: str, fields: list[str]) -> None:
    """X-Accel-Redirect: what the server says of the type counts."""
    refused = "Range: bytes=500-" in fields  # which nginx's add_header does not know of
    alike(chosen, octets(f"/{page}", *fields), *((["sent_http_x_a"], ["x-a"]) if refused else ()))


PACKED = """
root <root>;
location / { gzip_static on; }
location /vary/ { alias <root>/; gzip_static on; gzip_vary on; }
location /always/ { alias <root>/; gzip_static always; gzip_vary on; }
location /both/ { alias <root>/; gzip_static on; gzip on; gzip_min_length 1; gzip_vary on; }
location /proxied/ { alias <root>/; gzip_static on; gzip_proxied any; gzip_http_version 1.0; }
location /tried/ { alias <root>/; gzip_static on; try_files $uri =404; }
"""


@pytest.fixture(scope="module")
def packed() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, PACKED)


@pytest.mark.parametrize("place", ["", "/vary", "/always", "/both", "/proxied", "/tried"])
@pytest.mark.parametrize("path", ["/packed.html", "/only.html", "/dirgz.html", "/noext", "/dir"])
@pytest.mark.parametrize("fields", [
    [], ["Accept-Encoding: gzip"], ["Accept-Encoding: gzip", "Via: x"], ["Accept-Encoding: gzip", "Range: bytes=1-2"],
    ["Accept-Encoding: gzip", f"If-Modified-Since: {DATE}"],
], ids=" | ".join)  # fmt: skip
def test_packed(packed: Twins, path: str, place: str, fields: list[str]) -> None:
    # nginx says Vary even of a file that is missing or a range that can't be had, if there is a compressed one
    but = ("vary",) if path == "/only.html" or "Range: bytes=1-2" in fields else ()
    alike(packed, octets(place + path, *fields), but=but)


LINKS = """
root <root>;
location / { disable_symlinks on; }
location /from/ { alias <root>/; disable_symlinks on from=<root>; }
location /linked/ { disable_symlinks on from=<root>/linked; }
location /slash/ { alias <root>/; disable_symlinks on from=<root>/; }
location /owner/ { alias <root>/; disable_symlinks if_not_owner from=<root>; }
location /tried/ { alias <root>/; disable_symlinks on from=<root>; try_files $uri $uri/ =410; }
location /other/ { alias <root>/; disable_symlinks on from=/nowhere; }
"""


@pytest.fixture(scope="module")
def links() -> Iterator[Twins]:
    with Stage() as stage:
        yield start(stage, LINKS)


@pytest.mark.parametrize("place", ["", "/from", "/slash", "/owner", "/tried", "/other"])
@pytest.mark.parametrize("path", [
    "/some.html", "/link.html", "/dangling", "/linked", "/linked/", "/linked/index.html", "/linked/sub/file.css",
    "/dir/",
    "/dir/index.html", "/dir", "/nothing", "/dir//index.html", "/",
])  # fmt: skip
def test_symlinks(links: Twins, path: str, place: str) -> None:
    alike(links, octets(place + path))


def test_the_default_is_html_under_the_prefix() -> None:
    with Stage() as stage:
        twins = Twins(stage, """server { listen <listen>; location /a/ { } location /b/ { root rel/; }
            location /names { root ./rel; add_header X-A "$document_root $request_filename"; return 200; }
        }""")  # fmt: skip
        for proxy in (twins.nginx, twins.lbproxy):
            for name in ("html/index.html", "html/a/x.html", "html/x.html", "rel/b/x.html"):
                (proxy.directory / name).parent.mkdir(parents=True, exist_ok=True)
                (proxy.directory / name).write_text(name)
                os.utime(proxy.directory / name, (CHANGED, CHANGED))
        for path in ("/", "/x.html", "/a/x.html", "/b/x.html", "/b/y", "/a/", "/c/", "/names"):
            alike(twins, octets(path))


@pytest.mark.parametrize("conf", [
    "root /$document_root;", "alias /x;", "location / { root /a; alias /b; }", "location / { alias /a; root /b; }",
    "location @x { alias /a; }", 'index "";', "location / { try_files a; }", "location / { try_files a =x; }",
    "location / { try_files a =1000; }", "location / { try_files a b; try_files a b; }", "root $nothing;",
    "disable_symlinks x;", "disable_symlinks on to=x;", "max_ranges x;", "autoindex_format yaml;", "gzip_static x;",
    "if_modified_since x;", "etag x;", "location / { root; }",
])  # fmt: skip
def test_both_refuse(conf: str) -> None:
    """Whatever the words."""
    with Stage() as stage:
        said = verdict(Path(stage.directory), f"server {{ listen 127.0.0.1:1; {conf} }}")
    with pytest.raises(ConfigErrors) as caught:
        load_text(f"server {{ listen 127.0.0.1:1; {conf} }}")
    assert said != ""
    assert len(caught.value.errors) == 1
