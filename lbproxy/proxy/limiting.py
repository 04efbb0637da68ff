"""
Limits on how often and how much at once, as they are applied: the counters of one worker, the words, the delay.

As the handlers of src/http/modules/ngx_http_limit_req_module.c and ngx_http_limit_conn_module.c.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import trio

from lbproxy.errors import ClientGone
from lbproxy.http.exchange import Admission
from lbproxy.http.limits import ConnectionZone, Entry, RateLimit, RateZone, count_request
from lbproxy.proxy.inquiry import RIGHT_BEHIND
from lbproxy.proxy.logfile import printable

if TYPE_CHECKING:
    from lbproxy.http.checks import Limits, Zone
    from lbproxy.http.exchange import Exchange
    from lbproxy.http.limits import Ruling
    from lbproxy.http.limitsettings import ConnectionUse, RateUse, ZoneConf
    from lbproxy.proxy.connection import Connection

_LONGEST_RATE_KEY, _LONGEST_CONNECTION_KEY = 65535, 255  # octets
_LESS_GRAVE = {"info": "info", "notice": "info", "warn": "notice", "error": "warn"}


class Zones:
    """The counters of one worker."""

    def __init__(self) -> None:
        self._rates: dict[str, RateZone] = {}
        self._connections: dict[str, ConnectionZone] = {}

    def rate(self, conf: ZoneConf) -> RateZone:
        """Return the zone of a ``limit_req_zone``."""
        return self._rates.setdefault(conf.name, RateZone(conf.rate, conf.size))

    def connections(self, conf: ZoneConf) -> ConnectionZone:
        """Return the zone of a ``limit_conn_zone``."""
        return self._connections.setdefault(conf.name, ConnectionZone(conf.size))


class RequestLimit:
    """The ``limit_req`` directives of one location."""

    def __init__(self, limits: Limits[RateUse], zones: Zones) -> None:
        self._settings = limits
        self._limits = [
            (zone, RateLimit(zones.rate(zone.conf), use.burst, use.delay)) for zone, use in limits.uses
        ]

    async def __call__(self, conn: Connection, ex: Exchange) -> int:
        """Return 0 once *ex* may go on, else the status to refuse it with; raises ClientGone."""
        admission = _admission(ex)
        if admission.requests:
            return 0
        applied = [(zone, limit, key) for zone, limit in self._limits
                   if (key := _key(conn, ex, zone, _LONGEST_RATE_KEY))]  # fmt: skip
        if not applied:
            return 0
        ruling = count_request([(limit, key) for _, limit, key in applied], int(conn.stream.poller.now * 1000))
        name = applied[ruling.place][0].conf.name
        said = b"REJECTED" if ruling.delay is None else b"DELAYED" if ruling.delay else b"PASSED"
        dry_run = self._settings.dry_run and said != b"PASSED"
        admission.requests = said + b"_DRY_RUN" if dry_run else said
        self._tell(conn, ruling, name, ", dry run" if dry_run else "")
        if dry_run or ruling.delay == 0:
            return 0
        if ruling.delay is None:
            return self._settings.status
        await hold(conn, ruling.delay / 1000)
        return 0

    def _tell(self, conn: Connection, ruling: Ruling, name: str, how: str) -> None:
        excess = f"{ruling.excess // 1000}.{ruling.excess % 1000:03}"
        level = self._settings.log_level
        if ruling.full:
            conn.log("alert", f'could not allocate node in limit_req_zone "{name}"')
        elif ruling.delay is None:
            conn.log(level, f'limiting requests{how}, excess: {excess} by zone "{name}"')
        elif ruling.delay:
            conn.log(_LESS_GRAVE[level], f'delaying request{how}, excess: {excess}, by zone "{name}"')


class ConnectionLimit:
    """The ``limit_conn`` directives of one location."""

    def __init__(self, limits: Limits[ConnectionUse], zones: Zones) -> None:
        self._settings = limits
        self._limits = [(zone, zones.connections(zone.conf), use.most) for zone, use in limits.uses]

    def __call__(self, conn: Connection, ex: Exchange) -> int:
        """Return 0 if *ex* may go on, else the status to refuse it with."""
        admission = _admission(ex)
        if admission.connections:
            return 0
        for zone, counts, most in self._limits:
            key = _key(conn, ex, zone, _LONGEST_CONNECTION_KEY)
            if not key:
                continue
            entry = counts.enter(key, most)
            if entry is not Entry.TAKEN:
                return self._refuse(conn, admission, entry, zone.conf.name)
            admission.connections = b"PASSED"
            admission.leave.append(partial(counts.leave, key))
        return 0

    def _refuse(self, conn: Connection, admission: Admission, entry: Entry, name: str) -> int:
        """Refuse a request, or, on a dry run, tell who would be refused."""
        admission.end()
        dry_run = self._settings.dry_run
        if entry is Entry.NO_ROOM:
            conn.log("crit", f'no memory in limit_conn_zone "{name}"')
        else:
            how = ", dry run" if dry_run else ""
            conn.log(self._settings.log_level, f'limiting connections{how} by zone "{name}"')
        admission.connections = b"REJECTED_DRY_RUN" if dry_run else b"REJECTED"
        return 0 if dry_run else self._settings.status


def _admission(ex: Exchange) -> Admission:
    if ex.admission is None:
        ex.admission = Admission()
    return ex.admission


def _key(conn: Connection, ex: Exchange, zone: Zone, longest: int) -> bytes:
    """Return what *ex* is counted as, b"" if it is not counted."""
    key = zone.key(ex)
    if len(key) > longest:
        text = f'the value of the "{zone.conf.written}" key is more than {longest} bytes: "{printable(key)}"'
        conn.log("error", text)
        return b""
    return key


async def hold(conn: Connection, seconds: float) -> None:
    """Wait; raises ClientGone if the client does not, but leaves before (ngx_http_test_reading)."""
    stream, gone = conn.stream, trio.Event()
    began = stream.poller.now

    def hung_up() -> None:
        if stream.broken or stream.poller.now - began > RIGHT_BEHIND:
            gone.set()

    stream.on_hangup = hung_up
    stream.watch_input()
    try:
        await stream.poller.as_task(_wait, gone, seconds)
    finally:
        stream.on_hangup = None
    if gone.is_set():
        raise ClientGone


async def _wait(gone: trio.Event, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await gone.wait()
