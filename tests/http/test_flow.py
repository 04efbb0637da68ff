"""Values in scripts."""

from __future__ import annotations

import pytest

from lbproxy.http.flow import bind
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import argument, exchange

VALUE = bind(Template.parse(argument("$1-$uri")), VariableTable({}))


@pytest.mark.parametrize(
    ("target", "changed", "value"),
    [
        (b"/a b", False, b"x&y-/a b"),
        (b"/a%20b", False, b"x%26y-/a b"),
        (b"/a+b", False, b"x%26y-/a+b"),
        (b"/a%20b", True, b"x&y-/a b"),
    ],
)
def test_captures_are_escaped_where_the_client_had_escapes(target: bytes, changed: bool, value: bytes) -> None:
    """Until a `rewrite` has changed the path, as nginx does it; variables never are."""
    ex = exchange(target)
    ex.captures = (b"x&y",)
    assert VALUE(ex, changed) == value
