"""nginx's tokens, and the mistakes a file can make with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.lexer import Kind, tokens, unescape
from lbproxy.errors import ConfigError, Source


def lex(text: str) -> list[str]:
    """Return the tokens' texts, without the end; the text must be free of mistakes."""
    errors: list[ConfigError] = []
    found = [token.text for token in tokens(Source("t", text), errors)]
    assert not errors
    assert found.pop() == ""
    return found


def complaints(text: str) -> list[str]:
    """Return the first lines of the mistakes in *text*."""
    errors: list[ConfigError] = []
    assert list(tokens(Source("t", text), errors))[-1].kind is Kind.END
    return [str(error).splitlines()[0] for error in errors]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a b;", ["a", "b", ";"]),
        ("a\tb\r\n;", ["a", "b", ";"]),
        ("a{b;}", ["a", "{", "b", ";", "}"]),
        ("a}b;", ["a}b", ";"]),
        ("set $x ${y}z;", ["set", "$x", "${y}z", ";"]),
        ("~ ^/a{2};", ["~", "^/a", "{", "2}", ";"]),
        (r"~ \.(png|jpg)$ {", ["~", r"\.(png|jpg)$", "{"]),
        (r"a\ b c\;d;", [r"a\ b", r"c\;d", ";"]),
        (r'"a\"b" \'c "d\te" \\;', ['a"b', "'c", "d\te", "\\", ";"]),
        ("'it''s'", None),
        ("\"a b\" 'c;d{' \"\";", ["a b", "c;d{", "", ";"]),
        ('"two\nlines";', ["two\nlines", ";"]),
        ("a# b;", ["a#", "b", ";"]),
        ("a b; # c;\n#d\n e;", ["a", "b", ";", "e", ";"]),
        ('if ("$a");', ["if", '("$a")', ";"]),
        ("a\u00a0b\x0b;", ["a\u00a0b\x0b", ";"]),
        ("\ufeffa;", ["a", ";"]),
        ("a \\", ["a", "\\"]),
        ("", []),
    ],
)
def test_words_are_cut_as_nginx_cuts_them(text: str, words: list[str] | None) -> None:
    """Quotes, escapes, comments and ${ behave as in ngx_conf_read_token."""
    if words is None:
        assert complaints(text) == ['unexpected "\'" in t:1:5 (a blank or ";" must follow a closing quote)']
    else:
        assert lex(text) == words


def test_every_token_knows_its_place() -> None:
    """Lines and columns count from 1, in characters; a quoted word begins at its quote."""
    found = tokens(Source("t", "a 'b\nc' # x\n\n  {é ü;"), [])
    places = [(token.position.line, token.position.column) for token in found]
    assert places == [(1, 1), (1, 3), (4, 3), (4, 4), (4, 6), (4, 7), (4, 8)]


def test_a_byte_order_mark_does_not_shift_columns() -> None:
    """The first line counts from the first visible character."""
    first = next(tokens(Source("t", "\ufeffa;"), []))
    assert (first.position.line, first.position.column) == (1, 1)


def test_an_unclosed_quote_is_shown_where_it_opens() -> None:
    """What follows it cannot be trusted, so the text ends there."""
    assert complaints('a;\n b "c;\n d;') == [
        'unexpected end of file, expecting ";" or "}" in t:2:4 (the quote " is never closed)'
    ]


def test_a_quote_closed_by_a_later_one_names_the_line_of_the_opening() -> None:
    """The usual cause of an odd word behind a quote is a quote forgotten lines before."""
    found = complaints('a "b;\nc "d";')
    assert found[0] == 'unexpected "d" in t:2:4 (the quote that closes here was opened in line 1)'


@given(st.text(alphabet="ab \t\n\r;{}#\"'\\$", max_size=40))
def test_any_text_comes_to_an_end(text: str) -> None:
    """Whatever is written, the lexer ends with one END token, and places never go back."""
    found = list(tokens(Source("t", text), []))
    assert [token.kind for token in found].count(Kind.END) == 1
    assert found[-1].kind is Kind.END
    places = [(token.position.line, token.position.column) for token in found]
    assert places == sorted(places)


@given(st.text(max_size=20))
def test_a_text_without_backslash_needs_no_unescaping(text: str) -> None:
    """Only backslashes mean anything inside a word."""
    text = text.replace("\\", "")
    assert unescape(text) == text
