"""
What serves requests, compiled from a configuration: routes with their actions, scripts, logs, upstreams.

Immutable records of closures, made by `lbproxy.compiler`.  A plan knows no sockets; each worker binds its actions to
handlers when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.balance.retry import RetryPolicy
from lbproxy.config.core import ClientSettings
from lbproxy.config.model import Config, Location, VirtualServer
from lbproxy.http.accesslog import AccessLog, CompiledLog
from lbproxy.http.checks import Checks
from lbproxy.http.errorpage import ErrorTarget
from lbproxy.http.files.action import FileAction
from lbproxy.http.files.trial import Trial
from lbproxy.http.filters import Filters
from lbproxy.http.pace import Rates
from lbproxy.http.router import Router
from lbproxy.http.stubstatus import Census
from lbproxy.http.verdict import Step
from lbproxy.protocols.forwarding import UpstreamProtocol
from lbproxy.protocols.upstreams import UpstreamPlan, UpstreamTable
from lbproxy.wire.heads import HeadLimits


@dataclass(frozen=True, slots=True, eq=False)
class ForwardAction:
    """
    Pass requests on to a server.

    Args:
        upstream: None where variables decide: see `UpstreamProtocol.target` and `UpstreamTable.find`.
    """

    protocol: UpstreamProtocol
    upstream: UpstreamPlan | None
    retry: RetryPolicy


class StatusAction(NamedTuple):
    """Show what *census* says (``stub_status``)."""

    census: Census


Action = ForwardAction | FileAction | StatusAction


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Route:
    """
    What happens to the requests of one location.

    Args:
        limits: For heads; those of an address's default server count, as no other is known by then.
        script: Runs before the action and may answer by itself; None if there is nothing to run.
        checks: What has to be in order before anything further is done; None if there is nothing to check.
        trial: Looks for files before the action; None if there are none to look for.
        action: None only in a configuration with mistakes.
        error_pages: By status.
        filters: What is done to every answer; None if nothing is.
        rates: How fast answers go; None: as fast as they can.
    """

    location: Location
    server: VirtualServer
    client: ClientSettings
    limits: HeadLimits
    script: Step | None
    checks: Checks | None
    trial: Trial | None
    action: Action | None
    access_logs: tuple[CompiledLog, ...]
    error_pages: Mapping[int, ErrorTarget]
    filters: Filters | None
    rates: Rates | None


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Plan:
    """
    A whole configuration, ready to serve.

    Args:
        routes: One for every location, and for the root of each server, which holds what no location matches.
        server_scripts: Run before a location is chosen; servers without one are left out.
        upstreams: Blocks and implicit ones by name.
        access_logs: Every file once, with its buffer, in the order of the text.
        census: Where the worker that serves it puts what is to be told of its clients and requests.
    """

    config: Config
    router: Router
    routes: Mapping[Location, Route]
    server_scripts: Mapping[VirtualServer, Step]
    upstreams: UpstreamTable
    access_logs: tuple[AccessLog, ...]
    census: Census
