"""lbproxy's own switches in `upstream`."""

from __future__ import annotations

import pytest

from lbproxy.balance.settings import BalanceSettings
from lbproxy.errors import ConfigErrors
from tests.support.loading import load_text


def switches(text: str) -> tuple[str, str]:
    """What an upstream with these directives has: the window and what happens when all are down."""
    plan = load_text(f"upstream nodes {{ server 127.0.0.1:81; {text} }}")
    settings = plan.config.upstreams["nodes"].settings(BalanceSettings)
    return settings.fail_window, settings.all_down


def test_defaults_are_nginx() -> None:
    assert switches("") == ("nginx", "fail")


def test_both_can_be_switched() -> None:
    assert switches("fail_window sliding; all_down try_all;") == ("sliding", "try_all")


def zones(text: str) -> list[str]:
    """What is wrong with upstreams of which each has one of these directives."""
    blocks = [f"upstream u{i} {{ server 127.0.0.1:81; {line} }}" for i, line in enumerate(text.splitlines())]
    try:
        load_text("\n".join(blocks))
    except ConfigErrors as found:
        return [error.message for error in found.errors]
    return []


def test_zone_belongs_to_an_upstream() -> None:
    plan = load_text("upstream nodes { server 127.0.0.1:81; zone a 64k; } upstream others { server 127.0.0.1:82; }")
    found = [conf.settings(BalanceSettings).zone for conf in plan.config.upstreams.values()]
    assert [zone and (zone.name, zone.size) for zone in found] == [("a", 65536), None]


@pytest.mark.parametrize(
    ("text", "complaints"),
    [
        ("zone a 32k;", []),
        ("zone a 64k;\nzone a 64k;\nzone a;", []),
        ("zone a;\nzone a 64k;", []),
        ("zone a;", ['zero size shared memory zone "a"']),
        ("zone a 31k;", ['zone "a" is too small']),
        ("zone a k;", ['invalid zone size "k"']),
        ('zone "" 64k;', ['invalid zone name ""']),
        ("zone a 64k;\nzone a 128k;",
         ['the size 131072 of shared memory zone "a" conflicts with already declared size 65536']),
    ],
)  # fmt: skip
def test_size_of_a_zone_is_checked_as_nginx_does(text: str, complaints: list[str]) -> None:
    """Though lbproxy needs none."""
    assert zones(text) == complaints


@pytest.mark.parametrize("text", ["fail_window rolling;", "all_down wait;"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(ConfigErrors, match="invalid value"):
        switches(text)
