"""
h11's opinion on a head: the authority on grammar behind the recognisers in requests, responses and uwsgi.

h11 is imported on first use: most heads never need it, and starting should not wait for it.
"""

from __future__ import annotations

import re

from lbproxy.errors import MalformedMessage

_OCTETS = re.compile(r"""(?:bytearray\()?\bb(['"])(.*)\1\)?""")
"""How Python shows octets, in h11's messages."""


def _words_of(error: Exception) -> str:
    return _OCTETS.sub(r'"\2"', str(error))


def judge_request(head: bytes) -> None:
    """
    Let h11 read one complete request *head*.

    Raises:
        MalformedMessage: h11 refuses it, in h11's words and with the status it proposes.
    """
    import h11  # noqa: PLC0415

    connection = h11.Connection(h11.SERVER)
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise MalformedMessage(_words_of(error), error.error_status_hint) from error
    if not isinstance(event, h11.Request):
        raise MalformedMessage("not one complete request head")


def judge_response(head: bytes) -> None:
    """
    Let h11 read one complete response *head*, interim ones and 101 included.

    Raises:
        MalformedMessage: h11 refuses it, in h11's words; the status is 502.
    """
    import h11  # noqa: PLC0415

    connection = h11.Connection(h11.CLIENT)
    # Whether an answer may be 101 is not a matter of grammar: h11 shall believe that we asked for it.
    asked = [("Host", "x"), ("Connection", "upgrade"), ("Upgrade", "x")]
    connection.send(h11.Request(method="GET", target="/", headers=asked))
    connection.send(h11.EndOfMessage())
    connection.receive_data(head)
    try:
        event = connection.next_event()
    except h11.RemoteProtocolError as error:
        raise MalformedMessage(_words_of(error), 502) from error
    if not isinstance(event, h11.Response | h11.InformationalResponse):
        raise MalformedMessage("not one complete response head", 502)
