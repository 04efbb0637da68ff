"""
A worker: the process that serves.  Imported in the child only, after the fork: here begins trio.

TERM and INT end it at once, QUIT once its clients are served, USR1 reopens its logs; when the master dies it ends
as on QUIT, since nobody would ever replace it.  Told by the master that others serve in its place, it ends likewise,
but gives clients that keep an idle connection the time to ask once more.
"""

from __future__ import annotations

import gc
import signal
import traceback
from collections.abc import AsyncIterator
from importlib import import_module

import trio

from lbproxy.config.core import MainSettings
from lbproxy.plan import Plan
from lbproxy.process.children import Order, be_called
from lbproxy.process.clock import MonotonicClock
from lbproxy.process.privileges import Identity, become, limit_descriptors
from lbproxy.process.roles import Seat
from lbproxy.process.signals import hold_back, let_through
from lbproxy.proxy.logfile import Logs
from lbproxy.proxy.server import LAST_CALL, PATIENCE, Server

_LATE = ("ctypes", "datetime", "difflib", "encodings.idna", "h11", "ipaddress")
"""What some request would import: out of reach, perhaps, of whom the worker becomes, or when no descriptor is left."""

_OBEYED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1)


def serve(plan: Plan, logs: Logs, who: Identity | None, seat: Seat) -> int:
    """
    Serve *plan* on the sockets of *seat* until told to end; return the exit status.

    Args:
        who: Whom to become first; None: stay.
    """
    be_called("lbproxy-worker")
    try:
        _restrict(plan.config.settings(MainSettings), who, logs)
        server = Server(plan, seat.sockets, logs, seat.row)
    except Exception as error:  # noqa: BLE001 - the master says why it gives up, whatever it was
        seat.line.tell_failed(str(error) if isinstance(error, OSError) else traceback.format_exc())
        return 1
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # the terminal's; a reload is the master's affair
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    gc.collect()
    gc.freeze()  # the plan lives as long as the process: no collection need look at it again
    try:
        trio.run(_live, server, logs, seat, clock=MonotonicClock())
    except Exception:  # noqa: BLE001 - the last word of a process that is about to end
        logs.error.log("alert", f"worker process failed: {traceback.format_exc()}")
        return 1
    finally:
        logs.close()
    return 0


def _restrict(main: MainSettings, who: Identity | None, logs: Logs) -> None:
    if main.worker_rlimit_nofile:
        failure = limit_descriptors(main.worker_rlimit_nofile)
        if failure:
            logs.error.log("alert", failure)
    for name in _LATE:
        import_module(name)
    if who is not None:
        become(who)


async def _live(server: Server, logs: Logs, seat: Seat) -> None:
    with trio.open_signal_receiver(*_OBEYED) as signals:
        let_through()
        async with trio.open_nursery() as nursery:

            def started() -> None:
                seat.line.tell_serving()
                nursery.start_soon(_obey, signals, server, logs, seat)
                nursery.start_soon(_heed, server, logs, seat)

            await server.run(started)
            hold_back()  # nothing can hasten it any more, and trio is about to lose its ears
            nursery.cancel_scope.cancel()


async def _obey(signals: AsyncIterator[int], server: Server, logs: Logs, seat: Seat) -> None:
    async for number in signals:
        if number == signal.SIGUSR1:
            logs.reopen()
        elif number == signal.SIGQUIT:
            logs.error.log("notice", "gracefully shutting down")
            _withdraw(server, seat)
        else:
            server.stop()


async def _heed(server: Server, logs: Logs, seat: Seat) -> None:
    """Do what the master says, and notice its death."""
    while True:
        await trio.lowlevel.wait_readable(seat.line.socket)
        match seat.line.hear():
            case Order.LEAVE:
                logs.error.log("notice", "gracefully shutting down")
                _withdraw(server, seat, PATIENCE)
            case Order.REPORT:
                seat.line.tell_present()
            case None:
                logs.error.log("alert", "the master process is gone, shutting down")
                _withdraw(server, seat)
                return


def _withdraw(server: Server, seat: Seat, patience: float = LAST_CALL) -> None:
    """Take no more clients: those who still come are the next workers', or refused if there are none."""
    server.drain(patience)
    for several in seat.sockets.values():
        for sock in several:
            sock.close()
    seat.line.tell_withdrawn()
