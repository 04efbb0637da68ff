"""
Complete site configurations, and the requests that visitors of such a site make.

A site is a file in tests/sites: what stands in nginx's http block, with placeholders (see `Site.names`).  Comments at
its top say what it is and, behind ``try:``, which targets are worth asking for; `requests` makes many differing
requests of these, the same in every run.
"""

from __future__ import annotations

import gzip
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.support.backends import Reply, closing, reply, unsized
from tests.support.client import chunked, octets

T = TypeVar("T")

SITES = Path(__file__).parent.parent / "sites"
LONG = "All work and no play makes Jack a dull boy. " * 60
LAST_YEAR = 1764547200  # when all files were changed: 2025-12-01 00:00:00 UTC

PAGES: dict[str, Reply] = {
    "login": reply("", "Location: http://app.internal/account", "Set-Cookie: session=abc; Path=/app; HttpOnly",
                   status="302 Found"),
    "json": reply('{"ok": true}', "Content-Type: application/json", "X-Request-Cost: 3"),
    "long": reply(LONG, "Content-Type: text/html; charset=utf-8", 'ETag: "v1"'),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: text/plain\r\n\r\n"
               + chunked(b"one ", b"two ", b"three"),
    "close": unsized(LONG),
    "cached": reply("cached", "Content-Type: text/css", "Cache-Control: max-age=60", 'ETag: "c"',
                    "Last-Modified: Mon, 01 Dec 2025 00:00:00 GMT"),
    "created": reply("made", "Location: /things/1", status="201 Created"),
    "gone": reply("gone", "Content-Type: text/plain", status="410 Gone"),
    "nothing": b"HTTP/1.1 204 No Content\r\n\r\n",
    "unchanged": b"HTTP/1.1 304 Not Modified\r\nETag: \"v1\"\r\n\r\n",
    "unauthorised": reply("who?", 'WWW-Authenticate: Basic realm="app"', status="401 Unauthorized"),
    "forbidden": reply("no", status="403 Forbidden"),
    "missing": reply("the app knows no such page", "Content-Type: text/plain", status="404 Not Found"),
    "broken": reply("oops", status="500 Internal Server Error"),
    "busy": reply("busy", "Retry-After: 5", status="503 Service Unavailable"),
    "accel": reply("ignored", "X-Accel-Redirect: /protected/report.txt", "Content-Type: text/x-report",
                   "Content-Disposition: attachment"),
    "cookies": reply("x", "Set-Cookie: a=1; Domain=app.internal; Path=/", "Set-Cookie: b=2; Path=/app"),
    "allowed": reply("", "X-User: alice"),
}  # fmt: skip
"""What every backend answers by the last segment of the path; anything else gets its letter."""

CLOSING = {name: page if callable(page) else closing(page) for name, page in PAGES.items() if name != "chunked"}
"""The same as uWSGI does it: a connection is closed behind each answer; nginx does not know chunks there."""

FILES = {
    "index.html": "<h1>Home</h1>\n" + LONG,
    "about.html": "<h1>About</h1>\n",
    "404.html": "<h1>Nothing here</h1>\n",
    "50x.html": "<h1>Sorry</h1>\n",
    "maintenance.html": "<h1>Back soon</h1>\n",
    "favicon.ico": "icon",
    "robots.txt": "User-agent: *\nDisallow:\n",
    "static/app.css": "body { color: black }\n" * 30,
    "static/app.js": "console.log('hello');\n" * 30,
    "static/logo.png": "\x89PNG\r\n" * 20,
    "static/empty": "",
    "static/a b.txt": "blank in the name",
    "media/photo.jpg": "jpeg" * 500,
    "media/.hidden": "hidden",
    "docs/index.html": "<h1>Docs</h1>\n",
    "docs/guide.html": "<h1>Guide</h1>\n",
    "docs/guide/intro.html": "<h1>Intro</h1>\n",
    "protected/report.txt": "the report\n" * 20,
    "blog/index.php": "<?php ?>\n",
    ".htpasswd": "alice:{PLAIN}secret\nbob:$apr1$salt1234$pCq3vVzQ1bP7.3IYSdPEK0\n",
}
"""The document root of every site."""

_HEADERS: tuple[tuple[str, ...], ...] = (
    (),
    (),
    ("Accept-Encoding: gzip, deflate",),
    ("Cookie: session=abc; theme=dark",),
    ("User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X)",),
    ("User-Agent: EvilBot/1.0",),
    ("X-Forwarded-For: 203.0.113.7, 10.0.0.1", "X-Forwarded-Proto: https"),
    ("X-Real-IP: 203.0.113.9",),
    ("Range: bytes=0-9",),
    ("Range: bytes=-5",),
    ("If-Modified-Since: Mon, 01 Dec 2025 00:00:00 GMT",),
    ('If-None-Match: "v1"',),
    ("Authorization: Basic YWxpY2U6c2VjcmV0",),
    ("Authorization: Basic YWxpY2U6d3Jvbmc=",),
    ("Referer: https://www.example.com/page",),
    ("Referer: https://spam.test/",),
    ("Origin: https://app.example.com",),
    ("X-Requested-With: XMLHttpRequest", "Accept-Language: de-CH,de;q=0.9"),
    ("Connection: close",),
)
_METHODS = ("GET",) * 12 + ("HEAD",) * 3 + ("POST",) * 3 + ("PUT", "DELETE", "OPTIONS")


@dataclass(frozen=True)
class Site:
    """
    One site.

    Attributes:
        text: The configuration with its placeholders: ``<listen>``, backends ``<a>`` ``<b>`` (HTTP) and ``<u>``
            ``<v>`` (uwsgi), ``<root>`` (a directory with `FILES`), ``<dead>`` (an address that refuses).
        targets: What is worth asking for.
        hosts: Names that the Host field may have.
    """

    name: str
    text: str
    targets: tuple[str, ...]
    hosts: tuple[str, ...]

    def requests(self, count: int) -> Iterator[bytes]:
        """Yield *count* requests, each for a connection of its own: some of each kind, put together by chance."""
        chance = random.Random(self.name)
        targets, hosts = _deck(chance, self.targets), _deck(chance, self.hosts)
        headers, methods = _deck(chance, _HEADERS), _deck(chance, _METHODS)
        for plain, host, fields, method, _ in zip(targets, hosts, headers, methods, range(count), strict=False):
            target = _varied(plain, chance) if chance.random() < 0.3 else plain
            body = f"{method.lower()} body" if method in {"POST", "PUT"} else ""
            version = "1.0" if chance.random() < 0.05 else "1.1"
            yield octets(target, *fields, method=method, host=host, body=body.encode(), version=version)


def _deck(chance: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """Yield *cards* for ever, each once before any comes again."""
    while True:
        yield from chance.sample(cards, len(cards))


def _varied(target: str, chance: random.Random) -> str:
    """Return *target* as somebody might mistype, bookmark or attack it."""
    path, _, args = target.partition("?")
    return chance.choice(
        (
            f"{path}/",
            path.rstrip("/") or "/",
            f"{path}?a=1&b=%20",
            f"{target}{'&' if args else '?'}debug=1",
            path.replace("/", "//", 1),
            path.upper(),
            f"/x/..{path}",
            f"/.{path}",
            path.replace("a", "%61", 1),
            f"{path}%2Bx",
            f"{path}/nothing/of/that/kind",
        )
    )


def sites() -> list[Site]:
    """Return every site, by name."""
    return [_read(path) for path in sorted(SITES.glob("*.conf"))]


def _read(path: Path) -> Site:
    text = path.read_text(encoding="utf-8")
    targets = [target for line in re.findall(r"^# try: (.*)$", text, re.MULTILINE) for target in line.split()]
    assert targets, f"{path} does not say what to try"
    names = [name for line in re.findall(r"server_name\s+([^;]*);", text) for name in line.split()]
    plain = [name for name in names if re.fullmatch(r"[\w.-]+", name) and name != "_"]
    wild = [name.replace("*", "any").lstrip(".") for name in names if "*" in name]
    more = re.findall(r"^# host: (.*)$", text, re.MULTILINE)
    return Site(path.stem, text, tuple(targets), (*(plain or ["example.com"]), *wild, *more, "elsewhere.test"))


def write_files(root: Path) -> None:
    """Write `FILES` below *root*, all of the same age, where any user can read them."""
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("latin-1"))
    (root / "static/app.js.gz").write_bytes(gzip.compress(FILES["static/app.js"].encode(), mtime=0))
    for path in [root, *root.rglob("*")]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (LAST_YEAR, LAST_YEAR))
