"""What the documents say of the program and of each other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.config.vocabulary import Vocabulary
from lbproxy.directives import GRAMMAR
from lbproxy.http.variables import VariableTable

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("*.md")])
DIFFERENCES = ROOT / "docs" / "differences.md"

_LINK = re.compile(r"\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_DIRECTIVE = re.compile(r"(?:[a-z0-9]+(?:_[a-z0-9]+)+|include|keepalive|listen|return|sendfile|user|zone)(?![^ ])")
PARAMETERS = {"max_conns", "uwsgi_params", "proxy_params"}
"""What looks like a directive and is none."""

MISSING = {"fastcgi_script_name", "msie"}
"""Variables that the page says are unknown."""


def links(page: Path) -> Iterator[str]:
    """Yield where *page* leads inside the repository."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    yield from (target for target in _LINK.findall(text) if not target.startswith(("http://", "https://")))


def anchors(page: Path) -> set[str]:
    """Return the anchors of the headings of *page*, made as GitHub makes them."""
    text = _FENCED.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ +(.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def code(page: Path) -> Iterator[str]:
    """Yield what stands in backquotes."""
    yield from _CODE.findall(_FENCED.sub("", page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """To a file or a directory of the repository, and to a heading of it where they name one."""
    for target in links(page):
        name, _, anchor = target.partition("#")
        file = (page.parent / name).resolve() if name else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


def test_directives_of_the_differences_are_known() -> None:
    """Those that are named have a place in the vocabulary, be they obeyed, ignored or refused."""
    known = {"include", *Vocabulary(GRAMMAR).entries}  # read before any grammar
    named = {match[0] for text in code(DIFFERENCES) if (match := _DIRECTIVE.match(text))}
    assert len(named) > 20
    assert named - known - PARAMETERS == set()


def test_variables_of_the_differences_are_known() -> None:
    """Or unknown, where the page says so."""
    table = VariableTable({"nginx_version": b"1"})
    named = {name for text in code(DIFFERENCES) for name in re.findall(r"\$([a-z_]+[a-z])\b", text)}
    assert named > MISSING
    for name in named - MISSING:
        table.lookup(name)
    for name in MISSING:
        with pytest.raises(KeyError):
            table.lookup(name)


def test_tables_have_equal_rows() -> None:
    """As many columns as their heads."""
    rows = [line for line in DIFFERENCES.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    widths = []
    for row, following in zip(rows, [*rows[1:], ""], strict=True):
        if set(following) <= set("|-") and following:
            widths.append(row.count("|"))
        assert row.count("|") == widths[-1], row
