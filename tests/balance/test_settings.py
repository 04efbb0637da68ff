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


@pytest.mark.parametrize("text", ["fail_window rolling;", "all_down wait;"])
def test_other_values_are_refused(text: str) -> None:
    with pytest.raises(ConfigErrors, match="invalid value"):
        switches(text)
