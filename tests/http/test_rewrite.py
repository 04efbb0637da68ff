"""`set` and `return`."""

from __future__ import annotations

import pytest

from lbproxy.errors import ConfigErrors
from lbproxy.http.exchange import Exchange
from lbproxy.http.rewrite import compile_script, declared
from lbproxy.http.variables import VariableTable
from lbproxy.http.verdict import Answer, Said, Step
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({"hostname": b"box"}, defined=["a", "b"])


def no_files(_: bytes) -> int:
    return 0


def script(*lines: tuple[str, ...]) -> Step:
    compiled = compile_script([directive(*line) for line in lines], TABLE, no_files)
    assert compiled is not None
    return compiled


def answer(*args: str, ex: Exchange | None = None) -> Said:
    return script(("return", *args))(ex or exchange(b"/x"))


def test_nothing_to_run_is_none() -> None:
    """The hot path skips an empty script."""
    assert compile_script([], TABLE, no_files) is None


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (("200",), Answer(200, b"", b"text/plain")),
        (("200", "it is $host"), Answer(200, b"it is example.com", b"text/plain")),
        (("404",), Answer(404)),
        (("404", ""), Answer(404)),
        (("404", "gone"), Answer(404, b"gone", b"text/plain")),
        (("444",), Answer(444)),
        (("301", "https://$host$request_uri"), Answer(301, location=b"https://example.com/x")),
        (("301",), Answer(301, location=b"")),
        (("308", "/other"), Answer(308, location=b"/other")),
        (("http://other$uri",), Answer(302, location=b"http://other/x")),
        (("https://other",), Answer(302, location=b"https://other")),
        (("$scheme://other",), Answer(302, location=b"http://other")),
    ],
)
def test_forms_of_return(args: tuple[str, ...], expected: Answer) -> None:
    """A status, a status with text or URL, a URL; an error without text is left to the error pages."""
    assert answer(*args) == expected


def test_the_type_of_a_text_follows_from_the_path() -> None:
    """`types` and `default_type` say it."""
    made = answer("200", "x", ex=exchange(b"/a.html"))
    assert made is not None
    assert made.content_type == b"text/html"


@pytest.mark.parametrize("args", [("x",), ("1000",), ("/path",), ("-1",), ("ftp://x", "y"), ("²",)])
def test_returns_that_are_refused(args: tuple[str, ...]) -> None:
    """In nginx's words."""
    with pytest.raises(ConfigErrors, match=f'invalid return code "{args[0]}"'):
        answer(*args)


def test_set_gives_a_variable_a_value_step_by_step() -> None:
    """Each step sees those before it; the first return ends the script."""
    ex = exchange()
    steps = [("set", "$A", "1"), ("set", "$b", "$a$a$hostname"), ("return", "200", "$b"), ("return", "404")]
    run = script(*steps)
    assert run(ex) == Answer(200, b"11box", b"text/plain")
    assert ex.values == {"a": b"1", "b": b"11box"}


def test_a_script_without_return_answers_nothing() -> None:
    """The request goes on."""
    assert script(("set", "$a", "1"), ("set", "$b", "2"))(exchange()) is None


def test_set_args_changes_the_uri() -> None:
    """The URI as received is then no longer passed on."""
    ex = exchange(b"/x?a=1")
    assert script(("set", "$args", "$args&b=2"))(ex) is None
    assert (ex.args, ex.raw_path) == (b"a=1&b=2", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a", 'invalid variable name "a"'),
        ("$", r'invalid variable name "\$"'),
        ("$host", 'the duplicate "host" variable'),
    ],
)
def test_sets_that_are_refused(name: str, message: str) -> None:
    """A name needs its "$", and the core variables can't be changed."""
    with pytest.raises(ConfigErrors, match=message):
        script(("set", name, "x"))


def test_names_are_declared_wherever_set_stands() -> None:
    """A variable set in one location may be used in another."""
    inner = [directive("set", "$b", "1"), directive("set", "$args", "1"), directive("return", "200")]
    server = directive("server", block=[directive("set", "$A", "1"), directive("location", "/", block=inner)])
    assert list(declared([server, directive("set")])) == ["a", "b"]
