"""
``split_clients``: a variable that divides clients into shares.

As src/http/modules/ngx_http_split_clients_module.c: MurmurHash2 of the string decides, and shares are counted in
hundredths of a percent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.octets import octets
from lbproxy.config.parser import Directive
from lbproxy.config.settings import Context, setting_list
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.getters import Getter
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable, variable_name

_WHOLE = 10000  # hundredths of a percent
_PERCENT = re.compile(r"(?=[0-9.]+%)([0-9]*)(?:\.([0-9]{0,2}))?%")
_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995


class Share(NamedTuple):
    """
    One line of a block.

    Args:
        hundredths: Of a percent; 0: all that is left (``*``).
    """

    hundredths: int
    value: bytes


@dataclass(frozen=True, slots=True, eq=False)
class SplitClients:
    """
    One ``split_clients`` block.

    Args:
        name: Of the variable it makes, in lower case.
        source: What is hashed.
    """

    name: str
    source: Template
    shares: tuple[Share, ...]

    volatile = False

    def compile(self, table: VariableTable) -> Getter:
        """Return what computes the variable; raises InvalidValue for unknown ones."""
        source, limits = self.source.bind(table), _limits(self.shares)

        def get(ex: Exchange) -> bytes | None:
            hashed = murmur_hash2(source(ex))
            for limit, value in limits:
                if hashed < limit:
                    return value
            return None

        return get


def _limits(shares: Sequence[Share]) -> list[tuple[int, bytes]]:
    """Return the hashes below which each share lies, rounded as nginx rounds."""
    limits, last = [], 0
    for share in shares:
        last += share.hundredths * _MASK // _WHOLE
        limits.append((last if share.hundredths else _MASK + 1, share.value))
    return limits


def parse_split_clients(directive: Directive) -> SplitClients:
    """
    Parse ``split_clients string $variable { 10% a; * b; }``; raises InvalidValue in nginx's words.

    Values are taken as they stand: a "$" in them means nothing.
    """
    source, target = directive.args
    name, template = variable_name(target), Template.parse(source)
    shares: list[Share] = []
    total = 0
    for line in directive.block or ():
        if len(line.args) != 1 or line.block is not None:
            raise InvalidValue('invalid number of the "split_clients" parameters', line.position, "10% value;")
        share = Share(_hundredths(line), octets(line.args[0].text))
        shares.append(share)
        total = total + share.hundredths if share.hundredths else _WHOLE
        if total > _WHOLE:
            raise InvalidValue("percent total is greater than 100%", line.position)
    return SplitClients(name, template, tuple(shares))


def _hundredths(line: Directive) -> int:
    if line.name == "*":
        return 0
    match = _PERCENT.fullmatch(line.name)
    hundredths = int((match[1] or "0") + (match[2] or "").ljust(2, "0")) if match else 0
    if not hundredths:
        hint = "at most two digits behind the point, and * for the rest"
        raise InvalidValue(f'invalid percent value "{line.name}"', line.position, hint)
    return hundredths


def murmur_hash2(data: bytes) -> int:
    """Return MurmurHash2 of *data* with seed 0, 32 bits (src/core/ngx_murmurhash.c:ngx_murmur_hash2)."""
    hashed = len(data)
    whole = len(data) & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        hashed = hashed * _MULTIPLIER & _MASK ^ word
    if whole < len(data):
        hashed = (hashed ^ int.from_bytes(data[whole:], "little")) * _MULTIPLIER & _MASK
    hashed = (hashed ^ hashed >> 13) * _MULTIPLIER & _MASK
    return hashed ^ hashed >> 15


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SplitClientsSettings:
    """The ``split_clients`` blocks."""

    splits: tuple[SplitClients, ...] = setting_list(
        "split_clients", parse_split_clients, (), arity=(2, 2), contexts=Context.HTTP, block=True
    )
