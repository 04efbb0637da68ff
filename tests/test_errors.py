"""What the exceptions say."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from lbproxy.errors import describe


def test_system_errors_read_as_in_nginx() -> None:
    """Number and text."""
    assert describe(OSError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))) == "(111: Connection refused)"


def test_errors_without_a_number_keep_their_text() -> None:
    """Python's own: it does not ask the system to bind to such a path."""
    with socket.socket(socket.AF_UNIX) as sock, pytest.raises(OSError, match="too long") as caught:
        sock.bind("/" + "x" * 200)
    assert describe(caught.value) == "(0: AF_UNIX path too long)"
