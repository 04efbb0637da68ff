"""
The variables that blocks of a configuration make: ``map``, ``split_clients``, ``geo``, and ``$invalid_referer``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lbproxy.config.model import Config, Location, VirtualServer
from lbproxy.errors import ConfigError, gathering
from lbproxy.http.geo import Geo, GeoSettings
from lbproxy.http.maps import Map, MapSettings
from lbproxy.http.referers import RefererSettings, compile_referers
from lbproxy.http.split_clients import SplitClients, SplitClientsSettings
from lbproxy.http.variables import Computed, VariableTable

DECLARING_SETTINGS: tuple[type, ...] = (MapSettings, SplitClientsSettings, GeoSettings, RefererSettings)
"""The settings classes of these, for the grammar."""

_REFERER = "invalid_referer"


class DeclaredVariables:
    """
    The variables of one configuration that are computed by its blocks.

    They may need each other, and all others, whichever stands first: so they are known by name before the table is
    made, and compiled with it.

    Attributes:
        getters: For the table.
    """

    __slots__ = ("_blocks", "getters")

    def __init__(self, config: Config) -> None:
        self._blocks: Sequence[Map | SplitClients | Geo] = [
            *config.settings(MapSettings).maps,
            *config.settings(SplitClientsSettings).splits,
            *config.settings(GeoSettings).geos,
        ]
        computed = {block.name: Computed(block.name, volatile=block.volatile) for block in self._blocks}
        self.getters: Mapping[str, Computed] = {_REFERER: Computed(_REFERER), **computed}

    @property
    def captured(self) -> Iterator[str]:
        """The names of the groups in regular expressions of ``map``."""
        for block in self._blocks:
            if isinstance(block, Map):
                yield from block.captured

    def compile(self, table: VariableTable, locations: Sequence[tuple[VirtualServer, Location]]) -> list[ConfigError]:
        """Make them ready for use, of two with the same name the later one; return what is wrong with them."""
        mistakes: list[ConfigError] = []
        for block in self._blocks:
            with gathering(mistakes):
                self.getters[block.name].compute = block.compile(table)
        with gathering(mistakes):
            self.getters[_REFERER].compute = compile_referers(locations)
        return mistakes
