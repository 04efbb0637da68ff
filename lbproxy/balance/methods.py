"""Every balancing method there is: directive, arguments, parser."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from lbproxy.balance.fair import Fair
from lbproxy.balance.ip_hash import IpHash
from lbproxy.balance.key_hash import KeyHash
from lbproxy.balance.least_conn import LeastConn
from lbproxy.balance.least_time import LeastTime
from lbproxy.balance.method import Method
from lbproxy.balance.random_two import Random
from lbproxy.balance.round_robin import RoundRobin
from lbproxy.config.model import UpstreamConf
from lbproxy.config.parser import Directive
from lbproxy.errors import ConfigError, InvalidValue


class Row(NamedTuple):
    """A balancing directive: its name, how many arguments (the grammar checks), and what parses them."""

    directive: str
    fewest: int
    most: int
    from_args: Callable[[Directive], Method]


BALANCERS = (
    Row(IpHash.directive, 0, 0, IpHash.from_args),
    Row(KeyHash.directive, 1, 2, KeyHash.from_args),
    Row("url_hash", 0, 0, KeyHash.from_url_hash),
    Row(LeastConn.directive, 0, 0, LeastConn.from_args),
    Row(LeastTime.directive, 1, 2, LeastTime.from_args),
    Row(Fair.directive, 0, 2, Fair.from_args),
    Row(Random.directive, 0, 2, Random.from_args),
)

ARITIES = {row.directive: (row.fewest, row.most) for row in BALANCERS}
"""For the grammar of ``upstream``."""

_ROUND_ROBIN = Method(build=lambda tier, _: RoundRobin(tier))
_PARSERS = {row.directive: row.from_args for row in BALANCERS}


def method_of(conf: UpstreamConf) -> Method:
    """
    Return the method of an upstream, checked against its servers.

    Raises:
        InvalidValue: An argument is wrong, or a server is marked ``backup`` and the method knows no backups.
        ConfigError: There are backups only.
    """
    method = _parse(conf.method)
    for server in conf.servers:
        if server.backup and not method.backup:
            message = 'balancing method does not support parameter "backup"'
            raise InvalidValue(message, server.position)
    if all(server.backup for server in conf.servers):
        raise ConfigError(f'no servers in upstream "{conf.name}"', conf.position)
    return method


def _parse(directive: Directive | None) -> Method:
    if directive is None:
        return _ROUND_ROBIN
    return _PARSERS[directive.name](directive)
