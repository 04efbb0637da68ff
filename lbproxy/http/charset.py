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
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire.fields import BREAKS, finder

_TYPES = ("text/html", "text/xml", "text/plain", "text/vnd.wap.wml", "application/javascript", "application/rss+xml")
_REDIRECTS = frozenset({301, 302})  # their pages are seen by nobody (ngx_http_charset_set_charset)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:+-]*")
_BARE_TYPE = finder(b"content-type", rb"[^\r;]++")


def _charset(arg: Argument) -> Template | None:
    if not arg.text.startswith("$") and not _NAME.fullmatch(arg.text):
        raise InvalidValue(f'invalid charset "{arg.text}"', arg.position, "a name such as utf-8, or off")
    return None if arg.text == "off" else Template.parse(arg)


def _types(directive: Directive) -> tuple[str, ...]:
    return ("text/html", *(text.lower() for text in directive.texts))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CharsetSettings:
    """
    What is added to which media types.

    Args:
        charset: None for ``off``; a variable without a value means the same.
        types: "*" stands for all of them.
    """

    charset: Template | None = setting("charset", _charset, None, contexts=EVERY_LEVEL | Context.IF)
    types: tuple[str, ...] = setting_args("charset_types", _types, _TYPES, arity=(1, None))

    @property
    def is_utf8(self) -> bool:
        """Whether it is UTF-8, as far as that can be known before there is a request."""
        return self.charset is not None and (self.charset.constant or b"").lower() == b"utf-8"


def compile_charset(settings: CharsetSettings, table: VariableTable) -> FieldFilter | None:
    """
    Return what names the charset in a field block; None if there is none to name.

    Raises:
        InvalidValue: An unknown variable.
    """
    if settings.charset is None:
        return None
    charset = settings.charset.bind(table)
    types = frozenset(map(octets, settings.types))
    everywhere = b"*" in types

    def apply(ex: Exchange, block: bytes) -> bytes:
        found = None if ex.status in _REDIRECTS else _BARE_TYPE.search(block)
        if found is None or not (everywhere or found[1].strip().lower() in types):
            return block
        name = charset(ex).translate(BREAKS)
        end = found.end()
        return b"%b; charset=%b%b" % (block[:end], name, block[end:]) if name else block

    return apply
