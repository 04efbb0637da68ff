"""
``proxy_redirect``: what a server calls its own URLs, turned into what the client calls them.

Applied to Location and to the URL in Refresh; the first rule that fits decides
(ngx_http_proxy_rewrite_redirect, ngx_http_upstream_rewrite_location and _refresh).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

from lbproxy.config.octets import octets
from lbproxy.config.parser import Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.values import Misfit
from lbproxy.errors import InvalidValue, Position
from lbproxy.http.absolute import absolute_url
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.changes import Change, Rewriter, by_prefix, by_regex
from lbproxy.protocols.target import Target
from lbproxy.wire.fields import BREAKS
from lbproxy.wire.heads import ResponseHead

_FIELD = re.compile(rb"(\n(?=[LRlr])(?i:location|refresh)):[ \t]*([^\r]*)")
_URL = re.compile(rb"url=", re.IGNORECASE)


class Redirect(NamedTuple):
    """
    One ``proxy_redirect`` directive: "default" if it has neither *prefix* nor *regex*.

    Args:
        off: ``off``: no rule of this level counts, nor an inherited one.
    """

    position: Position
    off: bool = False
    prefix: Template | None = None
    regex: re.Pattern[bytes] | None = None
    replacement: Template | None = None


def parse_redirect(directive: Directive) -> Redirect:
    """Parse ``off``, ``default``, ``prefix replacement`` or ``~[*]expression replacement``."""
    pattern = directive.args[0]
    if len(directive.args) == 1:
        if pattern.text not in {"off", "default"}:
            hint = "did you mean off?" if pattern.text == "false" else "a replacement is missing"
            raise Misfit('invalid parameter "{value}"', pattern, hint)
        return Redirect(directive.position, off=pattern.text == "off")
    replacement = Template.parse(directive.args[1])
    if not pattern.text.startswith("~"):
        return Redirect(directive.position, prefix=Template.parse(pattern), replacement=replacement)
    nocase = pattern.text.startswith("~*")
    regex = compile_regex(pattern, pattern.text[2 if nocase else 1 :], nocase=nocase)
    return Redirect(directive.position, regex=regex, replacement=replacement)


def compile_redirects(
    redirects: Sequence[Redirect], target: Target | None, location: str, table: VariableTable
) -> Rewriter | None:
    """
    Return what rewrites a field block; None where nothing is to be rewritten.

    Args:
        redirects: Those in force; none means "default".
        target: Of the proxy_pass; None when it has variables.
        location: Its location's prefix, the replacement of "default" where *target* has a URI.
        table: For the variables in them.

    Raises:
        InvalidValue: An unknown variable, or "default" for a target with variables.
    """
    if any(redirect.off for redirect in redirects):
        return None
    rules = [_compile(redirect, target, location, table) for redirect in redirects]
    if not redirects and target is not None:
        rules.append(_default_rule(target, location))
    if not rules:
        return None

    def rewritten(ex: Exchange, url: bytes) -> bytes | None:
        for rule in rules:
            changed = rule(ex, url)
            if changed is not None:
                return changed.translate(BREAKS)
        return None

    def rewrite(ex: Exchange, block: bytes) -> bytes:
        return _FIELD.sub(lambda match: _field(ex, match, rewritten), b"\n" + block)[1:]

    return rewrite


def is_redirecting(head: ResponseHead) -> bool:
    """Say whether *head* has a field that a rewriter would look at."""
    return _FIELD.search(b"\n" + head.block) is not None


def _field(ex: Exchange, match: re.Match[bytes], rewritten: Change) -> bytes:
    name, value = match.groups()
    if name.lower() == b"\nrefresh":
        url = _URL.search(value)
        changed = rewritten(ex, value[url.end() :]) if url else None
        if url is None or changed is None:
            return match[0]
        return name + b": " + value[: url.end()] + changed
    changed = rewritten(ex, value)
    if changed is None:
        return match[0]
    return name + b": " + absolute_url(ex, changed)


def _compile(redirect: Redirect, target: Target | None, location: str, table: VariableTable) -> Change:
    if redirect.replacement is None:
        if target is None:
            message = '"proxy_redirect default" cannot be used with "proxy_pass" directive with variables'
            raise InvalidValue(message, redirect.position)
        return _default_rule(target, location)
    replacement = redirect.replacement.bind(table)
    if redirect.regex is not None:
        return by_regex(redirect.regex, replacement)
    assert redirect.prefix is not None
    return by_prefix(redirect.prefix.bind(table), replacement)


def _default_rule(target: Target, location: str) -> Change:
    """Return the rule of ``default``: *target*'s URL becomes the location, or "/" if it has no URI part."""
    start, replacement = octets(target.url), octets(location)
    if not target.uri:
        start, replacement = start + b"/", b"/"

    def by_default(_ex: Exchange, url: bytes) -> bytes | None:
        return replacement + url[len(start) :] if url.startswith(start) else None

    return by_default
