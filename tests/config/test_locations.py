"""location blocks."""

from __future__ import annotations

import pytest

from lbproxy.config.locations import parse_head
from lbproxy.config.model import Conditional, Location, MatchKind
from lbproxy.config.parser import Directive
from tests.support.configs import PassSettings, directive, load, mistakes


def locations(text: str) -> tuple[Location, ...]:
    """Return the locations of a server with *text* in it."""
    return load(f"server {{ {text} }}").servers[0].root.locations


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/a"], (MatchKind.PREFIX, "/a")),
        (["=", "/a"], (MatchKind.EXACT, "/a")),
        (["=/a"], (MatchKind.EXACT, "/a")),
        (["^~", "/a"], (MatchKind.PREFIX_FINAL, "/a")),
        (["^~/a"], (MatchKind.PREFIX_FINAL, "/a")),
        (["~", "^/a"], (MatchKind.REGEX, "^/a")),
        (["~^/a"], (MatchKind.REGEX, "^/a")),
        (["~*", "a$"], (MatchKind.REGEX_NOCASE, "a$")),
        (["~*a$"], (MatchKind.REGEX_NOCASE, "a$")),
        (["@a"], (MatchKind.NAMED, "@a")),
    ],
)
def test_heads(words: list[str], expected: tuple[MatchKind, str]) -> None:
    """With the modifier as its own word or in front of the pattern."""
    assert parse_head(directive("location", *words)) == expected


def test_regexes_are_compiled() -> None:
    """Over octets, minding case or not."""
    found = locations(r"location ~ \.PHP$ {} location ~* \.PHP$ {} location /x {}")
    assert [bool(one.regex and one.regex.search(b"/a.php")) for one in found] == [False, True, False]


def test_locations_nest_and_keep_their_own_scripts() -> None:
    """Settings are inherited except those like proxy_pass; scripts are not."""
    (outer,) = locations(
        "set $s 1; location /a { proxy_pass x; proxy_read_timeout 5; set $a 1; return 200;"
        " location /a/b { proxy_set_header A b; } location ~ c { } }"
    )
    inner, regex = outer.locations
    assert [one.name for one in outer.script if isinstance(one, Directive)] == ["set", "return"]
    assert inner.script == ()
    assert (inner.pattern, regex.kind) == ("/a/b", MatchKind.REGEX)
    assert outer.settings(PassSettings).target == "x"
    assert inner.settings(PassSettings).target is None
    assert inner.settings(PassSettings).read_timeout == 5.0
    assert inner.settings(PassSettings).fields == (("A", "b"),)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("location = /a { location /a { } }", 'location "/a" cannot be inside the exact location "/a"'),
        ("location @a { location /b { } }", 'location "/b" cannot be inside the named location "@a"'),
        ("location /a { location @b { } }", 'named location "@b" can be on the server level only'),
        ("location /a { location /b { } }", 'location "/b" is outside location "/a"'),
        ("location ~ /a { location /b { } }", 'location "/b" is outside location "/a"'),
        ("location ! /a { }", 'invalid location modifier "!"'),
        ("location ~ ( { }", 'regex "(" is invalid: missing ), unterminated subpattern'),
        ("location /a { } location ^~ /a { }", 'duplicate location "/a"'),
        ("location = /a { } location =/a { }", 'duplicate location "/a"'),
        ("location /a { location /ab { } location /ab { } }", 'duplicate location "/ab"'),
        ("location /a { limit_except GETT { } }", 'invalid method "GETT"'),
        ("location /a { limit_except GET { daemon on; } }", '"daemon" directive is not allowed here'),
        ("location /a { limit_except GET { } limit_except PUT { } }", '"limit_except" directive is duplicate'),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """In nginx's words."""
    (found,) = mistakes(f"server {{ {text} }}")
    assert found.startswith(f"{message} in site.conf:1:")


def test_other_methods_have_a_block_of_their_own() -> None:
    """It passes requests on where the location does, but runs nothing of its script."""
    (outer,) = locations("location /a { proxy_pass x; proxy_read_timeout 5; limit_except get POST { } set $a 1; }")
    limit = outer.limit_except
    assert limit is not None
    assert limit.methods == {b"GET", b"HEAD", b"POST"}
    within = limit.location
    assert (within.kind, within.pattern, within.script, within.limit_except) == (outer.kind, "/a", (), None)
    assert within.settings(PassSettings).target == "x"
    assert within.settings(PassSettings).read_timeout == 5.0
    assert within in list(outer.inner())


def test_an_if_has_the_settings_of_its_location_and_its_own() -> None:
    """Also where requests go, which no other block inherits."""
    (outer,) = locations(
        "location /a { proxy_pass x; proxy_read_timeout 5; if (a b) { set $a 1; } set $b 1; location ~ b { } }"
        "location /b { if ($a) { proxy_pass y; } }"
    )[:1]
    first, second = outer.script
    assert isinstance(first, Conditional)
    assert isinstance(second, Directive)
    assert (first.condition.texts, [one.texts for one in first.script]) == (("(a", "b)"), [("$a", "1")])
    within = first.location
    assert within is not None
    assert list(outer.inner()) == [*outer.locations, within]
    assert (within.kind, within.pattern, within.script, within.locations) == (outer.kind, "/a", (), ())
    assert within.settings(PassSettings).target == "x"
    assert within.settings(PassSettings).read_timeout == 5.0
    assert within.around is not None
    assert within.around.settings(PassSettings) is outer.settings(PassSettings)


def test_an_if_of_a_server_has_a_script_only() -> None:
    """There is no location yet that it could replace."""
    (server,) = load("server { if ($a) { set $b 1; } }").servers
    (block,) = server.root.script
    assert isinstance(block, Conditional)
    assert block.location is None
    assert mistakes("server { if ($a) { proxy_read_timeout 5; } }") == [
        '"proxy_read_timeout" directive is not allowed here in site.conf:1:20 (it belongs in http, server, location)'
    ]


def test_of_two_named_locations_the_first_is_used() -> None:
    """nginx says nothing; lbproxy warns."""
    config = load("server { location @a { return 1; } location @a { return 2; } }")
    (found,) = config.servers[0].root.locations
    assert [one.texts for one in found.script if isinstance(one, Directive)] == [("1",)]
    assert config.warnings == ('duplicate location "@a", ignored in site.conf:1:36',)


def test_what_differs_is_no_duplicate() -> None:
    """Exact beside prefix, regexes, the same path in another block."""
    text = "location = /a { } location /a { location /ab { } } location ~ a { } location ~ a { } location /ab { }"
    assert mistakes(f"server {{ {text} }} server {{ location /a {{ }} }}") == []


def test_mistakes_inside_a_location_with_a_bad_head_are_not_told() -> None:
    """What would be in it cannot be judged; the rest of the server can."""
    assert len(mistakes("server { location ! /a { xyzzy; } xyzzy; }")) == 2
