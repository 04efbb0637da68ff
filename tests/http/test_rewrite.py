"""Scripts: what their statements do, and in which order."""

from __future__ import annotations

import pytest

from lbproxy.config.model import Conditional, Location, Statement
from lbproxy.errors import ConfigErrors
from lbproxy.http.exchange import Exchange
from lbproxy.http.rewrite import captured, compile_script, declared, internal_only
from lbproxy.http.variables import VariableTable
from lbproxy.http.verdict import RELOCATE, Answer, Said, Step
from tests.support.exchanges import directive, exchange, location

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
    assert isinstance(made, Answer)
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


def test_a_changed_path_chooses_the_location_anew() -> None:
    """At the end of the script, or at once with `last`; not after `break`."""
    change, end = ("rewrite", "^", "/y"), ("set", "$a", "$uri")
    for lines, said, valid in (
        ([change, end], RELOCATE, True),
        ([change, ("break",), end], None, False),
        ([("break",), change], None, True),
        ([("rewrite", "^", "/y", "break"), end], None, False),
        ([("rewrite", "^/no", "/y"), end], None, True),
    ):
        ex = exchange(b"/x")
        assert script(*lines)(ex) is said
        assert ex.valid_location is valid
    ex = exchange(b"/x")
    assert script(("rewrite", "^", "/y", "last"), end)(ex) is RELOCATE
    assert ex.values is None


def conditional(condition: str, *lines: tuple[str, ...], within: Location | None = None) -> Conditional:
    return Conditional(directive("if", *condition.split()), tuple(directive(*line) for line in lines), within)


def test_what_is_in_an_if_runs_if_it_holds() -> None:
    """Its block is in force from then on; of several the last one."""
    first, second = location(), location()
    statements = [
        conditional("($arg_a)", ("set", "$a", "1"), within=first),
        conditional("($arg_b)", ("return", "403"), within=second),
    ]
    step = compile_script(statements, TABLE, no_files)
    assert step is not None
    for query, within, values, said in (
        (b"", None, None, None),
        (b"?a=1", first, {"a": b"1"}, None),
        (b"?b=1", second, None, Answer(403)),
        (b"?a=1&b=1", second, {"a": b"1"}, Answer(403)),
    ):
        ex = exchange(b"/x" + query)
        place = within or ex.location
        assert (step(ex), ex.values) == (said, values)
        assert ex.location is place


def test_an_if_ends_the_script_or_lets_it_go_on() -> None:
    """A change of the path in it is one of the script."""
    for line, said, path in (
        (("break",), None, b"/x"),
        (("rewrite", "^", "/y"), Answer(200, b"/y", b"text/plain"), b"/y"),
        (("rewrite", "^", "/y", "last"), RELOCATE, b"/y"),
    ):
        step = compile_script([conditional("($uri)", line), directive("return", "200", "$uri")], TABLE, no_files)
        assert step is not None
        ex = exchange(b"/x")
        assert (step(ex), ex.path) == (said, path)


def test_captures_in_set_are_escaped_until_the_path_is_changed() -> None:
    """As in nginx, where the client had anything escaped."""
    for before, value in (("^/no", b""), ("^/(.*)$", b"a&")):
        ex = exchange(b"/a%26")
        script(("rewrite", before, "/y"), ("set", "$a", "$1"))(ex)
        assert ex.values == {"a": value}


def test_internal_locations_are_for_requests_from_inside() -> None:
    """For all others there is nothing."""
    ex = exchange()
    step = internal_only(script(("return", "204")))
    assert step(ex) == Answer(404)
    ex.internal = True
    assert step(ex) == Answer(204, b"", b"text/plain")
    assert internal_only(None)(ex) is None


def test_every_mistake_is_told() -> None:
    """Those in blocks as well."""
    statements: list[Statement] = [directive("return", "x"), conditional("($uri", ("set", "a", "b"), ("break",))]
    with pytest.raises(ConfigErrors) as caught:
        compile_script(statements, TABLE, no_files)
    assert len(caught.value.errors) == 3


def test_names_of_groups_are_captured() -> None:
    """Those of `rewrite` and of `if`, wherever they stand."""
    inner = [directive("rewrite", "^(?<a>x)", "/"), directive("if", "($uri", "~", "(?<b>y))", block=[])]
    assert list(captured([directive("location", "/", block=inner), directive("if", "($a)", block=[])])) == ["a", "b"]
    quoted = directive("if", "(", "$uri", "!~*", "(?<c>[?&]+)", ")", block=[])
    assert list(captured([quoted])) == ["c"]


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
