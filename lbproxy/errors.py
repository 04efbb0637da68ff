"""
Every exception lbproxy raises on purpose.

* `LbproxyError`
    * `ConfigError`: one mistake in the configuration, with its place
        * `ConfigSyntaxError`, `UnknownDirective`, `WrongContext`, `InvalidValue`
    * `ConfigErrors`: all the mistakes of one run
    * `MalformedMessage`: a codec met octets its grammar does not allow; it does not know whose they are
    * `StreamError`: a socket ended or stood still; the stream does not know whose it is
        * `StreamClosed`, `StreamTimeout`, `LocalAddressError`
    * `UpstreamError`: a server of an upstream failed one attempt
        * `ConnectFailed`, `UpstreamTimeout`, `UpstreamClosed`, `InvalidResponse`
    * `NoLivePeers`: no server of the upstream may be tried
    * `ClientGone`: the client went away before its answer was complete

Codecs and streams do not know sides; the client boundary (proxy/connection) and the upstream boundary
(proxy/inquiry for the request and the head of the answer, proxy/relay for its body) add them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import ClassVar, NamedTuple


class LbproxyError(Exception):
    """The root of the tree."""


def describe(error: OSError) -> str:
    """Return ``(111: Connection refused)``, as nginx prints a system error."""
    return f"({error.errno or 0}: {error.strerror or error})"


class Source(NamedTuple):
    """One configuration text: where it came from, and its lines for excerpts."""

    name: str
    text: str = ""

    def __repr__(self) -> str:
        return f"Source({self.name!r})"

    def line(self, number: int) -> str:
        """Return line *number* (from 1) without its end, or "" when there is none."""
        lines = self.text.split("\n")
        return lines[number - 1].rstrip("\r") if 0 < number <= len(lines) else ""


class Position(NamedTuple):
    """A place in a configuration: source, line and column, both counted from 1."""

    source: Source
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source.name}:{self.line}:{self.column}"

    def excerpt(self) -> str:
        """Return the source line and, under it, a caret at the column; "" when the line is empty."""
        text = self.source.line(self.line)
        if not text.strip():
            return ""
        lead = "".join("\t" if c == "\t" else " " for c in text[: self.column - 1])
        return f"    {text}\n    {lead}^"


class ConfigError(LbproxyError):
    """
    One mistake in the configuration.

    Args:
        message: What is wrong, in nginx's words where nginx has some.
        position: Where the offending token begins.
        hint: The mend, or a guess at what was meant; shown in brackets behind the message.
    """

    def __init__(self, message: str, position: Position, hint: str = "") -> None:
        super().__init__(message, position, hint)
        self.message, self.position, self.hint = message, position, hint

    def __str__(self) -> str:
        first = f"{self.message} in {self.position}"
        if self.hint:
            first += f" ({self.hint})"
        excerpt = self.position.excerpt()
        return f"{first}\n{excerpt}" if excerpt else first


class ConfigSyntaxError(ConfigError):
    """The text is not a sequence of directives."""


class UnknownDirective(ConfigError):
    """No directive has this name, or lbproxy does not have it."""


class WrongContext(ConfigError):
    """The directive exists but may not stand here, or not twice."""


class InvalidValue(ConfigError):
    """The directive may stand here, but not with this argument or this number of them."""


class ConfigErrors(LbproxyError):
    """All mistakes found in one run, in the order of the text; never empty."""

    def __init__(self, errors: Sequence[ConfigError]) -> None:
        super().__init__(errors)
        self.errors = tuple(errors)

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


@contextmanager
def gathering(mistakes: list[ConfigError]) -> Iterator[None]:
    """Append what is raised within to *mistakes*, so that the rest is looked at as well."""
    try:
        yield
    except ConfigErrors as several:
        mistakes += several.errors
    except ConfigError as mistake:
        mistakes.append(mistake)


class MalformedMessage(LbproxyError):
    """
    Octets that the grammar refuses, or a request that cannot be put to a server as it is configured.

    Args:
        reason: What is wrong, for the log.
        status: The answer a client would get for it (RFC 9110 section 15); upstream it is always 502.
    """

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.reason, self.status = reason, status


class StreamError(LbproxyError):
    """
    A socket can't go on.

    Args:
        reason: For the log, in nginx's form: ``(111: Connection refused)`` or a phrase.
        errno: The system's number, 0 where there is none.
    """

    def __init__(self, reason: str, errno: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.errno = reason, errno


class StreamClosed(StreamError):
    """The other side closed or reset the connection, or it could not be made."""


class LocalAddressError(StreamError):
    """No connection can be made from the local address that it was to come from, whoever is at the other end."""


class StreamTimeout(StreamError):
    """
    Nothing moved for the configured time.

    Args:
        reading: Whether it was a read that waited, else a write.
    """

    def __init__(self, *, reading: bool) -> None:
        super().__init__("(110: Connection timed out)", 110)
        self.reading = reading


class UpstreamError(LbproxyError):
    """
    One attempt at a server failed.

    Args:
        cause: What happened, as the error log shows it.
        hint: What the operator may do about it, when that is known.
        errno: The system's number behind it, 0 where there is none.
    """

    status: ClassVar[int] = 502
    condition: ClassVar[str] = "error"  # its name in proxy_next_upstream

    def __init__(self, cause: str, hint: str = "", errno: int = 0) -> None:
        super().__init__(cause)
        self.cause, self.hint, self.errno = cause, hint, errno


class ConnectFailed(UpstreamError):
    """No connection could be made; nothing was sent."""


class UpstreamTimeout(UpstreamError):
    """The server did not accept, take or answer within the configured time."""

    status = 504
    condition = "timeout"


class UpstreamClosed(UpstreamError):
    """The server closed before its answer was complete."""


class InvalidResponse(UpstreamError):
    """The server's answer is not HTTP (or CGI), or says two things at once."""

    condition = "invalid_header"


class NoLivePeers(LbproxyError):
    """No server of the upstream may be tried: 502 at once."""


class ClientGone(LbproxyError):
    """The client closed before it had its answer; logged as 499, and never the server's fault."""

    def __init__(self, reason: str = "client prematurely closed connection") -> None:
        super().__init__(reason)
