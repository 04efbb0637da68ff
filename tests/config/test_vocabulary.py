"""Names, contexts, shapes and the guesses at what was meant."""

from __future__ import annotations

import pytest

from lbproxy.config.settings import Context
from lbproxy.config.vocabulary import Role, Vocabulary
from tests.support.configs import GRAMMAR, directive, mistakes

VOCABULARY = Vocabulary(GRAMMAR)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("proxypass x;", 'unknown directive "proxypass" in site.conf:1:1 (did you mean "proxy_pass"?)'),
        ("server { lisen 80; }", 'unknown directive "lisen" in site.conf:1:10 (did you mean "listen"?)'),
        ("xyzzy;", 'unknown directive "xyzzy" in site.conf:1:1'),
        ("listen 80;", '"listen" directive is not allowed here in site.conf:1:1 (it belongs in server)'),
        ("server { tcp_nopush on; daemon on; }",
         '"daemon" directive is not allowed here in site.conf:1:25 (it belongs in main)'),
        ("server { server { } }",
         '"server" directive is not allowed here in site.conf:1:10 (it belongs in http, upstream)'),
        ("server;", 'directive "server" has no opening "{" in site.conf:1:1'),
        ("daemon on { }", 'directive "daemon" is not terminated by ";" in site.conf:1:1'),
        ("daemon;", 'invalid number of arguments in "daemon" directive in site.conf:1:1 (it takes 1 argument, not 0)'),
        ("keepalive_timeout 1 2 3;",
         'invalid number of arguments in "keepalive_timeout" directive in site.conf:1:1 (it takes 1 or 2, not 3)'),
        ("server { listen; }",
         'invalid number of arguments in "listen" directive in site.conf:1:10 (it takes at least 1, not 0)'),
        ("upstream b { ip_hash x; server localhost; }",
         'invalid number of arguments in "ip_hash" directive in site.conf:1:14 (it takes none, not 1)'),
        ("error_log a b c;",
         'invalid number of arguments in "error_log" directive in site.conf:1:1 (it takes 1 or 2, not 3)'),
        ("user;", 'invalid number of arguments in "user" directive in site.conf:1:1 (it takes 1 or 2, not 0)'),
        (
            "post_action x;",
            '"post_action" directive is not supported by lbproxy in site.conf:1:1 (no such content is made here)',
        ),
        ("perl;", '"perl" directive is not supported by lbproxy in site.conf:1:1 (no scripting language is embedded)'),
        (
            "slice 1m;",
            (
                '"slice" directive is not supported by lbproxy in site.conf:1:1 '
                '(answers are not asked for in slices; "slice 0" would do)'
            ),
        ),
        (
            "stream { server { listen 1; } }",
            '"stream" directive is not supported by lbproxy in site.conf:1:1 (lbproxy serves HTTP only)',
        ),
        ("daemon on; daemon on;", '"daemon" directive is duplicate in site.conf:1:12'),
    ],
)  # fmt: skip
def test_directives_that_may_not_stand_there(text: str, expected: str) -> None:
    """In nginx's words, with the place and the mend."""
    assert mistakes(text) == [expected]


def test_what_turns_a_missing_thing_off_is_accepted() -> None:
    """It asks for what lbproxy does anyway."""
    assert mistakes("auth_jwt off; slice 0;") == []


def test_one_name_may_mean_different_things() -> None:
    """keepalive_requests of an upstream is not that of http."""
    one = directive("keepalive_requests", "5")
    kinds = {VOCABULARY.find(one, context).kind for context in (Context.HTTP, Context.UPSTREAM)}
    assert len(kinds) == 2


def test_what_is_obeyed_hides_the_tables() -> None:
    """A directive of a settings class is never ignored or refused."""
    assert VOCABULARY.find(directive("proxy_read_timeout", "5"), Context.HTTP).role is Role.SETTING


def test_guesses_prefer_what_may_stand_there() -> None:
    """A name that exists elsewhere is the second choice."""
    assert VOCABULARY.suggest("servr", Context.UPSTREAM) == 'did you mean "server"?'
    assert VOCABULARY.suggest("daemn", Context.UPSTREAM) == 'did you mean "daemon"?'


MISSING = (
    'directive "{}" is not terminated by ";" in site.conf:{} '
    '(a ";" is missing behind "{}": "{}" begins a new directive)'
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server {\n listen 80\n server_name a;\n}", MISSING.format("listen", "2:9", "80", "server_name")),
        ("server {\n server_name a b\n listen 80;\n}", MISSING.format("server_name", "2:16", "b", "listen")),
        ("server {\n listen 80\n location / { }\n}", MISSING.format("listen", "2:9", "80", "location")),
        ("send_timeout 5\nserver { }", MISSING.format("send_timeout", "1:14", "5", "server")),
        ("upstream b {\n ip_hash\n server localhost;\n}", MISSING.format("ip_hash", "2:2", "ip_hash", "server")),
        ("upstream b {\n server [::1];\n keepalive 32\n ip_hash;\n}",
         MISSING.format("keepalive", "3:12", "32", "ip_hash")),
    ],
)
def test_a_missing_semicolon_is_told_at_the_place_where_it_is_missing(text: str, expected: str) -> None:
    """And what follows is read as if it stood there."""
    assert mistakes(text) == [expected]


def test_what_follows_a_missing_semicolon_is_checked_too() -> None:
    """One slip hides no other."""
    found = mistakes("server {\n listen 80\n location / {\n  daemon on;\n }\n}")
    assert [line.split(" in site")[0] for line in found] == [
        'directive "listen" is not terminated by ";"', '"daemon" directive is not allowed here'
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "server {\n server_name a\n  b;\n}",
        'server {\n server_name a\n  "listen";\n}',
        "user\n daemon;",
        "user a\n daemon;",
    ],
)
def test_arguments_on_further_lines_are_arguments(text: str) -> None:
    """Unless they are directives that could begin there, unquoted, and enough stands before them."""
    assert mistakes(text) == []
