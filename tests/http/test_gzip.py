"""Which answers are compressed, and that they unpack to what they were."""

from __future__ import annotations

import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import ConfigErrors
from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import Filtered
from lbproxy.http.gzip import GzipSettings, compile_gzip
from tests.support.exchanges import exchange
from tests.support.loading import load_text

HTML = b"Content-Type: text/html\r\n"
ACCEPTS = b"Accept-Encoding: gzip\r\n"


def chosen(
    *lines: str, fields: bytes = ACCEPTS, block: bytes = HTML, length: int | None = None, status: int = 200,
    version: int = 11,
) -> Filtered | None:  # fmt: skip
    """Return what becomes of an answer of *block* and *length* to a request with *fields*."""
    plan = load_text("server { listen 80; gzip on; " + " ".join(lines) + " }")
    choose = compile_gzip(plan.config.servers[0].root.settings(GzipSettings))
    assert choose is not None
    ex: Exchange = exchange(fields=fields, version=version)
    ex.status = status
    return choose(ex, block, length)


def packs(filtered: Filtered | None) -> bool:
    """Tell whether the body is compressed."""
    return filtered is not None and filtered.body is not None


def test_off_costs_nothing() -> None:
    assert compile_gzip(GzipSettings()) is None


@given(pieces=st.lists(st.binary(max_size=3000)), level=st.integers(1, 9), known=st.booleans())
def test_what_comes_out_unpacks_to_what_went_in(pieces: list[bytes], level: int, *, known: bool) -> None:
    filtered = chosen(f"gzip_comp_level {level};", length=max(20, sum(map(len, pieces))) if known else None)
    assert filtered is not None
    assert filtered.body is not None
    packed = b"".join([filtered.body.feed(piece) for piece in pieces]) + filtered.body.end()
    assert gzip.decompress(packed) == b"".join(pieces)


def test_pieces_of_unknown_number_can_be_read_at_once() -> None:
    """Nothing is held back in the hope of more: a stream of events stays one."""
    filtered = chosen()
    assert filtered is not None
    assert filtered.body is not None
    unpack = zlib.decompressobj(31)
    for piece in (b"one", b"two"):
        assert unpack.decompress(filtered.body.feed(piece)) == piece


def test_the_fields_tell_of_it() -> None:
    """A tag is weak from then on, and there are no ranges (RFC 9110 sections 8.8.1 and 14.3)."""
    filtered = chosen("gzip_vary on;", block=HTML + b'ETag: "x"\r\nAccept-Ranges: bytes\r\n')
    assert filtered is not None
    assert filtered.fields == HTML + b'ETag: W/"x"\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n'


def test_others_are_told_that_it_depends() -> None:
    """A cache must not give a compressed answer to who can't read it."""
    assert chosen("gzip_vary on;", fields=b"") == Filtered(HTML + b"Vary: Accept-Encoding\r\n", None)


@pytest.mark.parametrize(
    ("line", "block"),
    [
        ("", b"Content-Type: image/png\r\n"),
        ("", b""),
        ("", HTML + b"Content-Encoding: br\r\n"),
        ("gzip_types text/css;", b"Content-Type: text/plain\r\n"),
    ],
)
def test_what_is_left_alone(line: str, block: bytes) -> None:
    assert chosen(line, block=block) is None


@pytest.mark.parametrize("block", [b"Content-Type: Text/CSS ; charset=utf-8\r\n", HTML])
def test_types(block: bytes) -> None:
    assert packs(chosen("gzip_types text/css;", block=block))
    assert packs(chosen("gzip_types *;", block=block))


@pytest.mark.parametrize(("length", "expected"), [(19, False), (20, True), (None, True)])
def test_short_answers_stay_as_they_are(length: int | None, *, expected: bool) -> None:
    assert packs(chosen(length=length)) is expected


@pytest.mark.parametrize(("status", "expected"), [(200, True), (403, True), (404, True), (206, False), (500, False)])
def test_statuses(status: int, *, expected: bool) -> None:
    assert packs(chosen(status=status)) is expected


@pytest.mark.parametrize(("version", "expected"), [(10, False), (11, True)])
def test_versions(version: int, *, expected: bool) -> None:
    assert packs(chosen(version=version)) is expected
    assert packs(chosen("gzip_http_version 1.0;", version=version))


@pytest.mark.parametrize(
    "line", ["gzip_types;", "gzip_comp_level 10;", "gzip_proxied some;", "gzip_http_version 2;", 'gzip_disable "(";']
)
def test_mistakes(line: str) -> None:
    with pytest.raises(ConfigErrors):
        load_text(f"server {{ {line} }}")
