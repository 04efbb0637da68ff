"""
``charset``: named in the Content-Type of texts that do not name theirs.

As src/http/modules/ngx_http_charset_filter_module.c does it where no ``charset_map`` is involved: nothing is
recoded, what a server said of its charset stays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from lbproxy.config.octets import octets
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting, setting_args
from lbproxy.errors import InvalidValue
from lbproxy.http.exchange import Exchange
from lbproxy.http.filters import FieldFilter

_TYPES = ("text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml")
_REDIRECTS = frozenset({301, 302})  # their pages are seen by nobody (ngx_http_charset_set_charset)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*")
_CONTENT_TYPE = re.compile(rb"(?i)(?:^|(?<=\n))content-type:[ \t]*+([^\r;]++)(?=\r)")


def _charset(arg: Argument) -> str:
    if not _NAME.fullmatch(arg.text):
        raise InvalidValue(f'invalid charset "{arg.text}"', arg.position, "a name such as utf-8, or off")
    return "" if arg.text == "off" else arg.text


def _types(directive: Directive) -> tuple[str, ...]:
    return ("text/html", *(text.lower() for text in directive.texts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CharsetSettings:
    """
    What is added to which media types.

    Args:
        charset: "" for ``off``.
        types: "*" stands for all of them.
    """

    charset: str = setting("charset", _charset, "", contexts=EVERY_LEVEL | Context.IF)
    types: tuple[str, ...] = setting_args("charset_types", _types, _TYPES, arity=(1, None))


def compile_charset(settings: CharsetSettings) -> FieldFilter | None:
    """Return what names the charset in a field block; None if there is none to name."""
    if not settings.charset:
        return None
    types = frozenset(map(octets, settings.types))
    everywhere = b"*" in types
    suffix = b"; charset=" + settings.charset.encode()

    def name(match: re.Match[bytes]) -> bytes:
        applies = everywhere or match[1].strip().lower() in types
        return match[0] + suffix if applies else match[0]

    def apply(ex: Exchange, fields: bytes) -> bytes:
        if ex.status in _REDIRECTS:
            return fields
        return _CONTENT_TYPE.sub(name, fields, count=1)

    return apply
