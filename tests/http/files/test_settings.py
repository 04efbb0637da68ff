"""What the directives about files say, and what is none of it; whether nginx agrees is checked in tests/conformance."""

from __future__ import annotations

import pytest

from lbproxy.config.model import Location
from lbproxy.errors import ConfigErrors
from lbproxy.http.files.settings import FileSettings
from lbproxy.plan import Plan
from tests.support.loading import load_text


def locations(text: str) -> dict[str, Location]:
    """Return the locations of a server with *text* by pattern, its own as ""."""
    plan: Plan = load_text(f"server {{ listen 8080; {text} }}")
    return {location.pattern: location for location in plan.routes}


def settings(text: str, pattern: str = "") -> FileSettings:
    """Return the settings of one of them."""
    return locations(text)[pattern].settings(FileSettings)


def place(text: str, pattern: str) -> str:
    """Return what counts as the place of the files of one of them."""
    found = settings(text, pattern).place
    return f"{'alias' if found.alias else 'root'} {found.directory}"


def mistake(text: str) -> str:
    """Return the only complaint about *text*."""
    with pytest.raises(ConfigErrors) as caught:
        load_text(f"server {{ listen 8080; {text} }}")
    (error,) = caught.value.errors
    return error.message


def test_defaults() -> None:
    """Are nginx's, but that the system may always copy files."""
    found = settings("")
    assert str(found.place.directory) == "html"
    assert [str(name) for names in found.index for name in names] == ["index.html"]
    assert (found.etag, found.if_modified_since, found.max_ranges) == (True, "exact", 2147483647)
    assert (found.try_files, found.symlinks, found.gzip_static, found.autoindex) == (None, None, "off", False)
    assert found.sendfile


def test_the_nearer_of_root_and_alias_counts() -> None:
    """Each hides what the other says further outside."""
    text = """root /r/; location /a { alias /a/; location /a/r { root /x; location /a/r/i { } } location /a/i { } }
        location /r { }"""
    assert place(text, "/r") == "root /r"
    assert place(text, "/a") == place(text, "/a/i") == "alias /a/"
    assert place(text, "/a/r") == place(text, "/a/r/i") == "root /x"


def test_indexes_add_up() -> None:
    """Within a block; one with any has none of those outside."""
    text = "index a b; index $host.c /d; location /own { index e; } location /none { }"
    assert [tuple(map(str, names)) for names in settings(text, "/none").index] == [("a", "b"), ("${host}.c", "/d")]
    assert [tuple(map(str, names)) for names in settings(text, "/own").index] == [("e",)]


def test_try_files() -> None:
    """Is for its own block alone; a slash at the end of all but the last means a directory."""
    text = "try_files $uri $uri/ /x/; location / { } location /code { try_files a =404; }"
    tried, code = settings(text).try_files, settings(text, "/code").try_files
    assert tried is not None
    assert [(str(name), directory) for name, directory in tried.candidates] == [("${uri}", False), ("${uri}", True)]
    assert (str(tried.fallback), tried.status) == ("/x/", 0)
    assert code is not None
    assert code.status == 404
    assert settings(text, "/").try_files is None


@pytest.mark.parametrize(("text", "expected"), [
    ("on", (False, None)), ("if_not_owner", (True, None)), ("on from=$document_root", (False, "${document_root}")),
])  # fmt: skip
def test_disable_symlinks(text: str, expected: tuple[bool, str | None]) -> None:
    """Whose links are followed, and from where on they are looked for."""
    rule = settings(f"disable_symlinks {text};").symlinks
    assert rule is not None
    assert (rule.owned, str(rule.start) if rule.start else None) == expected
    assert settings("disable_symlinks off;").symlinks is None


@pytest.mark.parametrize(("text", "message"), [
    ("root $document_root/x;", 'the $document_root variable may not be used in the "root" directive'),
    ("location / { alias ${realpath_root}; }", 'the $realpath_root variable may not be used in the "alias" directive'),
    ("location / { root /a; alias /b; }", '"alias" directive is duplicate'),
    ("location @a { alias /b; }", 'the "alias" directive cannot be used inside the named location'),
    ("root $nothing;", 'unknown "nothing" variable'),
    ("index $nothing;", 'unknown "nothing" variable'),
    ("location / { try_files $nothing =404; }", 'unknown "nothing" variable'),
    ("disable_symlinks on from=$nothing;", 'unknown "nothing" variable'),
    ('index "";', 'index "" in "index" directive is invalid'),
    ("try_files a =1000;", 'invalid code "=1000"'),
    ("try_files a =x;", 'invalid code "=x"'),
    ("disable_symlinks maybe;", 'invalid value "maybe"'),
    ("disable_symlinks on to=/x;", 'invalid parameter "to=/x"'),
    ("disable_symlinks off from=/x;", 'invalid parameter "from=/x"'),
])  # fmt: skip
def test_mistakes(text: str, message: str) -> None:
    """In nginx's words."""
    assert mistake(text) == message
