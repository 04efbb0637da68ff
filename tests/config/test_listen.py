"""listen and server_name."""

from __future__ import annotations

import pytest

from lbproxy.config.listen import default_listen, is_hashable, parse_listen, parse_server_name
from lbproxy.config.model import Address, KeepAlive
from lbproxy.errors import InvalidValue, Position, Source
from tests.support.configs import argument, directive, resolve

ANY = "0.0.0.0"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("80", [Address(ANY, 80)]),
        ("0", [Address(ANY, 0)]),
        ("*:81", [Address(ANY, 81)]),
        ("*", [Address(ANY, 80)]),
        ("127.0.0.1", [Address("127.0.0.1", 80)]),
        ("127.0.0.1:0", [Address("127.0.0.1", 0)]),
        ("[::]:80", [Address("::", 80)]),
        ("[::1]", [Address("::1", 80)]),
        ("two.test:81", [Address("10.0.0.1", 81), Address("10.0.0.2", 81)]),
        ("127.0.0.1:80-82", [Address("127.0.0.1", port) for port in (80, 81, 82)]),
        ("80-81", [Address(ANY, 80), Address(ANY, 81)]),
        ("unix:/run/x-1-2", [Address(path="/run/x-1-2")]),
    ],
)
def test_addresses(text: str, expected: list[Address]) -> None:
    """A port alone is every IPv4 address, an address alone has port 80."""
    assert list(parse_listen(directive("listen", text), resolve).addresses) == expected


def test_parameters() -> None:
    """What lbproxy obeys becomes options; each address has a socket of its own in any case."""
    listen = parse_listen(
        directive("listen", "80", "default_server", "backlog=9", "reuseport", "ipv6only=off", "rcvbuf=8k", "deferred",
                  "so_keepalive=30m::10", "fastopen=5", "bind"),
        resolve,
    )  # fmt: skip
    assert (listen.default, listen.configures) == (True, True)
    assert listen.options == {
        "backlog": 9, "reuseport": True, "ipv6only": False, "rcvbuf": 8192, "deferred": True,
        "so_keepalive": KeepAlive(True, 1800, probes=10), "fastopen": 5,
    }  # fmt: skip
    assert not parse_listen(directive("listen", "80", "default_server"), resolve).configures


def test_proxy_protocol_is_no_option_of_a_socket() -> None:
    """Each server of an address may say it (as in nginx)."""
    listen = parse_listen(directive("listen", "80", "proxy_protocol"), resolve)
    assert (listen.proxy_protocol, listen.configures) == (True, False)
    assert not parse_listen(directive("listen", "80"), resolve).proxy_protocol


def test_file_of_a_unix_socket_has_a_mode_and_an_owner() -> None:
    listen = parse_listen(directive("listen", "unix:/s", "mode=0660", "user=www", "group=web"), resolve)
    assert listen.options == {"mode": 0o660, "user": "www", "group": "web"}
    assert parse_listen(directive("listen", "unix:/s", "mode=600"), resolve).options == {"mode": 0o600}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["a:99999"], 'invalid port in "a:99999" of the "listen" directive'),
        (["nosuch:80"], 'host not found in "nosuch:80" of the "listen" directive'),
        (["99999"], 'invalid port in "99999" of the "listen" directive'),
        (["127.0.0.1:90-80"], 'invalid port range in "127.0.0.1:90-80" of the "listen" directive'),
        (["80", "backlog=x"], 'invalid backlog "backlog=x"'),
        (["80", "rcvbuf=x"], 'invalid rcvbuf "rcvbuf=x"'),
        (["80", "ssl"], 'the "ssl" parameter of the "listen" directive is not supported by lbproxy'),
        (["80", "defalt"], 'invalid parameter "defalt"'),
        (["80", "ipv6only=1"], 'invalid ipv6only "ipv6only=1"'),
        (["unix:/s", "mode=0888"], 'invalid mode "mode=0888"'),
        (["unix:/s", "mode="], 'invalid mode "mode="'),
        (["unix:/s", "user="], 'invalid user "user="'),
        (["80", "fastopen=x"], 'invalid fastopen "fastopen=x"'),
        (["80", "so_keepalive=x"], 'invalid so_keepalive value: "x"'),
        (["80", "so_keepalive=::"], 'invalid so_keepalive value: "::"'),
        (["80", "so_keepalive=1:2:3:4"], 'invalid so_keepalive value: "1:2:3:4"'),
        (["80", "so_keepalive=1:x:"], 'invalid so_keepalive value: "1:x:"'),
        (["80", "mode=0600"], '"mode=0600" is for unix sockets only'),
    ],
)
def test_mistakes(words: list[str], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue) as caught:
        parse_listen(directive("listen", *words), resolve)
    assert caught.value.message == message


def test_a_misspelt_parameter_is_guessed() -> None:
    """Of those that there are."""
    with pytest.raises(InvalidValue) as caught:
        parse_listen(directive("listen", "80", "defaultserver"), resolve)
    assert caught.value.hint == 'did you mean "default_server"?'


def test_without_listen_it_is_every_address() -> None:
    """On the port that the environment says."""
    assert default_listen(Position(Source("t"), 1, 1), 8000).addresses == (Address(ANY, 8000),)


@pytest.mark.parametrize("text", ["", "a", "*.b.c", "a.*", ".b.c", "a.b.", "_", "*.b"])
def test_names_are_lower_cased(text: str) -> None:
    """Exact, wildcards, none."""
    assert parse_server_name(argument(text.upper()), "").text == text


def test_hostname_is_the_machines() -> None:
    """As the environment says."""
    assert parse_server_name(argument("$hostname"), "Box").text == "box"


def test_regex_names_mind_case_only_where_they_have_capitals() -> None:
    """Hosts are lower-cased before; nginx makes those with capitals blind to case."""
    name = parse_server_name(argument(r"~^(?<app>\w+)\.Test$"), "")
    assert name.text == r"~^(?<app>\w+)\.Test$"
    assert name.regex is not None
    match = name.regex.search(b"a.test")
    assert match is not None
    assert match.groupdict() == {"app": b"a"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("~", 'empty regex in server name "~"'),
        ("*x", 'server name "*x" is invalid'),
        ("*", 'server name "*" is invalid'),
        (".", 'server name "." is invalid'),
    ],
)
def test_names_that_are_none(text: str, message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue) as caught:
        parse_server_name(argument(text), "")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a.b", True), ("*.b", True), ("a.*", True), (".a.b", True), ("", True), ("~a*.b", True), ("a.b.", True),
     ("a.*.b", False), ("a*.b", False), ("a..b", False), ("*.a.*", False)],
)  # fmt: skip
def test_names_by_which_servers_can_be_told_apart(text: str, expected: bool) -> None:
    """A "*" stands for whole labels, at one end."""
    assert is_hashable(parse_server_name(argument(text), "")) is expected
