"""
Passwords as ``htpasswd`` and ``openssl passwd`` keep them.

Made here: ``$apr1$`` and ``$1$`` (MD5), ``$5$`` and ``$6$`` (SHA-256, SHA-512), ``{SHA}``, ``{SSHA}``, ``{PLAIN}``.
Anything else, bcrypt (``$2y$``) and traditional DES above all, is for the system's crypt(3), which is handed in.

Sources: src/core/ngx_crypt.c; crypt-md5.c of FreeBSD; "Unix crypt using SHA-256 and SHA-512" by U. Drepper, whose
numbers of steps are in the comments.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping

Crypt = Callable[[bytes, bytes], bytes | None]
"""crypt(3): what *password* becomes with *salt*, None if it does not know how."""

_ALPHABET = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_FAST = (b"{PLAIN}", b"{SHA}", b"{SSHA}")
_SHA_CRYPT = re.compile(rb"\$([56])\$(?:rounds=([0-9]{1,9})\$)?([^$]{0,16})")
_MD5_CRYPT = re.compile(rb"\$(1|apr1)\$([^$]{0,8})")


class UnknownScheme(ValueError):
    """Neither this module nor the system knows how the password was hashed."""


def is_slow(kept: bytes) -> bool:
    """Return whether checking against *kept* takes long enough to be done elsewhere."""
    return not kept.startswith(_FAST)


def matches(password: bytes, kept: bytes, crypt: Crypt) -> bool:
    """
    Return whether *kept* was made of *password*; how long that takes does not tell where they differ.

    Raises:
        UnknownScheme: Nobody knows how it was made.
    """
    if b"\0" in password:
        return False  # crypt(3) would not look behind it
    made = _make(password, kept, crypt)
    return hmac.compare_digest(made, kept)


def _make(password: bytes, kept: bytes, crypt: Crypt) -> bytes:
    """Return what *password* becomes in the scheme, and with the salt, of *kept*."""
    if kept.startswith(b"{PLAIN}"):
        return b"{PLAIN}" + password
    if kept.startswith(b"{SHA}"):
        return b"{SHA}" + base64.b64encode(hashlib.sha1(password).digest())  # noqa: S324 - as it was kept
    if kept.startswith(b"{SSHA}"):
        return _salted_sha(password, kept)
    if match := _MD5_CRYPT.match(kept):
        return md5_crypt(password, match[2], b"$%b$" % match[1])
    if match := _SHA_CRYPT.match(kept):
        return sha_crypt(password, match[3], match[1], None if match[2] is None else int(match[2]))
    made = crypt(password, kept)
    if not made or made.startswith(b"*"):
        raise UnknownScheme
    return made


def _salted_sha(password: bytes, kept: bytes) -> bytes:
    """RFC 2307 section 5.3, with the salt behind the digest (ngx_crypt_ssha)."""
    try:
        salt = base64.b64decode(kept.removeprefix(b"{SSHA}"))[20:]
    except binascii.Error:
        raise UnknownScheme from None
    return b"{SSHA}" + base64.b64encode(hashlib.sha1(password + salt).digest() + salt)  # noqa: S324 - as above


def _base64(digest: bytes, triples: Iterable[tuple[int, ...]]) -> bytes:
    """Return the octets of *digest* at *triples*, six bits to a letter, the lowest first."""
    letters = bytearray()
    for places in triples:
        value = int.from_bytes(bytes(digest[place] for place in places))
        for _ in range(-(-len(places) * 8 // 6)):
            letters.append(_ALPHABET[value & 63])
            value >>= 6
    return bytes(letters)


_MD5_ORDER = ((0, 6, 12), (1, 7, 13), (2, 8, 14), (3, 9, 15), (4, 10, 5), (11,))


def md5_crypt(password: bytes, salt: bytes, magic: bytes) -> bytes:
    """Return what crypt(3) makes of *password* with *magic* ``$1$``, or Apache with ``$apr1$`` (ngx_crypt_apr1)."""
    md5 = hashlib.md5
    inner = md5(password + salt + password).digest()
    begun = md5(password + magic + salt)
    begun.update((inner * (len(password) // 16 + 1))[: len(password)])
    bits = len(password)
    while bits:
        begun.update(b"\0" if bits & 1 else password[:1])
        bits >>= 1
    digest = begun.digest()
    for number in range(1000):
        digest = md5(_mixed(number, digest, password, salt)).digest()
    return magic + salt + b"$" + _base64(digest, _MD5_ORDER)


def _mixed(number: int, digest: bytes, password: bytes, salt: bytes) -> bytes:
    """Return what is hashed in round *number*."""
    first, last = (password, digest) if number & 1 else (digest, password)
    return first + (salt if number % 3 else b"") + (password if number % 7 else b"") + last


_SHA_ROUNDS = 5000
_SHA256_ORDER = ((0, 10, 20), (21, 1, 11), (12, 22, 2), (3, 13, 23), (24, 4, 14), (15, 25, 5), (6, 16, 26),
                 (27, 7, 17), (18, 28, 8), (9, 19, 29), (31, 30))  # fmt: skip
_SHA512_ORDER = ((0, 21, 42), (22, 43, 1), (44, 2, 23), (3, 24, 45), (25, 46, 4), (47, 5, 26), (6, 27, 48),
                 (28, 49, 7), (50, 8, 29), (9, 30, 51), (31, 52, 10), (53, 11, 32), (12, 33, 54), (34, 55, 13),
                 (56, 14, 35), (15, 36, 57), (37, 58, 16), (59, 17, 38), (18, 39, 60), (40, 61, 19), (62, 20, 41),
                 (63,))  # fmt: skip
_SHA: Mapping[bytes, tuple[Callable[..., hashlib._Hash], tuple[tuple[int, ...], ...]]] = {
    b"5": (hashlib.sha256, _SHA256_ORDER),
    b"6": (hashlib.sha512, _SHA512_ORDER),
}


def sha_crypt(password: bytes, salt: bytes, kind: bytes, rounds: int | None = None) -> bytes:
    """
    Return what crypt(3) makes of *password* with SHA-256 (*kind* ``5``) or SHA-512 (``6``).

    Args:
        rounds: None: not said, 5000.
    """
    sha, order = _SHA[kind]
    inner = sha(password + salt + password).digest()  # steps 4 to 8
    begun = sha(password + salt + _stretched(inner, len(password)))  # 1 to 3, 9, 10
    bits = len(password)
    while bits:  # 11
        begun.update(inner if bits & 1 else password)
        bits >>= 1
    digest = begun.digest()
    long_password = _stretched(sha(password * len(password)).digest(), len(password))  # 13 to 16
    long_salt = _stretched(sha(salt * (16 + digest[0])).digest(), len(salt))  # 17 to 20
    said = b"" if rounds is None else b"rounds=%d$" % _within(rounds)
    for number in range(_within(_SHA_ROUNDS if rounds is None else rounds)):  # 21
        digest = sha(_mixed(number, digest, long_password, long_salt)).digest()
    return b"$%b$%b%b$%b" % (kind, said, salt, _base64(digest, order))


def _within(rounds: int) -> int:
    return min(max(rounds, 1000), 999_999_999)


def _stretched(digest: bytes, size: int) -> bytes:
    """Return *digest* as often as it takes to make *size* octets."""
    return (digest * (size // len(digest) + 1))[:size]
