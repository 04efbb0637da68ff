"""Directives back to text (that it parses to the same tree is in test_parser)."""

from __future__ import annotations

import pytest

from lbproxy.config.dump import dump, word
from lbproxy.config.parser import parse
from lbproxy.errors import Source
from tests.support.configs import files


def test_a_dump_names_the_files_it_came_from() -> None:
    """Wherever the file changes; blocks are indented."""
    environment = files({"b": "d e;"})
    tree = parse(Source("a", 'x { y "two words"; include b; } z;'), environment.include)
    assert dump(tree) == (
        '# from a:\nx {\n    y "two words";\n    # from b:\n    d e;\n}\n# from a:\nz;\n'
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a", "a"), ("", '""'), ("a b", '"a b"'), ("$a${b}", "$a${b}"), (r"\.(a|b)$", r"\.(a|b)$"), ("a;", '"a;"'),
        ("a{2}", '"a{2}"'), ('a"b', '"a\\"b"'), ("it's", '"it\'s"'), (r"a\nb", r'"a\\nb"'), ("a\\", '"a\\\\"'),
        ("#a", '"#a"'), ("a#", "a#"), ("}", '"}"'), ("é", "é"),
    ],
)  # fmt: skip
def test_words_are_quoted_only_where_they_must_be(text: str, expected: str) -> None:
    """Regular expressions stay readable."""
    assert word(text) == expected
