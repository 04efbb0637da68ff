"""Octets in strings of JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.wire.escapes import escape_json


@given(st.text(max_size=30))
def test_a_parser_of_json_reads_the_text_back(text: str) -> None:
    octets = text.encode("utf-8", "replace")
    assert json.loads(b'"' + escape_json(octets) + b'"') == octets.decode()


def test_short_escapes_are_preferred_and_others_are_upper_case() -> None:
    assert escape_json(b'a"b\\c\n\t\x1f\x7f\xff') == b'a\\"b\\\\c\\n\\t\\u001F\x7f\xff'
