"""server blocks, and the sockets and names they share."""

from __future__ import annotations

import pytest

from lbproxy.config.model import Address
from tests.support.configs import load, mistakes

ANY80 = Address("0.0.0.0", 80)


def test_a_server_without_anything() -> None:
    """It answers on port 80 to any name."""
    config = load("server { }")
    (server,) = config.servers
    assert [listener.address for listener in config.listeners] == [ANY80]
    assert server.listens == ((ANY80, True),)
    assert [name.text for name in server.names] == [""]
    assert server.root.pattern == ""


def test_sockets_are_shared() -> None:
    """Each is opened once, in the order of the text, with the options of the one that has any."""
    config = load(
        "server { listen 80; listen 81; } server { listen *:80 backlog=7 reuseport; listen unix:/x; }"
    )
    assert [str(one.address) for one in config.listeners] == ["0.0.0.0:80", "0.0.0.0:81", "unix:/x"]
    assert (config.listeners[0].backlog, config.listeners[0].reuseport) == (7, True)
    assert config.listeners[1].backlog == 511


def test_the_first_server_of_a_socket_is_its_default_unless_another_is_marked() -> None:
    """Socket by socket."""
    config = load("server { listen 80; listen 81; } server { listen 80 default_server; listen 81; }")
    first, second = config.servers
    assert [default for _address, default in first.listens] == [False, True]
    assert [default for _address, default in second.listens] == [True, False]


def test_names_add_up() -> None:
    """Over several server_name directives."""
    (server,) = load("server { server_name a b; server_name *.C; }").servers
    assert [name.text for name in server.names] == ["a", "b", "*.c"]


def test_equal_names_on_one_socket_deserve_a_warning() -> None:
    """The later one can never be reached; on another socket it can."""
    config = load(
        "server { listen 80; server_name a; }\nserver { listen 80; listen 81; server_name a ~a ~a; }"
    )
    assert config.warnings == ('conflicting server name "a" on 0.0.0.0:80, ignored in site.conf:2:44',)


def test_names_that_tell_nothing_are_refused_where_it_matters() -> None:
    """Where several servers share a socket, as in nginx."""
    assert mistakes("server { server_name a.*.b; }") == []
    assert mistakes("server { server_name a.*.b; }\nserver { server_name a..b; }") == [
        (
            'invalid server name or wildcard "a.*.b" on 0.0.0.0:80 in site.conf:1:22'
            ' (a "*" stands for whole labels at the beginning or the end)'
        ),
        'invalid server name or wildcard "a..b" on 0.0.0.0:80 in site.conf:2:22',
    ]


def test_a_url_as_a_name_deserves_a_warning() -> None:
    """No request can ever reach it, but nginx takes it."""
    assert load("server { server_name http://a; }").warnings == (
        'server name "http://a" has suspicious symbols in site.conf:1:22',
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("server { listen 80; listen *:80; }", ["a duplicate listen 0.0.0.0:80 in site.conf:1:21"]),
        (
            "server { listen 80 default_server; }\nserver { listen 80 default_server; }",
            ["a duplicate default server for 0.0.0.0:80 in site.conf:2:10 (the first one is in site.conf:1:1)"],
        ),
        (
            "server { listen 80 backlog=5; }\nserver { listen 80 reuseport; }",
            ["duplicate listen options for 0.0.0.0:80 in site.conf:2:10 (the first are in site.conf:1:10)"],
        ),
        (
            "server { listen x:y; server_name *x ok ~(; }",
            [
                'invalid port in "x:y" of the "listen" directive in site.conf:1:17',
                'server name "*x" is invalid in site.conf:1:34',
                'regex "(" is invalid: missing ), unterminated subpattern in site.conf:1:40',
            ],
        ),
    ],
)
def test_mistakes(text: str, expected: list[str]) -> None:
    """In nginx's words, each one."""
    assert mistakes(text) == expected


def test_a_bad_listen_is_not_taken_for_none() -> None:
    """Else port 80 would come into play and make further mistakes."""
    assert len(mistakes("server { listen x:y; } server { listen x:y; }")) == 2
