"""What a balancing directive says once its arguments are parsed: a `Method`."""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import ClassVar, NamedTuple

from lbproxy.balance.peer import Balancer, Chance, Outcome, Peer
from lbproxy.balance.tier import Tier
from lbproxy.config.parser import Argument, Directive
from lbproxy.errors import InvalidValue

MISSES = 20
"""After more misses than these, a request under a hashing or random method goes round robin (as in nginx)."""


class KeyKind(enum.Enum):
    """What `Selection.key` has to be for a method."""

    NONE = "none"  # it is not looked at
    ADDRESS = "address"  # the client's packed address, 4 or 16 octets; b"" for a unix socket
    TEMPLATE = "template"  # the value of `Method.key`


class Method(NamedTuple):
    """
    A balancing directive with its arguments parsed.

    Args:
        build: Makes the balancer of one tier.
        key: The text with variables to choose by, with KeyKind.TEMPLATE only.
        backup: Whether servers may be marked ``backup`` under it.
    """

    build: Callable[[Tier, Chance], Balancer]
    key_kind: KeyKind = KeyKind.NONE
    key: Argument | None = None
    backup: bool = True


class Learnless:
    """Base of balancers that don't look at how attempts end."""

    learns: ClassVar[bool] = False

    def answered(self, peer: Peer, header_time: float, now: float) -> None:
        """Ignore it."""

    def release(
        self, peer: Peer, outcome: Outcome, header_time: float | None, response_time: float | None, now: float
    ) -> None:
        """Ignore it."""


def invalid_parameter(argument: Argument, hint: str = "") -> InvalidValue:
    """Return nginx's error for an argument that a balancing directive doesn't have."""
    return InvalidValue(f'invalid parameter "{argument.text}"', argument.position, hint)


def without_arguments(directive: Directive) -> None:
    """
    Check that *directive* stands alone.

    Raises:
        InvalidValue: It has arguments.
    """
    if directive.args:
        raise invalid_parameter(directive.args[0])
