"""How values are found; what they are is tested by name, in test_variables."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.getters import OfHead, field_finder
from lbproxy.wire.heads import RequestHead
from tests.support.exchanges import exchange

field_names = st.from_regex(r"[A-Za-z][A-Za-z-]{0,3}", fullmatch=True)
field_values = st.text("aB:, ", max_size=5).map(str.strip)


@given(st.lists(st.tuples(field_names, field_values), max_size=6), field_names)
def test_a_field_is_found_as_by_a_walk_over_all(fields: list[tuple[str, str]], wanted: str) -> None:
    """The search over the block sees exactly the lines of that name."""
    block = "".join(f"{name}: {text}\r\n" for name, text in fields).encode()
    found = [text for name, text in fields if name.lower() == wanted.lower()]
    finder = field_finder(wanted.lower().replace("-", "_"))
    assert finder(block) == (", ".join(found).encode() if found else None)


def test_what_depends_on_the_head_alone_is_made_once() -> None:
    """Further exchanges with the same fields get what was made for the first."""
    made: list[RequestHead] = []

    def make(head: RequestHead) -> bytes:
        made.append(head)
        return b"%d" % len(made)

    get, ex = OfHead(make), exchange()
    assert [get(ex), get(ex)] == [b"1", b"1"]
