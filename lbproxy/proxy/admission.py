"""
Admission: what `lbproxy.http.checks` has compiled is checked before a location does anything for a request.

As src/http/ngx_http_core_module.c:ngx_http_core_access_phase and the modules of the preaccess and access phases.  A
check may wait: for its turn, for a password to be hashed, for what another location says.
"""

from __future__ import annotations

import errno
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING

from lbproxy.errors import describe
from lbproxy.http.authrequest import challenges
from lbproxy.http.basic import challenge
from lbproxy.http.getters import credentials
from lbproxy.http.passwords import UnknownScheme
from lbproxy.proxy.limiting import ConnectionLimit, RequestLimit, Zones, hold
from lbproxy.proxy.logfile import printable
from lbproxy.proxy.subrequest import ask
from lbproxy.proxy.userfiles import PasswordCheck, UserFiles, system_crypt
from lbproxy.wire import fields

if TYPE_CHECKING:
    from lbproxy.http.authrequest import AuthRequest
    from lbproxy.http.basic import Basic
    from lbproxy.http.checks import Checks
    from lbproxy.http.exchange import Exchange
    from lbproxy.plan import Plan
    from lbproxy.proxy.connection import Connection
    from lbproxy.proxy.dispatch import Handler, Verdict

Guard = Callable[["Connection", "Exchange"], Awaitable[int | None]]
"""Says whether a request may pass: 0 if so, the status if not, None if it has nothing to say."""


class Doorkeeper:
    """What the gates of one worker have in common: counters, users, passwords."""

    def __init__(self, plan: Plan) -> None:
        self._zones = Zones()
        self._files = UserFiles()
        checks = [route.checks for route in plan.routes.values() if route.checks is not None]
        self._passwords = PasswordCheck(system_crypt()) if any(check.basic for check in checks) else None

    def gate(self, checks: Checks, handler: Handler) -> Gate:
        """Return what stands in front of *handler*."""
        requests, connections = checks.requests, checks.connections
        return Gate(
            checks,
            RequestLimit(requests, self._zones) if requests is not None else None,
            ConnectionLimit(connections, self._zones) if connections is not None else None,
            tuple(self._guards(checks)),
            handler,
        )

    def _guards(self, checks: Checks) -> Iterator[Guard]:
        if checks.may_come is not None:
            yield AddressGuard(checks.may_come, aloud=not checks.any_is_enough)
        if checks.basic is not None:
            assert self._passwords is not None
            yield BasicGuard(checks.basic, self._files, self._passwords)
        if checks.auth_request is not None:
            yield RequestGuard(checks.auth_request)


class Gate:
    """A `lbproxy.proxy.dispatch.Handler` that has everything checked before it lets the next one take over."""

    __slots__ = ("_checks", "_connections", "_guards", "_handler", "_requests")

    def __init__(
        self,
        checks: Checks,
        requests: RequestLimit | None,
        connections: ConnectionLimit | None,
        guards: tuple[Guard, ...],
        handler: Handler,
    ) -> None:
        self._checks, self._requests, self._connections = checks, requests, connections
        self._guards, self._handler = guards, handler

    async def __call__(self, conn: Connection, ex: Exchange) -> Verdict:
        """Return what is to be done with *ex*."""
        if self._checks.real_ip is not None:
            self._checks.real_ip(ex)
        status = 0
        if self._requests is not None:
            status = await self._requests(conn, ex)
        if self._connections is not None and not status:
            status = self._connections(conn, ex)
        if self._guards and ex.main is None and not status:
            status = await self._guard(conn, ex)
        return status or self._handler

    async def _guard(self, conn: Connection, ex: Exchange) -> int:
        any_is_enough, refused = self._checks.any_is_enough, 0
        for guard in self._guards:
            status = await guard(conn, ex)
            if any_is_enough and status == 0:
                ex.added = b""
                return 0
            if any_is_enough and status in (401, 403):
                refused = status if refused != 401 else refused
            elif status:
                return await self._delayed(conn, status)
        if refused == 403:
            conn.log("error", "access forbidden by rule")
        return await self._delayed(conn, refused)

    async def _delayed(self, conn: Connection, status: int) -> int:
        """Return *status*; 401 as late as it is configured (ngx_http_core_auth_delay)."""
        if status == 401 and self._checks.delay:
            conn.log("info", "delaying unauthorized request")
            await hold(conn, self._checks.delay)
        return status


class AddressGuard:
    """
    ``allow`` and ``deny``.

    Args:
        aloud: Tell the error log of who is refused; else that is for who has heard the other guards.
    """

    __slots__ = ("_aloud", "_may_come")

    def __init__(self, may_come: Callable[[bytes], bool | None], *, aloud: bool) -> None:
        self._may_come, self._aloud = may_come, aloud

    async def __call__(self, conn: Connection, ex: Exchange) -> int | None:
        """See `Guard`."""
        may_come = self._may_come(ex.client.packed)
        if may_come is None:
            return None
        if not may_come and self._aloud:
            conn.log("error", "access forbidden by rule")
        return 0 if may_come else 403


class BasicGuard:
    """``auth_basic``."""

    __slots__ = ("_basic", "_files", "_passwords")

    def __init__(self, basic: Basic, files: UserFiles, passwords: PasswordCheck) -> None:
        self._basic, self._files, self._passwords = basic, files, passwords

    async def __call__(self, conn: Connection, ex: Exchange) -> int | None:
        """See `Guard` (ngx_http_auth_basic_handler)."""
        realm = self._basic.realm(ex)
        if realm == b"off":
            return None
        given = ex.head.derive(credentials)
        if given is None:
            conn.log("info", "no user/password was provided for basic authentication")
            return self._challenge(ex, realm)
        name, password = given
        path = self._basic.user_file(ex)
        try:
            user = self._files.find(path, name)
        except OSError as error:
            missing = error.errno == errno.ENOENT
            conn.log("error" if missing else "crit", f'open() "{printable(path)}" failed {describe(error)}')
            return 403 if missing else 500
        if user is None:
            conn.log("error", f'user "{printable(name)}" was not found in "{printable(path)}"')
            return self._challenge(ex, realm)
        try:
            if await self._passwords.is_right(conn.stream.poller, password, user.kept):
                return 0
            conn.log("error", f'user "{printable(name)}": password mismatch')
        except UnknownScheme:
            hint = "made in a way that this system does not know"
            conn.log("error", f'user "{printable(name)}": the password in {printable(path)}:{user.line} is {hint}')
        return self._challenge(ex, realm)

    def _challenge(self, ex: Exchange, realm: bytes) -> int:
        ex.added = challenge(realm)
        return 401


class RequestGuard:
    """``auth_request``."""

    __slots__ = ("_auth_request",)

    def __init__(self, auth_request: AuthRequest) -> None:
        self._auth_request = auth_request

    async def __call__(self, conn: Connection, ex: Exchange) -> int | None:
        """See `Guard` (ngx_http_auth_request_handler)."""
        asked = await ask(conn, ex, self._auth_request.place)
        self._auth_request.assign(ex, asked)
        status = asked.status
        if 200 <= status < 300:
            return 0
        if status == 401:
            ex.added = b"".join(fields.line(b"WWW-Authenticate", value) for value in challenges(asked))
        if status in (401, 403):
            return status
        conn.log("error", f"auth request unexpected status: {status}")
        return 500
