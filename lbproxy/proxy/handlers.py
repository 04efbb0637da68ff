"""
What a plan's locations do, bound to what one worker has: upstreams, pools, files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbproxy.http.files.action import FileAction
from lbproxy.plan import StatusAction
from lbproxy.proxy.admission import Doorkeeper
from lbproxy.proxy.filefinder import FileFinder
from lbproxy.proxy.files import FileServer
from lbproxy.proxy.forward import Forwarder
from lbproxy.proxy.statuspage import StatusPage

if TYPE_CHECKING:
    from lbproxy.config.model import Location
    from lbproxy.plan import Plan, Route
    from lbproxy.proxy.dispatch import Handler
    from lbproxy.proxy.upstream import Upstreams


def handlers(plan: Plan, upstreams: Upstreams) -> dict[Location, Handler]:
    """Return what is done with the requests of each location."""
    doorkeeper = Doorkeeper(plan)
    return {location: _handler(route, upstreams, doorkeeper) for location, route in plan.routes.items()}


def _handler(route: Route, upstreams: Upstreams, doorkeeper: Doorkeeper) -> Handler:
    """Return what *route* does once its script has nothing to say against it."""
    action = route.action
    assert action is not None
    content: Forwarder | FileServer | StatusPage
    if isinstance(action, FileAction):
        content = FileServer(action)
    elif isinstance(action, StatusAction):
        content = StatusPage(action.census)
    else:
        content = Forwarder(action, upstreams.of(action), upstreams.find)
    handler: Handler = content if route.trial is None else FileFinder(route.trial, content)
    return handler if route.checks is None else doorkeeper.gate(route.checks, handler)
