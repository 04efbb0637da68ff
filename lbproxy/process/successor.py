"""
The program that replaces this one while both serve: started with the same command line on the same sockets.

As nginx on USR2 (src/core/nginx.c:ngx_exec_new_binary).
"""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lbproxy.config.model import Address
from lbproxy.process.inheritance import VARIABLE, will
from lbproxy.process.signals import HANDLED, held_back, let_through


class Successor:
    """
    At most one at a time.  To be made before the working directory changes, which is part of what was started.

    Attributes:
        pid: 0: there is none.
    """

    def __init__(self) -> None:
        self.pid = 0
        self._command = (sys.executable, *sys.orig_argv[1:])
        self._directory = Path.cwd()

    def start(self, sockets: Mapping[Address, Sequence[socket.socket]], disown: Callable[[], None]) -> None:
        """
        Start what is installed now under this program's name; it inherits *sockets*.

        Args:
            disown: Called in the new process, to let go of what must not be shared with it.

        Raises:
            OSError: The system has no process for it.
        """
        with held_back():
            pid = os.fork()
            if pid == 0:
                self._become(sockets, disown)
        self.pid = pid

    def ended(self, pid: int) -> bool:
        """Return whether the process *pid*, which has ended, was the successor; there is none from then on."""
        if pid != self.pid:
            return False
        self.pid = 0
        return True

    def _become(self, sockets: Mapping[Address, Sequence[socket.socket]], disown: Callable[[], None]) -> None:
        """Be the new program; does not return."""
        try:
            environ = {**os.environ, VARIABLE: will(os.getppid(), sockets)}
            if "WATCHDOG_PID" in environ:
                environ["WATCHDOG_PID"] = str(os.getpid())
            for several in sockets.values():
                for sock in several:
                    sock.set_inheritable(True)
            disown()
            for number in HANDLED:
                signal.signal(number, signal.SIG_DFL)
            let_through()
            os.chdir(self._directory)
            os.execve(self._command[0], self._command, environ)  # noqa: S606 - the very command this one came by
        except BaseException as error:  # noqa: BLE001 - nothing may unwind into the master's frames
            sys.stderr.write(f"lbproxy: [alert] the new program can't be started: {error}\n")
            sys.stderr.flush()
        finally:
            os._exit(127)
