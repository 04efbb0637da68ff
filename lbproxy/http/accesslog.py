"""
``access_log``: which logs an exchange is written to, and when.

As src/http/modules/ngx_http_log_module.c; what a line says is in `lbproxy.http.logformat`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting_args, setting_list
from lbproxy.config.syslog import is_syslog, parse_syslog
from lbproxy.config.values import Misfit, duration, number_between, size, split_parameter
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.exchange import Exchange
from lbproxy.http.logformat import COMBINED, Line, LogFormat, compile_format, formats_by_name, parse_log_format
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable

V = TypeVar("V")

_GZIP_BUFFER = 65536


class OpenFiles(NamedTuple):
    """
    What ``open_log_file_cache`` says of logs with variables in their paths.

    Args:
        most: Files open at once.
        inactive: Seconds without a line after which one is closed.
        valid: Seconds after which the path is looked at again: it may lead to another file.
        min_uses: Lines before a file stays open.
    """

    most: int
    inactive: float = 10.0
    valid: float = 60.0
    min_uses: int = 1


LogKey = tuple[str, OpenFiles | None]
"""An access log's path as configured, and which of its files stay open if that has variables."""


class AccessLog(NamedTuple):
    """
    An ``access_log`` directive.

    Args:
        path: The file; "" for the place where logs go unless configured.
        off: It says ``off``: there are no logs here.
        format: The name of the `LogFormat`.
        position: Of the format's name, or of the directive; None for the log nobody asked for.
        condition: Log only if its value is neither empty nor "0".
        buffer: Octets to gather before writing; 0: as many as one turn of the event loop brings.
        flush: Seconds after which gathered lines are written; 0.0: when the buffer is full.
        gzip: Level by which what is written is compressed; 0: it is not.
        place: The path, where it has variables; None where it has none.
        kept: Which of the files that variables name stay open; None: none does.
    """

    path: str
    off: bool = False
    format: str = "combined"
    position: Position | None = None
    condition: Template | None = None
    buffer: int = 0
    flush: float = 0.0
    gzip: int = 0
    place: Template | None = None
    kept: OpenFiles | None = None

    @property
    def key(self) -> LogKey:
        """What logs that share their files have in common."""
        return self.path, self.kept


def parse_access_log(directive: Directive) -> AccessLog:
    """Parse ``access_log path [format [buffer=size] [gzip[=level]] [flush=time] [if=condition]]`` or ``off``."""
    path, *rest = directive.args
    if path.text == "off":
        if rest:
            raise InvalidValue(f'invalid parameter "{rest[0].text}"', rest[0].position)
        return AccessLog(path="", off=True)
    log = AccessLog(path=path.text, position=directive.position, place=_place(path))
    if not rest:
        return log
    format_name, *parameters = rest
    log = log._replace(format=format_name.text, position=format_name.position)
    for arg in parameters:
        log = _with_parameter(log, arg)
    if log.gzip and not log.buffer:
        log = log._replace(buffer=_GZIP_BUFFER)
    if log.flush and not log.buffer:
        raise InvalidValue(f'no buffer is defined for access_log "{path.text}"', directive.position)
    if log.buffer and log.place is not None:
        raise InvalidValue("buffered logs cannot have variables in name", path.position)
    if log.buffer and is_syslog(path.text):
        raise InvalidValue("logs to syslog cannot be buffered", path.position)
    return log


def _place(path: Argument) -> Template | None:
    """Return the path of a log if it has variables; complain of one where no log can be."""
    if is_syslog(path.text):
        parse_syslog(path)
        return None
    if path.text.startswith("memory:"):
        raise InvalidValue(f'access_log to "{path.text}" is not supported by lbproxy', path.position)
    template = Template.parse(path)
    return None if template.constant is not None else template


def _with_parameter(log: AccessLog, arg: Argument) -> AccessLog:
    """Return *log* with what a parameter behind its format says."""
    match split_parameter(arg):
        case "buffer", value:
            return log._replace(buffer=_value(size, value, "invalid buffer size"))
        case "flush", value:
            return log._replace(flush=_value(duration, value, "invalid flush time"))
        case "gzip", value:
            return log._replace(gzip=_value(number_between(1, 9), value, "invalid compression level"))
        case "if", value:
            return log._replace(condition=Template.parse(value))
    if arg.text != "gzip":
        raise InvalidValue(f'invalid parameter "{arg.text}"', arg.position)
    return log._replace(gzip=1)


def _open_files(directive: Directive) -> OpenFiles | None:
    """Parse ``open_log_file_cache max=N [inactive=time] [min_uses=N] [valid=time]`` or ``off``."""
    if directive.texts == ("off",):
        return None
    found = OpenFiles(0)
    for arg in directive.args:
        match split_parameter(arg):
            case "max", value:
                found = found._replace(most=number_between(1)(value))
            case "inactive", value:
                found = found._replace(inactive=duration(value))
            case "valid", value:
                found = found._replace(valid=duration(value))
            case "min_uses", value:
                found = found._replace(min_uses=number_between(1)(value))
            case _:
                raise Misfit('invalid "{directive}" parameter "{value}"', arg)
    if not found.most:
        raise Misfit('"{directive}" must have "max" parameter', directive.args[0])
    return found


def _value(parse: Callable[[Argument], V], arg: Argument, complaint: str) -> V:
    """Return the value of a parameter, or complain of it as nginx does."""
    try:
        return parse(arg)
    except InvalidValue as error:
        raise InvalidValue(f'{complaint} "{arg.text}"', arg.position, error.hint) from None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AccessLogSettings:
    """Where requests are logged, and how; a block with any ``access_log`` inherits none."""

    logs: tuple[AccessLog, ...] = setting_list(
        "access_log", parse_access_log, (AccessLog(path=""),), contexts=EVERY_LEVEL | Context.IF | Context.LIMIT_EXCEPT
    )
    formats: tuple[LogFormat, ...] = setting_list(
        "log_format", parse_log_format, (), arity=(2, None), contexts=Context.HTTP
    )
    open_files: OpenFiles | None = setting_args("open_log_file_cache", _open_files, None, arity=(1, 4))

    @property
    def active(self) -> tuple[AccessLog, ...]:
        """The logs to write: none if one of them is ``off``."""
        if any(log.off for log in self.logs):
            return ()
        return tuple(log if log.place is None else log._replace(kept=self.open_files) for log in self.logs)


class CompiledLog(NamedTuple):
    """
    An access log ready to be written.

    Args:
        wanted: Whether to log an exchange; None: always.
        place: The path for an exchange; None: that of *log*.
    """

    log: AccessLog
    line: Line
    wanted: Callable[[Exchange], bool] | None
    place: Callable[[Exchange], bytes] | None


class LogCompiler:
    """
    Compiles the access logs of all blocks, each format once.

    Raises:
        InvalidValue: A format is defined twice.
    """

    def __init__(self, formats: Iterable[LogFormat], table: VariableTable) -> None:
        self._formats = formats_by_name(formats)
        self._table = table
        self._lines: dict[str, Line] = {}
        self._buffered: dict[str, AccessLog] = {}

    def compile(self, settings: AccessLogSettings) -> tuple[CompiledLog, ...]:
        """
        Return the logs that *settings* ask for.

        Raises:
            InvalidValue: An unknown format or variable, or a file with different buffers in two places;
                one without a buffer shares that of the other (ngx_http_log_set_log).
        """
        return tuple(
            CompiledLog(
                log,
                self._line(log),
                self._condition(log.condition),
                log.place.bind(self._table) if log.place is not None else None,
            )
            for log in settings.active
        )

    def _line(self, log: AccessLog) -> Line:
        position = log.position or COMBINED.position
        if log.format not in self._formats:
            raise InvalidValue(f'unknown log format "{log.format}"', position)
        if log.buffer:
            first = self._buffered.setdefault(log.path, log)
            if (first.buffer, first.flush, first.gzip) != (log.buffer, log.flush, log.gzip):
                message = f'access_log "{log.path}" already defined with conflicting parameters'
                raise InvalidValue(message, position, f"the first one is in {first.position}")
        if log.format not in self._lines:
            self._lines[log.format] = compile_format(self._formats[log.format], self._table)
        return self._lines[log.format]

    def _condition(self, condition: Template | None) -> Callable[[Exchange], bool] | None:
        if condition is None:
            return None
        value = condition.bind(self._table)
        return lambda ex: value(ex) not in (b"", b"0")
