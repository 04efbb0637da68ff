"""Configuration files on disk, and names in the DNS: what the pure parts of `lbproxy.config` ask for."""

from __future__ import annotations

import glob
import socket
from collections.abc import Sequence
from pathlib import Path

from lbproxy.config.model import Address
from lbproxy.errors import Source

_MAGIC = frozenset("*?[")


def read_source(path: Path) -> Source:
    """
    Return the file *path* as a source of that name.

    Octets that are not UTF-8 come as surrogates, so that a value in another encoding stays what it is.

    Raises:
        OSError: It can't be read; the filename is set.
    """
    text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    return Source(str(path), text)


class FileIncluder:
    """
    Finds what an ``include`` names: `lbproxy.config.parser.Includer` over the file system.

    A relative name is looked for beside the including file, then under the prefix, then among the files that
    come with lbproxy (``uwsgi_params``, ``proxy_params``, ``mime.types``); the first place that has it wins.

    Args:
        prefix: The directory that relative names refer to in the second place.
    """

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix

    def __call__(self, pattern: str, including: Source) -> Sequence[Source]:
        """
        Return the files that *pattern* means, sorted by name.

        A pattern with ``*``, ``?`` or ``[`` may match nothing, as in nginx, and is none if it is a file's name.

        Raises:
            OSError: A file is missing or can't be read; the filename is the one nginx would name.
        """
        places = [Path(including.name).parent, self.prefix]
        if _MAGIC.isdisjoint(pattern) or any((place / pattern).exists() for place in places):
            return [self._one(pattern, places)]
        for place in places:
            found = sorted(glob.glob(str(place / pattern)))  # noqa: PTH207 - takes absolute patterns as well
            if found:
                return [read_source(Path(name)) for name in found]
        return []

    def _one(self, name: str, places: Sequence[Path]) -> Source:
        for place in places:
            if (place / name).exists():
                return read_source(place / name)
        packaged = _packaged(name)
        return packaged if packaged is not None else read_source(self.prefix / name)


def _packaged(name: str) -> Source | None:
    if "/" in name:
        return None
    from importlib import resources  # noqa: PLC0415 - costs as much as all else that -t imports

    file = resources.files("lbproxy.config").joinpath("params", name)
    return Source(str(file), file.read_text(encoding="utf-8")) if file.is_file() else None


def resolve(host: str, port: int) -> Sequence[Address]:
    """
    Return the stream addresses of *host* in the resolver's order, each once.

    Raises:
        LookupError: The name has none; the text is the resolver's reason.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LookupError(getattr(error, "strerror", None) or str(error)) from error
    return list(dict.fromkeys(Address(str(sockaddr[0]), port) for *_, sockaddr in found))
