"""The rules that directives on fields of answers share."""

from __future__ import annotations

import re

from lbproxy.protocols.changes import by_prefix, by_regex
from tests.support.exchanges import exchange


def test_a_regular_expression_found_anywhere_gives_all_of_the_new_value() -> None:
    """With its groups captured; where it is not found the rule does not fit, and earlier captures stay."""
    ex = exchange()
    rule = by_regex(re.compile(rb"/(\w+)/"), lambda ex: ex.captures[0] or b"")
    assert rule(ex, b"http://a.test/one/two") == b"one"
    assert rule(ex, b"http://a.test") is None
    assert ex.captures[0] == b"one"


def test_a_prefix_is_replaced_and_the_rest_stays() -> None:
    rule = by_prefix(lambda ex: ex.host, lambda ex: b"new")
    ex = exchange()
    assert rule(ex, b"example.com/a?b") == b"new/a?b"
    assert rule(ex, b"/example.com") is None
