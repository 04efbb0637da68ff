"""Configuration text and the octets it stands for."""

from __future__ import annotations

from hypothesis import given
from hypothesis.strategies import binary

from lbproxy.config.octets import octets, text_of


@given(binary(max_size=40))
def test_octets_of_any_encoding_come_back_as_they_were(value: bytes) -> None:
    """A value that is not UTF-8 survives being text."""
    assert octets(text_of(value)) == value


def test_text_is_utf8() -> None:
    """What is UTF-8 reads as itself."""
    assert octets("/bücher") == b"/b\xc3\xbccher"
    assert text_of(b"/b\xc3\xbccher") == "/bücher"
