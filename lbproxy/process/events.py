"""What happens to the service, as the master tells its supervisor."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TypeAlias


class Request(enum.Enum):
    """What an operator asks for, by signal."""

    STOP = enum.auto()
    QUIT = enum.auto()
    RELOAD = enum.auto()
    REOPEN = enum.auto()
    UPGRADE = enum.auto()  # start the program anew beside this one
    REST = enum.auto()  # end the workers gracefully, keep the sockets


@dataclass(frozen=True, slots=True)
class Loaded:
    """Configuration *generation* was read and its sockets are bound; it wants *workers* processes."""

    generation: int
    workers: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The configuration that was to be loaded can't be used; the reasons are in the log."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker accepts clients."""

    worker: int


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A worker that was told to go accepts no more clients."""

    worker: int


@dataclass(frozen=True, slots=True)
class Exited:
    """A worker is gone, however it ended; also when it could not be started at all."""

    worker: int


@dataclass(frozen=True, slots=True)
class SuccessorGone:
    """The program that `Upgrade` started has ended, or could not be started at all."""


@dataclass(frozen=True, slots=True)
class Tick:
    """`Supervisor.deadline` may have passed."""


Event: TypeAlias = Request | Loaded | Refused | Serving | Withdrawn | Exited | SuccessorGone | Tick
