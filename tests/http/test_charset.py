"""Texts get the configured charset, everything else is left alone."""

import pytest

from lbproxy.errors import ConfigErrors
from lbproxy.http.charset import CharsetSettings, compile_charset
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from tests.support.configs import argument
from tests.support.exchanges import exchange
from tests.support.loading import load_text

TABLE = VariableTable({}, defined=["x"])


def named(block: bytes, charset: str = "utf-8", types: tuple[str, ...] | None = None) -> bytes:
    """Return *block* with the charset."""
    template = Template.parse(argument(charset))
    settings = CharsetSettings(charset=template) if types is None else CharsetSettings(charset=template, types=types)
    name = compile_charset(settings, TABLE)
    assert name is not None
    return name(exchange(), block)


@pytest.mark.parametrize("media_type", [b"text/html", b"text/plain", b"TEXT/XML", b"application/javascript"])
def test_texts_get_it(media_type: bytes) -> None:
    block = b"X: 1\r\nContent-Type: " + media_type + b"\r\nY: 2\r\n"
    assert named(block) == b"X: 1\r\nContent-Type: " + media_type + b"; charset=utf-8\r\nY: 2\r\n"


@pytest.mark.parametrize(
    "block",
    [
        b"Content-Type: image/png\r\n",
        b"Content-Type: text/html; charset=koi8-r\r\n",
        b"Content-Type: application/json\r\n",
        b"X-Content-Type: text/html\r\n",
        b"",
    ],
)
def test_other_answers_are_left_alone(block: bytes) -> None:
    assert named(block) == block


def test_types_can_be_chosen() -> None:
    """text/html is always among them, and * means all."""
    assert named(b"Content-Type: application/json\r\n", types=("text/html", "application/json")).endswith(b"=utf-8\r\n")
    assert named(b"content-type: image/png\r\n", types=("*",)) == b"content-type: image/png; charset=utf-8\r\n"


@pytest.mark.parametrize(
    ("value", "shown"), [(b"koi8-r", b"; charset=koi8-r"), (b"", b""), (b"a\r\nb", b"; charset=a  b")]
)
def test_a_variable_may_name_it(value: bytes, shown: bytes) -> None:
    """Without a value there is none; no value can begin a line."""
    apply = compile_charset(CharsetSettings(charset=Template.parse(argument("$x"))), TABLE)
    assert apply is not None
    ex = exchange()
    ex.values = {"x": value}
    assert apply(ex, b"Content-Type: text/html\r\n") == b"Content-Type: text/html" + shown + b"\r\n"


def test_off_means_nothing_to_do() -> None:
    assert compile_charset(CharsetSettings(), TABLE) is None


def test_a_name_that_is_none_is_refused() -> None:
    with pytest.raises(ConfigErrors, match='invalid charset "utf 8"'):
        load_text('server { charset "utf 8"; location / { return 200 ok; } }')


@pytest.mark.parametrize(
    ("status", "expected"), [(301, b""), (302, b""), (303, b"; charset=utf-8"), (404, b"; charset=utf-8")]
)
def test_pages_of_redirects_are_left_alone(status: int, expected: bytes) -> None:
    """As in nginx: some clients took the charset for that of the next page."""
    apply = compile_charset(CharsetSettings(charset=Template.parse(argument("utf-8"))), TABLE)
    assert apply is not None
    ex = exchange()
    ex.status = status
    assert apply(ex, b"Content-Type: text/html\r\n") == b"Content-Type: text/html" + expected + b"\r\n"
