"""
Temporary files: for bodies of requests, and for what slow clients have not taken yet.

Unless others are to read it, such a file has no name, so that nothing is left behind even by a crash.  Where the
configuration names no place for it, it lies where the system keeps such files, which need not be below the prefix.
"""

from __future__ import annotations

import os
import random
import tempfile
from contextlib import suppress
from io import FileIO
from itertools import count
from pathlib import Path

from lbproxy.config.temporary import TempPlace

_numbers = count(1)
_LARGEST = 10**10


def find_room() -> None:
    """Choose the system's directory for such files, by trying: not when one is needed, and the disk may be full."""
    with suppress(FileNotFoundError):  # then what needs one fails
        tempfile.gettempdir()


def open_temporary(place: TempPlace | None, *, named: bool = False) -> FileIO:
    """
    Open a new file to write and to read, unbuffered: what can't be written must not come up again at its close.

    Args:
        place: Where; None: where the system keeps such files.
        named: It keeps its name.

    Returns:
        The file; its ``name`` is a text if it has, or had, one.

    Raises:
        OSError: It can't be made.
    """
    if place is None:
        return tempfile.TemporaryFile(prefix="lbproxy-", buffering=0)
    number = next(_numbers)
    while True:
        path = Path(place.name(number)).absolute()
        try:
            file = FileIO(str(path), "x+", opener=_private)
        except FileExistsError:
            number = random.randrange(_LARGEST)  # noqa: S311 - to find a free name, not to hide one
        except FileNotFoundError:  # the directories below the place are made when they are needed
            path.parent.mkdir(0o700, parents=True, exist_ok=True)
        else:
            break
    if not named:
        path.unlink()
    return file


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def path_of(file: FileIO) -> str:
    """Return the path that *file* has, or had; "" if there was none."""
    return file.name if isinstance(file.name, str) else ""
