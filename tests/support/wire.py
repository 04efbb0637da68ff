"""Reading whole messages with the codecs of lbproxy.wire, in any portions, as a connection would."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from lbproxy.errors import MalformedMessage
from lbproxy.wire import uwsgi
from lbproxy.wire.body import BodyDecoder, decoder_for
from lbproxy.wire.heads import Head, HeadLimits, RequestHead
from lbproxy.wire.requests import parse_request

H = TypeVar("H", bound=Head)


@dataclass(frozen=True)
class Outcome:
    """
    What a connection's octets came to.

    Args:
        messages: ``METHOD target`` and body of every complete request.
        status: Of the refusal that ended the reading; 0 where there was none.
    """

    messages: tuple[tuple[bytes, bytes], ...] = ()
    status: int = 0


def uwsgi_packet(params: Iterable[tuple[bytes, bytes]], modifier1: int = 0, modifier2: int = 0) -> bytes:
    """Return the packet of variables; raises MalformedMessage for more than fit."""
    entries = uwsgi.encode_entries([(uwsgi.encode_name(name), value) for name, value in params])
    return uwsgi.encode_packet(entries, modifier1, modifier2)


def portions(data: bytes, cuts: Iterable[int]) -> Iterator[bytes]:
    """Yield *data* cut at the indices *cuts*."""
    edges = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts)})
    for start, end in pairwise(edges):
        yield data[start:end]


def parse_in_portions(parse: Callable[[bytes, int], H | None], parts: Iterable[bytes]) -> H | None:
    """Feed *parts* to parse(buffer, searched) as a connection does; stop at the first head."""
    buf = b""
    for part in parts:
        searched, buf = len(buf), buf + part
        head = parse(buf, searched)
        if head is not None:
            return head
    return None


def summary(head: Head | None) -> dict[str, object] | None:
    """Return every attribute of *head* but what it remembers of being asked, for comparison."""
    if head is None:
        return None
    names = [name for kind in type(head).__mro__ for name in getattr(kind, "__slots__", ())]
    return {name: getattr(head, name) for name in names if name not in {"memo", "_paths"}}


def verdict(parse: Callable[[], Head | None]) -> object:
    """Return the `summary` of what *parse* returns, or the status it raises."""
    try:
        return summary(parse())
    except MalformedMessage as error:
        return error.status


def read_requests(parts: Iterable[bytes], limits: HeadLimits | None = None) -> Outcome:
    """Read requests with their bodies until *parts* end or one is refused; no more is read after that."""
    limits = limits or HeadLimits()
    messages: list[tuple[bytes, bytes]] = []
    head: RequestHead | None = None
    decoder: BodyDecoder | None = None
    body = buf = b""
    try:
        for part in parts:
            searched, buf = len(buf), buf + part
            while True:
                if decoder is None:
                    head = parse_request(buf, limits, searched)
                    if head is None:
                        break
                    decoder, body, buf = decoder_for(head.framing), b"", buf[head.size :]
                body += decoder.feed(buf)
                if not decoder.done:
                    buf = b""
                    break
                assert head is not None
                messages.append((head.method + b" " + head.target, body))
                buf, searched, decoder = decoder.surplus, 0, None
        if decoder is not None:
            decoder.eof()
    except MalformedMessage as error:
        return Outcome(tuple(messages), error.status)
    return Outcome(tuple(messages))


def feed_all(decoder: BodyDecoder, parts: Sequence[bytes]) -> tuple[bytes, bytes, bool] | int:
    """Return payload, surplus and whether *decoder* is done after *parts*, or the status it refused them with."""
    payload = b""
    try:
        for part in parts:
            payload += decoder.feed(part)
    except MalformedMessage as error:
        return error.status
    return payload, decoder.surplus, decoder.done
