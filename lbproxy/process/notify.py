"""What systemd hears of the service: the sd_notify(3) protocol, one datagram per state."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping


def notify(*assignments: str) -> None:
    """
    Send *assignments* (``READY=1``) to the service manager, if one listens; never fails.

    The socket is named by $NOTIFY_SOCKET: a path, or an abstract name that begins with ``@``.
    """
    name = os.environ.get("NOTIFY_SOCKET", "")
    if not name.startswith(("/", "@")):
        return
    address = "\0" + name[1:] if name.startswith("@") else name
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.connect(address)
            sock.send("\n".join(assignments).encode())
    except OSError:
        pass  # the manager is gone or was never there: the service is not worse for it


def ready(status: str, *, main: bool = True) -> None:
    """Tell that lbproxy serves, with a line for people; *main*: the service's main process is this one."""
    notify("READY=1", *([f"MAINPID={os.getpid()}"] if main else ()), f"STATUS={status}")


def reloading() -> None:
    """Tell that the configuration is read anew; `ready` follows, whether it was taken or refused."""
    microseconds = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    notify("RELOADING=1", f"MONOTONIC_USEC={microseconds}", "STATUS=reloading")


def stopping() -> None:
    """Tell that lbproxy is on its way out."""
    notify("STOPPING=1", "STATUS=stopping")


def hand_over(pid: int) -> None:
    """Tell that the service goes on with *pid* as its main process, while this one is on its way out."""
    notify(f"MAINPID={pid}", "STATUS=upgraded")


def alive() -> None:
    """Tell that all is well; see `allowed_silence`."""
    notify("WATCHDOG=1")


def allowed_silence(environ: Mapping[str, str]) -> float | None:
    """Return the seconds within which the service manager wants to hear `alive`; None: never (sd_watchdog_enabled)."""
    microseconds = environ.get("WATCHDOG_USEC", "")
    if not microseconds.isdecimal() or environ.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
        return None
    return int(microseconds) / 1e6 or None
