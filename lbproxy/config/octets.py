"""
Configuration text and the octets it stands for.

A configuration is text so that its mistakes can be shown; what goes over a wire or is matched against a request is
octets.  Files are read as UTF-8 with surrogates for whatever is none, so that a value in another encoding gets out
as it got in.
"""

from __future__ import annotations


def octets(text: str) -> bytes:
    """Return configuration *text* as the octets that stood in the file."""
    return text.encode("utf-8", "surrogateescape")


def text_of(value: bytes) -> str:
    """Return octets of a request as a text that equals the configuration's: what `octets` takes back."""
    return value.decode("utf-8", "surrogateescape")
