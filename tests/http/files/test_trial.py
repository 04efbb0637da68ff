"""What try_files looks for, and where it goes on."""

from __future__ import annotations

import pytest

from lbproxy.http.files.trial import Trial, Wanted
from tests.support.served import arrive, request, server_of


def trial(conf: str, target: bytes) -> tuple[list[Wanted], bytes, Trial]:
    """Return what a location with *conf* looks for when *target* is asked for, and where it goes on then."""
    plan = server_of(conf)
    ex = arrive(plan, request(target))
    found = plan.routes[ex.location].trial
    assert found is not None
    return list(found.wanted(ex)), found.fallback(ex), found


def test_the_usual_form() -> None:
    """The file, the directory, the application."""
    wanted, fallback, found = trial("location / { root /r; try_files $uri $uri/ @app; }", b"/x/?a")
    assert wanted == [(b"/r/x/", False, b"/x/"), (b"/r/x/", True, b"/x/")]
    assert (fallback, found.status) == (b"@app", 0)


def test_a_page_for_all_else() -> None:
    """With arguments."""
    _, fallback, _ = trial("location / { try_files $uri /index.php?q=$uri&$args; }", b"/x?a=b")
    assert fallback == b"/index.php?q=/x&a=b"


def test_a_status_for_all_else() -> None:
    """Told as it is."""
    assert trial("location / { try_files $uri =410; }", b"/x")[2].status == 410


def test_an_alias_stands_for_the_prefix() -> None:
    """Which is cut off from what begins with it, unless that is a fixed name; the fallback as well."""
    conf = "location /a/ { alias /b/; try_files $uri $uri.html c /a/d $arg_f /a//a/index.php?$args; }"
    wanted, fallback, _ = trial(conf, b"/a/x?f=/e")
    assert wanted == [
        (b"/b/x", False, b"/a/x"), (b"/b/x.html", False, b"/a/x.html"), (b"/b/c", False, b"/a/c"),
        (b"/b//a/d", False, b"/a//a/d"), (b"/b//e", False, b"/a//e"),
    ]  # fmt: skip
    assert fallback == b"/a/index.php?f=/e"


def test_a_fallback_stays_a_place() -> None:
    """Where nginx would be left with none."""
    assert trial("location /a/ { alias /b/; try_files $uri /a/$arg_f; }", b"/a/x?f=y")[1] == b"/a/y"


def test_an_alias_of_an_expression() -> None:
    """What is looked for stands behind it; a directory leaves the path alone."""
    wanted, _, _ = trial("location ~ ^/a/(.*)$ { alias /b/; try_files $1 $1/ =404; }", b"/a/x")
    assert wanted == [(b"/b/x", False, b"x"), (b"/b/x", True, b"/a/x")]


@pytest.mark.parametrize("target", [b"/?f=..", b"/?f=a/../../b", b"/?f=../x"])
def test_no_way_out(target: bytes) -> None:
    """What is outside of the directory is not there."""
    wanted, _, _ = trial("location / { root /r; try_files /$arg_f =404; }", target)
    assert wanted[0].path is None


def test_links() -> None:
    """Are judged as for the files themselves."""
    found = trial("location / { disable_symlinks if_not_owner from=$document_root; try_files $uri =404; }", b"/")[2]
    assert found.symlinks is not None
    assert found.symlinks.owned
