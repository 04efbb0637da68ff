"""What a client understands of the octets it got on one connection, as h11 reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import h11


@dataclass(frozen=True)
class Told:
    """
    One answer.

    Args:
        status: Of its final head.
        body: As far as it came, without its framing.
        cut: A client can see that something is missing: octets of the announced length, the last chunk, or the
            orderly end where nothing else ends the body.
    """

    status: int
    body: bytes = b""
    cut: bool = False


def read_answers(octets: bytes, methods: Sequence[str], *, closed: bool = True, reset: bool = False) -> list[Told]:
    """
    Return the answers in *octets*, of which the last may be cut.

    Args:
        methods: Of the requests, in order; fewer answers are no mistake, octets behind the last one are.
        closed: The connection has ended; else what is incomplete is left out.
        reset: It ended with a reset.

    Raises:
        h11.RemoteProtocolError: They are no answers to such requests.
    """
    told: list[Told] = []
    for method in methods:
        if not octets:
            return told
        answer, octets = _read_answer(octets, method, closed=closed, reset=reset)
        if answer is None:
            return told
        told.append(answer)
    assert octets == b"", f"octets that answer nothing: {octets[:200]!r}"
    return told


def _read_answer(octets: bytes, method: str, *, closed: bool, reset: bool) -> tuple[Told | None, bytes]:
    """Return an answer to a *method* request, None if it is incomplete, and the octets behind it."""
    parser = h11.Connection(h11.CLIENT, max_incomplete_event_size=1 << 20)
    parser.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(octets)
    status, body, at_end = 0, b"", False
    while True:
        try:
            event = parser.next_event()
        except h11.RemoteProtocolError:
            if at_end:
                return Told(status, body, cut=True), b""
            raise
        if isinstance(event, h11.Response):
            status = event.status_code
        elif isinstance(event, h11.Data):
            body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            return Told(status, body, cut=at_end and reset), parser.trailing_data[0]
        elif event is h11.NEED_DATA:
            if not closed:
                return None, b""
            at_end = True
            parser.receive_data(b"")
