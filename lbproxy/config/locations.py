"""
``location`` blocks (src/http/ngx_http_core_module.c:ngx_http_core_location), and what stands in them for some requests.

An ``if`` block is a location without a name (ngx_http_rewrite_module.c:ngx_http_rewrite_if): it starts from the
settings of the one around it, and may replace it while a request is dealt with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lbproxy.config.model import Conditional, LimitExcept, Location, MatchKind, Statement
from lbproxy.config.parser import Argument, Directive
from lbproxy.config.reader import BlockReader, Contents
from lbproxy.config.regex import compile_regex
from lbproxy.config.settings import Context, TypeMap, inherited
from lbproxy.config.values import did_you_mean
from lbproxy.errors import InvalidValue, WrongContext

_MODIFIERS = {
    "=": MatchKind.EXACT,
    "^~": MatchKind.PREFIX_FINAL,
    "~": MatchKind.REGEX,
    "~*": MatchKind.REGEX_NOCASE,
}
_JOINED = ("=", "^~", "~*", "~")  # as the beginning of a single argument, the longer first
_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "MKCOL", "COPY", "MOVE", "OPTIONS", "PROPFIND", "PROPPATCH", "LOCK",
            "UNLOCK", "PATCH")  # fmt: skip
_REGEX_KINDS = (MatchKind.REGEX, MatchKind.REGEX_NOCASE)


def compile_locations(
    reader: BlockReader, directives: Sequence[Directive], outer: TypeMap, parent: Location | None = None
) -> tuple[Location, ...]:
    """Return the locations of one block, without those whose heads are wrong; *reader* keeps the mistakes."""
    found: list[Location] = []
    base = inherited(outer)
    for directive in directives:
        with reader.catching():
            location = _compile(reader, directive, base, parent)
            found.append(location)
    return _without_duplicates(reader, found)


def _compile(
    reader: BlockReader, directive: Directive, base: TypeMap, parent: Location | None
) -> Location:
    """Return one location with all inside it; raises what is wrong with its head."""
    kind, pattern = parse_head(directive)
    argument = directive.args[-1]
    regex = None
    if kind in _REGEX_KINDS:
        regex = compile_regex(argument, pattern, nocase=kind is MatchKind.REGEX_NOCASE)
    if parent is not None:
        _check_nesting(kind, pattern, argument, parent)
    contents = reader.read(directive.block or (), Context.LOCATION, base)
    location = Location(
        kind=kind, pattern=pattern, regex=regex, position=directive.position, merged=contents.merged
    )
    return replace(
        location,
        locations=compile_locations(reader, contents.named("location"), contents.merged, location),
        script=compile_statements(reader, contents, location),
        limit_except=_limit_except(reader, contents, location),
    )


def _limit_except(reader: BlockReader, outer: Contents, location: Location) -> LimitExcept | None:
    """
    Return the ``limit_except`` of a location (ngx_http_core_module.c:ngx_http_core_limit_except).

    It passes requests on where the location does, but has nothing of its script.
    """
    if not (directives := outer.named("limit_except")):
        return None
    directive, *others = directives
    for other in others:
        with reader.catching():
            raise WrongContext(f'"{other.name}" directive is duplicate', other.position)
    for arg in directive.args:
        with reader.catching():
            if arg.text.upper() not in _METHODS:
                raise InvalidValue(f'invalid method "{arg.text}"', arg.position, did_you_mean(arg.text, _METHODS))
    methods = {arg.text.upper().encode() for arg in directive.args}
    if b"GET" in methods:
        methods.add(b"HEAD")
    contents = reader.read(directive.block or (), Context.LIMIT_EXCEPT, inherited(outer.merged, into_if=True))
    within = replace(location, position=directive.position, merged=contents.merged, around=location)
    return LimitExcept(frozenset(methods), within)


def compile_statements(reader: BlockReader, contents: Contents, location: Location | None) -> tuple[Statement, ...]:
    """
    Return the script of a block, with what its ``if`` blocks say; their mistakes stay with *reader*.

    Args:
        location: What the block is; None for a server, where an ``if`` has nothing but a script.
    """
    return tuple(
        directive if directive.block is None else _conditional(reader, directive, contents, location)
        for directive in contents.script
    )


def _conditional(
    reader: BlockReader, directive: Directive, outer: Contents, location: Location | None
) -> Conditional:
    context = Context.SERVER_IF if location is None else Context.IF
    contents = reader.read(directive.block or (), context, inherited(outer.merged, into_if=True))
    within = None
    if location is not None:
        within = replace(location, position=directive.position, merged=contents.merged, around=location)
    return Conditional(directive, tuple(contents.script), within)


def parse_head(directive: Directive) -> tuple[MatchKind, str]:
    r"""
    Return how a location matches, and against what: ``= /a``, ``=/a``, ``/a``, ``~* \.png$``, ``@name``.

    Raises:
        InvalidValue: ``invalid location modifier "x"``.
    """
    if len(directive.args) == 2:
        modifier, pattern = directive.args
        if modifier.text not in _MODIFIERS:
            message = f'invalid location modifier "{modifier.text}"'
            raise InvalidValue(message, modifier.position, f"there are {', '.join(_MODIFIERS)}")
        return _MODIFIERS[modifier.text], pattern.text
    text = directive.args[0].text
    if text.startswith("@"):
        return MatchKind.NAMED, text
    for modifier_text in _JOINED:
        if text.startswith(modifier_text):
            return _MODIFIERS[modifier_text], text.removeprefix(modifier_text)
    return MatchKind.PREFIX, text


def _check_nesting(kind: MatchKind, pattern: str, argument: Argument, parent: Location) -> None:
    """Refuse what nginx refuses inside a location."""
    if parent.kind in (MatchKind.EXACT, MatchKind.NAMED):
        what = "exact" if parent.kind is MatchKind.EXACT else "named"
        message = f'location "{pattern}" cannot be inside the {what} location "{parent.pattern}"'
        raise WrongContext(message, argument.position)
    if kind is MatchKind.NAMED:
        raise WrongContext(f'named location "{pattern}" can be on the server level only', argument.position)
    if kind not in _REGEX_KINDS and not pattern.startswith(parent.pattern):
        message = f'location "{pattern}" is outside location "{parent.pattern}"'
        hint = f'it has to begin with "{parent.pattern}"' if parent.kind not in _REGEX_KINDS else ""
        raise WrongContext(message, argument.position, hint)


def _without_duplicates(reader: BlockReader, locations: Sequence[Location]) -> tuple[Location, ...]:
    """Refuse two exact or two prefix locations of the same text; of named ones keep the first, with a warning."""
    seen: dict[tuple[str, str], Location] = {}
    kept: list[Location] = []
    for location in locations:
        group = "^~" if location.kind is MatchKind.PREFIX else location.kind.value
        first = seen.setdefault((group, location.pattern), location)
        if first is location or location.kind in _REGEX_KINDS:
            kept.append(location)
            continue
        message = f'duplicate location "{location.pattern}"'
        if location.kind is MatchKind.NAMED:
            reader.warn(f"{message}, ignored", location.position)
            continue
        with reader.catching():
            hint = f"the first one is in {first.position}"
            raise WrongContext(message, location.position, hint)
    return tuple(kept)
