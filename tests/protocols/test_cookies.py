"""Cookies of a server made the client's; tests/conformance/test_cookies.py asks nginx about the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors
from tests.support.served import action_of, arrive, request, response, server_of


def sent(lines: str, *cookies: str, target: bytes = b"/x") -> list[str]:
    """Return the cookies that a client gets for a server's *cookies*."""
    plan = server_of(f"location / {{ proxy_pass http://backend; {lines} }}")
    ex = arrive(plan, request(target))
    head = response("".join(f"Set-Cookie: {cookie}\r\n" for cookie in cookies).encode() + b"X-A: 1\r\n")
    block = action_of(plan, ex).protocol.client_fields(ex, head)
    assert block.endswith(b"X-A: 1\r\n")
    return [line.removeprefix("Set-Cookie: ") for line in block.decode().split("\r\n")[:-2]]


def test_domain() -> None:
    """Letter case and a leading dot make no difference; the dot stays."""
    changed = sent("proxy_cookie_domain .app.local example.org;", "a=1; Domain=.APP.local", "b=1;domain=b.app.local")
    assert changed == ["a=1; Domain=.example.org", "b=1;domain=b.app.local"]


def test_path() -> None:
    """The first rule whose path the value begins with decides."""
    lines = "proxy_cookie_path /app/x /1; proxy_cookie_path /app /2;"
    assert sent(lines, "a=1; Path=/app/x/y", "b=1; Path=/app/z") == ["a=1; Path=/1/y", "b=1; Path=/2/z"]


def test_variables_and_captures() -> None:
    lines = r"proxy_cookie_path ~^/(\w+)/ /$arg_p/$1/; proxy_cookie_flags $arg_n secure;"
    assert sent(lines, "a=1; Path=/app/x", target=b"/?p=new&n=A") == ["a=1; Path=/new/app/; Secure"]


def test_flags() -> None:
    """They are added once, changed in place, and taken away."""
    lines = "proxy_cookie_flags ~. secure nohttponly samesite=lax;"
    assert sent(lines, "a=1; HTTPONLY; samesite=none; secure", "b=2") == [
        "a=1; SameSite=Lax; secure", "b=2; Secure; SameSite=Lax",
    ]  # fmt: skip


def test_a_cookie_may_be_spared() -> None:
    assert sent("proxy_cookie_flags a off; proxy_cookie_flags ~. secure;", "a=1", "ab=1") == ["a=1", "ab=1; Secure"]


def test_off() -> None:
    """Nothing of an outer level is done either."""
    plan = "proxy_cookie_path off; proxy_cookie_domain off; proxy_cookie_flags off;"
    assert sent(plan, "a=1;Path=/app") == ["a=1;Path=/app"]


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=40))
def test_what_nothing_fits_is_left_as_it_came(cookie: str) -> None:
    lines = "proxy_cookie_domain never.test x; proxy_cookie_path /never/ x; proxy_cookie_flags /never/ secure;"
    assert sent(lines, cookie) == [cookie]


def test_a_value_cannot_leave_its_line() -> None:
    """Whatever was decoded into a variable.  Robustness 10."""
    (cookie,) = sent("proxy_cookie_path / $uri;", "a=1; Path=/", target=b"/x%0d%0aX:1")
    assert cookie == "a=1; Path=/x  X:1"


@pytest.mark.parametrize(
    "line",
    ["proxy_cookie_domain on;", "proxy_cookie_path x;", "proxy_cookie_flags a;", "proxy_cookie_flags a strict;",
     "proxy_cookie_path ~( x;", "proxy_cookie_domain a $nope;"],
)  # fmt: skip
def test_mistakes(line: str) -> None:
    with pytest.raises(ConfigErrors):
        sent(line, "a=1")
