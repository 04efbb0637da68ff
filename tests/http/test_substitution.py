"""`rewrite`; much more of it stands beside nginx in tests/conformance/test_rewrite.py."""

from __future__ import annotations

import pytest

from lbproxy.errors import InvalidValue, MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.flow import CHANGED, STOP, Flow
from lbproxy.http.substitution import compile_rewrite
from lbproxy.http.variables import VariableTable
from lbproxy.http.verdict import RELOCATE, Answer, Said
from tests.support.exchanges import directive, exchange

TABLE = VariableTable({})


def rewritten(target: bytes, *args: str) -> tuple[Said | Flow, Exchange]:
    ex = exchange(target)
    return compile_rewrite(directive("rewrite", *args), TABLE)(ex, False), ex


@pytest.mark.parametrize(
    ("target", "args", "path", "query"),
    [
        (b"/a/b?c", ("^/a(.*)$", "/x$1"), b"/x/b", b"c"),
        (b"/a/b?c", ("^/a(.*)$", "/x$1?"), b"/x/b", b""),
        (b"/a/b?c", ("^/a(.*)$", "/x?q=$1"), b"/x", b"q=/b&c"),
        (b"/a/b?c", ("^/a(.*)$", "/x?q=$1?"), b"/x", b"q=/b"),
        (b"/a", ("^/a(.*)$", "/x?q=$1"), b"/x", b"q="),
        (b"/a%20b", ("^/a(.*)$", "/x$1?q=$1"), b"/x b", b"q=%20b"),
        (b"/a", ("^", "$arg_none/y$uri"), b"/y/a", None),
        (b"/a?q=%3F", ("^", "/$arg_q?$arg_q"), b"/%3F", b"%3F&q=%3F"),
    ],
)
def test_path_and_arguments(target: bytes, args: tuple[str, ...], path: bytes, query: bytes | None) -> None:
    """The old arguments follow unless a "?" at the end drops them; captures are escaped only among arguments."""
    said, ex = rewritten(target, *args)
    assert (said, ex.path, ex.args) == (CHANGED, path, query)
    assert (ex.raw_path, ex.internal) == (None, True)


@pytest.mark.parametrize(("flag", "flow", "valid"), [("last", RELOCATE, True), ("break", STOP, False)])
def test_flags_that_end_the_script(flag: str, flow: Said | Flow, valid: bool) -> None:
    """After `break` no URI part of proxy_pass counts any more."""
    said, ex = rewritten(b"/a", "^", "/b", flag)
    assert (said, ex.valid_location) == (flow, valid)


@pytest.mark.parametrize(
    ("target", "args", "answer"),
    [
        (b"/a?q", ("^/(.*)$", "/b/$1", "redirect"), Answer(302, location=b"/b/a?q")),
        (b"/a?q", ("^/(.*)$", "/b/$1?", "permanent"), Answer(301, location=b"/b/a")),
        (b"/a?q", ("^/(.*)$", "http://h/$1?x"), Answer(302, location=b"http://h/a?x&q")),
        (b"/a", ("^/(.*)$", "$scheme://h/$1", "permanent"), Answer(301, location=b"http://h/a")),
        (b"/a%20b%26", ("^/(.*)$", "https://h/$1"), Answer(302, location=b"https://h/a%20b&")),
        (b"/a", ("^/(.*)$", "https://h/$1", "last"), Answer(302, location=b"https://h/a")),
    ],
)
def test_redirects(target: bytes, args: tuple[str, ...], answer: Answer) -> None:
    """By a flag or a whole URL; what the client had escaped is escaped, as far as a redirect needs it."""
    assert rewritten(target, *args)[0] == answer


def test_what_does_not_match_stays() -> None:
    """Only the captures of an earlier match are gone."""
    ex = exchange(b"/a?q")
    ex.captures = (b"old",)
    assert compile_rewrite(directive("rewrite", "^/b", "/c"), TABLE)(ex, False) is None
    assert (ex.path, ex.args, ex.raw_path, ex.internal) == (b"/a", b"q", b"/a", False)
    assert len(ex.captures) == 0


def test_no_path_is_an_error() -> None:
    """Ours: 500."""
    with pytest.raises(MalformedMessage, match="zero length") as caught:
        rewritten(b"/a", "^", "?")
    assert caught.value.status == 500


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("^", ""), "empty replacement"),
        (("^", "/x", "sideways"), 'invalid parameter "sideways"'),
        (("(", "/x"), r'regex "\(" is invalid'),
        (("^", "/$nothing"), 'unknown "nothing" variable'),
    ],
)
def test_what_is_refused(args: tuple[str, ...], message: str) -> None:
    """In nginx's words."""
    with pytest.raises(InvalidValue, match=message):
        rewritten(b"/a", *args)
