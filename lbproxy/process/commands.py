"""What the master is to do, as its supervisor tells it."""

from __future__ import annotations

from dataclasses import dataclass
from signal import Signals
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Spawn:
    """Start *worker* for place *slot* (from 0) of *generation*."""

    worker: int
    slot: int
    generation: int


@dataclass(frozen=True, slots=True)
class Signal:
    """Send *number* to *worker*."""

    worker: int
    number: Signals


@dataclass(frozen=True, slots=True)
class Supersede:
    """Tell *worker* that others serve in its place: it may take its time over clients that are idle."""

    worker: int


@dataclass(frozen=True, slots=True)
class Postpone:
    """Say that place *slot* stays empty for some *seconds*: its workers end soon after their start."""

    slot: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Load:
    """Read the configuration and bind its sockets; answer with `Loaded` or `Refused`."""


@dataclass(frozen=True, slots=True)
class Adopt:
    """*generation* serves: it is the truth from now on, whatever only its predecessor had can go."""

    generation: int


@dataclass(frozen=True, slots=True)
class Abandon:
    """*generation* never came to serve: whatever only it had can go."""

    generation: int


@dataclass(frozen=True, slots=True)
class Announce:
    """Say that lbproxy serves, with the new configuration or, where that was *refused*, with the old one."""

    refused: bool = False


@dataclass(frozen=True, slots=True)
class Upgrade:
    """Start the program that is installed now on the same sockets; when it ends, answer with `SuccessorGone`."""


@dataclass(frozen=True, slots=True)
class Restore:
    """The program that `Upgrade` started is gone: what was left to it is ours again."""


@dataclass(frozen=True, slots=True)
class Reopen:
    """Reopen the logs, the master's own and those of every worker."""


@dataclass(frozen=True, slots=True)
class Close:
    """Close the listening sockets: new clients are refused from now on."""


@dataclass(frozen=True, slots=True)
class Exit:
    """No worker is left: clean up and exit with *code*."""

    code: int


WorkersCommand: TypeAlias = Spawn | Signal | Supersede | Postpone
Command: TypeAlias = (
    WorkersCommand | Load | Adopt | Abandon | Announce | Reopen | Upgrade | Restore | Close | Exit
)
