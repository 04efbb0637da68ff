"""
The directories of temporary files that the configuration names: they are made before anybody is served.

As src/core/ngx_file.c:ngx_create_paths.  Where the configuration names none, none is made: temporary files then lie
where the system keeps them, and a read-only file system is enough for all the rest.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable
from pathlib import Path

from lbproxy.config.core import ClientSettings
from lbproxy.directives import PROTOCOLS
from lbproxy.plan import Plan
from lbproxy.process.privileges import Identity


def temporary_places(plan: Plan) -> list[Path]:
    """Return the directories that *plan* needs, each once."""
    places = []
    for location in plan.routes:
        places.append(location.settings(ClientSettings).body_place)
        places += [location.settings(kind).temp_path for kind, _ in PROTOCOLS]
    return [Path(place.path) for place in dict.fromkeys(places) if place is not None]


def check_places(places: Iterable[Path]) -> None:
    """Look whether *places* are there, or can be made; raises OSError with the name of one that can't."""
    for place in places:
        parent = place.absolute().parent
        if not place.is_dir() and (place.exists() or not os.access(parent, os.W_OK)):
            code = errno.ENOTDIR if place.exists() else errno.EACCES if parent.exists() else errno.ENOENT
            raise OSError(code, os.strerror(code), str(place))


def make_places(places: Iterable[Path], who: Identity | None) -> None:
    """
    Make those *places* that are missing, for *who* if that is somebody else.

    Raises:
        OSError: One can't be made; the filename is set.
    """
    for place in places:
        place.mkdir(0o700, exist_ok=True)
        if who is None:
            continue
        status = place.stat()
        if status.st_uid != who.uid:
            os.chown(place, who.uid, -1)
        if status.st_mode & stat.S_IRWXU != stat.S_IRWXU:
            place.chmod(status.st_mode | stat.S_IRWXU)
