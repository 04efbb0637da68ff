"""What directives there are."""

from __future__ import annotations

from lbproxy.config.settings import Context, rows
from lbproxy.directives import GRAMMAR, PROTOCOLS


def test_every_directive_has_one_owner() -> None:
    """No settings class declares what another does in the same block."""
    owned: dict[str, Context] = {}
    for kind in GRAMMAR.settings:
        for name, row in rows(kind).items():
            assert not row.contexts & owned.get(name, Context(0)), name
            owned[name] = owned.get(name, Context(0)) | row.contexts
    assert {f"{kind.prefix}_pass" for kind, _ in PROTOCOLS} <= set(owned)
