"""Users, realms and challenges."""

from __future__ import annotations

from lbproxy.http.basic import User, challenge, parse_users


def test_a_file_of_users() -> None:
    """Comments, other line ends, further columns; of two with one name the first counts."""
    text = b"# users\n\nann:one\nbob:two:Bob\r\n\r\n:nobody\nann:three\n#eve:four\nnothing\neve:\nlast:five"
    assert parse_users(text) == {
        b"ann": User(b"one", 3), b"bob": User(b"two", 4), b"eve": User(b"", 10), b"last": User(b"five", 11),
    }  # fmt: skip


def test_a_challenge_is_one_line() -> None:
    """Whatever the variables in the realm have brought."""
    assert challenge(b"a\r\nb") == b'WWW-Authenticate: Basic realm="a  b"\r\n'
