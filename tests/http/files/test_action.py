"""What a location does with its files, compiled."""

from __future__ import annotations

from lbproxy.http.files.action import FileAction
from tests.support.served import arrive, request, server_of


def action(conf: str) -> FileAction:
    """Return the action of a location with *conf*."""
    plan = server_of(f"location / {{ {conf} }}")
    found = plan.routes[arrive(plan, request()).location].action
    assert isinstance(found, FileAction)
    return found


def test_names_are_made_for_each_request() -> None:
    """Of all index directives, in order."""
    ex = arrive(server_of(""), request(b"/?a=b"))
    assert [name(ex) for name in action("index $arg_a.x y; index z;").index] == [b"b.x", b"y", b"z"]


def test_links_are_followed_unless_somebody_minds() -> None:
    """And looked at from the beginning of a path, unless it is said where from."""
    assert action("").symlinks is None
    everywhere, below = action("disable_symlinks on;").symlinks, action("disable_symlinks on from=/a;").symlinks
    assert everywhere is not None
    assert everywhere.start is None
    assert below is not None
    assert below.start is not None
    assert below.start(arrive(server_of(""), request())) == b"/a"


def test_what_texts_are() -> None:
    """UTF-8, if it is said so."""
    assert action("charset UTF-8;").utf8
    assert not action("charset koi8-r;").utf8
