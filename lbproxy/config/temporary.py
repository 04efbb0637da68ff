"""
Where temporary files lie: ``client_body_temp_path``, ``proxy_temp_path``, ``uwsgi_temp_path``.

As src/core/ngx_file.c:ngx_conf_set_path_slot and :ngx_create_hashed_filename.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from lbproxy.config.parser import Directive
from lbproxy.config.values import Misfit

_LEVEL = re.compile(r"0*[1-9]")  # nginx takes longer ones, but then makes one file per directory


class TempPlace(NamedTuple):
    """
    A directory for temporary files.

    Args:
        path: Relative to the prefix, unless it begins with "/".
        levels: How many digits name the directories on each level below it.
    """

    path: str
    levels: tuple[int, ...] = ()

    def name(self, number: int) -> str:
        """Return the path of file *number*: its last digits name the first directory, those before the second."""
        digits, parts = f"{number:010d}", []
        end = len(digits)
        for width in self.levels:
            parts.append(digits[end - width : end])
            end -= width
        return "/".join((self.path, *parts, digits))


def parse_temp_place(directive: Directive) -> TempPlace:
    """``*_temp_path path [level1 [level2 [level3]]]``."""
    path, *levels = directive.args
    for level in levels:
        if not _LEVEL.fullmatch(level.text):
            raise Misfit('invalid value "{value}"', level, "a level is a number of digits, such as 1 or 2")
    return TempPlace(path.text.rstrip("/") or "/", tuple(int(level.text) for level in levels))
