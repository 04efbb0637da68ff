"""Fields that the configuration adds: which, to which answers, and what they may not do."""

from __future__ import annotations

import pytest

from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.headers import compile_headers, compile_trailers, parse_addition
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import directive, exchange
from tests.support.loading import load_text

TABLE = VariableTable({"hostname": b"box"}, defined=["a"])


def answering(status: int) -> Exchange:
    """Return an exchange that is being answered with *status*."""
    ex = exchange(b"/x?v=1")
    ex.status = status
    return ex


def added(*lines: tuple[str, ...], status: int = 200, block: bytes = b"") -> bytes:
    """Return *block* with what ``add_header`` *lines* add."""
    add = compile_headers([parse_addition(directive("add_header", *line)) for line in lines], TABLE)
    assert add is not None
    return add(answering(status), block)


def test_nothing_to_add_costs_nothing() -> None:
    assert compile_headers([], TABLE) is None
    assert compile_trailers([], TABLE) is None


@pytest.mark.parametrize("status", [200, 201, 204, 206, 301, 302, 303, 304, 307, 308])
def test_answers_that_went_well_get_them(status: int) -> None:
    assert added(("X-A", "$arg_v"), status=status) == b"X-A: 1\r\n"


@pytest.mark.parametrize("status", [101, 300, 400, 404, 500, 502])
def test_others_get_what_is_always_added(status: int) -> None:
    assert added(("X-A", "1"), ("X-B", "2", "always"), status=status) == b"X-B: 2\r\n"


def test_an_empty_value_adds_nothing() -> None:
    assert added(("X-A", "$arg_none")) == b""


def test_a_value_cannot_leave_its_line() -> None:
    """Whatever was decoded into a variable.  Robustness 10."""
    add = compile_headers([parse_addition(directive("add_header", "X-A", "$uri"))], TABLE)
    assert add is not None
    ex = answering(200)
    ex.path = b"/a\r\nSet-Cookie: x=1\n\0"
    assert add(ex, b"") == b"X-A: /a  Set-Cookie: x=1  \r\n"


def test_a_long_value_may_be_written_in_several_lines() -> None:
    """Nobody gets to see the line breaks; policies for browsers are often written so."""
    policy = "default-src 'self';\n        img-src $arg_v;\r\n\tfont-src *;\n"
    lines = added(("Policy", policy), ("X-A", "b\n  c"))
    assert lines == b"Policy: default-src 'self'; img-src 1; font-src *;\r\nX-A: b c\r\n"


def test_of_some_fields_there_is_one() -> None:
    block = b'ETag: "old"\r\nX-A: 0\r\nLast-Modified: then\r\n'
    changed = added(("ETag", '"new"'), ("X-A", "1"), ("Last-Modified", ""), block=block)
    assert changed == b'X-A: 0\r\nETag: "new"\r\nX-A: 1\r\n'


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("X A", "1"), 'invalid header name "X A" in "add_header" directive'),
        (("X-A", "1", "sometimes"), 'invalid parameter "sometimes"'),
        (("X-A", '"a\x01b"'), 'invalid value in "add_header" directive'),
    ],
)
def test_mistakes(args: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigErrors) as caught:
        load_text(f"server {{ add_header {' '.join(f'{chr(39)}{arg}{chr(39)}' for arg in args)}; }}")
    assert message in str(caught.value)


def test_unknown_variables_are_told_at_load() -> None:
    with pytest.raises(InvalidValue, match='unknown "nope" variable'):
        added(("X-A", "$nope"))


@pytest.mark.parametrize("name", ["Content-Length", "Transfer-Encoding", "trailer", "Host"])
def test_what_frames_a_message_is_no_trailer(name: str) -> None:
    with pytest.raises(ConfigErrors, match="cannot be a trailer"):
        load_text(f"server {{ add_trailer {name} 1; }}")


def test_trailers() -> None:
    """They wait for the end of the body, and follow the same rules."""
    lines = [("X-A", "$status"), ("X-B", "b", "always"), ("X-C", "$arg_none")]
    trailers = compile_trailers([parse_addition(directive("add_trailer", *line)) for line in lines], TABLE)
    assert trailers is not None
    assert trailers.block(answering(200)) == b"X-A: 200\r\nX-B: b\r\n"
    assert trailers.block(answering(500)) == b"X-B: b\r\n"
    assert trailers.expected(answering(500))
    only_safe = compile_trailers([parse_addition(directive("add_trailer", "X-A", "1"))], TABLE)
    assert only_safe is not None
    assert only_safe.expected(answering(200))
    assert not only_safe.expected(answering(404))
