"""
What the destination of a ``*_pass`` is: an ``upstream`` block, or the implicit upstream of an address.

As ngx_http_upstream_add: one implicit upstream for all who name the same address.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lbproxy.balance.group import PeerGroup
from lbproxy.balance.method import KeyKind
from lbproxy.balance.methods import method_of
from lbproxy.balance.peer import Chance
from lbproxy.balance.rows import Row
from lbproxy.balance.zone import new_group
from lbproxy.config.addresses import Endpoint, Resolver, is_literal, resolve
from lbproxy.config.core import PoolSettings
from lbproxy.config.model import Address, Config, UpstreamConf, UpstreamServer
from lbproxy.config.values import did_you_mean
from lbproxy.errors import InvalidValue, MalformedMessage, Position, Source
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.target import Target

_AT_RUN_TIME = Position(Source("a variable"), 0, 0)


def _no_key(_: Exchange) -> bytes:
    return b""


@dataclass(frozen=True, slots=True, eq=False)
class UpstreamPlan:
    """
    An upstream ready to be put to work.

    Args:
        conf: Its servers, with their addresses.
        key: What the balancing method chooses by; b"" where it needs nothing.
    """

    conf: UpstreamConf
    key: Callable[[Exchange], bytes] = _no_key

    @property
    def pool(self) -> PoolSettings:
        """How idle connections are kept."""
        return self.conf.settings(PoolSettings)

    def new_group(self, rng: Chance, row: Row | None = None) -> PeerGroup:
        """Return the peers with counters of their own, as each worker needs them; see `balance.zone.new_group`."""
        return new_group(self.conf, rng, row)


def compile_upstream_plan(conf: UpstreamConf, table: VariableTable) -> UpstreamPlan:
    """
    Compile an upstream.

    Raises:
        ConfigError: The balancing method does not fit its servers.
        InvalidValue: Its key has an unknown variable.
    """
    method = method_of(conf)
    if method.key_kind is KeyKind.ADDRESS:
        return UpstreamPlan(conf, lambda ex: ex.client.packed)
    if method.key is not None:
        return UpstreamPlan(conf, Template.parse(method.key).bind(table))
    return UpstreamPlan(conf)


class UpstreamTable:
    """
    The upstreams of a configuration by name; implicit ones are added while it is compiled.

    Args:
        config: Gives implicit ones their settings.
        plans: The compiled blocks by name in lower case.
    """

    def __init__(self, config: Config, plans: dict[str, UpstreamPlan]) -> None:
        self._config = config
        self.plans = plans

    def add(
        self, target: Target, default_port: int | None, position: Position, resolver: Resolver
    ) -> UpstreamPlan:
        """
        Return the upstream that a ``*_pass`` names.

        Args:
            target: An upstream's name, or an address.
            default_port: For a host without one; None: it must have one.
            position: Of the argument.
            resolver: Asked for the names of hosts.

        Raises:
            InvalidValue: There is neither such an upstream nor such a host, or the port is wrong.
        """
        endpoint = target.endpoint
        plan = self._known(endpoint, default_port)
        if plan is not None:
            return plan
        if endpoint.host.lower() in self._config.upstreams:
            message = f'upstream "{endpoint.host}" may not have port {endpoint.port}'
            raise InvalidValue(message, position, "each of its servers has its own")
        if not endpoint.path and endpoint.port is None and default_port is None:
            message = f'no port in upstream "{endpoint.host}"'
            raise InvalidValue(message, position, self._suggestion(endpoint.host))
        try:
            addresses = resolve(endpoint, default_port or 0, resolver)
        except LookupError:
            message = f'host not found in upstream "{target.authority}"'
            raise InvalidValue(message, position, self._suggestion(endpoint.host)) from None
        plan = self._implicit(key_of(endpoint, default_port), addresses, position)
        return self.plans.setdefault(plan.conf.name, plan)

    def find(self, target: Target, default_port: int | None) -> UpstreamPlan | None:
        """
        Return the upstream that variables in a ``*_pass`` led to; None if its name has to be resolved first.

        Raises:
            MalformedMessage: It lacks a port (500).
        """
        endpoint = target.endpoint
        plan = self._known(endpoint, default_port)
        if plan is None and (endpoint.path or is_literal(endpoint.host)):
            addresses = resolve(endpoint, _port(endpoint, default_port), _nowhere)
            return self.resolved(target, default_port, addresses)
        return plan

    def resolved(
        self, target: Target, default_port: int | None, addresses: Sequence[Address]
    ) -> UpstreamPlan:
        """Return an upstream of *addresses*, which the name in *target* led to; it is not remembered."""
        return self._implicit(key_of(target.endpoint, default_port), addresses, _AT_RUN_TIME)

    def _known(self, endpoint: Endpoint, default_port: int | None) -> UpstreamPlan | None:
        plan = self.plans.get(endpoint.host.lower()) if endpoint.port is None else None
        return plan or self.plans.get(key_of(endpoint, default_port))

    def _implicit(self, name: str, addresses: Sequence[Address], position: Position) -> UpstreamPlan:
        server = UpstreamServer(name=name, addresses=tuple(addresses), position=position)
        conf = UpstreamConf(
            name=name, servers=(server,), implicit=True, position=position, merged=self._config.merged
        )
        return UpstreamPlan(conf)

    def _suggestion(self, host: str) -> str:
        names = [conf.name for conf in self._config.upstreams.values()]
        return did_you_mean(host, names, "did you mean the upstream {}?") or "no upstream has this name either"


def key_of(endpoint: Endpoint, default_port: int | None) -> str:
    """Return the name of the implicit upstream of *endpoint*: ``host:port`` or ``unix:path``."""
    if endpoint.path:
        return f"unix:{endpoint.path}"
    host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host.lower()
    port = default_port if endpoint.port is None else endpoint.port
    return host if port is None else f"{host}:{port}"


def _port(endpoint: Endpoint, default_port: int | None) -> int:
    port = default_port if endpoint.port is None else endpoint.port
    if port is None and not endpoint.path:
        raise MalformedMessage(f'no port in upstream "{endpoint.host}"', status=500)
    return port or 0


def _nowhere(host: str, _port: int) -> Sequence[Address]:
    raise LookupError(host)
