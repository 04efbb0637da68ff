"""Which server and which location a request belongs to."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lbproxy.config.model import Address, Config, Location, MatchKind, VirtualServer
from lbproxy.config.octets import octets
from lbproxy.http.router import Found, Router
from tests.support.exchanges import LISTEN, location, virtual_server

EXACT, PREFIX, FINAL = MatchKind.EXACT, MatchKind.PREFIX, MatchKind.PREFIX_FINAL
REGEX, NOCASE, NAMED = MatchKind.REGEX, MatchKind.REGEX_NOCASE, MatchKind.NAMED


def router(*servers: VirtualServer, adds_slash: bool = False) -> Router:
    """Return the router of *servers*; with *adds_slash* every location passes requests on."""
    config = Config(listeners=(), servers=servers, upstreams={}, directives=(), merged={})
    return Router(config, lambda _: adds_slash)


def find(path: bytes, *locations: Location, adds_slash: bool = False) -> Found:
    server = virtual_server(locations=locations)
    return router(server, adds_slash=adds_slash).location(server, path)


# Servers (ngx_http_find_virtual_server)


def named(*groups: Sequence[str], default: int | None = None) -> tuple[Router, list[VirtualServer]]:
    servers = [
        virtual_server(*names, listens=[(LISTEN, index == default)]) for index, names in enumerate(groups)
    ]
    return router(*servers), servers


@pytest.mark.parametrize(
    ("host", "chosen"),
    [
        (b"a.example.com", 0),  # exact before everything
        (b"b.example.com", 1),  # *.example.com
        (b"x.y.example.com", 1),
        (b"x.b.example.com", 2),  # the longest *.x
        (b"a.example.org", 3),  # a.example.*
        (b"a.example.co.uk", 3),
        (b"a.net", 4),  # a.*, shorter than a.example.*
        (b"www7.test", 5),  # the first regular expression
        (b"www8.test", 5),
        (b"dot.test", 7),  # .dot.test stands for itself
        (b"x.dot.test", 7),  # and for *.dot.test
        (b"example.com", 0),  # nothing matches: the first server
        (b"", 8),  # no Host at all
    ],
)
def test_names_are_tried_in_nginx_order(host: bytes, chosen: int) -> None:
    """Exact, longest leading wildcard, longest trailing wildcard, first regular expression, default."""
    routes, servers = named(
        ["a.example.com"],
        ["*.example.com"],
        ["*.b.example.com"],
        ["a.example.*"],
        ["a.*"],
        [r"~^www\d\.test$"],
        [r"~^www8\.test$"],
        [".dot.test"],
        [""],
    )
    assert routes.server(LISTEN, host)[0] is servers[chosen]


def test_the_server_marked_default_answers_unknown_names() -> None:
    """default_server wins over the first one."""
    routes, servers = named(["a"], ["b"], default=1)
    assert routes.server(LISTEN, b"elsewhere")[0] is servers[1]


def test_of_two_servers_with_one_name_the_first_answers() -> None:
    """A conflicting name is a warning in nginx; the later one is ignored."""
    routes, servers = named(["a", "*.a", "a.*"], ["a", "*.a", "a.*"])
    assert {routes.server(LISTEN, host)[0] for host in (b"a", b"x.a", b"a.x")} == {servers[0]}


def test_a_name_with_subdomains_is_taken_or_refused_as_a_whole() -> None:
    """".a.b" after "*.a.b" or "a.b" is ignored altogether, as in nginx, though half of it would be free."""
    routes, servers = named(["default"], ["*.a.b"], [".a.b"], ["c.d"], [".c.d"])
    assert routes.server(LISTEN, b"a.b")[0] is servers[0]
    assert routes.server(LISTEN, b"x.c.d")[0] is servers[0]


def test_each_address_has_names_of_its_own() -> None:
    """A name on one address says nothing of another."""
    other = Address("127.0.0.1", 8081)
    first = virtual_server("a", listens=[(LISTEN, False)])
    second = virtual_server("b", listens=[(LISTEN, False), (other, False)])
    routes = router(first, second)
    assert routes.server(LISTEN, b"a")[0] is first
    assert routes.server(other, b"a")[0] is second


def test_a_server_found_by_expression_comes_with_its_match() -> None:
    """Captures in server_name become variables."""
    routes, (server,) = named([r"~^(?<user>\w+)\.example\.com$"])
    chosen, match = routes.server(LISTEN, b"joe.example.com")
    assert chosen is server
    assert match is not None
    assert match["user"] == b"joe"


def test_an_address_nobody_listens_on_is_a_key_error() -> None:
    """The proxy asks only for addresses from the configuration."""
    with pytest.raises(KeyError):
        router(virtual_server()).names(Address("10.0.0.1", 1))


# Locations (ngx_http_core_find_location)


def test_without_any_match_the_server_itself_answers() -> None:
    """The server's root location is the fallback."""
    server = virtual_server(locations=[location(PREFIX, "/a")])
    assert router(server).location(server, b"/b") == Found(server.root)


def test_exact_beats_prefix_and_expression() -> None:
    """= /a needs no second look."""
    exact = location(EXACT, "/a")
    assert find(b"/a", location(REGEX, "."), location(FINAL, "/a"), exact) == Found(exact)


def test_the_longest_prefix_wins_wherever_it_stands() -> None:
    """The order in the file does not matter for prefixes."""
    long = location(PREFIX, "/a/b")
    assert find(b"/a/b/c", location(PREFIX, "/"), long, location(PREFIX, "/a")) == Found(long)


def test_the_first_expression_beats_the_prefix() -> None:
    """Expressions are tried in the order of the text."""
    first = location(REGEX, r"\.php$")
    found = find(b"/a/x.php", location(PREFIX, "/a/"), first, location(REGEX, "x"))
    assert found.location is first
    assert found.match is not None


def test_a_final_prefix_stops_the_search() -> None:
    """^~ /static/ keeps expressions away, but only if it is the longest."""
    final, expression = location(FINAL, "/static/"), location(REGEX, r"\.php$")
    assert find(b"/static/x.php", final, expression).location is final
    longer = location(PREFIX, "/static/deep/")
    assert find(b"/static/deep/x.php", final, longer, expression).location is expression


def test_letter_case_counts_unless_the_operator_says_otherwise() -> None:
    """~* ignores the case of letters, ~ and prefixes do not."""
    nocase, prefix = location(NOCASE, "^/b"), location(PREFIX, "/A")
    assert find(b"/B", location(REGEX, "^/b"), nocase).location is nocase
    assert find(b"/a", prefix).location is not prefix


def test_octets_beyond_ascii_match_as_they_stand_in_the_file() -> None:
    """A path is decoded octets, a pattern UTF-8 text."""
    umlaut = location(PREFIX, "/ü")
    assert find("/über".encode(), umlaut).location is umlaut


def test_nested_locations_refine_the_prefix_around_them() -> None:
    """The inner prefix wins; without a match inside, the outer one answers."""
    inner = location(PREFIX, "/a/b")
    outer = location(PREFIX, "/a", [inner])
    assert find(b"/a/b", outer).location is inner
    assert find(b"/a/c", outer).location is outer


def test_an_outer_expression_beats_an_inner_prefix() -> None:
    """Only exact and expression matches inside end the search."""
    expression = location(REGEX, "b$")
    outer = location(PREFIX, "/a", [location(PREFIX, "/a/b")])
    assert find(b"/a/b", outer, expression).location is expression


def test_an_inner_expression_beats_an_outer_one() -> None:
    """The levels are searched from the inside out."""
    inner, outside = location(REGEX, "b$"), location(REGEX, "^/")
    found = find(b"/a/b", location(PREFIX, "/a", [inner]), outside)
    assert found.location is inner


def test_an_inner_exact_match_ends_the_search() -> None:
    """= inside needs no second look outside."""
    inner = location(EXACT, "/a/b")
    assert find(b"/a/b", location(PREFIX, "/a", [inner]), location(REGEX, ".")).location is inner


def test_a_location_inside_an_expression_keeps_its_captures() -> None:
    """$1 comes from the expression that led inside."""
    inner = location(PREFIX, "/a/b")
    found = find(b"/a/b", location(REGEX, "^/(.)", [inner]))
    assert found.location is inner
    assert found.match is not None
    assert found.match[1] == b"a"


def test_named_locations_are_reached_by_name_only() -> None:
    """@fallback matches no path."""
    fallback = location(NAMED, "@fallback")
    server = virtual_server(locations=[fallback])
    routes = router(server)
    assert routes.named(server, "@fallback") is fallback
    assert routes.location(server, b"@fallback").location is server.root
    with pytest.raises(KeyError):
        routes.named(server, "@other")


@pytest.mark.parametrize("kind", [PREFIX, FINAL, EXACT])
def test_the_missing_slash_is_added_by_a_redirect(kind: MatchKind) -> None:
    """/a to /a/, whatever sorts between them and whatever expression matches; escaped."""
    slashed = location(kind, "/a b/")
    others = location(PREFIX, "/"), location(PREFIX, "/a b-c"), location(REGEX, ".")
    found = find(b"/a b", *others, slashed, adds_slash=True)
    assert found == Found(slashed, None, b"/a%20b/")


def test_no_redirect_where_the_path_itself_has_a_location() -> None:
    """A location for /a speaks for /a."""
    for kind in (PREFIX, EXACT):
        own = location(kind, "/a")
        assert find(b"/a", location(PREFIX, "/a/"), own, adds_slash=True) == Found(own)


def test_no_redirect_to_a_location_that_passes_nothing_on() -> None:
    """Only proxied locations redirect (auto_redirect)."""
    assert find(b"/a", location(PREFIX, "/a/")).redirect is None


def test_of_an_exact_and_a_prefix_location_the_exact_one_redirects() -> None:
    """Its settings make the redirect, in either order."""
    exact, prefix = location(EXACT, "/a/"), location(PREFIX, "/a/")
    assert find(b"/a", exact, prefix, adds_slash=True).location is exact
    assert find(b"/a", prefix, exact, adds_slash=True).location is exact


def test_a_redirect_from_a_nested_level_ends_the_search() -> None:
    """As in nginx, NGX_DONE from inside is final."""
    inner = location(PREFIX, "/a/b/")
    found = find(b"/a/b", location(PREFIX, "/a/", [inner]), location(REGEX, "."), adds_slash=True)
    assert found == Found(inner, None, b"/a/b/")


# Against a plain transcription of nginx's rules

PATHS = st.text("ab/", min_size=1, max_size=6).map(lambda text: "/" + text.replace("//", "/").lstrip("/"))
EXPRESSIONS = st.sampled_from(["a", "b$", "^/a", "/b/", "aa|bb", "x"])


@st.composite
def levels(draw: st.DrawFn, depth: int = 2) -> list[Location]:
    """Draw the locations of one block: patterns of a kind are unique, as the configuration demands."""
    kinds = st.sampled_from([EXACT, PREFIX, FINAL, REGEX])
    made: dict[Any, Location] = {}
    for kind in draw(st.lists(kinds, max_size=6 if depth == 2 else 3)):
        pattern = draw(EXPRESSIONS if kind is REGEX else PATHS)
        inner = draw(levels(depth - 1)) if depth and kind is not EXACT else []
        key = PREFIX if kind is FINAL else kind, pattern
        made.setdefault(key, location(kind, pattern, inner))
    return list(made.values())


def naive(locations: Iterable[Location], path: bytes, adds_slash: bool) -> tuple[bool, Found | None]:
    """Return whether the search is over, and what it found, as ngx_http_core_find_location would."""
    plain = [one for one in locations if one.regex is None]
    by_kind = {(one.kind is EXACT, octets(one.pattern)): one for one in plain}
    if (True, path) in by_kind:
        return True, Found(by_kind[True, path])
    for exact in (True, False):
        slashed = by_kind.get((exact, path + b"/")) if adds_slash else None
        if slashed is not None and (False, path) not in by_kind:
            return True, Found(slashed, None, path + b"/")
    prefixes = [one for (exact, text), one in by_kind.items() if not exact and path.startswith(text)]
    best = max(prefixes, key=lambda one: len(one.pattern), default=None)
    found = None
    if best is not None:
        over, inside = naive(best.locations, path, adds_slash)
        if over:
            return True, inside
        found = inside or Found(best)
    if best is None or best.kind is not FINAL:
        for one in locations:
            match = re.search(one.regex, path) if one.regex is not None else None
            if match is not None:
                inside = naive(one.locations, path, adds_slash)[1]
                return True, Found(inside.location, inside.match or match) if inside else Found(one, match)
    return False, found


def shown(found: Found) -> tuple[Location, object, bytes | None]:
    return found.location, found.match and found.match.re, found.redirect


@given(levels(), st.lists(PATHS.map(str.encode), min_size=1, max_size=8), st.booleans())
@example([location(PREFIX, "/a/"), location(PREFIX, "/a/b"), location(PREFIX, "/ab")], [b"/a"], True)
@settings(max_examples=300, deadline=None)
def test_router_agrees_with_nginx_rules_written_down_plainly(
    locations: list[Location], paths: list[bytes], adds_slash: bool
) -> None:
    """Sorted prefixes and dictionaries find what a walk over all locations finds."""
    server = virtual_server(locations=locations)
    routes = router(server, adds_slash=adds_slash)
    for path in paths:
        expected = naive(locations, path, adds_slash)[1] or Found(server.root)
        assert shown(routes.location(server, path)) == shown(expected)


HOSTS = st.lists(st.sampled_from(["a", "b", "www", "com"]), min_size=1, max_size=4).map(".".join)
NAMES = st.one_of(
    HOSTS, HOSTS.map("*.{}".format), HOSTS.map("{}.*".format), HOSTS.map(".{}".format), st.just("~^a.*m$")
)


def without_conflicts(names: list[tuple[str, int]]) -> list[tuple[str, int]]:
    """Return the names that nginx keeps: of two with one meaning the first, of ".x" all or nothing."""
    kept: list[tuple[str, int]] = []
    exact, heads = set(), set()
    for name, index in names:
        base = name.removeprefix("*").removeprefix(".")
        is_head, is_exact = name.startswith(("*.", ".")), not name.startswith(("*.", "~")) and name[-1] != "*"
        free = not (is_exact and base in exact) and not (is_head and base in heads)
        exact |= {base} if is_exact else set()
        heads |= {base} if is_head and free else set()
        kept += [(name, index)] if free else []
    return kept


def naive_server(groups: list[list[str]], host: str) -> int:
    """Return the index of the server for *host*: every name is looked at, as the documentation says it."""
    names = without_conflicts([(name, index) for index, group in enumerate(groups) for name in group])
    heads = [(name.removeprefix("*"), index) for name, index in names if name.startswith(("*.", "."))]
    heads = [(name, index) for name, index in heads if host.endswith(name)]
    tails = [(name[:-1], index) for name, index in names if name.endswith(".*")]
    tails = [(name, index) for name, index in tails if host.startswith(name)]
    for matching in (
        [pair for pair in names if pair[0].removeprefix(".") == host],
        sorted(heads, key=lambda pair: -len(pair[0])),
        sorted(tails, key=lambda pair: -len(pair[0])),
        [pair for pair in names if pair[0].startswith("~") and re.search(pair[0][1:], host)],
    ):
        if matching:
            return matching[0][1]
    return 0


@given(st.lists(st.lists(NAMES, min_size=1, max_size=4), min_size=1, max_size=5), HOSTS)
@settings(max_examples=300, deadline=None)
def test_names_agree_with_a_search_over_all_of_them(groups: list[list[str]], host: str) -> None:
    """Dictionaries of suffixes and prefixes find what a walk over all names finds."""
    routes, servers = named(*groups)
    assert routes.server(LISTEN, host.encode())[0] is servers[naive_server(groups, host)]
