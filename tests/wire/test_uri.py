"""Targets and hosts: split, decoded, folded and escaped as nginx does (the tables were checked against one)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.errors import MalformedMessage
from lbproxy.wire import uri


@pytest.mark.parametrize(
    ("target", "path", "args"),
    [
        (b"/", b"/", None),
        (b"/a?b", b"/a", b"b"),
        (b"/a?", b"/a", b""),
        (b"/a?b?c#d", b"/a", b"b?c"),
        (b"/a#b?c", b"/a", None),
        (b"//h/a", b"//h/a", None),
        (b"/a%3Fb", b"/a%3Fb", None),
        (b"http://h/a/b?c", b"/a/b", b"c"),
        (b"HTTPS://h:1", b"/", None),
        (b"http://h?c", b"/", b"c"),
        (b"http://h#c", b"/", None),
        (b"*", b"*", None),
    ],
)
def test_split(target: bytes, path: bytes, args: bytes | None) -> None:
    """Fragments are cut, an absolute target gives its path, nothing is decoded. Robustness 10."""
    assert uri.split(target) == (path, args)


@pytest.mark.parametrize("target", [b"", b"a", b"?a", b"ftp://h/", b"http:/h/", b"h:443", b"**"])
def test_other_forms_are_no_targets(target: bytes) -> None:
    """What has no form of RFC 9112 3.2 for a proxied request is refused."""
    with pytest.raises(MalformedMessage):
        uri.split(target)


@pytest.mark.parametrize(
    ("target", "authority"),
    [(b"http://h:80/a", b"h:80"), (b"http://u@h", b"u@h"), (b"http://", b""), (b"/a", None), (b"*", None)],
)
def test_authority(target: bytes, authority: bytes | None) -> None:
    """Only an absolute target has one."""
    assert uri.authority(target) == authority


@pytest.mark.parametrize(
    ("path", "normal"),
    [
        (b"/", b"/"), (b"*", b"*"), (b"/a.b/.c/..d/...", b"/a.b/.c/..d/..."),
        (b"/%41%2f%2Fb", b"/A/b"), (b"/a%2e%2e/b", b"/a../b"), (b"/a/%2e%2e/b", b"/b"), (b"/a%252f", b"/a%2f"),
        (b"/a%3f%23%20+", b"/a?# +"), (b"/%e9\\", b"/\xe9\\"),
        (b"//a///b//", b"/a/b/"), (b"/./a/./b/.", b"/a/b/"), (b"/a/b/..", b"/a/"), (b"/a/..", b"/"),
        (b"/a/../", b"/"),
        (b"/a//../b", b"/b"), (b"/.", b"/"),
    ],
)
def test_normalise(path: bytes, normal: bytes) -> None:
    """Decoded once, slashes merged, dots folded."""
    assert uri.normalise(path) == normal


@pytest.mark.parametrize(("path", "normal"), [(b"//a//b/", b"//a//b/"), (b"/a//../b", b"/a/b"),
                                              (b"/a/.//b", b"/a//b")])
def test_normalise_without_merging(path: bytes, normal: bytes) -> None:
    """merge_slashes off leaves empty segments; dots are folded nonetheless."""
    assert uri.normalise(path, merge_slashes=False) == normal


@pytest.mark.parametrize(
    "path", [b"/%", b"/%1", b"/%g1", b"/%1g", b"/%+1", b"/%00", b"/\x00", b"/..", b"/a/../..", b"/%2e%2e/",
             b"/a/..//../b"]
)
def test_paths_without_a_meaning(path: bytes) -> None:
    """Broken escapes, NUL, and climbing above the root are refused. Robustness 10."""
    with pytest.raises(MalformedMessage) as info:
        uri.normalise(path)
    assert info.value.status == 400


SEGMENTS = st.sampled_from([b"/", b".", b"..", b"a", b"%2e", b"%2F", b"%25", b"%", b"%20", b"?", b"\xe9", b"%00",
                            b"//"])


@given(st.lists(SEGMENTS, max_size=12).map(b"".join), st.booleans())
def test_normal_paths_are_safe(rest: bytes, merge: bool) -> None:
    """
    No dot segment is left, no empty one where they merge; and escaping comes back to the same path.

    Robustness 10.
    """
    try:
        path = uri.normalise(b"/" + rest, merge)
    except MalformedMessage:
        return
    segments = path.split(b"/")[1:]
    assert path.startswith(b"/")
    assert not {b".", b".."} & set(segments)
    assert not (merge and b"" in segments[:-1])
    assert uri.normalise(uri.escape(path), merge) == path


def test_escape() -> None:
    """The octets nginx escapes, in capitals; slashes and the like stay."""
    assert uri.escape(b"/a b/%?#\"<>\\^`{|}\x7f\xe9\r\n") == (
        b"/a%20b/%25%3F%23%22%3C%3E%5C%5E%60%7B%7C%7D%7F%E9%0D%0A"
    )
    assert uri.escape(b"/!$&'()*+,;=:@~-._[]") == b"/!$&'()*+,;=:@~-._[]"


def test_escape_controls() -> None:
    """Nothing else: a URL that was escaped before stays what it is."""
    assert uri.escape_controls(b"/a%20b?c d\r\n\x7f\xe9") == b"/a%20b?c d%0D%0A%7F\xe9"


@given(st.binary(max_size=30))
def test_escaped_octets_may_stand_in_a_request_line(path: bytes) -> None:
    """Nothing is left that could end a target or a line. Robustness 10."""
    assert not set(uri.escape(path)) & {*range(33), 127, *b'#?"<>', *range(128, 256)}


def test_arguments_are_escaped_more_strictly() -> None:
    """What would end one, or mean something in it."""
    assert uri.escape_args(b"a b&c=d;e+f%g/h?i\xe9~") == b"a%20b%26c=d%3Be%2Bf%25g/h%3Fi%E9~"


@pytest.mark.parametrize(
    ("url", "decoded"),
    [
        (b"/a", b"/a"), (b"/%41%26%7e", b"/A&~"), (b"/%20%25%7f%c3%a9", b"/%20%25%7f%c3%a9"), (b"/%41?%41", b"/A?%41"),
        (b"/%3f%41", b"/?%41"), (b"/%zz%2", b"/zz"), (b"/%4z%", b"/"), (b"/%%41", b"/%41"), (b"/%?%41", b"/?A"),
    ],
)
def test_redirects_keep_the_escapes_they_need(url: bytes, decoded: bytes) -> None:
    """Up to the arguments; broken escapes vanish as in nginx."""
    assert uri.unescape_redirect(url) == decoded


def naive_redirect(url: bytes) -> bytes:
    """ngx_unescape_uri, state by state."""
    made, rest = bytearray(), list(url)
    while rest:
        octet = rest.pop(0)
        if octet != ord("%"):
            made.append(octet)
            if octet == ord("?"):
                break
            continue
        first = chr(rest.pop(0)) if rest else ""
        if first not in "0123456789abcdefABCDEF":
            made += first.encode("latin-1")
        elif first and rest:
            second = chr(rest.pop(0))
            if second in "0123456789abcdefABCDEF":
                code = int(first + second, 16)
                made += bytes((code,)) if 0x25 < code < 0x7F else f"%{first}{second}".encode()
                if code == ord("?"):
                    break
    return bytes(made) + bytes(rest)


PIECES = st.sampled_from([b"%", b"2", b"6", b"3", b"f", b"F", b"?", b"z", b"%41", b"%3F", b"\xe9"])


@given(st.lists(PIECES, max_size=9).map(b"".join))
def test_redirects_against_the_states_of_nginx(url: bytes) -> None:
    """The same octets for whatever is written."""
    assert uri.unescape_redirect(url) == naive_redirect(url)


@pytest.mark.parametrize(
    ("value", "host"),
    [
        (b"a", b"a"), (b"A.B-c:80", b"a.b-c"), (b"a.", b"a"), (b"a.:80", b"a"), (b"a:", b"a"), (b".a", b".a"),
        (b"1.2.3.4", b"1.2.3.4"), (b"[::1]", b"[::1]"), (b"[FE80::A]:8080", b"[fe80::a]"), (b"a_b", b"a_b"),
        (b"a%20b", b"a%20b"), (b"-a", b"-a"),
    ],
)
def test_hosts(value: bytes, host: bytes) -> None:
    """Lower case, without port and trailing dot; IPv6 literals keep their brackets."""
    assert uri.parse_host(value) == host


@pytest.mark.parametrize(
    "value",
    [b"", b":80", b".", b"..", b"a..", b"a..b", b"a/b", b"a b", b"a@b", b"a:b", b"a:1:2", b"a:-1", b"::1", b"[::1",
     b"[]", b"[a]b",
     b"[::1]b", b"[::1%eth0]", b"a%", b"a%2", b"a\\b", b"a?b", b"a#b", b"\xe9", b"a\x00", b"a\n",
     "a:\N{ARABIC-INDIC DIGIT FIVE}".encode()],
)
def test_invalid_hosts(value: bytes) -> None:
    """Anything but host[:port] is refused. Robustness 9."""
    with pytest.raises(MalformedMessage):
        uri.parse_host(value)
