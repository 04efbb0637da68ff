"""
The settings that the I/O parts obey: processes, client connections, the pool of an upstream, types of files.

Defaults are nginx's (src/http/ngx_http_core_module.c:ngx_http_core_merge_srv_conf and _loc_conf); times are
seconds, sizes octets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import (
    EVERY_LEVEL,
    HTTP_SERVER,
    Context,
    setting,
    setting_args,
    setting_list,
)
from lbproxy.config.syslog import is_syslog, parse_syslog
from lbproxy.config.temporary import TempPlace, parse_temp_place
from lbproxy.config.values import (
    Misfit,
    choice,
    duration,
    flag,
    number,
    number_between,
    size,
    text,
)
from lbproxy.errors import ConfigSyntaxError

LEVELS = ("emerg", "alert", "crit", "error", "warn", "notice", "info", "debug")
"""The levels of the error log, the gravest first."""

_SLASH = ord("/")


def _worker_processes(arg: Argument) -> int:
    return 0 if arg.text == "auto" else number_between(1, 1024)(arg)


def _error_log(directive: Directive) -> tuple[str, str]:
    """``error_log path [level]``: ``stderr``, a file, ``syslog:``; the level is the least grave that is logged."""
    path, *levels = directive.args
    if is_syslog(path.text):
        parse_syslog(path)
    elif path.text.startswith("memory:"):
        wording = '"{directive}" to "{value}" is not supported by lbproxy'
        raise Misfit(wording, path, "log to a file, stderr or syslog")
    if levels and levels[0].text not in LEVELS:
        raise Misfit('invalid log level "{value}"', levels[0], f"it must be one of {', '.join(LEVELS)}")
    return path.text, levels[0].text if levels else "error"


def _user(directive: Directive) -> tuple[str, str]:
    """``user name [group]``: the group is the user's name unless given."""
    name, *group = directive.texts
    return name, group[0] if group else name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MainSettings:
    """
    What the processes obey.

    Args:
        worker_processes: 0: one per core (``auto``).
        pid: The file's name; "" where none was given.
        error_log: (path or "stderr", level) of each; () where none was given.  Those of a location are for what
            concerns its requests.
        user: (user, group); None where none was given.
        worker_rlimit_nofile: Descriptors per worker; 0: leave the limit alone.
        worker_shutdown_timeout: Seconds that a graceful shutdown may take; 0.0: as long as it needs.
    """

    worker_processes: int = setting("worker_processes", _worker_processes, 1, contexts=Context.MAIN)
    pid: str = setting("pid", text, "", contexts=Context.MAIN)
    error_log: tuple[tuple[str, str], ...] = setting_list(
        "error_log", _error_log, (), arity=(1, 2), contexts=Context.MAIN | EVERY_LEVEL
    )
    daemon: bool = setting("daemon", flag, False, contexts=Context.MAIN)
    user: tuple[str, str] | None = setting_args("user", _user, None, arity=(1, 2), contexts=Context.MAIN)
    worker_rlimit_nofile: int = setting("worker_rlimit_nofile", number, 0, contexts=Context.MAIN)
    worker_shutdown_timeout: float = setting("worker_shutdown_timeout", duration, 0.0, contexts=Context.MAIN)
    worker_connections: int = setting(
        "worker_connections", number_between(1), 512, contexts=Context.EVENTS
    )


def _buffers(directive: Directive) -> tuple[int, int]:
    """``name number size``: how many, and octets of each."""
    count, octets = directive.args
    if not re.fullmatch("0*[1-9][0-9]{0,8}", count.text):
        raise Misfit('"{directive}" directive invalid value', count)
    if not size(octets):
        raise Misfit('"{directive}" directive invalid value', octets)
    return int(count.text), size(octets)


def _keepalive_timeout(directive: Directive) -> tuple[float, float | None]:
    """``keepalive_timeout timeout [header_timeout]``."""
    first, *rest = directive.args
    return duration(first), duration(rest[0]) if rest else None


class Distrusted(NamedTuple):
    """Browsers whose connections are not kept: Internet Explorer up to 6 behind a POST, Safari behind anything."""

    msie6: bool
    safari: bool


def _keepalive_disable(directive: Directive) -> Distrusted:
    """``keepalive_disable none | browser ...``."""
    for arg in directive.args:
        if arg.text not in ("none", *Distrusted._fields):
            raise Misfit('invalid value "{value}"', arg, f"it must be none, {' or '.join(Distrusted._fields)}")
    return Distrusted(*(name in directive.texts for name in Distrusted._fields))


def _server_tokens(arg: Argument) -> bool:
    return choice("on", "off", "build")(arg) != "off"


BODY_PLACE = TempPlace("client_body_temp")
"""Where bodies lie that others are to read, unless the configuration says where."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClientSettings:
    """
    What a client's connection obeys.

    Args:
        keepalive_timeout: Seconds an idle connection stays open, and those the Keep-Alive field announces.
        keepalive_time: Seconds after which a connection is closed with its next answer.
        large_header_buffers: Number and size: the size bounds one line, both together the head.
        max_body_size: 0: no limit.
        body_buffer_size: Of a body that is read whole, what may stay in memory.
        body_in_file_only: A body lies in a file that others may read: ``on`` and it stays there, ``clean`` while the
            request lasts.
        body_temp_path: None where none was given.
    """

    header_timeout: float = setting("client_header_timeout", duration, 60.0, contexts=HTTP_SERVER)
    body_timeout: float = setting("client_body_timeout", duration, 60.0)
    send_timeout: float = setting("send_timeout", duration, 60.0)
    keepalive_timeout: tuple[float, float | None] = setting_args(
        "keepalive_timeout", _keepalive_timeout, (75.0, None), arity=(1, 2)
    )
    keepalive_requests: int = setting("keepalive_requests", number, 1000)
    keepalive_time: float = setting("keepalive_time", duration, 3600.0)
    keepalive_disable: Distrusted = setting_args(
        "keepalive_disable", _keepalive_disable, Distrusted(msie6=True, safari=False)
    )
    max_body_size: int = setting("client_max_body_size", size, 1 << 20)
    header_buffer_size: int = setting("client_header_buffer_size", size, 1024, contexts=HTTP_SERVER)
    large_header_buffers: tuple[int, int] = setting_args(
        "large_client_header_buffers", _buffers, (4, 8192), arity=(2, 2), contexts=HTTP_SERVER
    )
    body_buffer_size: int = setting("client_body_buffer_size", size, 16384)
    body_in_file_only: str = setting("client_body_in_file_only", choice("off", "on", "clean"), "off")
    body_temp_path: TempPlace | None = setting_args(
        "client_body_temp_path", parse_temp_place, None, arity=(1, 4)
    )
    server_tokens: bool = setting("server_tokens", _server_tokens, True)
    underscores_in_headers: bool = setting("underscores_in_headers", flag, False, contexts=HTTP_SERVER)
    ignore_invalid_headers: bool = setting("ignore_invalid_headers", flag, True, contexts=HTTP_SERVER)
    merge_slashes: bool = setting("merge_slashes", flag, True, contexts=HTTP_SERVER)
    chunked_transfer_encoding: bool = setting("chunked_transfer_encoding", flag, True)
    lingering_close: str = setting("lingering_close", choice("off", "on", "always"), "on")
    lingering_time: float = setting("lingering_time", duration, 30.0)
    lingering_timeout: float = setting("lingering_timeout", duration, 5.0)
    absolute_redirect: bool = setting("absolute_redirect", flag, True)
    port_in_redirect: bool = setting("port_in_redirect", flag, True)
    server_name_in_redirect: bool = setting("server_name_in_redirect", flag, False)

    @property
    def body_place(self) -> TempPlace | None:
        """Where bodies lie that are too large for memory, or that others are to read; None: it does not matter."""
        return self.body_temp_path or (BODY_PLACE if self.body_in_file_only != "off" else None)


def _keepalive(directive: Directive) -> int:
    """``keepalive connections [local]``."""
    if directive.args[1:] and directive.args[1].text != "local":
        raise Misfit('invalid parameter "{value}"', directive.args[1])
    count = directive.args[0]
    if not (count.text.isascii() and count.text.isdigit()):
        raise Misfit('invalid value "{value}" in "{directive}" directive', count)
    return number(count)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PoolSettings:
    """
    How long idle connections to the servers of an upstream are kept.

    Args:
        keepalive: Idle connections at most, per worker and upstream; 0: none are kept.
        keepalive_time: Seconds after which a connection is not used again.
        keepalive_timeout: Seconds an idle connection is kept.
    """

    keepalive: int = setting_args("keepalive", _keepalive, 32, arity=(1, 2), contexts=Context.UPSTREAM)
    keepalive_requests: int = setting("keepalive_requests", number, 1000, contexts=Context.UPSTREAM)
    keepalive_time: float = setting("keepalive_time", duration, 3600.0, contexts=Context.UPSTREAM)
    keepalive_timeout: float = setting("keepalive_timeout", duration, 60.0, contexts=Context.UPSTREAM)


Types = Mapping[bytes, bytes]


def _types(directive: Directive) -> Types:
    """Return a ``types`` block as media types by extension in lower case; the later line wins (as in nginx)."""
    found = {}
    for entry in directive.block or ():
        if entry.block is not None:
            message = f'directive "{entry.name}" is not terminated by ";"'
            raise ConfigSyntaxError(message, entry.position, "a line is: type extension ...;")
        found.update({octets(extension).lower(): octets(entry.name) for extension in entry.texts})
    return MappingProxyType(found)


_COMMON_TYPES: Types = MappingProxyType({b"html": b"text/html", b"gif": b"image/gif", b"jpg": b"image/jpeg"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TypeSettings:
    """
    Media types by the extension of the path, for files and the bodies that lbproxy itself makes.

    Args:
        types: One table per ``types`` block.
        default_type: b"": such an answer has no Content-Type.
    """

    types: tuple[Types, ...] = setting_list("types", _types, (_COMMON_TYPES,), arity=(0, 0), block=True)
    default_type: bytes = setting("default_type", lambda arg: octets(arg.text), b"text/plain")

    def media_type(self, path: bytes) -> bytes:
        """
        Return the type for *path*, by what stands behind the last dot of its last segment.

        A dot with which the segment begins makes no extension (src/http/ngx_http_core_module.c:ngx_http_set_exten).
        """
        dot = path.rfind(b".")
        if dot < 2 or path[dot - 1] == _SLASH:
            return self.default_type
        extension = path[dot + 1 :].lower()
        for table in reversed(self.types):
            found = table.get(extension)
            if found is not None:
                return found
        return self.default_type


CORE_SETTINGS: tuple[type, ...] = (MainSettings, ClientSettings, PoolSettings, TypeSettings)
"""The settings classes of this module, for the grammar."""
