"""
From the command line's options to a configuration in force: files read, plan compiled, logs open.

nginx calls what belongs to one load of its configuration a cycle.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from lbproxy import __version__
from lbproxy.balance.shared import peers_key
from lbproxy.compiler import load
from lbproxy.config.core import MainSettings
from lbproxy.config.reader import Environment
from lbproxy.config.syslog import is_syslog
from lbproxy.errors import InvalidValue
from lbproxy.http.accesslog import LogKey
from lbproxy.http.variables import Constants
from lbproxy.plan import Plan
from lbproxy.process.configfile import FileIncluder, resolve
from lbproxy.process.detach import STDERR, STDOUT, Terminal
from lbproxy.process.options import DEFAULT_PID, Options
from lbproxy.process.places import check_places, make_places, temporary_places
from lbproxy.process.privileges import Identity, hand_over, identity, owner_ids
from lbproxy.proxy.logfile import ErrorPlaces, Logs, Sink

if TYPE_CHECKING:
    from lbproxy.process.roles import Seat

_DAEMON_ERROR_LOG, _DAEMON_ACCESS_LOG = "logs/error.log", "logs/access.log"


class LogPlaces(NamedTuple):
    """
    Where logs go; "stderr" and "stdout" are the standard streams.

    Args:
        errors: Each with its level.
        access: By the path that the configuration gives ("": it gives none).
        nearer: Those of http, servers and locations that have error logs of their own.
        families: Access logs whose path has variables.
    """

    errors: ErrorPlaces
    access: dict[str, Sink]
    nearer: tuple[ErrorPlaces, ...] = ()
    families: tuple[LogKey, ...] = ()

    def files(self) -> list[str]:
        """Return every path that is known beforehand, the standard streams left out."""
        paths = [path for places in (self.errors, *self.nearer) for path, _ in places]
        paths += [sink.path for sink in self.access.values()]
        return [path for path in paths if path not in ("stderr", "stdout") and not is_syslog(path)]


def read_plan(options: Options) -> Plan:
    """
    Read and compile the configuration; nothing else is opened.

    The working directory becomes the prefix, so that every relative path means the same everywhere.

    Raises:
        ConfigErrors: Every mistake in it.
        OSError: The file can't be read, or the prefix not be entered.
    """
    os.chdir(options.prefix)
    environment = Environment(
        include=FileIncluder(options.prefix),
        resolve=resolve,
        default_port=80 if os.geteuid() == 0 else 8000,
        hostname=os.uname().nodename,
        prefix=os.fsencode(options.prefix),
        real_path=_real_path,
        file_mode=_file_mode,
    )
    return load(options.source(), environment, _constants())


def _real_path(path: bytes) -> bytes | None:
    try:
        return os.path.realpath(path, strict=True)
    except (OSError, ValueError):
        return None


def _file_mode(path: bytes) -> int:
    try:
        return os.stat(path).st_mode  # noqa: PTH116 - octets, which no Path can hold
    except (OSError, ValueError):  # the latter for a NUL
        return 0


def _constants() -> Constants:
    return {
        "hostname": os.uname().nodename.lower().encode(),
        "nginx_version": __version__.encode(),
        "pid": lambda: b"%d" % os.getpid(),
        "request_id": lambda: os.urandom(16).hex().encode(),
    }


def log_places(plan: Plan, options: Options) -> LogPlaces:
    """Return where the logs of *plan* go: without a word on it, to the terminal, or to logs/ for a daemon."""
    main = plan.config.settings(MainSettings)
    daemon = is_daemon(plan, options)
    default = options.error_log or (_DAEMON_ERROR_LOG if daemon else "stderr")
    access = {}
    for log in plan.access_logs:
        if log.place is None:
            path = log.path or (_DAEMON_ACCESS_LOG if daemon else "stdout")
            access[log.path] = Sink(path, log.buffer, log.flush, log.gzip)
    families = tuple(log.key for log in plan.access_logs if log.place is not None)
    routes = plan.routes.values()
    nearer = dict.fromkeys(route.location.settings(MainSettings).error_log for route in routes)
    nearer.pop(main.error_log, None)
    return LogPlaces(main.error_log or ((default, "error"),), access, tuple(nearer), families)


def is_daemon(plan: Plan, options: Options) -> bool:
    """Return whether lbproxy is to leave the terminal."""
    return plan.config.settings(MainSettings).daemon if options.daemon is None else options.daemon


def workers_identity(plan: Plan) -> Identity | None:
    """
    Return whom the workers become; None: they stay what the master is.

    Raises:
        InvalidValue: The ``user`` directive names someone unknown here.
    """
    user = plan.config.settings(MainSettings).user
    if user is None or os.geteuid() != 0:
        return None
    try:
        return identity(*user)
    except LookupError as error:
        place = next(directive for directive in plan.config.directives if directive.name == "user")
        raise InvalidValue(str(error.args[0]), place.position) from error


def warnings(plan: Plan) -> list[str]:
    """Return what deserves a word though lbproxy will serve it."""
    found = list(plan.config.warnings)
    if plan.config.settings(MainSettings).user is not None and os.geteuid() != 0:
        found.append('the "user" directive makes sense only if lbproxy is started by root, ignored')
    return found


def check(plan: Plan, options: Options) -> None:
    """
    Look whether *plan* could be served here, without making or opening anything.

    Raises:
        InvalidValue: The ``user`` directive, or the owner of a socket, names someone unknown here.
        OSError: A log could not be written, or a directory not be made; the filename is set.
    """
    workers_identity(plan)
    for listener in plan.config.listeners:
        try:
            owner_ids(listener.user, listener.group)
        except LookupError as error:
            raise InvalidValue(str(error.args[0]), listener.position) from error
    for path in log_places(plan, options).files():
        file = Path(path)
        place = file if file.exists() else file.parent
        if not os.access(place, os.W_OK) and file.parent != Path("logs"):
            code = errno.EACCES if place.exists() else errno.ENOENT
            raise OSError(code, os.strerror(code), path)
    check_places(temporary_places(plan))


class LoadedCycle:
    """
    A configuration with its logs open: what the master runs (`lbproxy.process.master.Cycle`).

    Raises:
        InvalidValue: The ``user`` directive names someone unknown here.
        OSError: A log can't be opened, or a directory not be made; the filename is set.
    """

    def __init__(self, plan: Plan, options: Options, terminal: Terminal) -> None:
        self.plan, self._terminal = plan, terminal
        main = plan.config.settings(MainSettings)
        self.listeners = plan.config.listeners
        self.workers = main.worker_processes or len(os.sched_getaffinity(0))
        self.peers = tuple(peers_key(upstream.conf) for upstream in plan.upstreams.plans.values())
        self.pid_path = _pid_path(main.pid, options.prefix)
        self.warnings = warnings(plan)
        if self.pid_path is None:
            self.warnings.append(f'no pid file, "{options.prefix}" is read-only: -s will not find this process')
        self._identity = workers_identity(plan)
        self._places = log_places(plan, options)
        _make_directories(self._places.files())
        make_places(temporary_places(plan), self._identity)
        self._logs = Logs(*self._places)
        self._hand_over_logs()

    def take_over(self) -> None:
        """Come into force: a daemon's standard streams end in this configuration's error log from now on."""
        errors = [path for path, _ in self._places.errors if path != "stderr"]
        self._terminal.redirect({STDOUT: os.devnull, STDERR: errors[0] if errors else os.devnull})

    def log(self, level: str, message: str) -> None:
        """Write to its error log."""
        self._logs.error.log(level, message)

    def complain(self, message: str) -> None:
        """Write what keeps it from being served to its error log, and to stderr if that is elsewhere."""
        self.log("emerg", message)
        if all(path != "stderr" for path, _ in self._places.errors):
            sys.stderr.write(f"lbproxy: [emerg] {message}\n")

    def reopen_logs(self) -> None:
        """Open its log files anew, after a rotation."""
        self._logs.reopen()
        self._hand_over_logs()
        self.take_over()

    def close_logs(self) -> None:
        """Close its log files in this process."""
        self._logs.close()

    def work(self, seat: Seat) -> int:
        """Serve, as a worker, until told to end; return the exit status."""
        from lbproxy.process import worker  # noqa: PLC0415 - imports trio, which must not be there at the fork

        self._terminal.forget()
        self.take_over()
        return worker.serve(self.plan, self._logs, self._identity, seat)

    def _hand_over_logs(self) -> None:
        if self._identity is not None:
            hand_over(self._places.files(), self._identity)


def _pid_path(configured: str, prefix: Path) -> Path | None:
    """Return where the pid file belongs; None in a container whose file system is read-only, unless one was named."""
    if not configured and os.statvfs(prefix).f_flag & os.ST_RDONLY:
        return None
    return prefix / (configured or DEFAULT_PID)


def _make_directories(paths: Iterable[str]) -> None:
    """Make the directory of the default logs; a configured one that is missing is a mistake to be told."""
    if {_DAEMON_ERROR_LOG, _DAEMON_ACCESS_LOG} & set(paths):
        Path("logs").mkdir(exist_ok=True)


class Loader:
    """
    Loads one configuration after another for one process.

    Args:
        terminal: What the daemon leaves.

    Attributes:
        daemon: Whether the process is to become a daemon: settled by the first configuration.
    """

    def __init__(self, options: Options, terminal: Terminal) -> None:
        self._options, self._terminal = options, terminal
        self.daemon = False

    def __call__(self) -> LoadedCycle:
        """
        Read the configuration as it is now.

        Raises:
            ConfigErrors, InvalidValue, OSError: It can't be used.
        """
        plan = read_plan(self._options)
        check(plan, self._options)
        self.daemon = is_daemon(plan, self._options)
        self._options = self._options._replace(daemon=self.daemon)
        return LoadedCycle(plan, self._options, self._terminal)
