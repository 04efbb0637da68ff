"""Parts of files: what a Range field asks for, beside an oracle that thinks in single octets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.files.ranges import Multipart, Range, parse_ranges

positions = st.integers(0, 30)
specs = st.one_of(
    st.tuples(positions, positions).map(lambda pair: f"{pair[0]}-{pair[1]}"),
    positions.map("{}-".format),
    positions.map("-{}".format),
)
values = st.lists(specs, min_size=1, max_size=5).map(lambda several: "bytes=" + ",".join(several))


def octets_of(spec: str, length: int) -> list[int]:
    """Return the positions that *spec* means in a file of *length* octets (RFC 9110, section 14.1.2)."""
    first, _, last = spec.partition("-")
    if first == "":
        return list(range(length))[-int(last):] if int(last) else []
    return [at for at in range(length) if int(first) <= at and (last == "" or at <= int(last))]


@given(values, st.integers(1, 25))
def test_the_octets_are_those_that_were_asked_for(value: str, length: int) -> None:
    """All of them in this order, unless a part from the beginning has none, or all together are more than the file."""
    wanted = [octets_of(spec, length) for spec in value.removeprefix("bytes=").split(",")]
    found = parse_ranges(value.encode(), length, 100)
    if found is not None:
        assert [list(range(*part)) for part in found] == [part for part in wanted if part]
    else:
        empty = any(re.match("0+-", spec) for spec in value.removeprefix("bytes=").split(",")) and [] in wanted
        assert empty or sum(map(len, wanted)) > length


@given(st.binary(max_size=20).map(b"bytes=".__add__) | st.binary(max_size=20), st.integers(0, 25))
def test_anything_gives_parts_of_the_file(value: bytes, length: int) -> None:
    """Or none; never an error, never an octet that is not there."""
    for start, end in parse_ranges(value, length, 100) or ():
        assert 0 <= start < end <= length


@given(values, st.integers(1, 25))
def test_blanks_and_zeros_change_nothing(value: str, length: int) -> None:
    """Where nginx allows them."""
    loose = re.sub(r"(\d+)(?=-)", r" 00\1 ", value.replace(",", " , "))
    assert parse_ranges(loose.encode(), length, 100) == parse_ranges(value.encode(), length, 100)


@pytest.mark.parametrize("value", [b"bytes=x", b"bytes=1", b"bytes=0-0,", b"bytes=--1", b"bytes=- 1", b"bytes=9-",
                                   b"bytes=-0", b"bytes=0-%d" % (1 << 63)])  # fmt: skip
def test_nothing_can_be_had(value: bytes) -> None:
    """A mistake, or only parts that lie behind the end: 416."""
    assert parse_ranges(value, 9, 100) == []


@pytest.mark.parametrize("value", [b"", b"bytes=", b"lines=0-1", b"bytes:0-1", b"bytes=0-,0-", b"bytes=0-5,3-8"])
def test_the_whole_file_is_sent(value: bytes) -> None:
    """Other units mean nothing, and more than the file is the file."""
    assert parse_ranges(value, 9, 100) is None


def test_there_is_a_limit() -> None:
    """Who asks for more parts gets the whole."""
    assert parse_ranges(b"bytes=0-0,2-2", 9, 2) == [Range(0, 1), Range(2, 3)]
    assert parse_ranges(b"bytes=0-0,2-2", 9, 1) is None


def test_an_empty_file_has_no_parts() -> None:
    """From the beginning on there is nothing, which is all of it."""
    assert parse_ranges(b"bytes=0-", 0, 100) is None
    assert parse_ranges(b"bytes=1-", 0, 100) == []


def test_content_range() -> None:
    """Names the last octet, not the one behind it."""
    assert Range(0, 5).content_range(10) == b"bytes 0-4/10"


@pytest.mark.parametrize("content_type", [b"text/plain", b""])
def test_several_parts_are_one_body(content_type: bytes) -> None:
    """Each with its type, if there is one; the length is that of the octets."""
    file = b"0123456789"
    multipart = Multipart([Range(0, 2), Range(5, 6)], len(file), content_type, 7)
    body = b"".join(title + file[part.start : part.end] for title, part in multipart) + multipart.end
    boundary = b"0" * 19 + b"7"
    line = b"Content-Type: text/plain\r\n" if content_type else b""
    assert body == (
        b"\r\n--%b\r\n%bContent-Range: bytes 0-1/10\r\n\r\n01"
        b"\r\n--%b\r\n%bContent-Range: bytes 5-5/10\r\n\r\n5"
        b"\r\n--%b--\r\n" % (boundary, line, boundary, line, boundary)
    )
    assert multipart.length == len(body)
    assert multipart.content_type == b"multipart/byteranges; boundary=" + boundary
