"""Values by host name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.hostnames import HostTable


def table(*names: str) -> HostTable[str]:
    found: HostTable[str] = HostTable()
    for name in names:
        found.add(name.encode(), name)
    return found


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("a.b", "a.b"), ("x.a.b", "*.a.b"), ("y.x.a.b", "*.x.a.b"), ("x.y.a.b", "*.a.b"), ("www.a.c", "www.a.*"),
        ("www.a.b.c", "www.a.b.*"), ("d.e", ".d.e"), ("x.d.e", ".d.e"), ("b", None), ("www.a", None), ("", None),
    ],
)  # fmt: skip
def test_the_exact_name_then_the_longest_wildcard(host: str, name: str | None) -> None:
    """Those with the "*" in front come before those with it behind."""
    names = table("a.b", "*.a.b", "*.x.a.b", "www.a.*", "www.a.b.*", ".d.e")
    assert names.find(host.encode()) == name


@pytest.mark.parametrize(
    "names", [("a.b", "a.b"), ("*.a", "*.a"), ("a.*", "a.*"), ("a.b", ".a.b"), (".a.b", "a.b"), ("*.a", ".a"),
    (".a", "*.a")]
)
def test_conflicts(names: tuple[str, str]) -> None:
    """The first one stays, and the second is refused as a whole."""
    found: HostTable[bytes] = HostTable()
    assert found.add(names[0].encode(), b"")
    assert not found.add(names[1].encode(), b"")


def test_only_wildcards_make_it_wild() -> None:
    """A table without any is a plain dictionary."""
    assert not table("a.b").wild
    assert table(".a.b").wild


LABELS = st.lists(st.sampled_from("abc"), min_size=1, max_size=4).map(".".join)


@given(st.lists(st.tuples(st.sampled_from(["", "*.", "."]), LABELS), max_size=6), LABELS)
def test_against_trying_every_name(names: list[tuple[str, str]], host: str) -> None:
    """Heads alone: the longest that fits."""
    found = HostTable[str]()
    kept = [lead + name for lead, name in names if found.add((lead + name).encode(), lead + name)]
    fits = [name for name in kept if name.lstrip("*.") == host and not name.startswith("*")]
    wild = [name for name in kept if name[0] in "*." and host.endswith("." + name.lstrip("*."))]
    fits += sorted(wild, key=lambda name: -len(name.lstrip("*.")))
    assert found.find(host.encode()) == (fits[0] if fits else None)
