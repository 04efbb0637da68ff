"""`valid_referers`; more of it stands beside nginx in tests/conformance/test_map.py."""

from __future__ import annotations

import re

import pytest

from lbproxy.config.model import Location
from lbproxy.config.settings import rows
from lbproxy.errors import InvalidValue
from lbproxy.http.getters import Getter
from lbproxy.http.referers import RefererSettings, compile_referers
from tests.support.exchanges import directive, exchange, location, virtual_server

(ROW,) = rows(RefererSettings).values()


def allowing(*directives: tuple[str, ...]) -> Location:
    settings = RefererSettings(referers=tuple(ROW.parse(directive("valid_referers", *args)) for args in directives))
    return location(settings={RefererSettings: settings})


def variable(place: Location) -> Getter:
    return compile_referers([(virtual_server("own.net", "~^re\\.", locations=[place]), place)])


def invalid(referer: str | None, *directives: tuple[str, ...]) -> bool:
    place = allowing(*directives)
    ex = exchange(fields=b"" if referer is None else f"Referer: {referer}\r\n".encode())
    ex.location = place
    return variable(place)(ex) == b"1"


@pytest.mark.parametrize(
    ("referer", "expected"),
    [
        (None, True), ("http://a.bcd", False), ("https://A.bcd/x", False), ("http://a.b", True),
        ("http://x.c.d/way/on", False),
        ("http://x.c.d/", True), ("http://x.c.d:80/way", False), ("http://zzz/q7", False), ("masked entirely", True),
    ],
)  # fmt: skip
def test_names_paths_and_expressions(referer: str | None, expected: bool) -> None:
    """A path must follow the host; an expression sees all behind "http://"; what is too short is none."""
    assert invalid(referer, ("a.bcd", "*.c.d/way"), ("~q[0-9]",)) is expected


@pytest.mark.parametrize(("referer", "expected"), [(None, False), ("masked", False), ("http://other.net", True)])
def test_none_and_blocked(referer: str | None, expected: bool) -> None:
    """No Referer at all, and one that somebody has taken the URL out of."""
    assert invalid(referer, ("none", "blocked", "a.b")) is expected


@pytest.mark.parametrize(
    ("referer", "expected"), [("http://own.net/", False), ("http://re.org/x", False), ("http://a.net", True)]
)
def test_names_of_the_server(referer: str, expected: bool) -> None:
    """Its expressions too."""
    assert invalid(referer, ("server_names",)) is expected


def test_nothing_is_invalid_where_nothing_is_said() -> None:
    """The variable is there all the same."""
    assert not invalid("http://anywhere.net/")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("none", "blocked"), 'the "none" or "blocked" referers are specified'),
        (("a", "a"), 'conflicting parameter "a"'),
        (("a*b",), 'invalid hostname or wildcard "a*b"'),
        (("~",), 'empty regex in "~"'),
        (("",), 'invalid referer ""'),
        (("~(",), 'regex "(" is invalid'),
    ],
)
def test_what_is_refused(args: tuple[str, ...], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue, match=re.escape(message)):
        variable(allowing(args))
