"""What locations check."""

from __future__ import annotations

from lbproxy.http.checks import Checks
from tests.support.loading import complaints, load_text

ZONES = "limit_req_zone $uri zone=r:32k; limit_conn_zone $uri zone=c:32k; ".replace("r:32k;", "r:32k rate=1r/s;")


def checks(server: str) -> dict[str, Checks | None]:
    """Return what the locations of one server check, by their patterns."""
    plan = load_text(f"{ZONES} server {{ listen 8080; {server} }}")
    return {location.pattern: route.checks for location, route in plan.routes.items()}


def test_where_nothing_is_to_be_checked_nothing_is() -> None:
    """Neither are settings without what they belong to."""
    found = checks("""
        location /a { satisfy any; auth_delay 1s; limit_req_status 429; real_ip_header X; auth_basic_user_file x; }
        location /b { auth_basic off; auth_basic_user_file x; auth_request off; }
        location /c { auth_basic staff; }
    """)
    assert set(found.values()) == {None}


def test_what_is_inherited() -> None:
    """Rules together, limits of one kind together, and what is alike is one object."""
    found = checks("""
        deny all; limit_req zone=r; auth_basic staff; auth_basic_user_file users;
        location /a { location /a/b {} }
        location /c { allow all; limit_conn c 1; satisfy any; }
        location /d { auth_basic off; }
    """)
    outer, inner, other, last = found["/a"], found["/a/b"], found["/c"], found["/d"]
    assert outer is inner is found[""]
    assert outer is not None
    assert other is not None
    assert last is not None
    assert outer.may_come is not None
    assert other.may_come is not None
    assert (outer.may_come(b"1234"), other.may_come(b"1234")) == (False, True)
    assert (outer.any_is_enough, other.any_is_enough) == (False, True)
    assert outer.connections is None
    assert other.connections is not None
    assert other.requests is not None
    assert last.basic is None


def test_methods_have_checks_of_their_own() -> None:
    """limit_except inherits from its location."""
    plan = load_text("server { listen 8080; location / { allow all; limit_except GET { deny all; } } }")
    (location,) = plan.config.servers[0].root.locations
    assert location.limit_except is not None
    route = plan.routes[location.limit_except.location]
    assert route.checks is not None
    assert route.checks.may_come is not None
    assert route.checks.may_come(b"1234") is False


def test_a_mistake_is_told_once() -> None:
    """Where it stands, not where it is inherited."""
    assert len(complaints("limit_req zone=x; server { listen 8080; location / {} location /a { root /x; } }")) == 1
