"""Directives of ``upstream`` that say how a group treats its servers, beside the balancing method."""

from __future__ import annotations

from dataclasses import dataclass

from lbproxy.config.settings import Context, setting
from lbproxy.config.values import choice


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BalanceSettings:
    """
    What lbproxy adds to nginx's rules.

    Args:
        fail_window: "nginx": failures less than fail_timeout apart add up; "sliding": those within it do.
        all_down: When every server is out: "fail" (502 at once, as nginx), or "try_all" (try them even so).
    """

    fail_window: str = setting("fail_window", choice("nginx", "sliding"), "nginx", contexts=Context.UPSTREAM)
    all_down: str = setting("all_down", choice("fail", "try_all"), "fail", contexts=Context.UPSTREAM)
