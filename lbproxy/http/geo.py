"""
``geo``: a variable that depends on an address.

As src/http/modules/ngx_http_geo_module.c: the smallest network counts or, with ``ranges``, the range (IPv4 only).
What is no address of a kind that is looked up stands for 255.255.255.255.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass

from lbproxy.config.networks import Network, parse_network
from lbproxy.config.octets import octets, text_of
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import Context, setting_list
from lbproxy.errors import ConfigError, ConfigErrors, InvalidValue, gathering
from lbproxy.http.exchange import Exchange
from lbproxy.http.forwarded import Proxies
from lbproxy.http.getters import Getter, field_finder
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable, variable_name
from lbproxy.wire.addresses import mapped, pack

_NONE = b"\xff\xff\xff\xff"  # INADDR_NONE
_FORWARDED_FOR = field_finder("x_forwarded_for")


class Networks:
    """Values of networks; the smallest one that holds an address counts."""

    def __init__(self) -> None:
        self._values: dict[Network, bytes] = {}

    def add(self, name: Argument, value: bytes) -> None:
        """Add a network; of two equal ones the later counts. Raises InvalidValue."""
        self._values[_network(name)] = value

    def default(self, value: bytes) -> None:
        """Add the two networks that hold everything."""
        self._values[Network(4)] = self._values[Network(16)] = value

    def delete(self, name: Argument) -> None:
        """Forget a network, if it is there. Raises InvalidValue."""
        self._values.pop(_network(name), None)

    def compile(self) -> Callable[[bytes], bytes | None]:
        """Return what finds the value for a packed address."""
        tables: dict[int, dict[int, dict[int, bytes]]] = {4: {}, 16: {}}
        for network in sorted(self._values, key=lambda network: network.mask, reverse=True):
            values = tables[network.family].setdefault(network.mask, {})
            values[network.prefix] = self._values[network]

        def find(packed: bytes) -> bytes | None:
            packed = mapped(packed) or packed or _NONE
            number = int.from_bytes(packed)
            for mask, values in tables[len(packed)].items():
                value = values.get(number & mask)
                if value is not None:
                    return value
            return None

        return find


class Ranges:
    """
    Values of ranges that do not overlap.

    A range may lie in one before it, and takes its part of it.  As nginx keeps a table for every 65536 addresses,
    what is compared is always the part of a range in one of these.
    """

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int, bytes]] = []  # first and last address, in order
        self._default: bytes | None = None

    def default(self, value: bytes) -> None:
        """Set the value of what is in no range."""
        self._default = value

    def add(self, name: Argument, value: bytes) -> None:
        """Add ``first-last``. Raises InvalidValue."""
        first, last = _range(name)
        index = begin = max(bisect_right(self._ranges, (first + 1,)) - 1, 0)
        pieces = [(first, last, value)]
        for start, end, old in self._ranges[begin:]:
            if start > last:
                break
            index += 1
            if end < first:
                begin = index
                continue
            if max(first, start & ~0xFFFF) < start or min(last, end | 0xFFFF) > end:
                message = f'range "{name.text}" overlaps "{_dotted(start)}-{_dotted(end)}"'
                raise InvalidValue(message, name.position, "the larger range has to stand first")
            pieces += [(start, first - 1, old)] if start < first else []
            pieces += [(last + 1, end, old)] if end > last else []
        self._ranges[begin:index] = sorted(pieces)

    def delete(self, name: Argument) -> None:
        """Forget a range, if it is there. Raises InvalidValue."""
        first, last = _range(name)
        self._ranges = [one for one in self._ranges if one[:2] != (first, last)]

    def compile(self) -> Callable[[bytes], bytes | None]:
        """Return what finds the value for a packed address."""
        ranges, default = self._ranges, self._default
        starts = [start for start, *_ in ranges]

        def find(packed: bytes) -> bytes | None:
            number = int.from_bytes(mapped(packed) or (packed if len(packed) == 4 else _NONE))
            index = bisect_right(starts, number) - 1
            if index >= 0 and number <= ranges[index][1]:
                return ranges[index][2]
            return default

        return find


def _network(name: Argument) -> Network:
    try:
        return parse_network(name.text)[0]
    except ValueError:
        raise InvalidValue(f'invalid network "{name.text}"', name.position) from None


def _range(name: Argument) -> tuple[int, int]:
    first, _, last = name.text.partition("-")
    try:
        packed = pack(first), pack(last)
    except ValueError:
        packed = (b"", b"")
    if len(packed[0]) != 4 or len(packed[1]) != 4 or packed[0] > packed[1] or packed[1] == _NONE:
        hint = "a range is 192.0.2.0-192.0.2.255, and 255.255.255.255 is in none"
        raise InvalidValue(f'invalid range "{name.text}"', name.position, hint)
    return int.from_bytes(packed[0]), int.from_bytes(packed[1])


def _dotted(number: int) -> str:
    return ".".join(map(str, number.to_bytes(4)))


@dataclass(frozen=True, slots=True, eq=False)
class Geo:
    """
    One ``geo`` block.

    Args:
        name: Of the variable it makes, in lower case.
        source: Gives the address; None: the client's.
        find: Gives its value.
        proxies: Clients whose X-Forwarded-For is looked up instead; None without any.
    """

    name: str
    source: Template | None
    find: Callable[[bytes], bytes | None]
    proxies: Proxies | None
    volatile: bool

    def compile(self, table: VariableTable) -> Getter:
        """Return what computes the variable; raises InvalidValue for unknown ones."""
        address_of, find, proxies = self._address(table), self.find, self.proxies
        if proxies is None:
            return lambda ex: find(address_of(ex))

        def get(ex: Exchange) -> bytes | None:
            address = address_of(ex)
            claimed = _FORWARDED_FOR(ex.head.block)
            if claimed is not None and proxies.trusts(address):
                found = proxies.follow((claimed,))
                address = found[0] if found is not None else address
            return find(address)

        return get

    def _address(self, table: VariableTable) -> Callable[[Exchange], bytes]:
        if self.source is None:
            return lambda ex: ex.client.packed
        value = self.source.bind(table)

        def parse(ex: Exchange) -> bytes:
            try:
                return pack(text_of(value(ex)))
            except ValueError:
                return _NONE

        return parse


def parse_geo(directive: Directive) -> Geo:
    """
    Parse ``geo [$address] $variable { ... }``.

    Raises:
        ConfigErrors: Every mistake in it, in nginx's words.
    """
    reading = _Reading(any(line.name == "ranges" and not line.args for line in (directive.block or ())[:1]))
    with gathering(reading.mistakes):
        *source, target = directive.args
        name = variable_name(target)
        address = _source(source[0]) if source else None
    for line in directive.block or ():
        with gathering(reading.mistakes):
            reading.take(line)
    if reading.mistakes:
        raise ConfigErrors(reading.mistakes)
    proxies = Proxies(reading.proxies, reading.recursive) if reading.proxies else None
    return Geo(name, address, reading.values.compile(), proxies, reading.volatile)


def _source(arg: Argument) -> Template:
    if not arg.text.startswith("$"):
        raise InvalidValue(f'invalid variable name "{arg.text}"', arg.position, f"write ${arg.text}")
    return Template.parse(arg)


class _Reading:
    """What has been understood of a block so far."""

    def __init__(self, ranges: bool) -> None:
        self.values: Networks | Ranges = Ranges() if ranges else Networks()
        self.proxies: list[Network] = []
        self.recursive = self.volatile = False
        self.mistakes: list[ConfigError] = []

    def take(self, line: Directive) -> None:
        """Understand one line; raises what is wrong with it."""
        match line.name, line.args:
            case "ranges", ():
                if not isinstance(self.values, Ranges):
                    message = 'the "ranges" directive must be the first directive inside "geo" block'
                    raise InvalidValue(message, line.position)
            case "proxy_recursive", ():
                self.recursive = True
            case "volatile", ():
                self.volatile = True
            case "proxy", (network,):
                self.proxies.append(_network(network))
            case "default", (value,):
                self.values.default(octets(value.text))
            case "delete", (name,):
                self.values.delete(name)
            case _, (value,) if line.block is None:
                self.values.add(Argument(line.name, line.position), octets(value.text))
            case _:
                hint = "a line is: network value;"
                raise InvalidValue("invalid number of the geo parameters", line.position, hint)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class GeoSettings:
    """The ``geo`` blocks."""

    geos: tuple[Geo, ...] = setting_list("geo", parse_geo, (), arity=(1, 2), contexts=Context.HTTP, block=True)
