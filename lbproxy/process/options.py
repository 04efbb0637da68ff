"""
What the command line says of the configuration, and what can be known of it without compiling it.

This is all that ``-s`` needs, which must be quick and must work with a configuration that is broken by now.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from lbproxy.config import forms
from lbproxy.errors import ConfigError, ConfigErrors, LbproxyError, Source, describe
from lbproxy.process.configfile import FileIncluder, read_source

DEFAULT_PID = "lbproxy.pid"
"""Where the pid file lies, relative to the prefix, unless the ``pid`` directive says otherwise."""


class Options(NamedTuple):
    """
    What the command line says of the configuration.

    Args:
        file: The configuration file, absolute.
        prefix: The directory that relative paths refer to, absolute.
        directives: Those given with ``-g``.
        error_log: Where errors go unless the configuration says otherwise; "" for the usual place.
        daemon: Whether to leave the terminal; None: as the configuration says.
    """

    file: Path
    prefix: Path
    directives: str = ""
    error_log: str = ""
    daemon: bool | None = None

    def source(self) -> Source:
        """
        Return what to read: the file, or the directives of ``-g`` and an include of the file.

        Raises:
            OSError: The file can't be read; the filename is set.
        """
        if not self.directives:
            return read_source(self.file)
        quoted = str(self.file).replace("\\", "\\\\").replace('"', '\\"')
        return Source("command line", f'{self.directives}\ninclude "{quoted}";')


def pid_path(options: Options) -> Path:
    """
    Return where the pid file of a running master is; the rest of the configuration need not be right.

    Raises:
        ConfigErrors: It can't even be split into directives.
        OSError: The file can't be read.
    """
    os.chdir(options.prefix)
    found = DEFAULT_PID
    for directive in forms.parse(options.source(), FileIncluder(options.prefix)):
        if directive.name == "pid" and directive.args:
            found = directive.args[0].text
    return options.prefix / found


def reasons(error: Exception) -> list[str]:
    """Return why a configuration can't be loaded, as lines for the error log."""
    match error:
        case ConfigErrors():
            return [reason for each in error.errors for reason in reasons(each)]
        case ConfigError():
            return [str(error).partition("\n")[0]]
        case LbproxyError():
            return str(error).splitlines()
        case OSError(filename=str(filename)):
            return [f'open() "{filename}" failed {describe(error)}']
        case _:
            import traceback  # noqa: PLC0415 - for a bug only; -s is to be quick

            return ["".join(traceback.format_exception(error)).strip()]
