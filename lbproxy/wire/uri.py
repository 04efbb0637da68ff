"""
Request targets and Host values: split, decode, fold, escape (RFC 3986, RFC 9110 7.2, RFC 9112 3.2).

Follows nginx where users see it: ``ngx_http_parse_complex_uri`` for paths, ``ngx_escape_uri`` for the way
back, ``ngx_http_validate_host`` for hosts (narrowed to the characters RFC 3986 gives a host).
"""

from __future__ import annotations

import re

from lbproxy.errors import MalformedMessage

# RFC 9112 3.2.2: absolute-form.  The authority is checked by `parse_host`.
_ABSOLUTE = re.compile(rb"[Hh][Tt][Tt][Pp][Ss]?://([^/?#]*+)(.*+)", re.DOTALL)
_BAD_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})|%00|\x00")
_ESCAPE = re.compile(rb"%([0-9A-Fa-f]{2})")
_REDIRECT_PIECE = re.compile(rb"%(?:(?P<code>[0-9A-Fa-f]{2})|[0-9A-Fa-f].?)|%?(?P<kept>(?<=%).?|\?)", re.DOTALL)
_SLASHES = re.compile(rb"//++")
_DOT_SEGMENT = re.compile(rb"/\.\.?(?:/|\Z)")

# src/core/ngx_string.c, table `uri` of ngx_escape_uri
_ESCAPED_IN_PATH = re.compile(rb"[\x00-\x20\"#%<>?\\^`{|}\x7f-\xff]")
# table `args` there
_ESCAPED_IN_ARGS = re.compile(rb"[\x00-\x20\"#%&+;<>?\\^`{|}\x7f-\xff]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")

# The common host first; then RFC 3986 3.2.2: reg-name, or an IP literal in brackets.
_PLAIN_HOST = re.compile(rb"([0-9a-z](?:[0-9a-z-]|\.(?=[0-9a-z]))*+)(?::[0-9]*+)?+")
_HOST = re.compile(
    rb"((?:[0-9A-Za-z_~!$&'()*+,;=-]|%[0-9A-Fa-f]{2}|\.(?!\.))++|\[[0-9A-Fa-f:.]++\])(?::[0-9]*+)?+"
)


def split(target: bytes) -> tuple[bytes, bytes | None]:
    """
    Return path and arguments of a request *target*, without any ``#fragment``.

    Args:
        target: In origin-form, in absolute-form (its path, ``/`` where that is empty), or ``*``.

    Returns:
        The path as received and what follows ``?``, None where there is none.

    Raises:
        MalformedMessage: The target has none of these forms.
    """
    if not target.startswith(b"/"):
        if target == b"*":
            return target, None
        absolute = _ABSOLUTE.fullmatch(target)
        if absolute is None:
            raise MalformedMessage("invalid request target")
        target = absolute[2]
        if not target.startswith(b"/"):
            target = b"/" + target
    if b"#" in target:
        target = target[: target.index(b"#")]
    path, mark, args = target.partition(b"?")
    return path, args if mark else None


def authority(target: bytes) -> bytes | None:
    """Return ``host[:port]`` of a *target* in absolute-form, None for the other forms."""
    absolute = _ABSOLUTE.fullmatch(target)
    return absolute[1] if absolute else None


def normalise(path: bytes, merge_slashes: bool = True) -> bytes:
    """
    Return *path* decoded and folded: what locations match and ``$uri`` shows.

    Escapes are decoded first, once; an escaped slash or dot then counts like a plain one, as in nginx.

    Args:
        path: Begins with a slash and has no arguments or fragment; ``*`` is returned as it is.
        merge_slashes: Fold ``//`` into ``/``.

    Raises:
        MalformedMessage: A broken escape, a NUL, or ``..`` above the root.
    """
    if b"%" in path or b"\0" in path:
        if _BAD_ESCAPE.search(path):
            raise MalformedMessage("invalid escape in the request target")
        path = _ESCAPE.sub(_octet, path)
    if merge_slashes and b"//" in path:
        path = _SLASHES.sub(b"/", path)
    if b"/." in path and _DOT_SEGMENT.search(path):
        path = _fold_dots(path)
    return path


def unescape(path: bytes) -> bytes:
    """Return *path* with its escapes decoded; broken ones stay."""
    return _ESCAPE.sub(_octet, path) if b"%" in path else path


def escape(path: bytes) -> bytes:
    """Return the decoded *path* as it may stand in a request line (nginx: NGX_ESCAPE_URI)."""
    return _ESCAPED_IN_PATH.sub(_percent, path)


def escape_args(value: bytes) -> bytes:
    """Return *value* as it may stand in an argument of a query (nginx: NGX_ESCAPE_ARGS)."""
    return _ESCAPED_IN_ARGS.sub(_percent, value)


def unescape_redirect(url: bytes) -> bytes:
    """
    Return *url* with those escapes decoded that no redirect needs (ngx_unescape_uri, NGX_UNESCAPE_REDIRECT).

    Up to the first "?", be it an escaped one: from "&" to "~"; broken escapes vanish as far as they go.
    """
    if b"%" not in url:
        return url
    decoded = bytearray()
    end = 0
    for match in _REDIRECT_PIECE.finditer(url):
        decoded += url[end : match.start()]
        end = match.end()
        piece = match["kept"] or b""
        if match["code"]:
            octet = int(match["code"], 16)
            piece = bytes((octet,)) if 0x25 < octet < 0x7F else match[0]
        decoded += piece
        if piece == b"?" and match[0] != b"%?":
            break
    return bytes(decoded) + url[end:]


def escape_controls(url: bytes) -> bytes:
    """Return *url* with its control characters escaped, so that it may stand in a field."""
    return _CONTROL.sub(_percent, url)


def parse_host(value: bytes) -> bytes:
    """
    Return the name in a Host field or authority: lower case, without port and trailing dot.

    An IPv6 literal keeps its brackets.

    Raises:
        MalformedMessage: Empty, or not ``host[:port]`` (user information included).
    """
    plain = _PLAIN_HOST.fullmatch(value)
    if plain:
        return plain[1]
    match = _HOST.fullmatch(value)
    host = match[1].lower() if match else b""
    if host.endswith(b"."):
        host = host[:-1]
    if not host:
        raise MalformedMessage("invalid host")
    return host


def _octet(match: re.Match[bytes]) -> bytes:
    return bytes((int(match[1], 16),))


def _percent(match: re.Match[bytes]) -> bytes:
    return b"%%%02X" % match[0][0]


def _fold_dots(path: bytes) -> bytes:
    """Apply ``.`` and ``..`` segments (RFC 3986 5.2.4, but climbing above the root is an error)."""
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for segment in segments:
        if segment == b"..":
            if not kept:
                raise MalformedMessage("request target leaves the root")
            kept.pop()
        elif segment != b".":
            kept.append(segment)
    if segments[-1] in (b".", b".."):
        kept.append(b"")
    return b"/" + b"/".join(kept)
