"""Directories as pages and data; that every octet is nginx's is checked in tests/conformance/test_static.py."""

from __future__ import annotations

import json
import re
from html import unescape
from urllib.parse import unquote_to_bytes
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from lbproxy.http.files import listing
from lbproxy.http.files.listing import Entry

CHANGED = 1_700_000_000

names = st.binary(min_size=1, max_size=60).filter(lambda name: not {0, ord("/")} & set(name))
printable = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="/\ufffe\uffff"), min_size=1)
kinds = st.sampled_from(["directory", "file", "other"])


def entry(name: bytes, kind: str = "file", size: int = 5) -> Entry:
    """Return an entry of the same age as all others."""
    return Entry(name, kind, CHANGED, size)


def page(*entries: Entry, exact_size: bool = True, offset: int = 0, utf8: bool = False, uri: bytes = b"/d/") -> bytes:
    """Return the page of *entries*."""
    return listing.html(uri, entries, exact_size=exact_size, offset=offset, utf8=utf8)


def test_directories_come_first() -> None:
    """Then all by name, octet by octet."""
    found = listing.in_order([entry(b"b"), entry(b"z", "directory"), entry(b"B"), entry(b"a", "other")])
    assert [one.name for one in found] == [b"z", b"B", b"a", b"b"]


def test_a_page() -> None:
    """Columns, with the times of all and the sizes of files."""
    assert page(entry(b"sub", "directory"), entry(b"a.txt", size=42)) == (
        b"<html>\r\n<head><title>Index of /d/</title></head>\r\n<body>\r\n<h1>Index of /d/</h1><hr><pre>"
        b'<a href="../">../</a>\r\n'
        b'<a href="sub/">sub/</a>' + b" " * 46 + b" 14-Nov-2023 22:13                   -\r\n"
        b'<a href="a.txt">a.txt</a>' + b" " * 45 + b" 14-Nov-2023 22:13                  42\r\n"
        b"</pre><hr></body>\r\n</html>\r\n"
    )


@given(names, kinds, st.booleans())
def test_links_lead_to_the_names(name: bytes, kind: str, utf8: bool) -> None:
    """Whatever is in them, nothing of it is markup, and the columns stay."""
    text = page(entry(name, kind), utf8=utf8)
    (line,) = re.findall(rb'(?s)<a href="([^"]*)">([^<]*)</a>( *) 14-Nov-2023 22:13 {19}[-5]\r\n', text)
    slash = b"/" if kind == "directory" else b""
    assert unquote_to_bytes(line[0]) == name + slash
    try:
        width = len(name.decode()) if utf8 else len(name)
        shown = unescape(line[1].decode("utf-8" if utf8 else "latin-1"))
    except UnicodeDecodeError:
        width, shown = len(name), unescape(line[1].decode("latin-1"))
    assert len(shown) + len(line[2]) == 50
    assert shown.endswith("..>") or width <= 50


@given(names)
def test_titles_are_text(name: bytes) -> None:
    """The path may hold anything."""
    title = page(uri=b"/" + name + b"/").partition(b"<h1>Index of /")[2].partition(b"/</h1>")[0]
    assert not set(b'<>"') & set(title)


def test_times_are_moved() -> None:
    """To where the server is, if that is wanted."""
    assert b"15-Nov-2023 00:13" in page(entry(b"a"), offset=7200)


def test_sizes_are_rounded() -> None:
    """From ten thousand octets on."""
    sizes = {0: b"0", 9999: b"9999", 10000: b"10K", 10751: b"10K", 10752: b"11K", (1 << 20) - 1: b"1024K",
             1 << 20: b"1M", 3 << 19: b"2M", 1 << 30: b"1G", 5 << 30: b"5G"}  # fmt: skip
    for size, shown in sizes.items():
        line = page(entry(b"a", size=size), exact_size=False).split(b"\r\n")[4]
        assert line.split()[-1] == shown
        assert len(line.partition(b"22:13 ")[2]) == 7


@given(st.lists(st.tuples(printable, kinds), max_size=4))
def test_json_is_json(entries: list[tuple[str, str]]) -> None:
    """Only files have sizes."""
    found = json.loads(listing.json([entry(name.encode(), kind) for name, kind in entries]))
    assert [(one["name"], one["type"]) for one in found] == entries
    assert all(one["mtime"] == "Tue, 14 Nov 2023 22:13:20 GMT" for one in found)
    assert all(("size" in one) == (one["type"] == "file") for one in found)


@given(st.text(st.characters(codec="ascii", exclude_characters="\0/"), min_size=1))
def test_control_characters_in_json(name: str) -> None:
    """Are escaped."""
    (found,) = json.loads(listing.json([entry(name.encode())]))
    assert found["name"] == name


@given(st.lists(st.tuples(printable, kinds), max_size=4))
def test_xml_is_xml(entries: list[tuple[str, str]]) -> None:
    """Only files have sizes."""
    root = ET.fromstring(listing.xml([entry(name.encode(), kind) for name, kind in entries]).decode())
    assert [(one.text, one.tag) for one in root] == entries
    assert all(one.get("mtime") == "2023-11-14T22:13:20Z" for one in root)
    assert all((one.get("size") == "5") == (one.tag == "file") for one in root)


def test_scripts() -> None:
    """Call what is a name, and nothing else."""
    assert listing.json([], b"a.b_1") == b"/* callback */\r\na.b_1([\r\n]);"
    assert listing.is_callback(b"a.b_1")
    assert not any(map(listing.is_callback, [b"a(", b"a b", b"x" * 129, b"\xe9", b"a;"]))
