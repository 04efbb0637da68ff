"""
``syslog:server=...``: where log lines go if not to a file (src/core/ngx_syslog.c:ngx_syslog_parse_args).
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lbproxy.config.addresses import Endpoint, parse_endpoint
from lbproxy.config.parser import Argument
from lbproxy.errors import InvalidValue

PREFIX = "syslog:"
PORT = 514
FACILITIES = (
    "kern", "user", "mail", "daemon", "auth", "intern", "lpr", "news", "uucp", "clock", "authpriv", "ftp", "ntp",
    "audit", "alert", "cron", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
)  # fmt: skip
SEVERITIES = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
"""As RFC 5424 section 6.2.1 numbers them, from 0; also the levels of the error log."""

_TAG = re.compile(r"[A-Za-z0-9_]{1,32}")


class SyslogTarget(NamedTuple):
    """
    Who gets the lines, and under which labels.

    Args:
        server: A unix socket, or a name or address; its port is `PORT` unless given.
        facility, severity: Numbers; the error log has a severity for each line instead.
        hostname: Say whose lines these are.
    """

    server: Endpoint
    facility: int = FACILITIES.index("local7")
    severity: int = SEVERITIES.index("info")
    tag: str = "lbproxy"
    hostname: bool = True


def is_syslog(path: str) -> bool:
    """Tell whether lines for *path* go to a syslog server."""
    return path.startswith(PREFIX)


def parse_syslog(arg: Argument) -> SyslogTarget:
    """
    Return the target that *arg*, which begins with `PREFIX`, names.

    Raises:
        InvalidValue: In nginx's words.
    """
    found: dict[str, str] = {}
    for part in arg.text.removeprefix(PREFIX).split(","):
        name, _, value = part.partition("=")
        if name not in {"server", "facility", "severity", "tag"} and part != "nohostname":
            raise InvalidValue(f'unknown syslog parameter "{part}"', arg.position)
        if name in found:
            raise InvalidValue(f'duplicate syslog "{name}"', arg.position)
        found[name] = value
    if "server" not in found:
        raise InvalidValue("no syslog server specified", arg.position, "syslog:server=address")
    tag = found.get("tag", "lbproxy")
    if not _TAG.fullmatch(tag):
        message = 'syslog "tag" only allows alphanumeric characters and underscore, at most 32 of them'
        raise InvalidValue(message, arg.position)
    return SyslogTarget(
        server=_server(found["server"], arg),
        facility=_number("facility", found.get("facility", "local7"), FACILITIES, arg),
        severity=_number("severity", found.get("severity", "info"), SEVERITIES, arg),
        tag=tag,
        hostname="nohostname" not in found,
    )


def _server(text: str, arg: Argument) -> Endpoint:
    try:
        return parse_endpoint(text)
    except ValueError as error:
        raise InvalidValue(f'{error} in syslog server "{text}"', arg.position) from None


def _number(kind: str, name: str, known: tuple[str, ...], arg: Argument) -> int:
    if name not in known:
        raise InvalidValue(f'unknown syslog {kind} "{name}"', arg.position, f"it must be one of {', '.join(known)}")
    return known.index(name)
