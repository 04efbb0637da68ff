"""
Which directives there are, and whether one may stand where it stands.

A `Grammar` is handed in by the plan (settings classes, scripts, balancers); the structural directives and the
tables of what nginx has besides are here and in config/tables.  The checks are those of
src/core/ngx_conf_file.c:ngx_conf_handler, in its order and words.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lbproxy.config import tables
from lbproxy.config.parser import Directive
from lbproxy.config.settings import Arity, Context, Row, rows
from lbproxy.config.values import did_you_mean
from lbproxy.errors import ConfigError, ConfigSyntaxError, InvalidValue, UnknownDirective, WrongContext


class Script(NamedTuple):
    """A directive that runs per request: its fewest and most arguments, contexts, and whether it has a block."""

    least: int
    most: int | None
    contexts: Context
    block: bool = False


class Grammar(NamedTuple):
    """
    Everything a configuration may say, besides its structure.

    Args:
        settings: The settings classes.
        scripts: Directives kept in order in ``Location.script``.
        balancers: Balancing directives of ``upstream``: name -> fewest and most arguments.
        ignored: Accepted without effect, by name.
        unsupported: Refused, by name.
    """

    settings: tuple[type, ...]
    scripts: Mapping[str, Script] = MappingProxyType({})
    balancers: Mapping[str, Arity] = MappingProxyType({})
    ignored: Mapping[str, tables.Ignored] = tables.IGNORED
    unsupported: Mapping[str, tables.Refused] = tables.UNSUPPORTED


class Role(enum.Enum):
    """What becomes of a directive."""

    STRUCTURE = enum.auto()
    SETTING = enum.auto()
    SCRIPT = enum.auto()
    BALANCER = enum.auto()
    IGNORED = enum.auto()
    UNSUPPORTED = enum.auto()


class Entry(NamedTuple):
    """
    One meaning of a directive's name.

    Args:
        block: Whether it has a block.
        kind: The settings class it belongs to, with its *row*.
        harmless: First arguments that make an unsupported directive acceptable.
        why: It is ignored or unsupported.
    """

    role: Role
    contexts: Context
    arity: Arity
    block: bool = False
    kind: type | None = None
    row: Row | None = None
    harmless: tuple[str, ...] = ()
    why: str = ""


_ANYWHERE = ~Context(0)
_STRUCTURE: tuple[tuple[str, Context, Arity, bool], ...] = (
    ("events", Context.MAIN, (0, 0), True),
    ("http", Context.MAIN, (0, 0), True),
    ("upstream", Context.HTTP, (1, 1), True),
    ("server", Context.HTTP, (0, 0), True),
    ("server", Context.UPSTREAM, (1, None), False),
    ("location", Context.SERVER | Context.LOCATION, (1, 2), True),
    ("limit_except", Context.LOCATION, (1, None), True),
    ("listen", Context.SERVER, (1, None), False),
    ("server_name", Context.SERVER, (1, None), False),
)


def _entries(grammar: Grammar) -> Iterator[tuple[str, Entry]]:
    """Yield every (name, entry) of *grammar*, what lbproxy obeys before what it ignores or lacks."""
    for name, contexts, arity, block in _STRUCTURE:
        yield name, Entry(role=Role.STRUCTURE, contexts=contexts, arity=arity, block=block)
    for kind in grammar.settings:
        for name, row in rows(kind).items():
            contexts, arity = row.contexts, row.arity
            entry = Entry(
                role=Role.SETTING, contexts=contexts, arity=arity, block=row.block, kind=kind, row=row
            )
            yield name, entry
    for name, (least, most, contexts, block) in grammar.scripts.items():
        yield name, Entry(role=Role.SCRIPT, contexts=contexts, arity=(least, most), block=block)
    for name, (least, most) in grammar.balancers.items():
        yield name, Entry(role=Role.BALANCER, contexts=Context.UPSTREAM, arity=(least, most))
    for name, idle in grammar.ignored.items():
        yield name, Entry(role=Role.IGNORED, contexts=idle.contexts, arity=(1, None), why=idle.why)
    for name, refused in grammar.unsupported.items():
        yield name, Entry(
            role=Role.UNSUPPORTED, contexts=_ANYWHERE, arity=(0, None), harmless=refused.harmless, why=refused.why
        )


class Vocabulary:
    """The entries of a grammar by name."""

    def __init__(self, grammar: Grammar) -> None:
        self.entries: dict[str, list[Entry]] = {}
        for name, entry in _entries(grammar):
            known = self.entries.setdefault(name, [])
            hidden = entry.role in (Role.IGNORED, Role.UNSUPPORTED) and any(
                other.contexts & entry.contexts for other in known
            )
            if not hidden:
                known.append(entry)

    def find(self, directive: Directive, context: Context) -> Entry:
        """
        Return the entry that *directive* means in *context*.

        Raises:
            UnknownDirective: No such name, or lbproxy lacks what it would do.
            WrongContext: It may not stand here.
            ConfigSyntaxError: It has a block and may not, or the other way round.
            InvalidValue: Too few or too many arguments.
        """
        entries = self.entries.get(directive.name, ())
        for entry in entries:
            if entry.contexts & context:
                break
        else:
            raise self._not_found(directive, entries, context)
        if entry.role is not Role.UNSUPPORTED:
            _check_shape(directive, entry)
        elif directive.block is not None or directive.texts[:1] not in [(one,) for one in entry.harmless]:
            message = f'"{directive.name}" directive is not supported by lbproxy'
            raise UnknownDirective(message, directive.position, _mend(directive, entry))
        return entry

    def _not_found(
        self, directive: Directive, entries: Iterable[Entry], context: Context
    ) -> ConfigError:
        """Return the complaint about a name that means nothing in *context*."""
        name = directive.name
        allowed = Context(0)
        for entry in entries:
            allowed |= entry.contexts
        if allowed:
            hint = f"it belongs in {', '.join(str(one.name).lower() for one in allowed)}"
            return WrongContext(f'"{name}" directive is not allowed here', directive.position, hint)
        hint = self.suggest(name, context)
        return UnknownDirective(f'unknown directive "{name}"', directive.position, hint)

    def suggest(self, name: str, context: Context) -> str:
        """Return a guess at what was meant by *name*, rather one allowed in *context*; "" without one."""
        here = [other for other in self.entries if self._may_stand(other, context)]
        for names in (here, self.entries):
            if hint := did_you_mean(name, names):
                return hint
        return ""

    def _may_stand(self, name: str, context: Context) -> bool:
        return any(entry.contexts & context for entry in self.entries.get(name, ()))

    def _is_obeyed(self, directive: Directive, context: Context) -> bool:
        """Return whether *directive* has a place and a shape in which lbproxy obeys it."""
        return any(
            entry.contexts & context and _is_shaped(directive, entry)
            for entry in self.entries.get(directive.name, ())
            if entry.role not in (Role.IGNORED, Role.UNSUPPORTED)
        )

    def split(self, directive: Directive, context: Context) -> tuple[Directive, ...]:
        """
        Cut *directive* where a ";" seems to be missing: before a directive's name that begins a line.

        Only where the arguments before it suffice, and where all together would be too many or of no fixed
        number, or what would begin there is a whole directive of lbproxy's (``random`` above ``keepalive 32;``).
        Returns the directive itself, or what its author probably meant, one directive after the other.
        """
        if not directive.args or directive.args[-1].position.line == directive.position.line:
            return (directive,)
        entries = [entry for entry in self.entries.get(directive.name, ()) if entry.contexts & context]
        fits = any(_is_shaped(directive, entry) and entry.arity[1] is not None for entry in entries)
        previous = directive.position
        least = min((entry.arity[0] for entry in entries), default=1)
        for index, arg in enumerate(directive.args):
            begins_line = index >= least and arg.position.line > previous.line
            if begins_line and not arg.quoted and self._may_stand(arg.text, context):
                first = Directive(directive.name, directive.args[:index], directive.position)
                rest = Directive(arg.text, directive.args[index + 1 :], arg.position, directive.block)
                if not fits or self._is_obeyed(rest, context):
                    return (first, *self.split(rest, context))
            previous = arg.position
        return (directive,)


def _is_shaped(directive: Directive, entry: Entry) -> bool:
    """Return whether block and number of arguments are right."""
    least, most = entry.arity
    many = most is not None and len(directive.args) > most
    return entry.block == (directive.block is not None) and len(directive.args) >= least and not many


def _check_shape(directive: Directive, entry: Entry) -> None:
    """Check block and arity, as nginx does and in its order."""
    name = directive.name
    if entry.block and directive.block is None:
        raise ConfigSyntaxError(f'directive "{name}" has no opening "{{"', directive.position)
    if not entry.block and directive.block is not None:
        raise ConfigSyntaxError(f'directive "{name}" is not terminated by ";"', directive.position)
    least, most = entry.arity
    count = len(directive.args)
    if count < least or (most is not None and count > most):
        message = f'invalid number of arguments in "{name}" directive'
        raise InvalidValue(message, directive.position, f"it takes {_arity_text(least, most)}, not {count}")


def _mend(directive: Directive, entry: Entry) -> str:
    """Return why *directive* is refused, and how its file can do without it."""
    name, less = directive.name, entry.harmless
    return f'{entry.why}; "{name} {less[0]}" would do' if less and not directive.block else entry.why


def _arity_text(least: int, most: int | None) -> str:
    """Return the arity in words: "1 argument", "2 to 3", "at least 1", "none"."""
    if most is None:
        return f"at least {least}"
    if least == most:
        return "none" if least == 0 else f"{least} argument" + ("s" if least > 1 else "")
    return f"{least} or {most}" if most == least + 1 else f"{least} to {most}"
