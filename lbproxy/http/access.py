"""
``allow`` and ``deny``: who may come, by address.

As src/http/modules/ngx_http_access_module.c: the first rule that fits decides, and whom none fits may come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.networks import UNIX, Network, parse_network
from lbproxy.config.parser import Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting, setting_list
from lbproxy.config.values import Misfit, choice
from lbproxy.errors import Position
from lbproxy.wire.addresses import mapped

_ANYWHERE = EVERY_LEVEL | Context.LIMIT_EXCEPT
_FAMILIES = (Network(4), Network(16), UNIX)  # what "all" stands for


class Rule(NamedTuple):
    """
    One ``allow`` or ``deny``.

    Args:
        networks: Several for ``all``.
        exact: The address has no bits behind its mask, which would mean nothing.
    """

    deny: bool
    networks: tuple[Network, ...]
    exact: bool
    text: str
    position: Position


def parse_rule(directive: Directive) -> Rule:
    """Parse ``allow|deny address | network | unix: | all`` (ngx_http_access_rule)."""
    arg = directive.args[0]
    deny = directive.name == "deny"
    if arg.text == "all":
        return Rule(deny, _FAMILIES, True, arg.text, arg.position)
    try:
        network, exact = parse_network(arg.text)
    except ValueError:
        hint = "it takes an address, a network such as 10.0.0.0/8, unix: or all"
        raise Misfit('invalid parameter "{value}"', arg, hint) from None
    return Rule(deny, (network,), exact, arg.text, arg.position)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccessSettings:
    """
    Who may come.

    Args:
        rules: ``allow`` and ``deny`` together, in order; a block with any of them inherits none.
        satisfy: "any": one of the access checks is enough.
    """

    rules: tuple[Rule, ...] = setting_list(
        "allow", parse_rule, arity=(1, 1), contexts=_ANYWHERE, twins=(("deny", _ANYWHERE),)
    )
    satisfy: str = setting("satisfy", choice("all", "any"), "all")


def compile_rules(rules: Iterable[Rule]) -> Callable[[bytes], bool | None]:
    """
    Return the function that tells whether a packed address may come; None when no rule fits it.

    An IPv4 address in IPv6's clothes counts as what it is, unless the rules say nothing of IPv4.
    """
    lists: dict[int, list[tuple[Network, bool]]] = {4: [], 16: [], 0: []}
    for rule in rules:
        for network in rule.networks:
            lists[network.family].append((network, rule.deny))
    four = lists[4]

    def may_come(packed: bytes) -> bool | None:
        if four:
            packed = mapped(packed) or packed
        for network, deny in lists[len(packed)]:
            if network.holds(packed):
                return not deny
        return None

    return may_come
