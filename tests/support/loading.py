"""Configuration text to a Plan without the network: names in it do not resolve."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lbproxy.compiler import load
from lbproxy.config.model import Address
from lbproxy.config.reader import Environment
from lbproxy.errors import ConfigErrors, Source
from lbproxy.plan import Plan
from lbproxy.process.configfile import FileIncluder

CONSTANTS = {"hostname": b"host", "pid": b"1", "nginx_version": b"1.31.5", "request_id": b"0" * 32}


def _resolve(host: str, port: int) -> Sequence[Address]:
    raise LookupError("no names in tests")


def load_text(text: str, name: str = "site.conf") -> Plan:
    """
    Return the plan of *text*.

    Args:
        name: Says whether it is YAML, and what relative paths refer to: files to include, and served ones (else /srv).
    """
    place = Path(name).parent
    prefix = bytes(place) if place.is_absolute() else b"/srv"
    environment = Environment(include=FileIncluder(place), resolve=_resolve, prefix=prefix)
    return load(Source(name, text), environment, CONSTANTS)


def complaints(text: str) -> list[str]:
    """Return the mistakes of *text*, ``message in FILE:LINE:COLUMN (hint)`` each; none if it is right."""
    try:
        load_text(text)
    except ConfigErrors as several:
        return [str(error).splitlines()[0] for error in several.errors]
    return []
