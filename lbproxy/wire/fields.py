"""
Field blocks: ``Name: value`` lines, each ended by CRLF, as the head codecs have validated them.

A block is kept as the octets it came in; what must not go on is cut out of it in one substitution (RFC 9110
section 7.6.1), and a list of fields is made only when somebody asks.  Names handed in and out are lower case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable

from lbproxy.wire.grammar import OWS

Field = tuple[bytes, bytes]

# RFC 9110 7.6.1 and 6.5.1: fields about one connection only.  Expect and Proxy-Authorization are end-to-end
# for a reverse proxy's purposes, as in nginx.
HOP_BY_HOP = frozenset(
    (b"connection", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)

_CONTROLS = bytes((*range(9), *range(10, 32), 127))
BREAKS = bytes.maketrans(_CONTROLS, b" " * len(_CONTROLS))
"""For `bytes.translate`: what `value_ok` refuses becomes blank, so a value stays one, whatever was decoded into it."""

_LINE = re.compile(rb"([^:\r\n]++):([^\r\n]*+)\r\n")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*+")


def parse_block(block: bytes) -> list[Field]:
    """Return the (lower-case name, value without outer whitespace) pairs of a validated *block*, in order."""
    return [(name.lower(), value.strip(OWS)) for name, value in _LINE.findall(block)]


def line(name: bytes, value: bytes) -> bytes:
    """Return one field line; the caller answers for *name* and *value* (see `value_ok`)."""
    return b"%b: %b\r\n" % (name, value)


def finder(name: bytes, value: bytes = rb"[^\r]*+") -> re.Pattern[bytes]:
    """
    Return the expression that finds the line of *name* in a block; its group is the value.

    Args:
        value: The expression for all of the value behind its leading blanks.
    """
    return re.compile(rb"(?i)(?:^|(?<=\n))" + re.escape(name) + rb":[ \t]*+(" + value + rb")(?=\r)")


def value_ok(value: bytes) -> bool:
    """Say whether *value* may stand in a field line: no control characters but HTAB (RFC 9110 5.5)."""
    return _VALUE.fullmatch(value) is not None


def removal(names: Iterable[bytes], *, alike: bool = False) -> Callable[[bytes], bytes]:
    """
    Return a function that removes every line of a block whose name is one of *names*.

    For names known from the configuration: compiling costs far more than one use.  See `without` for others.

    Args:
        names: In any letter case.
        alike: Lines go as well whose name has underscores for hyphens: to a CGI application it is the same name.
    """
    wanted = sorted({name.lower() for name in names})
    if not wanted:
        return lambda block: block
    # The literal "\n" lets the engine skip to the next line; the first letters decide most lines there.
    letters = b"".join(sorted({re.escape(name[:1] + name[:1].upper()) for name in wanted}))
    choice = b"|".join(map(re.escape, wanted))
    if alike:
        choice = choice.replace(rb"\-", b"[-_]")
    substitute = re.compile(rb"\n(?=[" + letters + rb"])(?i:" + choice + rb"):[^\r]*+\r").sub

    def remove(block: bytes) -> bytes:
        return substitute(b"", b"\n" + block)[1:]

    return remove


def without(block: bytes, names: Collection[bytes]) -> bytes:
    """Return *block* without the lines named in *names* (lower case): for names that messages bring."""
    if not names:
        return block
    unwanted = frozenset(names)  # a message may name thousands
    lines = block.split(b"\r\n")
    return b"\r\n".join([ln for ln in lines if ln.partition(b":")[0].lower() not in unwanted])
