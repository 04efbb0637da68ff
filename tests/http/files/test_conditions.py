"""Whether a file is still the one that a client knows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.files.conditions import Conditions, conditions, validators
from lbproxy.wire.dates import http_date
from tests.support.served import request

CHANGED = 1_700_000_000
KNOWN = validators(CHANGED, 96, True)
DATE, EARLIER, LATER = (http_date(CHANGED + later).decode() for later in (0, -1, 1))
TAG = KNOWN.etag.decode()


def asked(*lines: str) -> Conditions | None:
    """Return the conditions of a request with these fields."""
    return conditions(request(fields="".join(f"{line}\r\n" for line in ("Host: x", *lines)).encode()))


def told(*lines: str, rule: str = "exact") -> int:
    """Return what a request with these fields is told."""
    found = asked(*lines)
    assert found is not None
    return found.status(KNOWN, rule)


def test_what_is_said_of_a_file() -> None:
    """The tag is nginx's: time and size in hexadecimal digits."""
    assert KNOWN.etag == b'"6553f100-60"'
    assert KNOWN.lines == b'Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\nETag: "6553f100-60"\r\n'
    assert KNOWN.etag_line == b'ETag: "6553f100-60"\r\n'
    untagged = validators(CHANGED, 96, False)
    assert (untagged.etag, untagged.etag_line) == (b"", b"")
    assert untagged.lines == b"Last-Modified: Tue, 14 Nov 2023 22:13:20 GMT\r\n"


def test_most_requests_have_no_conditions() -> None:
    """Nothing is made for them."""
    assert asked("Accept: */*", "X-If-Match: *") is None


@pytest.mark.parametrize(("rule", "earlier", "same", "later"), [
    ("exact", 0, 304, 0), ("before", 0, 304, 304), ("off", 0, 0, 0),
])  # fmt: skip
def test_if_modified_since(rule: str, earlier: int, same: int, later: int) -> None:
    """By default only the very same time counts, as clients repeat what they were told."""
    assert told(f"If-Modified-Since: {EARLIER}", rule=rule) == earlier
    assert told(f"If-Modified-Since: {DATE}", rule=rule) == same
    assert told(f"If-Modified-Since: {LATER}", rule=rule) == later
    assert told("If-Modified-Since: yesterday", rule=rule) == 0


def test_if_unmodified_since() -> None:
    """What is no date was certainly before."""
    assert told(f"If-Unmodified-Since: {DATE}") == told(f"If-Unmodified-Since: {LATER}") == 0
    assert told(f"If-Unmodified-Since: {EARLIER}") == told("If-Unmodified-Since: tomorrow") == 412


@pytest.mark.parametrize(("tags", "none_match", "match"), [
    ("*", 304, 0), (TAG, 304, 0), (f"W/{TAG}", 304, 412), (f'"a", {TAG}', 304, 0), (f'"a",W/{TAG} ,"b"', 304, 412),
    ('"a"', 0, 412), (f"{TAG}x", 0, 412), (f"x{TAG}", 0, 412), ('"6553f100-60', 0, 412), (TAG[1:], 0, 412),
    ("*x", 0, 412),
])  # fmt: skip
def test_tags(tags: str, none_match: int, match: int) -> None:
    """Weak ones are as good for If-None-Match, not for If-Match (RFC 9110, section 8.8.3.2)."""
    assert told(f"If-None-Match: {tags}") == none_match
    assert told(f"If-Match: {tags}") == match


@given(st.lists(st.sampled_from([TAG, f"W/{TAG}", '"a"', 'W/"b"', '"6553f100-600"', '""']), max_size=4),
       st.sampled_from([",", ", ", " ,", ",,", ", ,"]))  # fmt: skip
def test_a_list_matches_if_one_of_it_does(tags: list[str], comma: str) -> None:
    """However it is written."""
    strong = [tag.removeprefix("W/") for tag in tags]
    assert told(f"If-None-Match: {comma.join(tags)}") == (304 if TAG in strong else 0)
    assert told(f"If-Match: {comma.join(tags)}") == (0 if TAG in tags else 412)


def test_without_a_tag_none_matches() -> None:
    """With ``etag off``."""
    found = asked(f"If-None-Match: {TAG}")
    assert found is not None
    assert found.status(validators(CHANGED, 96, False), "exact") == 0


def test_all_conditions_have_to_agree() -> None:
    """As in nginx; RFC 9110 would ask If-None-Match alone."""
    assert told(f"If-None-Match: {TAG}", f"If-Modified-Since: {DATE}") == 304
    assert told(f"If-None-Match: {TAG}", f"If-Modified-Since: {EARLIER}") == 0
    assert told('If-None-Match: "a"', f"If-Modified-Since: {DATE}") == 0
    assert told(f"If-Match: {TAG}", f"If-None-Match: {TAG}") == 304
    assert told('If-Match: "a"', f"If-None-Match: {TAG}") == 412


@pytest.mark.parametrize(("version", "counts"), [
    (TAG, True), (f"W/{TAG}", False), ('"a"', False), (DATE, True), (EARLIER, False), (LATER, False), ("x", False),
    ('"', False),
])  # fmt: skip
def test_if_range(version: str, counts: bool) -> None:
    """A part is sent of the version that the client has the rest of."""
    found = asked("Range: bytes=0-1", f"If-Range: {version}")
    assert found is not None
    assert found.wanted_range(KNOWN) == (b"bytes=0-1" if counts else None)


def test_if_range_alone_means_nothing() -> None:
    """As Range does without it."""
    found, only_range = asked(f"If-Range: {TAG}"), asked("Range: bytes=0-1")
    assert found is not None
    assert only_range is not None
    assert found.wanted_range(KNOWN) is None
    assert only_range.wanted_range(KNOWN) == b"bytes=0-1"
    assert only_range.status(KNOWN, "exact") == 0
