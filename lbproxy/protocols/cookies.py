"""
``proxy_cookie_domain``, ``proxy_cookie_path``, ``proxy_cookie_flags``: cookies of a server made the client's.

As src/http/modules/ngx_http_proxy_module.c:ngx_http_proxy_rewrite_cookie: of each directive's lines the first that
fits decides; a cookie that nothing fits goes on as it came, one that is changed is written anew with "; " between its
attributes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.config.values import Misfit
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.changes import Change, Rewriter, by_prefix, by_regex
from lbproxy.wire.fields import BREAKS
from lbproxy.wire.heads import ResponseHead

FLAGS = (
    "secure", "nosecure", "httponly", "nohttponly",
    "samesite=strict", "samesite=lax", "samesite=none", "nosamesite",
)  # fmt: skip

Attribute = tuple[bytes, bytes | None]
"""Name and value of a cookie's attribute, the first is the cookie itself; None: there is no "="."""

_COOKIE = re.compile(rb"(?i)(?:^|(?<=\n))(set-cookie:[ \t]*+)([^\r]*+)")
_SPELLED = {"secure": b"Secure", "httponly": b"HttpOnly", "samesite": b"SameSite"}


class CookieRule(NamedTuple):
    """
    One of the three directives: which value, or whose cookie, and what becomes of it.

    Args:
        off: Nothing is changed at this level, nor as an outer one says.
        pattern: None where *regex* is given.
        replacement: Of a domain or a path.
        flags: Of a cookie, in any letter case; a variable's value that is none of `FLAGS` says nothing.
    """

    off: bool = False
    pattern: Template | None = None
    regex: re.Pattern[bytes] | None = None
    replacement: Template | None = None
    flags: tuple[Template, ...] = ()


def parse_domain(directive: Directive) -> CookieRule:
    """Parse ``off`` or ``domain replacement``; a dot in front of either says nothing."""
    return _parse(directive, lambda arg: _matcher(_undotted(arg), nocase=True), _undotted)


def parse_path(directive: Directive) -> CookieRule:
    """Parse ``off`` or ``path replacement``."""
    return _parse(directive, lambda arg: _matcher(arg, nocase=False), lambda arg: arg)


def parse_flags(directive: Directive) -> CookieRule:
    """Parse ``off`` or ``cookie flag ...``; the only flag may be ``off``."""
    cookie, *flags = directive.args
    if not flags:
        return _only_off(cookie)
    if [flag.text for flag in flags] == ["off"]:
        return _matcher(cookie, nocase=True)
    for flag in flags:
        if "$" not in flag.text and flag.text.lower() not in FLAGS:
            raise Misfit('invalid parameter "{value}"', flag, f"it must be one of {', '.join(FLAGS)}")
    return _matcher(cookie, nocase=True)._replace(flags=tuple(map(Template.parse, flags)))


def _parse(
    directive: Directive, matcher: Callable[[Argument], CookieRule], cleaned: Callable[[Argument], Argument]
) -> CookieRule:
    pattern, *replacement = directive.args
    if not replacement:
        return _only_off(pattern)
    return matcher(pattern)._replace(replacement=Template.parse(cleaned(replacement[0])))


def _only_off(arg: Argument) -> CookieRule:
    if arg.text != "off":
        raise Misfit('invalid parameter "{value}"', arg, "a single argument can only be off")
    return CookieRule(off=True)


def _undotted(arg: Argument) -> Argument:
    return arg._replace(text=arg.text.removeprefix("."))


def _matcher(arg: Argument, *, nocase: bool) -> CookieRule:
    text = arg.text
    if not text.startswith("~"):
        return CookieRule(pattern=Template.parse(arg))
    starred = text.startswith("~*")
    return CookieRule(regex=compile_regex(arg, text[2 if starred else 1 :], nocase=nocase or starred))


FlagChange = Callable[[Exchange, bytes], tuple[str, ...] | None]
"""Return the flags of the cookie of this name, None if the rule is not for it."""


def compile_cookies(
    domains: Sequence[CookieRule], paths: Sequence[CookieRule], flags: Sequence[CookieRule], table: VariableTable
) -> Rewriter | None:
    """
    Return what rewrites the cookies in a field block; None where there is nothing to rewrite.

    Raises:
        InvalidValue: An unknown variable.
    """
    of_attributes = {
        b"domain": [_compile_domain(rule, table) for rule in domains if not rule.off],
        b"path": [_compile_path(rule, table) for rule in paths if not rule.off],
    }
    of_cookie = [_compile_flags(rule, table) for rule in flags if not rule.off]
    if not of_cookie and not any(of_attributes.values()):
        return None

    def rewritten(ex: Exchange, cookie: bytes) -> bytes | None:
        (name, value), *attributes = _split(cookie)
        if value is None:
            return None
        changed = False
        for index, (key, text) in enumerate(attributes):
            rules = of_attributes.get(key.lower(), ()) if text is not None else ()
            for rule in rules:
                new = rule(ex, text or b"")
                if new is not None:
                    attributes[index], changed = (key, new.translate(BREAKS)), True
                    break
        for flags_of in of_cookie:
            flags = flags_of(ex, name)
            if flags is not None:
                changed = _set_flags(attributes, flags) or changed
                break
        return b"; ".join(map(_written, [(name, value), *attributes])) if changed else None

    def rewrite(ex: Exchange, block: bytes) -> bytes:
        def replace(match: re.Match[bytes]) -> bytes:
            new = rewritten(ex, match[2])
            return match[0] if new is None else match[1] + new

        return _COOKIE.sub(replace, block)

    return rewrite


def sets_cookies(head: ResponseHead) -> bool:
    """Say whether *head* has a field that a rewriter would look at."""
    return _COOKIE.search(head.block) is not None


def _split(cookie: bytes) -> list[Attribute]:
    """Return the cookie and its attributes, without the blanks around names and values."""
    found: list[Attribute] = []
    for part in cookie.split(b";"):
        name, equals, value = part.partition(b"=")
        found.append((name.strip(b" "), value.strip(b" ") if equals else None))
    return found


def _written(attribute: Attribute) -> bytes:
    name, value = attribute
    return name if value is None else name + b"=" + value


def _compile_domain(rule: CookieRule, table: VariableTable) -> Change:
    """Return the rule for a Domain, whose leading dot stays where it is (ngx_http_proxy_rewrite_domain_handler)."""
    replacement = _replacement(rule, table)
    if rule.regex is not None:
        return by_regex(rule.regex, replacement)
    assert rule.pattern is not None
    pattern = rule.pattern.bind(table)

    def change(ex: Exchange, value: bytes) -> bytes | None:
        name = value.removeprefix(b".")
        if name.lower() != pattern(ex).lower():
            return None
        return value[: len(value) - len(name)] + replacement(ex)

    return change


def _compile_path(rule: CookieRule, table: VariableTable) -> Change:
    """Return the rule for a Path that begins with the pattern."""
    replacement = _replacement(rule, table)
    if rule.regex is not None:
        return by_regex(rule.regex, replacement)
    assert rule.pattern is not None
    return by_prefix(rule.pattern.bind(table), replacement)


def _replacement(rule: CookieRule, table: VariableTable) -> Callable[[Exchange], bytes]:
    assert rule.replacement is not None
    return rule.replacement.bind(table)


def _compile_flags(rule: CookieRule, table: VariableTable) -> FlagChange:
    values = [flag.bind(table) for flag in rule.flags]

    def flags(ex: Exchange) -> tuple[str, ...]:
        said = {value(ex).decode("latin-1").lower() for value in values}
        return tuple(flag for flag in FLAGS if flag in said)

    if rule.regex is not None:
        return by_regex(rule.regex, flags)
    assert rule.pattern is not None
    named = rule.pattern.bind(table)
    return lambda ex, name: flags(ex) if name.lower() == named(ex).lower() else None


def _set_flags(attributes: list[Attribute], flags: Sequence[str]) -> bool:
    """Add and remove *flags*; return whether there were any."""
    for flag in flags:
        name, _, value = flag.removeprefix("no").partition("=")
        key = name.encode()
        places = [index for index, attribute in enumerate(attributes) if attribute[0].lower() == key]
        if flag.startswith("no"):
            for index in reversed(places):
                del attributes[index]
        elif value:
            spelled = (_SPELLED[name], value.capitalize().encode())
            if not places:
                attributes.append(spelled)
            elif (attributes[places[0]][1] or b"").lower() != value.encode():
                attributes[places[0]] = spelled
        elif not places:
            attributes.append((_SPELLED[name], None))
    return bool(flags)
