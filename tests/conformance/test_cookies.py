"""What becomes of a server's cookies: ``proxy_cookie_domain``, ``proxy_cookie_path``, ``proxy_cookie_flags``."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

COOKIES = (
    "a=1", "a=1; Domain=.app.local; Path=/app/x", "a=1;domain=APP.local;path=/app;Secure", "a=2;Secure",
    "b=2; HttpOnly; SameSite=Lax ; expires=Thu, 01 Jan 2037 00:00:00 GMT", 'c; domain = app.local ; path="/app"',
    " d = 4 ; ;Domain=other.local;Path=", "sess=x=y; SECURE; httponly; samesite=none",
    "e=1; Domain=app.local; Domain=app.local; path=/app; path=/app/2", "", ";", "f=;path", "g=1 ; Max-Age = 5",
    "A=1;SameSite=None;samesite=Lax",
)  # fmt: skip
PLACES = {
    "domain": "proxy_cookie_domain app.local example.org;",
    "dotted": "proxy_cookie_domain .app.local .example.org;",
    "path": "proxy_cookie_path /app /new;",
    "regex": r'proxy_cookie_path ~*^/APP(/.*)?$ /re$1; proxy_cookie_domain "~\.?(app)\.local$" $1.org;',
    "first": "proxy_cookie_path /app/x /1; proxy_cookie_path /app /2; proxy_cookie_path / /3;",
    "flags": "proxy_cookie_flags ~^[ab]$ secure httponly samesite=strict; proxy_cookie_flags sess nosecure nosamesite;",
    "more": "proxy_cookie_flags ~. samesite=lax nohttponly;",
    "spared": "proxy_cookie_flags a off; proxy_cookie_flags ~. secure;",
    "none": "proxy_cookie_flags ~. nosecure;",
    "variables": "proxy_cookie_domain app.local $arg_x; proxy_cookie_path /app $arg_x;"
                 "proxy_cookie_flags $arg_y secure;",
    "chosen": "proxy_cookie_flags a $arg_f $arg_none; proxy_cookie_flags ~. SameSite=$arg_s HTTPOnly;",
    "off": "proxy_cookie_domain off; proxy_cookie_path off; proxy_cookie_flags off;",
}


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    inside = "\n".join(
        f"location /{name}/ {{ {lines} proxy_pass http://<a>; }}" for name, lines in PLACES.items()
    )
    with Stage() as stage:
        page = reply("x", *(f"Set-Cookie: {cookie}" for cookie in COOKIES))
        yield Twins(stage, f"proxy_cookie_path /app /outer; server {{ listen <listen>; {inside} }}", {"page": page})


@pytest.mark.parametrize("place", PLACES)
def test_cookies(twins: Twins, place: str) -> None:
    """One answer with all of them, each written as nginx writes it."""
    for more in ("", "&f=secure&s=lax", "&f=NoSecure&s=none", "&f=other&s=other"):
        twins.check(octets(f"/{place}/page?x=/x&y=a{more}"))
