"""
What a plan's locations do, bound to what one worker has: upstreams, pools, files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbproxy.proxy.forward import Forwarder

if TYPE_CHECKING:
    from lbproxy.config.model import Location
    from lbproxy.plan import Plan, Route
    from lbproxy.proxy.dispatch import Handler
    from lbproxy.proxy.upstream import Upstreams


def handlers(plan: Plan, upstreams: Upstreams) -> dict[Location, Handler]:
    """Return what is done with the requests of each location; one that has nothing to offer is left out."""
    found = {location: _handler(route, upstreams) for location, route in plan.routes.items()}
    return {location: handler for location, handler in found.items() if handler is not None}


def _handler(route: Route, upstreams: Upstreams) -> Handler | None:
    """Return what *route* does once its script has nothing to say against it."""
    action = route.action
    if action is None:
        return None
    return Forwarder(action, upstreams.of(action), upstreams.find)
