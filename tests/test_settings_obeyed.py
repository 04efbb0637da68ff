"""
Nothing is configured in vain: each field of a settings class is read by somebody.

What has no effect belongs in the table of what is ignored (config/tables.py), which ``lbproxy -t`` shows.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import lbproxy
from lbproxy.config.settings import rows
from lbproxy.directives import GRAMMAR

ROOT = Path(lbproxy.__file__).parent
DECLARING = {base for kind in GRAMMAR.settings for base in kind.__mro__ if base is not object}
NAMES = {kind.__name__ for kind in DECLARING}


def reads(node: ast.AST) -> Counter[str]:
    """Return how often each attribute name is read in *node*."""
    return Counter(
        one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Load)
    )


def reads_by_others() -> Counter[str]:
    """
    Return how often each attribute name is read in lbproxy.

    What a settings class reads of itself counts if the method that does so is called from elsewhere.
    """
    outside: Counter[str] = Counter()
    methods = []
    for path in ROOT.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        outside += reads(tree)
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and node.name in NAMES:
                outside -= reads(node)
                methods += [one for one in node.body if isinstance(one, ast.FunctionDef)]
    return sum((reads(method) for method in methods if outside[method.name]), outside)


def declared() -> Iterator[str]:
    """Yield the field of each directive once for every class that declares it."""
    for kind in DECLARING:
        inherited = {row.field for base in kind.__bases__ if base is not object for row in rows(base).values()}
        yield from {row.field for row in rows(kind).values()} - inherited


READS = reads_by_others()


@pytest.mark.parametrize(("field", "classes"), sorted(Counter(declared()).items()))
def test_every_setting_is_read(field: str, classes: int) -> None:
    """At least as often as there are classes with a field of this name."""
    assert READS[field] >= classes
