"""Scripts: `rewrite`, `if`, `set`, `break`, `return`, and where they lead; `internal` and X-Accel-Redirect."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import Reply, reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

SCRIPTS = r"""
server {
    listen <listen>;
    server_name example.com;
    if ($arg_gone) { return 410; }
    if ($arg_home) { rewrite ^ /echo/home?; }
    set $early "$uri";
    rewrite ^/server/(.*)$ /echo/$1?from=$1;
    location /echo { return 200 "$uri|$args|$is_args|$1|$request_uri|$early"; }
    location /last { rewrite ^/last(.*)$ /echo$1 last; return 200 never; }
    location /plain { rewrite ^/plain(.*)$ /echo$1; set $x "$1"; return 200 "$uri $x"; }
    location /through { rewrite ^/through(.*)$ /echo$1; set $x "$1"; }
    location /nomatch { rewrite ^/other(.*)$ /echo$1; return 200 "[$1]"; }
    location ~ ^/set/(.*)$ { set $x $1; set $y "<$1>"; if ($y = "<$1>") { set $z same; } return 200 "$x $y $z $1"; }
    location ~ ^/unset/(.*)$ { if ($arg_a ~ zz) { } return 200 "[$1]"; }
    location ~ ^/neg/(.*)$ { if ($arg_a !~ "^(x)") { return 200 "no [$1]"; } return 200 "yes [$1]"; }
    location ~ ^/named/(?<who>[^/]*) { rewrite ^/named/[^/]*/(?<What>.*)$ /x; set $z $what; break; return 200 never; }
    location ~ ^/named2/(?<who>[^/]*) { if ($uri ~ ([a-z]+)$) { return 200 "$who $1"; } return 200 "$who"; }
    location /chain { rewrite ^/chain/(.*)$ /chain2/$1; rewrite ^/chain2/(.*)$ /chain3/$1; rewrite 3/(.*)$ /echo/$1; }
    location /args1 { rewrite ^/args1(.*)$ /echo?; }
    location /args2 { rewrite ^/args2(.*)$ /echo?a=$1; }
    location /args3 { rewrite ^/args3(.*)$ /echo?a=$1?; }
    location /args4 { rewrite ^/args4(.*)$ /echo?; rewrite ^ /echo?b; }
    location /args5 { rewrite ^ /echo$is_args$args?; }
    location /args6 { rewrite ^ /echo?$args; }
    location /args7 { set $args "n=1&$args"; rewrite ^ /echo; }
    location /args8 { rewrite ^ /echo??x; }
    location /args9 { rewrite ^/args9(.*)$ /echo$1?q=$arg_a$1&r; }
    location /red1 { rewrite ^/red1(.*)$ /to$1 redirect; }
    location /red2 { rewrite ^/red2(.*)$ /to$1 permanent; }
    location /red3 { rewrite ^/red3(.*)$ /to$1?x=$1 redirect; }
    location /red4 { rewrite ^/red4(.*)$ /to$1? redirect; }
    location /red5 { rewrite ^/red5(.*)$ http://other.example$1; }
    location /red6 { rewrite ^/red6(.*)$ https://other.example$1 last; }
    location /red7 { rewrite ^/red7(.*)$ $scheme://other.example/$1/$uri/x? permanent; }
    location /red8 { rewrite ^ /to%20x%3fy%41%zz%25%7f%2 redirect; }
    location /red9 { rewrite ^ $arg_to redirect; }
    location /zero { rewrite ^ ?; }
    location /cycle { rewrite ^/cycle(.*)$ /cycle$1; }
    location /grow { rewrite "^/grow(x{0,9})$" /growx$1 last; return 200 "$uri"; }
    location /grow10 { rewrite "^/grow10(x{0,8})$" /grow10x$1 last; return 200 "$uri"; }
    location /break { rewrite ^/break(.*)$ /broken$1 break; return 200 never; }
    location /secret { internal; return 200 "secret $uri"; }
    location /to-secret { rewrite ^/to-secret(.*)$ /secret$1 last; }
    location /page-secret { error_page 404 /secret; return 404; }
    location /error302 { error_page 302 /echo/error; return 302 /elsewhere; }
    location /error302r { error_page 302 =200 /echo/error; rewrite ^ /elsewhere redirect; }
    location /error302u { error_page 301 =307 http://z.example/; return 301 /elsewhere; }
    location /error { error_page 404 /worse; error_page 500 =201 /echo; return 404; }
    location /error-ok { error_page 404 =200 /worse; return 404; }
    location /recurse { recursive_error_pages on; error_page 404 /worse; return 404; }
    location /worse { error_page 500 /echo; return 500; }
    location /round { recursive_error_pages on; error_page 404 /round; return 404; }
    location /gone { error_page 410 /echo/$arg_a?b$args; return 410; }
    location /nowhere { error_page 404 @nowhere; return 404; }
    location /names { error_page 404 = @names; return 404; }
    location @names { rewrite ^/names/again(.*)$ /echo$1; return 200 "$uri $args $request_method"; }
    location /r444 { if ($arg_a) { return 444; } }
    location /http { set $http_x_a "${http_x_a}+"; return 200 $http_x_a; }
    location /http2 { return 200 "$http_x_a"; }
    location /reason { return 404 "text $status"; }
}
"""
PATHS = [
    "/echo", "/?gone=1", "/echo?gone=0", "/echo?gone=", "/x?home=1&y", "/server/a/b?c", "/server/a%2Fb%3F?c",
    "/last/a?b", "/last/a%20b%3F%25?b", "/last//a", "/plain/a", "/plain/a%20b", "/through/x%26y", "/nomatch/a",
    "/set/ab", "/set/a%20b", "/set/a+b", "/set/a%41&;", "/set/a&b", "/unset/a", "/unset/a?a=zz", "/neg/q",
    "/neg/q?a=xy", "/neg/q?a=0", "/named/bob/x", "/named/bob", "/named2/bob/abc", "/named2/b%20b/", "/chain/x",
    "/chain/x%20?y", "/chain2/q", "/args1/x?y", "/args2?y", "/args2/%26=?y", "/args2/a+b", "/args2", "/args3/%20?y",
    "/args4/a?y", "/args5/a?y=1&z", "/args5", "/args6?y", "/args6", "/args7?y", "/args7", "/args8?y",
    "/args9/a%20b?a=c%20d", "/args9/ab?a=c", "/red1/a", "/red1/a%20b?c", "/red1/%2525", "/red1/a%26b%3D%2B+",
    "/red1/%C3%A9", "/red1/%0d%0aX:y", "/red2/a?b", "/red3/a%20b?q", "/red3/ab?q", "/red3/a%3Fb?q", "/red4/a?b",
    "/red5/a%3Fb?c", "/red5", "/red6/x?y", "/red7/a%20?b", "/red8?q", "/red9?to=%2Fx%3Fy", "/red9?to=/plain",
    "/red9", "/zero", "/cycle", "/cycle/%20", "/grow", "/growx", "/growxx", "/grow10", "/grow10x", "/secret",
    "/secret/x", "/to-secret/x", "/page-secret", "/error302", "/error302r", "/error302u", "/error", "/error-ok",
    "/recurse", "/round", "/gone?a=x", "/gone", "/nowhere", "/names/x?y", "/names/again/x?y", "/r444", "/http",
    "/http2", "/reason", "/missing",
]  # fmt: skip

PASSED = r"""
map $arg_q $fourth { volatile; 4 yes; default no; }
server {
    listen <listen>;
    server_name example.com;
    set $up 1;
    location / { proxy_pass http://<a>; }
    location /uri/ { proxy_pass http://<a>/base/; }
    location /brk/ { rewrite ^/brk/(.*)$ /new/$1 break; proxy_pass http://<a>; }
    location /brk-uri/ { rewrite ^/brk-uri/(.*)$ /new/$1 break; proxy_pass http://<a>/base/; }
    location /brk2-uri/ { rewrite ^/brk2-uri/(.*)$ /new/$1; break; proxy_pass http://<a>/base/; }
    location /stop-uri/ { break; rewrite ^ /never; proxy_pass http://<a>/base/; }
    location /to-uri/ { rewrite ^/to-uri/(.*)$ /uri/$1?z last; }
    location /args-uri/ { set $args "a=b c"; proxy_pass http://<a>/base/; }
    location /args/ { set $args "$args&more"; proxy_pass http://<a>; }
    location /var/ { rewrite ^/var/(.*)$ /v/$1 break; proxy_pass http://<a>$uri?x=$1; }
    location /var-short/ { set $up <a>; proxy_pass http://$up; rewrite ^/var-short/(.*)$ /v/$1 break; }
    location /if/ {
        proxy_pass http://<a>/base/;
        proxy_set_header X-Early "$arg_a $fourth";
        add_header X-Base always;
        if ($arg_a) { add_header X-If a; }
        if ($arg_b = b) { add_header X-If b; proxy_pass http://<b>; }
        if ($arg_c ~* ^(c+)$) { set $c $1; add_header X-If $c; }
        if ($arg_r) { return 403; }
        if ($fourth = yes) { rewrite ^/if/(.*)$ /four/$1 break; }
        if ($request_method = POST) { return 405; }
    }
    location /if-none/ { if ($arg_a != "") { } proxy_pass http://<a>; }
    location /if-error/ {
        error_page 404 =200 /page;
        if ($arg_a) { error_page 404 =202 /page; return 404; }
        return 404;
    }
    location /if-last/ {
        if ($arg_a) { rewrite ^ /uri/x last; }
        if ($arg_b) { rewrite ^ /b break; }
        proxy_pass http://<a>;
    }
    location ~ ^/re/(.*)$ { if ($arg_a) { set $tail "/$1"; } proxy_pass http://<b>/re$tail; }
    location /page { return 200 page; }
    location /kept/ { internal; proxy_pass http://<b>/; }
    location /ret { internal; return 200 "$uri|$args|$request_method|$upstream_status|$upstream_http_x_foo"; }
    location /missing/ { internal; return 404; }
    location /denied { internal; error_page 403 = /page; return 403; }
    location /moved { internal; return 301 /new-place; }
    location /expires { internal; expires epoch; return 200 x; }
    location @named { return 200 "$uri $args $request_method"; }
    location /ignore/ { proxy_pass http://<a>/; proxy_ignore_headers X-Accel-Redirect; }
    location /pass/ { proxy_pass http://<a>/; proxy_pass_header X-Accel-Redirect; }
}
"""
PASSED_PATHS = [
    "/uri/a", "/uri/a%20b?c", "/brk/a?b", "/brk/a%20b%3F?c", "/brk-uri/a%20b?c", "/brk2-uri/a%20b?c",
    "/stop-uri/a%20b", "/to-uri/a%20b?c", "/args-uri/a%20b", "/args/a%20b?c", "/args/a", "/var/a%41b?c",
    "/var-short/a%20b?c", "/if/x", "/if/x?a=1", "/if/x?a=0", "/if/x?b=b", "/if/x?b=c", "/if/x?c=CC",
    "/if/x?a=1&b=b", "/if/x?b=b&a=1", "/if/x?b=b&c=c", "/if/x?a=1&c=c", "/if/x?a=1&r=1", "/if/x%20y?q=4",
    "/if/x?q=4&b=b", "/if-none/a?a=1", "/if-none/a", "/if-error/", "/if-error/?a=1", "/if-last/x?a=1",
    "/if-last/x?b=1", "/if-last/x", "/re/a%20b", "/re/a%20b?a=1",
]  # fmt: skip

KEPT = (
    "Content-Type: text/up", "Set-Cookie: a=b", "Set-Cookie: c=d", "Content-Disposition: inline", "Cache-Control: up",
    "Expires: never", "Accept-Ranges: bytes", "Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT", 'ETag: "u"', "X-Foo: bar",
)  # fmt: skip
PLACES = {
    "accel-ret": "/ret?x=1", "accel-server": "/kept/second?z", "accel-named": "@named", "accel-unsafe": "/a/../b",
    "accel-escaped": "/ret/%2e%2e/b", "accel-query": "/ret/%3Fq/b?c=%20", "accel-blank": "/ret/%20x%41",
    "accel-none": "/missing/x", "accel-relative": "ret/x", "accel-doubled": "/ret//x/./y",
    "accel-denied": "/denied", "accel-moved": "/moved", "accel-expires": "/expires", "accel-nowhere": "@nowhere",
    "accel-end": "/ret/..", "accel-empty": "?x", "accel-nul": "/ret/%00", "accel-dots": "/ret/a..b/..c",
}  # fmt: skip
ACCELERATED: dict[str, Reply] = {
    **{name: reply("up", *KEPT, f"X-Accel-Redirect: {place}", "Connection: close") for name, place in PLACES.items()},
    "accel-plain": reply("up", "X-Accel-Redirect: /ret", "Connection: close"),
    "accel-404": reply("up", "X-Accel-Redirect: /ret", "Connection: close", status="404 Not Found"),
    "accel-rate": reply("up", "X-Accel-Limit-Rate: 100000", "X-Accel-Expires: 5", "Connection: close"),
}
SECOND: dict[str, Reply] = {
    "second": reply("second", "Content-Type: text/second", "Set-Cookie: e=f", "Cache-Control: s", "Connection: close"),
}

FILES = """
server {
    listen <listen>;
    location / {
        if (-f <dir>$uri) { return 200 f; }
        if (-d <dir>$uri) { return 200 d; }
        if (-x <dir>$uri) { return 200 x; }
        if (-e <dir>$uri) { return 200 e; }
        if (!-f <dir>$uri) { set $n "${n}f"; }
        if (!-d <dir>$uri) { set $n "${n}d"; }
        if (!-e <dir>$uri) { set $n "${n}e"; }
        if (!-x <dir>$uri) { set $n "${n}x"; }
        return 200 $n;
    }
    location /x { if (-x <dir>$uri) { return 200 x; } if (!-x <dir>$uri) { return 200 nx; } }
}
"""


@pytest.fixture(scope="module")
def scripts() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, SCRIPTS)


@pytest.fixture(scope="module")
def passed() -> Iterator[Twins]:
    with Stage() as stage:
        yield Twins(stage, PASSED, ACCELERATED, SECOND)


@pytest.mark.parametrize("path", PATHS)
def test_scripts(scripts: Twins, path: str) -> None:
    scripts.check(octets(path, "X-A: 1"))


def test_444_closes(scripts: Twins) -> None:
    assert scripts.check(octets("/r444?a=1")).answer.status == 0


@pytest.mark.parametrize("path", PASSED_PATHS)
def test_what_servers_are_asked(passed: Twins, path: str) -> None:
    passed.check(octets(path))


def test_method_in_a_condition(passed: Twins) -> None:
    assert passed.check(octets("/if/x", "Content-Length: 0", method="POST")).answer.status == 405


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("name", ACCELERATED)
def test_accelerated(passed: Twins, name: str, method: str) -> None:
    """A server that names another place keeps but a few of its fields (behaviour 26)."""
    passed.check(octets(f"/{name}?a", method=method))


@pytest.mark.parametrize("place", ["ignore", "pass"])
def test_not_accelerated(passed: Twins, place: str) -> None:
    passed.check(octets(f"/{place}/accel-ret"))


def test_conditions_on_files() -> None:
    with Stage() as stage:
        directory = stage.directory / "made"
        directory.mkdir()
        (directory / "file").write_text("x")
        (directory / "program").write_text("x")
        (directory / "program").chmod(0o755)
        (directory / "link").symlink_to("file")
        (directory / "broken").symlink_to("nothing")
        (stage.directory / "xfile").write_text("x")
        (stage.directory / "xprogram").write_text("x")
        (stage.directory / "xprogram").chmod(0o755)
        twins = Twins(stage, FILES)
        for path in ("file", "program", "link", "broken", "", "none", "file/below", "f" * 300, "%00"):
            request = octets(f"/made/{path}")
            twins.check(request) if path != "%00" else twins.check_refused(request)
        for path in ("xfile", "xprogram", "xnone"):
            twins.check(octets(f"/{path}"))
