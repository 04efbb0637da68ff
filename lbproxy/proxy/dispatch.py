"""
What happens to a request whose head is read: scripts, the location, its action, and error pages.

The phases are nginx's: the server's script, the choice of the location, the limit on the body, the location's
script, then what the location does (ngx_http_core_module.c:ngx_http_core_run_phases).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from lbproxy.config.octets import text_of
from lbproxy.http import rewrite
from lbproxy.http.absolute import absolute_url
from lbproxy.http.exchange import Exchange
from lbproxy.proxy.forward import Forwarder
from lbproxy.proxy.logfile import printable
from lbproxy.proxy.respond import CLOSING, send_answer, send_error
from lbproxy.wire.status import NO_ANSWER

if TYPE_CHECKING:
    from lbproxy.config.model import Location
    from lbproxy.plan import Plan
    from lbproxy.proxy.connection import Connection

_MOST_REDIRECTS = 10  # NGX_HTTP_MAX_URI_CHANGES

Verdict = Forwarder | rewrite.Answer | int
"""What is to be done with a request: pass it on, say what a script said, or answer with a status."""


class Dispatcher:
    """
    Has the exchanges of one worker answered.

    Args:
        forwarders: What the locations that pass requests on do.
    """

    def __init__(self, plan: Plan, forwarders: Mapping[Location, Forwarder]) -> None:
        self._router, self._routes = plan.router, plan.routes
        self._scripts = plan.server_scripts
        self._forwarders = forwarders

    async def answer(self, conn: Connection, ex: Exchange) -> None:
        """
        Answer *ex*, whose server and path are known.

        Raises:
            StreamError, ClientGone: The client's side has ended.
            MalformedMessage: The client's body is wrong, or the request can't be put to a server.
        """
        verdict = self._enter_server(conn, ex)
        if isinstance(verdict, Forwarder):
            status = await verdict(conn, ex)
        else:
            status = await self._do(conn, ex, verdict)
        if status:
            await self.answer_error(conn, ex, status)

    async def answer_error(self, conn: Connection, ex: Exchange, status: int) -> None:
        """Answer with *status*: by the ``error_page`` of the location in force, else by a small page made here."""
        if status in CLOSING:
            ex.keep_alive = False
        target = conn.route.error_pages.get(status)
        if target is None:
            await send_error(conn, ex, ex.forced_status or status)
            return
        ex.status = status if target.response is None else target.response  # what $status is there
        place = target.uri(ex)
        if not place.startswith((b"/", b"@")):
            await send_error(conn, ex, target.redirect_status, location=place)
            return
        ex.forced_status = status if target.response is None else target.response
        failed = await self._redirect(conn, ex, place)
        if failed:  # an error on the way to an error page is not given a page of its own
            await send_error(conn, ex, failed if target.response == 0 else ex.forced_status or failed)

    async def _redirect(self, conn: Connection, ex: Exchange, place: bytes) -> int:
        """Go on at *place*, a path here or a named location (ngx_http_internal_redirect, :ngx_http_named_location)."""
        ex.redirects += 1
        if ex.redirects > _MOST_REDIRECTS:
            conn.log("error", f'rewrite or internal redirection cycle while redirecting to "{printable(place)}"')
            return 500
        if ex.attempts:
            ex.attempts_before.append(ex.attempts)
            ex.attempts = []
        if place.startswith(b"@"):
            try:
                location = self._router.named(ex.server, text_of(place))
            except KeyError:
                conn.log("error", f'could not find named location "{printable(place)}"')
                return 500
            return await self._do(conn, ex, self._enter_location(conn, ex, location))
        if ex.method != b"HEAD":
            ex.method = b"GET"
        ex.path, mark, args = place.partition(b"?")
        ex.args = args if mark else None
        ex.raw_path = None
        return await self._do(conn, ex, self._enter_server(conn, ex))

    def _enter_server(self, conn: Connection, ex: Exchange) -> Verdict:
        """Run the server's script, and choose the location."""
        script = self._scripts.get(ex.server)
        if script is not None:
            said = script(ex)
            if said is not None:
                return said
        location, match, redirect = self._router.location(ex.server, ex.path)
        if match is not None:
            ex.capture(match)
        if redirect is not None:
            ex.location, conn.route = location, self._routes[location]
            return rewrite.Answer(301, location=redirect + b"?" + ex.args if ex.args else redirect)
        return self._enter_location(conn, ex, location)

    def _enter_location(self, conn: Connection, ex: Exchange, location: Location) -> Verdict:
        """Put *location* in force, and find out what it wants done."""
        ex.location = location
        route = conn.route = self._routes[location]
        limit, body = route.client.max_body_size, conn.body
        if body is not None:
            if 0 < limit < ex.head.framing and not body.refused:
                conn.log("error", f"client intended to send too large body: {ex.head.framing} bytes")
                body.refused = True
                return 413
            body.limit, body.timeout = limit, route.client.body_timeout
        if route.script is not None:
            said = route.script(ex)
            if said is not None:
                return said
        return self._forwarders.get(location, 404)

    async def _do(self, conn: Connection, ex: Exchange, verdict: Verdict) -> int:
        """Act on *verdict*; returns a status to be answered with a page, 0 when it is answered."""
        if isinstance(verdict, Forwarder):
            return await verdict(conn, ex)
        return verdict if isinstance(verdict, int) else await self._say(conn, ex, verdict)

    async def _say(self, conn: Connection, ex: Exchange, said: rewrite.Answer) -> int:
        """Answer as ``return`` says; returns as `_do`."""
        if conn.body is not None:
            conn.body.inspect()
        status = ex.forced_status or said.status
        if said.status == NO_ANSWER:
            ex.status, ex.keep_alive = NO_ANSWER, False
            conn.stream.close()
        elif said.location is not None:
            await send_error(conn, ex, status, location=absolute_url(ex, said.location))
        elif said.body is None:
            return said.status
        else:
            await send_answer(conn, ex, status, said.body, content_type=said.content_type)
        return 0
