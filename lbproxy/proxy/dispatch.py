"""
What happens to a request whose head is read: scripts, the location, its content, and error pages.

The phases are nginx's: the server's script, the choice of the location, the limit on the body, the location's
script, then what the location does (ngx_http_core_module.c:ngx_http_core_run_phases).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING

from lbproxy.config.octets import text_of
from lbproxy.http.absolute import absolute_url
from lbproxy.http.errorpage import ErrorPageSettings
from lbproxy.http.verdict import RELOCATE, Answer, Redirect, Relocate
from lbproxy.proxy.logfile import printable
from lbproxy.proxy.respond import CLOSING, send_answer, send_error
from lbproxy.wire import fields, uri
from lbproxy.wire.status import NO_ANSWER

if TYPE_CHECKING:
    from lbproxy.config.model import Location
    from lbproxy.http.exchange import Exchange
    from lbproxy.plan import Plan
    from lbproxy.proxy.connection import Connection

_MOST_REDIRECTS = 10  # NGX_HTTP_MAX_URI_CHANGES

Handler = Callable[["Connection", "Exchange"], Awaitable["Verdict"]]
"""
Does something about an exchange, and returns what is still to be done: 0 when it has been answered.

Raises:
    StreamError, ClientGone: The client's side has ended.
    MalformedMessage: The client's body is wrong, or the request can't be put to a server.
"""

Verdict = Handler | Answer | Redirect | int
"""What is to be done with a request: call a handler, say what a script said, go elsewhere, or tell a status."""


class Dispatcher:
    """
    Has the exchanges of one worker answered.

    Args:
        handlers: What the locations do with requests; those that are missing have nothing to offer.
    """

    def __init__(self, plan: Plan, handlers: Mapping[Location, Handler]) -> None:
        self._router, self._routes = plan.router, plan.routes
        self._scripts = plan.server_scripts
        self._handlers = handlers

    async def answer(self, conn: Connection, ex: Exchange, status: int = 0) -> None:
        """
        Answer *ex*, whose server and path are known, or whose answer can only be an error of *status*.

        Raises:
            StreamError, ClientGone, MalformedMessage: As a `Handler`.
        """
        verdict: Verdict = status or self._enter_server(conn, ex)
        while verdict:
            if isinstance(verdict, int):
                verdict = await self._tell(conn, ex, verdict)
            elif isinstance(verdict, Answer):
                verdict = await self._say(conn, ex, verdict)
            elif isinstance(verdict, Redirect):
                verdict = self._redirect(conn, ex, verdict)
            else:
                verdict = await verdict(conn, ex)

    async def _tell(self, conn: Connection, ex: Exchange, status: int) -> Verdict:
        """Answer with *status*: by the ``error_page`` of the location in force, else by a small page made here."""
        if status in CLOSING:
            ex.keep_alive = False
        if ex.carried:
            ex.carried = fields.without(ex.carried, {b"content-type"})
        ex.forced_status = 0  # of an error before this one
        target = conn.route.error_pages.get(status)
        if target is None or ex.in_error_page or ex.redirects > _MOST_REDIRECTS:
            await send_error(conn, ex, status)
            return 0
        ex.in_error_page = not conn.route.location.settings(ErrorPageSettings).recursive
        ex.status = status if target.response is None else target.response  # what $status is there
        place = target.uri(ex)
        if not place.startswith((b"/", b"@")):
            ex.carried = fields.without(ex.carried, {b"location"})
            await send_error(conn, ex, target.redirect_status, location=place)
            return 0
        ex.forced_status = status if target.response is None else target.response
        return Redirect(place, as_get=not place.startswith(b"@"))

    def _redirect(self, conn: Connection, ex: Exchange, to: Redirect) -> Verdict:
        """Go on at a path here, or in a named location (ngx_http_internal_redirect, :ngx_http_named_location)."""
        place = to.place
        named = place.startswith(b"@") and not to.literal
        doing = "redirect to named location" if named else "internally redirecting to"
        if self._cycles(conn, ex, f'while {doing} "{printable(place)}"'):
            return 500
        ex.internal = True
        if ex.attempts:
            ex.attempts_before.append(ex.attempts)
            ex.attempts = []
        if to.as_get and ex.method != b"HEAD":
            ex.method = b"GET"
        if named:
            try:
                location = self._router.named(ex.server, text_of(place))
            except KeyError:
                conn.log("error", f'could not find named location "{printable(place)}"')
                return 500
            verdict = self._enter_location(conn, ex, location)
            return self._relocate(conn, ex) if isinstance(verdict, Relocate) else verdict
        if to.literal:
            ex.path = place
        else:
            ex.path, mark, args = place.partition(b"?")
            ex.args = args if mark else None
        ex.raw_path = None
        ex.valid_location = True
        return self._enter_server(conn, ex)

    def _cycles(self, conn: Connection, ex: Exchange, doing: str) -> bool:
        """Count one more change of place; too many are a mistake in the configuration."""
        ex.redirects += 1
        if ex.redirects > _MOST_REDIRECTS:
            conn.log("error", f"rewrite or internal redirection cycle {doing}")
        return ex.redirects > _MOST_REDIRECTS

    def _enter_server(self, conn: Connection, ex: Exchange) -> Verdict:
        """Run the server's script, and choose the location."""
        script = self._scripts.get(ex.server)
        if script is not None:
            said = script(ex)
            if said is not None and said is not RELOCATE:  # a location is chosen anyway
                return said
        return self._choose_location(conn, ex)

    def _choose_location(self, conn: Connection, ex: Exchange) -> Verdict:
        location, match, redirect = self._router.location(ex.server, ex.path)
        if match is not None:
            ex.capture(match)
        if redirect is not None:
            ex.location, conn.route = location, self._routes[location]
            return Answer(301, location=redirect + b"?" + ex.args if ex.args else redirect)
        verdict = self._enter_location(conn, ex, location)
        return self._relocate(conn, ex) if isinstance(verdict, Relocate) else verdict

    def _relocate(self, conn: Connection, ex: Exchange) -> Verdict:
        """Choose a location anew, a script having changed the path (ngx_http_core_post_rewrite_phase)."""
        if self._cycles(conn, ex, f'while processing "{printable(ex.path)}"'):
            return 500
        return self._choose_location(conn, ex)

    def _enter_location(self, conn: Connection, ex: Exchange, location: Location) -> Verdict | Relocate:
        """Put *location* in force, or its ``limit_except``, and find out what it wants done."""
        if location.limit_except is not None and ex.method not in location.limit_except.methods:
            location = location.limit_except.location
        ex.location = location
        route = conn.route = self._routes[location]
        limit, body = route.client.max_body_size, conn.body
        if body is not None:
            if 0 < limit < ex.head.framing and not body.refused:
                conn.log("error", f"client intended to send too large body: {ex.head.framing} bytes")
                body.refused = True
                return 413
            body.limit, body.timeout = 0 if body.refused else limit, route.client.body_timeout
        if route.script is not None:
            said = route.script(ex)
            if ex.location is not location:  # an `if` has put its own block in force
                location = ex.location
                conn.route = self._routes[location]
            if said is not None:
                return said
        return self._handlers.get(location, 404)

    async def _say(self, conn: Connection, ex: Exchange, said: Answer) -> int:
        """Answer as ``return`` says; returns a status to be told, 0 when it is answered."""
        if said.status == NO_ANSWER:
            ex.status, ex.keep_alive = NO_ANSWER, False
            conn.stream.close()
            return 0
        if said.location is not None and said.status in conn.route.error_pages and not ex.in_error_page:
            ex.carried += fields.line(b"Location", uri.escape_controls(absolute_url(ex, said.location)))
            return said.status
        if said.location is None and said.body is None:
            return said.status  # its error page may want the body
        if conn.body is not None:
            conn.body.inspect()
        if said.location is not None:
            await send_error(conn, ex, said.status, location=absolute_url(ex, said.location))
        elif said.body is not None:
            await send_answer(conn, ex, ex.forced_status or said.status, said.body, content_type=said.content_type)
        return 0
