"""
Reports what a Python program writes to: as ``sitecustomize`` of the program, ``WROTE path`` on stderr for each file.

Its directory goes to the front of PYTHONPATH; see `tests.e2e.test_container`.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_OTHERS = {"os.mkdir", "os.rename", "os.remove", "os.chmod", "os.chown", "os.link", "os.symlink", "os.truncate"}


def _report(event: str, args: tuple[Any, ...]) -> None:
    if (event == "open" and args[2] & _WRITES) or event in _OTHERS:
        os.write(2, f"WROTE {args[0]}\n".encode())


sys.addaudithook(_report)
