"""Passwords, in every form in which they are kept."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lbproxy.http.passwords import UnknownScheme, is_slow, matches, md5_crypt, sha_crypt
from lbproxy.proxy.userfiles import system_crypt

PASSWORDS = st.binary(max_size=80).filter(lambda password: b"\0" not in password)
SALTS = st.text("./019AZaz", max_size=16).map(str.encode)


def nobody(password: bytes, salt: bytes) -> bytes | None:
    """A system without crypt(3)."""
    return None


KEPT = {
    b"{PLAIN}": b"{PLAIN}secret",
    b"{SHA}": b"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
    b"{SSHA}": b"{SSHA}gVK8WC9YyFT1gMsQHTGCgT3sSv5zYWx0",
    b"$apr1$": b"$apr1$Sy9uAK3v$1Hbv3kId7QW76qVBnppOv1",
    b"$1$": b"$1$saltsalt$9xy1btjgzLYfb7hivXtC//",
    b"$5$": b"$5$uWOE7N8uggTgsoiP$JcMeER8r2bhpWKtRgn0vBYKJ5gmUHQwrrH2qS4Ouy24",
    b"$6$": (
        b"$6$xjGCWqe6k9TgULPx$NTa3hjmzaqchu0huglxv1G2f2GAP7u5SIme5YFVnqdTzKtLnYP3AIRUTsp1gBIOT8O8YsBPtzvxydedjSBCAs/"
    ),
}
"""The password "secret", as htpasswd and openssl passwd have made it."""


@pytest.mark.parametrize("scheme", KEPT)
def test_the_right_password(scheme: bytes) -> None:
    """Matches, and no other does."""
    kept = KEPT[scheme]
    assert matches(b"secret", kept, nobody)
    for password in (b"", b"Secret", b"secret ", b"secret\0", b"\0", kept):
        assert not matches(password, kept, nobody)
    assert is_slow(kept) == scheme.startswith(b"$")


@pytest.mark.parametrize(
    ("salt", "rounds", "password", "kept"),
    [
        (b"saltstringsaltst", 10000, b"Hello world!", b"$6$rounds=10000$saltstringsaltst$OW1/O6BYHV6BcXZu8QVeXb"),
        (b"roundstoolow", 10, b"the minimum number is still observed", b"$6$rounds=1000$roundstoolow$kUMsbe306n21p9R."),
    ],
)
def test_the_examples_of_the_specification(salt: bytes, rounds: int, password: bytes, kept: bytes) -> None:
    """Of "Unix crypt using SHA-256 and SHA-512"."""
    assert sha_crypt(password, salt, b"6", rounds).startswith(kept)


@settings(max_examples=15)
@given(PASSWORDS, SALTS)
def test_the_system_agrees(password: bytes, salt: bytes) -> None:
    """What is made here is what crypt(3) makes, where there is one."""
    crypt = system_crypt()
    if crypt(b"x", b"$6$x") is None:
        pytest.skip("no crypt(3)")
    assert sha_crypt(password, salt, b"6") == crypt(password, b"$6$%b$" % salt)
    assert sha_crypt(password, salt, b"5", 1001) == crypt(password, b"$5$rounds=1001$%b$" % salt)
    if salt:
        assert md5_crypt(password, salt[:8], b"$1$") == crypt(password, b"$1$%b$" % salt[:8])


def test_what_only_the_system_knows() -> None:
    """bcrypt and DES; what it does not know either is said to be unknown."""
    asked: list[tuple[bytes, bytes]] = []

    def crypt(password: bytes, salt: bytes) -> bytes | None:
        asked.append((password, salt))
        return {b"right": salt, b"wrong": b"other"}.get(password, b"*0")

    assert matches(b"right", b"$2y$05$abc", crypt)
    assert not matches(b"wrong", b"ab0123456789.", crypt)
    assert asked == [(b"right", b"$2y$05$abc"), (b"wrong", b"ab0123456789.")]
    for password, does in ((b"x", crypt), (b"right", nobody)):
        with pytest.raises(UnknownScheme):
            matches(password, b"$2y$05$abc", does)


@pytest.mark.parametrize("kept", [b"{SSHA}!", b"{SSHA}abc", b"{SSHA}"])
def test_what_is_kept_badly(kept: bytes) -> None:
    """Matches nothing."""
    with suppress(UnknownScheme):
        assert not matches(b"secret", kept, nobody)
