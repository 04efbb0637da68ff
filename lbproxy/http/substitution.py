"""
``rewrite``: another path for a request, or a redirect for its client.

As ngx_http_rewrite_module.c:ngx_http_rewrite, and ngx_http_script.c:ngx_http_script_regex_start_code and _end_code.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.regex import compile_regex
from lbproxy.errors import InvalidValue, MalformedMessage
from lbproxy.http.exchange import Exchange
from lbproxy.http.flow import CHANGED, STOP, Action, Flow, bind_escaping
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.http.verdict import RELOCATE, Answer, Said
from lbproxy.wire import uri

_ABSOLUTE = ("http://", "https://", "$scheme")
_REDIRECTS = {"redirect": 302, "permanent": 301}
_FLOWS: dict[str, Said | Flow] = {"": CHANGED, "last": RELOCATE, "break": STOP}


class _Replacement(NamedTuple):
    """What the second argument says; *keeps_args*: those of the request follow its own, unless it ends in "?"."""

    template: Template
    keeps_args: bool

    @classmethod
    def parse(cls, arg: Argument) -> _Replacement:
        if not arg.text:
            raise InvalidValue("empty replacement", arg.position)
        text = arg.text.removesuffix("?")
        return cls(Template.parse(arg._replace(text=text)), text == arg.text)


def compile_rewrite(directive: Directive, table: VariableTable) -> Action:
    """
    Compile ``rewrite regex replacement [last|break|redirect|permanent]``.

    Raises:
        InvalidValue: A bad expression, an unknown flag or variable.
    """
    pattern, text, *flags = directive.args
    regex = compile_regex(pattern)
    replacement = _Replacement.parse(text)
    flag = flags[0].text if flags else ""
    if flag not in _FLOWS and flag not in _REDIRECTS:
        hint = "the flags are last, break, redirect and permanent"
        raise InvalidValue(f'invalid parameter "{flag}"', flags[0].position, hint)
    status = _REDIRECTS.get(flag) or (302 if text.text.startswith(_ABSOLUTE) else 0)
    if status:
        return _redirect(regex, replacement, status, table)
    return _change(regex, replacement, _FLOWS[flag], table)


def _matched(regex: re.Pattern[bytes], ex: Exchange) -> bool:
    """Match the path; from then on, the URI as it was received is no longer the one that is meant."""
    match = regex.search(ex.path)
    if match is None:
        ex.captures = ()
        return False
    ex.capture(match)
    ex.internal = True
    ex.raw_path = None
    return True


def _redirect(regex: re.Pattern[bytes], replacement: _Replacement, status: int, table: VariableTable) -> Action:
    value = bind_escaping(replacement.template, table)
    mark = b"&" if any(b"?" in part for part in replacement.template.parts if isinstance(part, bytes)) else b"?"

    def redirect(ex: Exchange, _: bool) -> Answer | None:
        if not _matched(regex, ex):
            return None
        location = uri.unescape_redirect(value(ex))
        if replacement.keeps_args and ex.args:
            location += mark + ex.args
        return Answer(status, location=location)

    return redirect


def _change(
    regex: re.Pattern[bytes], replacement: _Replacement, flow: Said | Flow, table: VariableTable
) -> Action:
    path, args = _parts(replacement.template)
    path_of = path.bind(table)
    args_of = bind_escaping(args, table) if args is not None else None

    def change(ex: Exchange, _: bool) -> Said | Flow:
        if not _matched(regex, ex):
            return None
        new_path = path_of(ex)
        ex.args = _joined(args_of, replacement.keeps_args, ex)
        ex.path = new_path
        if not new_path:
            raise MalformedMessage("the rewritten URI has a zero length", status=500)
        if flow is STOP:
            ex.valid_location = False
        return flow

    return change


def _joined(args_of: Callable[[Exchange], bytes] | None, keeps: bool, ex: Exchange) -> bytes | None:
    """Return the arguments after a change: new ones, then the old ones unless they are dropped."""
    if args_of is None:
        return ex.args if keeps or not ex.args else b""
    args = args_of(ex)
    return b"%b&%b" % (args, ex.args) if keeps and ex.args else args


def _parts(template: Template) -> tuple[Template, Template | None]:
    """Return *template* in front of its first "?", and what follows; only what is written counts, no values."""
    for index, part in enumerate(template.parts):
        if isinstance(part, bytes) and b"?" in part:
            before, _, after = part.partition(b"?")
            path = (*template.parts[:index], *([before] if before else []))
            args = (*([after] if after else []), *template.parts[index + 1:])
            return template._replace(parts=path), template._replace(parts=args)
    return template, None
