"""Access log lines, octet by octet; those of "combined" were written by nginx 1.22 for the same requests."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.parser import Directive
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.logformat import COMBINED, LogFormat, compile_format, formats_by_name, parse_log_format
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import answered, directive, exchange

TABLE = VariableTable({}, defined=["x"])


def log_format(*args: str) -> LogFormat:
    return parse_log_format(directive("log_format", *args))


def line(ex: Exchange, *args: str) -> bytes:
    return compile_format(log_format("main", *args), TABLE)(answered(ex))


def combined(ex: Exchange) -> bytes:
    """Return the line without its time."""
    return re.sub(rb"\[[^]]*\]", b"[]", compile_format(COMBINED, TABLE)(answered(ex)))


def test_combined_without_referer_and_user() -> None:
    """What is not there is a "-"."""
    assert combined(exchange(b"/r3?", b"User-Agent: a\"b\\c\t\xc3\xa9\r\n")) == (
        b'192.0.2.7 - - [] "GET /r3? HTTP/1.1" 200 60 "-" "a\\x22b\\x5Cc\\x09\\xC3\\xA9"\n'
    )


def test_combined_with_everything() -> None:
    """User, referer and user agent."""
    fields = b"Referer: http://a/\r\nUser-Agent: curl/7.88.1\r\nAuthorization: Basic dTpw\r\n"
    assert combined(exchange(b"/", fields, b"POST")) == (
        b'192.0.2.7 - u [] "POST / HTTP/1.1" 200 60 "http://a/" "curl/7.88.1"\n'
    )


def test_an_empty_value_is_not_a_missing_one() -> None:
    """nginx writes "-" for a field that is not there, and nothing for one that is empty."""
    assert line(exchange(fields=b"A:\r\n"), "[$http_a][$http_b]") == b"[][-]\n"


def test_strings_follow_each_other_without_anything_between() -> None:
    """log_format may be spread over several strings."""
    assert line(exchange(), "$status", "100%", " $host") == b"200100% example.com\n"


def test_json_leaves_out_what_is_missing_and_escapes_its_way() -> None:
    """escape=json."""
    ex = exchange(fields=b'U: a"b\\c\td\x7f\xc3\xa9\x01\r\n')
    assert line(ex, "escape=json", '{"n":"$http_n","u":"$http_u"}') == (
        b'{"n":"","u":"a\\"b\\\\c\\td\x7f\xc3\xa9\\u0001"}\n'
    )


def test_none_escapes_nothing() -> None:
    """escape=none."""
    assert line(exchange(fields=b'U: a"\\\r\n'), "escape=none", "[$http_n][$http_u]") == b'[][a"\\]\n'


def set_x(value: bytes) -> Exchange:
    ex = exchange()
    ex.values = {"x": value}
    return ex


@given(st.binary(max_size=20))
def test_default_escaping_can_be_undone_and_keeps_lines_whole(value: bytes) -> None:
    """Every line is printable ASCII, quotes are safe, and no information is lost."""
    made = line(set_x(value), '"$x"')
    assert re.fullmatch(rb'"[ !#-\[\]-~\\]*"\n', made)
    assert re.sub(rb"\\x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), made[1:-2]) == value


@given(st.text(max_size=20))
def test_json_escaping_is_read_back_by_a_json_parser(value: str) -> None:
    """What goes in as UTF-8 comes out of json.loads."""
    made = line(set_x(value.encode("utf-8", "replace")), "escape=json", '{"x":"$x"}')
    assert json.loads(made) == {"x": value.encode("utf-8", "replace").decode()}


def test_an_unknown_escaping_is_refused() -> None:
    """escape= knows three values."""
    with pytest.raises(InvalidValue, match='unknown log format escaping "html"'):
        log_format("main", "escape=html", "x")


def test_formats_have_different_names() -> None:
    """"combined" is taken from the start."""
    for names in (["a", "a"], ["combined"]):
        with pytest.raises(InvalidValue, match=f'duplicate "log_format" name "{names[0]}"'):
            formats_by_name([log_format(name, "x") for name in names])


def test_an_unknown_variable_in_a_format_is_refused() -> None:
    """At the latest when a log uses it."""
    with pytest.raises(InvalidValue, match='unknown "nothing" variable'):
        compile_format(log_format("main", "$nothing"), TABLE)


def test_parsers_take_directives() -> None:
    """The settings rows hand over the whole directive."""
    made: Directive = directive("log_format", "main", "escape=none", "$host")
    assert parse_log_format(made).escape == "none"
