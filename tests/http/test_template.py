"""Texts with variables."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import InvalidValue
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import argument, exchange

TABLE = VariableTable({"hostname": b"box"}, defined=["mine"])


def parse(text: str) -> Template:
    return Template.parse(argument(text))


def expand(text: str) -> bytes:
    ex = exchange()
    match = re.match(rb"(/)(x)?", b"/")
    assert match is not None
    ex.capture(match)
    return parse(text).bind(TABLE)(ex)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", b""),
        ("plain 100%", b"plain 100%"),
        ("$host", b"example.com"),
        ("$HOST", b"example.com"),
        ("${host}name", b"example.comname"),
        ("http://$host:$server_port$uri", b"http://example.com:8080/"),
        ("100%$host%b", b"100%example.com%b"),
        ("[$1]", b"[/]"),
        ("$1$2$3!", b"/!"),
        ("$12", b"/2"),
        ("$host}", b"example.com}"),
        ("$arg_none", b""),
        ("$mine-$hostname", b"-box"),
        ("ä$hostname", b"\xc3\xa4box"),
    ],
)
def test_variables_are_filled_in(text: str, value: bytes) -> None:
    """$name, ${name} and $1 to $9; what is not found becomes nothing."""
    assert expand(text) == value


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a$", "invalid variable name"),
        ("$-", "invalid variable name"),
        ("${}", "invalid variable name"),
        ("${host", 'the closing bracket in "host" variable is missing'),
        ("${host-name}", 'the closing bracket in "host" variable is missing'),
    ],
)
def test_a_dollar_that_begins_no_variable_is_refused(text: str, message: str) -> None:
    """nginx has no escape for "$"."""
    with pytest.raises(InvalidValue) as caught:
        parse(text)
    assert caught.value.message == message


def test_an_unknown_variable_is_refused_with_a_guess() -> None:
    """A misspelt name fails while loading, not at the first request."""
    with pytest.raises(InvalidValue) as caught:
        parse("$remote_add").bind(TABLE)
    assert caught.value.message == 'unknown "remote_add" variable'
    assert caught.value.hint == 'did you mean "$remote_addr"?'


def test_what_a_template_is_made_of() -> None:
    """Names in order, captures left out; constant only without either."""
    assert parse("$a-$1${b}").variables == ("a", "b")
    assert parse("$a").constant is None
    assert parse("$1").constant is None
    assert parse("x").constant == b"x"
    assert parse("").constant == b""
    assert str(parse("a${b}$1")) == "a${b}$1"


names = st.text("abc_019", min_size=1, max_size=4).filter(lambda name: name[0] not in "123456789")
pieces = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="$"), max_size=5),
    names.map("${{{}}}".format),
    st.integers(1, 9).map("${}".format),
)


@given(st.lists(pieces, max_size=6).map("".join))
def test_a_template_can_be_spelt_and_parsed_again(text: str) -> None:
    """str() and parse() are inverse."""
    template = parse(text)
    assert parse(str(template)).parts == template.parts
    literals = [part for part in template.parts if isinstance(part, bytes)]
    assert b"".join(literals).decode() == re.sub(r"\$(\{\w+\}|[1-9])", "", text)
