"""
What a request has to pass before a location does anything for it, compiled; `lbproxy.proxy.admission` acts on it.

The order is that of nginx's phases: the client that is meant, how often and how much (preaccess), then who may come
(access), for which ``satisfy`` says whether all has to be in order or one thing is enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

from lbproxy.config.addresses import Resolver
from lbproxy.config.core import MainSettings
from lbproxy.config.model import Config, Location
from lbproxy.errors import InvalidValue, WrongContext
from lbproxy.http.access import AccessSettings, Rule, compile_rules
from lbproxy.http.authrequest import AuthRequest, AuthRequestSettings, compile_auth_request
from lbproxy.http.basic import Basic, BasicSettings, compile_basic
from lbproxy.http.exchange import Exchange
from lbproxy.http.limitsettings import ConnectionSettings, ConnectionUse, RateSettings, RateUse, ZoneConf
from lbproxy.http.realip import RealIp, RealIpSettings, Trusted
from lbproxy.http.variables import VariableTable

CHECK_SETTINGS: tuple[type, ...] = (
    RealIpSettings, RateSettings, ConnectionSettings, AccessSettings, BasicSettings, AuthRequestSettings,
)  # fmt: skip
"""The settings classes of all checks, for the grammar."""

Use = TypeVar("Use", RateUse, ConnectionUse)


class Zone(NamedTuple):
    """A zone with its key; each worker counts for itself."""

    conf: ZoneConf
    key: Callable[[Exchange], bytes]


class Limits(NamedTuple, Generic[Use]):
    """
    Limits of one kind.

    Args:
        uses: Each with its zone.
        status: Of those who are refused.
        dry_run: Nobody is refused or held up, but the log and the variable tell who would be.
    """

    uses: tuple[tuple[Zone, Use], ...]
    status: int
    log_level: str
    dry_run: bool


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Checks:
    """
    What one location checks; None where there is nothing of the kind.

    Args:
        may_come: Takes the client's packed address, see `compile_rules`.
        any_is_enough: ``satisfy any``.
        delay: Seconds before an answer of 401.
    """

    real_ip: RealIp | None
    requests: Limits[RateUse] | None
    connections: Limits[ConnectionUse] | None
    may_come: Callable[[bytes], bool | None] | None
    basic: Basic | None
    auth_request: AuthRequest | None
    any_is_enough: bool
    delay: float

    @property
    def guards(self) -> bool:
        """Whether there is anything to check about who may come."""
        return bool(self.may_come or self.basic or self.auth_request)


class CheckCompiler:
    """
    Makes the checks of locations.

    Attributes:
        warnings: What deserves a word though it is no mistake.

    Raises:
        InvalidValue, WrongContext: A zone that is declared twice, or whose key has an unknown variable.
    """

    def __init__(self, config: Config, table: VariableTable, resolver: Resolver) -> None:
        self._table, self._resolver = table, resolver
        self.warnings: list[str] = []
        self._made: dict[tuple[int, ...], Checks | None] = {}  # by identity of the settings they are made of
        self._seen: set[int] = set()
        self._zones: dict[str, Zone] = {}
        for conf in (*config.settings(RateSettings).zones, *config.settings(ConnectionSettings).zones):
            first = self._zones.get(conf.name)
            if first is not None:
                raise WrongContext(_twice(first.conf, conf), conf.position, f"the first is in {first.conf.position}")
            self._zones[conf.name] = Zone(conf, conf.key.bind(table))
            if config.settings(MainSettings).worker_processes != 1:
                message = f'each worker process counts for itself in zone "{conf.name}"'
                self.warnings.append(f"{message} in {conf.position}")

    def compile(self, location: Location) -> Checks | None:
        """
        Return what *location* checks, None if that is nothing.

        Raises:
            InvalidValue, WrongContext: A zone that does not exist, an unknown variable or name.
        """
        key = tuple(id(location.settings(kind)) for kind in CHECK_SETTINGS)
        if key not in self._made:
            self._made[key] = None  # what is wrong is told once
            self._made[key] = self._compile(location)
        return self._made[key]

    def _compile(self, location: Location) -> Checks | None:
        access, basic = location.settings(AccessSettings), location.settings(BasicSettings)
        trust, rates = location.settings(RealIpSettings), location.settings(RateSettings)
        connections, auth = location.settings(ConnectionSettings), location.settings(AuthRequestSettings)
        self._look_at((*access.rules, *trust.trusted))
        checks = Checks(
            real_ip=RealIp(trust, self._resolver) if trust.trusted else None,
            requests=self._limits(rates, rates.uses),
            connections=self._limits(connections, connections.uses),
            may_come=compile_rules(access.rules) if access.rules else None,
            basic=compile_basic(basic, self._table),
            auth_request=compile_auth_request(auth, self._table),
            any_is_enough=access.satisfy == "any",
            delay=basic.delay,
        )
        return checks if checks.guards or checks.real_ip or checks.requests or checks.connections else None

    def _limits(self, settings: RateSettings | ConnectionSettings, uses: tuple[Use, ...]) -> Limits[Use] | None:
        if not uses:
            return None
        found = {use.zone: (self._zone(use), use) for use in uses}
        if len(found) < len(uses):
            name = "limit_req" if isinstance(settings, RateSettings) else "limit_conn"
            raise WrongContext(f'"{name}" directive is duplicate', uses[-1].position, "for the same zone")
        return Limits(tuple(found.values()), settings.status, settings.log_level, settings.dry_run)

    def _zone(self, use: RateUse | ConnectionUse) -> Zone:
        zone = self._zones.get(use.zone)
        rated = isinstance(use, RateUse)
        if zone is None:
            hint = f"declare it with limit_{'req' if rated else 'conn'}_zone"
            raise InvalidValue(f'zero size shared memory zone "{use.zone}"', use.position, hint)
        if rated != bool(zone.conf.rate):
            message = f'the shared memory zone "{use.zone}" is already declared for a different use'
            raise InvalidValue(message, use.position, f"in {zone.conf.position}")
        return zone

    def _look_at(self, written: Iterable[Rule | Trusted]) -> None:
        """Warn of addresses with bits behind their mask, once each."""
        for one in written:
            if not one.exact and id(one) not in self._seen:
                self._seen.add(id(one))
                self.warnings.append(f"low address bits of {one.text} are meaningless in {one.position}")


def _twice(first: ZoneConf, second: ZoneConf) -> str:
    """Return the complaint about a second zone of one name."""
    if bool(first.rate) != bool(second.rate):
        return f'the shared memory zone "{first.name}" is already declared for a different use'
    kind = "limit_req_zone" if first.rate else "limit_conn_zone"
    return f'{kind} "{first.name}" is already bound to key "{first.written}"'
