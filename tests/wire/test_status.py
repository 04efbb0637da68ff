"""Reason phrases."""

from __future__ import annotations

from lbproxy.wire.status import STATUS_REASONS


def test_phrases_may_stand_in_a_status_line() -> None:
    """Statuses have three digits, phrases are visible ASCII."""
    for status, reason in STATUS_REASONS.items():
        assert 100 <= status <= 599
        assert reason.isascii()
        assert reason.decode().isprintable()


def test_phrases_are_nginx_words() -> None:
    """Where they differ from the standard's, log parsers and error pages know nginx's."""
    assert [STATUS_REASONS[status] for status in (302, 405, 408, 414, 416, 503, 504)] == [
        b"Moved Temporarily", b"Not Allowed", b"Request Time-out", b"Request-URI Too Large",
        b"Requested Range Not Satisfiable", b"Service Temporarily Unavailable", b"Gateway Time-out",
    ]
