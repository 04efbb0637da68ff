"""Configuration files on disk, and names in the DNS: what the pure parts of `lbproxy.config` ask for."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbproxy import config
from lbproxy.config.model import Address
from lbproxy.errors import Source

_MAGIC = frozenset("*?[")
_PARAMS = Path(config.__file__).parent / "params"  # importlib.resources would cost as much as half of -t


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
            found = _matching(str(place / pattern))
            if found:
                return [read_source(Path(name)) for name in found]
        return []

    def _one(self, name: str, places: Sequence[Path]) -> Source:
        for place in places:
            if (place / name).exists():
                return read_source(place / name)
        packaged = _packaged(name)
        return packaged if packaged is not None else read_source(self.prefix / name)


def _matching(pattern: str) -> list[str]:
    import glob  # noqa: PLC0415 - few configurations have patterns, and -t is to be quick

    return sorted(glob.glob(pattern))  # noqa: PTH207 - takes absolute patterns as well


def _packaged(name: str) -> Source | None:
    if "/" in name:
        return None
    file = _PARAMS / name
    return read_source(file) if file.is_file() else None


def resolve(host: str, port: int) -> Sequence[Address]:
    """
    Return the stream addresses of *host* in the resolver's order, each once.

    Raises:
        LookupError: The name has none; the text is the resolver's reason.
    """
    import socket  # noqa: PLC0415 - -t does without it where every address is literal

    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise LookupError(getattr(error, "strerror", None) or str(error)) from error
    return list(dict.fromkeys(Address(str(sockaddr[0]), port) for *_, sockaddr in found))
