"""Which file a path means, and that none is outside of its directory."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.files.action import FileAction
from lbproxy.http.files.paths import Root, Roots
from lbproxy.http.variables import VariableTable
from lbproxy.plan import Plan
from tests.support.loading import load_text
from tests.support.served import arrive, request


def served(conf: str) -> Plan:
    """Return the plan of a server with *conf*; relative paths refer to /srv."""
    return load_text(f"server {{ listen 8080; {conf} }}")


def root_of(plan: Plan, ex: Exchange) -> Root:
    """Return the root of the location of *ex*."""
    action = plan.routes[ex.location].action
    assert isinstance(action, FileAction)
    return action.root


def path(conf: str, target: bytes) -> bytes | None:
    """Return the path of the file that *target* means to a server with *conf*."""
    plan = served(conf)
    ex = arrive(plan, request(target))
    return root_of(plan, ex).path(ex)


@pytest.mark.parametrize(("conf", "target", "expected"), [
    ("", b"/x", b"/srv/html/x"),
    ("root /r;", b"/x/", b"/r/x/"),
    ("root /r/;", b"/x", b"/r/x"),
    ("root /;", b"/x", b"/x"),
    ('root "";', b"/x", b"/srv/./x"),
    ("root rel;", b"/x", b"/srv/rel/x"),
    ("root ../up;", b"/x", b"/srv/../up/x"),
    ("root /$host;", b"/x", b"/www.example.com/x"),
    ("root $arg_d;", b"/x?d=rel", b"/srv/rel/x"),
    ("root $arg_d;", b"/x", b"/srv//x"),
    ("location /a/ { alias /b/; }", b"/a/x/y", b"/b/x/y"),
    ("location /a { alias /b; }", b"/a", b"/b"),
    ("location /a { alias /b; }", b"/axe", b"/bxe"),
    ("location = /a { alias /b/c.html; }", b"/a", b"/b/c.html"),
    ("location /a/ { alias rel/; }", b"/a/x", b"/srv/rel/x"),
    ("location /a/ { alias /b/; location /a/c/ { } }", b"/a/c/x", b"/b/c/x"),
    ("location /a/ { alias /b/; location ~ x$ { } }", b"/a/c/x", b"/b/c/x"),
    ("location /a/ { alias /b/; location /a/c/ { root /d; } }", b"/a/c/x", b"/d/a/c/x"),
    ("location ~ ^/a/(.*) { alias /b/$1.html; }", b"/a/x", b"/b/x.html"),
    ("location ~ ^/a/(?<n>.*) { alias rel/$n; }", b"/a/x", b"/srv/rel/x"),
])  # fmt: skip
def test_paths(conf: str, target: bytes, expected: bytes) -> None:
    """As nginx puts them together."""
    assert path(conf, target) == expected


@pytest.mark.parametrize(("conf", "target"), [
    ("location /a { alias /b/; }", b"/a../x"),
    ("location /a { alias /b/; }", b"/a.."),
    ("location /a { alias /b/; }", b"/a%2e%2e/x"),
    ("location ~ ^/a(.*) { alias /b/$1; }", b"/a../x"),
    ("root /r/$arg_d;", b"/x?d=.."),
    ("root $arg_d/r;", b"/x?d=/a/.."),
    ("root /r/$arg_d;", b"/x?d=a/../../b"),
    ("root /r.$arg_d;", b"/x?d=./../y"),
    ("root /r/../$arg_d;", b"/x?d=.."),
])  # fmt: skip
def test_no_way_out(conf: str, target: bytes) -> None:
    """The famous ``location /a { alias /b/; }`` included."""
    assert path(conf, target) is None


@pytest.mark.parametrize("name", [b"/a/x..", b"/a/..x", b"/a/.../x", b"/a/x../y", b"/a/..%20/x"])
def test_dots_are_no_crime(name: bytes) -> None:
    """Only a segment of just two is a way up."""
    assert path("root /r;", name) is not None


@given(st.lists(st.sampled_from(["..", ".", "", "a", "b", "%2e%2e", "%2f", "a.."]), max_size=6).map("/".join))
def test_nothing_leaves_the_alias(rest: str) -> None:
    """Whatever follows the prefix."""
    plan = served("location /p { alias /d/; } location /q { alias /d/e; }")
    for prefix in ("/p", "/q"):
        try:
            ex = arrive(plan, request(f"{prefix}{rest}".encode()))
        except MalformedMessage:  # it leaves the very root
            continue
        if ex.location.pattern == prefix:
            found = root_of(plan, ex).path(ex)
            assert found is None or b".." not in found.split(b"/")


def test_an_alias_stands_for_its_prefix_only() -> None:
    """A script may have led elsewhere meanwhile: then there is no file."""
    plan = served("location /a/ { alias /b/; }")
    ex = arrive(plan, request(b"/a/x"))
    root = root_of(plan, ex)
    assert root.applies(ex)
    ex.path = b"/c/x"
    assert not root.applies(ex)
    assert root.path(ex) is None


@pytest.mark.parametrize("location", ["/a/ { alias /b/; }", "~ ^/a/(.*) { alias /b/$1; }"])
def test_an_alias_is_for_the_path_as_it_was_found(location: str) -> None:
    """A script that changed it and stays may have left the prefix in place, yet nginx has no file there either."""
    plan = served(f"location {location}")
    ex = arrive(plan, request(b"/a/x"))
    assert root_of(plan, ex).path(ex) == b"/b/x"
    ex.valid_location = False
    assert root_of(plan, ex).path(ex) is None


def test_variables_are_those_of_the_location() -> None:
    """Also where it passes requests on."""
    plan = served("""root /r; location /a/ { alias /b/; }
        location /p { root /q; proxy_pass http://127.0.0.1:1; proxy_set_header X "$document_root $request_filename"; }
        location ~ ^/w/(.*) { alias /w/$1; }""")  # fmt: skip
    roots = Roots(b"/srv", lambda path: path)
    for location in plan.routes:
        roots.add(location, VariableTable({}))
    getters = roots.getters()
    for target, expected in {
        b"/x": (b"/r", b"/r/x"), b"/a/x": (b"/b/", b"/b/x"), b"/p/x": (b"/q", b"/q/p/x"), b"/w/f": (b"/w/f", b"/w/f"),
    }.items():  # fmt: skip
        ex = arrive(plan, request(target))
        assert (getters["document_root"](ex), getters["request_filename"](ex)) == expected
        assert getters["realpath_root"](ex) == expected[0]
