"""lbproxy's own switches in `upstream`."""

from __future__ import annotations

from lbproxy.balance.settings import BalanceSettings


def test_defaults_are_nginx() -> None:
    assert BalanceSettings() == BalanceSettings(fail_window="nginx", all_down="fail")
