"""
The command line, as nginx's users type it.

Everything that costs time to import is imported where it is needed, so that ``-v``, ``-t`` and ``-s`` are quick.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lbproxy import __version__
from lbproxy.arguments import OPTIONS, SIGNALS, Arguments, Misuse, parse

if TYPE_CHECKING:
    from lbproxy.plan import Plan
    from lbproxy.process.options import Options

SYSTEM_PREFIX = Path("/etc/lbproxy")
CONFIGURATIONS = ("lbproxy.conf", "site.conf", "site.yaml", "conf/nginx.conf")
"""Without ``-c``, the first of these that exists: under the prefix if given, else here, else in /etc/lbproxy."""

_USAGE = f"""\
usage: lbproxy [options]

A reverse proxy and load balancer that reads nginx configurations.

{OPTIONS}
Without -c, lbproxy looks for {", ".join(CONFIGURATIONS)} under the prefix;
without -p as well, in the current directory and then in {SYSTEM_PREFIX}.
Without -p, the prefix is the directory of the configuration file (above a
directory that is called conf).  Relative paths are relative to the prefix.

Signals: TERM, INT stop; QUIT stop when clients are served; HUP reload;
USR1 reopen logs; USR2 start the program that is installed now on the same
sockets; WINCH end the workers when clients are served (HUP brings them back).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run ``lbproxy`` with *argv* (default: the process's own); return the exit status.

    Returns:
        0: it served and ended as told, or the test or the signal succeeded.
        1: anything else; the reasons are on stderr.
        130: it was interrupted before it served.
    """
    gc.disable()  # what is made while loading stays; to look for garbage among it takes as long as to parse it
    try:
        return _run(parse(sys.argv[1:] if argv is None else argv))
    except Misuse as mistake:
        _say(f"{mistake} (-h shows what there is)")
        return 1
    except KeyboardInterrupt:  # while names were resolved, say; once it serves, SIGINT is a way to end
        return 130
    finally:
        gc.enable()


def _run(args: Arguments) -> int:
    if args.help:
        print(_USAGE, end="")
        return 0
    if args.version or args.build:
        _print_version(full=args.build)
        return 0
    options = locate(args)
    if options is None:
        _say(f"no configuration file: there is none of {', '.join(CONFIGURATIONS)} here, give one with -c")
        return 1
    if args.signal:
        return _send_signal(args.signal, options)
    if args.test or args.dump:
        return _test(options, quiet=args.quiet, dump=args.dump)
    return _serve(options)


def locate(args: Arguments) -> Options | None:
    """Return which file to read with which prefix; None when no file is named and none is found."""
    from lbproxy.process.options import Options

    prefix = Path(args.prefix).absolute() if args.prefix else None
    if args.file:
        file = (prefix or Path()).absolute() / args.file
    else:
        places = [prefix] if prefix else [Path.cwd(), SYSTEM_PREFIX]
        found = [place / name for place in places for name in CONFIGURATIONS if (place / name).exists()]
        if not found:
            return None
        file = found[0]
    if prefix is None:
        prefix = file.parent.parent if file.parent.name == "conf" else file.parent
    return Options(
        file=file,
        prefix=prefix,
        directives=args.directives,
        error_log=args.error_log,
        daemon=True if args.daemon else None,
    )


def _print_version(*, full: bool) -> None:
    print(f"lbproxy version: lbproxy/{__version__}", file=sys.stderr)
    if full:
        from importlib.metadata import version

        parts = ", ".join(f"{name} {version(name)}" for name in ("trio", "h11", "pyyaml"))
        print(f"running on Python {sys.version.split()[0]} with {parts}", file=sys.stderr)
        print(f"configuration: {', '.join(CONFIGURATIONS)} here or in {SYSTEM_PREFIX}", file=sys.stderr)


def _send_signal(name: str, options: Options) -> int:
    import os
    import signal

    from lbproxy.errors import LbproxyError
    from lbproxy.process.options import pid_path
    from lbproxy.process.pidfile import read_pid

    if name == "reload":
        from lbproxy.process.cycle import check, read_plan

    try:
        pid = read_pid(pid_path(options))
        if name == "reload":  # the master would refuse a bad file as well, but only its log would say so
            check(read_plan(options), options)
        os.kill(pid, getattr(signal, SIGNALS[name]))
    except (LbproxyError, OSError) as error:
        _complain(error)
        return 1
    return 0


def _test(options: Options, *, quiet: bool, dump: bool) -> int:
    from lbproxy.errors import LbproxyError
    from lbproxy.process.cycle import check, read_plan

    try:
        plan = read_plan(options)
        if not quiet:
            _print_remarks(plan)
            _say(f"the configuration file {options.file} syntax is ok", level="")
        check(plan, options)
    except (LbproxyError, OSError) as error:
        _complain(error)
        _say(f"configuration file {options.file} test failed", level="")
        return 1
    if not quiet:
        _say(f"configuration file {options.file} test is successful", level="")
    if dump:
        from lbproxy.config.dump import dump as text_of

        print(text_of(plan.config.directives), end="")
    return 0


def _print_remarks(plan: Plan) -> None:
    from lbproxy.process.cycle import warnings

    for warning in warnings(plan):
        _say(warning, level="warn")
    if plan.config.ignored:
        _say("accepted without effect, since they only tune nginx:", level="notice")
        for directive in plan.config.ignored:
            print(f"    {directive.name} in {directive.position}", file=sys.stderr)


def _serve(options: Options) -> int:
    import os

    from lbproxy.errors import LbproxyError
    from lbproxy.process.cycle import Loader
    from lbproxy.process.detach import Detached, Terminal
    from lbproxy.process.inheritance import inherit
    from lbproxy.process.master import Master
    from lbproxy.process.signals import hold_as_init

    hold_as_init()
    terminal = Terminal()
    loader = Loader(options, terminal)

    def started() -> None:
        for address, bound in master.bound():
            if not (address.port or address.is_unix):
                _say(f"listening on {bound}", level="")  # port 0: else nobody would know
        terminal.announce()

    try:
        inheritance = inherit(os.environ)
        master = Master(loader, started, inheritance)
        for warning in master.open().warnings:
            _say(warning, level="warn")
        if loader.daemon and inheritance.predecessor:
            terminal.stay_away()
        elif loader.daemon:
            terminal.detach()
    except Detached as parted:
        return parted.status
    except (LbproxyError, OSError) as error:
        _complain(error)
        return 1
    gc.enable()
    return master.run()


def _complain(error: Exception) -> None:
    """Print everything that is wrong, mistakes of the configuration with the lines they are in."""
    from lbproxy.errors import ConfigError, ConfigErrors
    from lbproxy.process.options import reasons

    match error:
        case ConfigErrors():
            texts = [str(each) for each in error.errors]
        case ConfigError():
            texts = [str(error)]
        case _:
            texts = reasons(error)
    for text in texts:
        _say(text)


def _say(text: str, level: str = "emerg") -> None:
    print(f"lbproxy: [{level}] {text}" if level else f"lbproxy: {text}", file=sys.stderr)
