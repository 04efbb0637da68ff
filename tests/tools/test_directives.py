"""docs/directives.md says what the program goes by."""

from __future__ import annotations

from pathlib import Path

from lbproxy.config.vocabulary import Vocabulary
from lbproxy.directives import GRAMMAR
from lbproxy.tools import directives

PAGE = Path(__file__).parents[2] / "docs" / "directives.md"


def test_the_page_is_up_to_date() -> None:
    """``make docs`` makes it so."""
    assert PAGE.read_text(encoding="utf-8") == directives.table(Vocabulary(GRAMMAR))


def test_every_row_says_something() -> None:
    """A place where it works, or a reason."""
    for name, verdict, rest in directives.rows(Vocabulary(GRAMMAR)):
        assert verdict in {"works", "accepted", "refused"}, name
        assert rest, name
