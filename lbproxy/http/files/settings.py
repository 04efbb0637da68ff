"""
What a location may say of its files.

``root`` and ``alias`` fill one field, since the nearer of them counts (ngx_http_core_module.c:ngx_http_core_root).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.parser import Argument, Directive
from lbproxy.config.settings import EVERY_LEVEL, Context, setting, setting_args, setting_list
from lbproxy.config.values import Misfit, choice, decimal, flag, number
from lbproxy.errors import InvalidValue, Position, Source
from lbproxy.http.template import Template

_NOWHERE = Position(Source(""), 0, 0)
_OF_THEMSELVES = ("document_root", "realpath_root")


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """
    Where files are: one ``root`` or ``alias``.

    Args:
        alias: *directory* stands for what the location's prefix matches, instead of in front of the whole path.
    """

    directory: Template
    alias: bool = False


def _place(directive: Directive) -> Place:
    """Parse ``root path`` or ``alias path``."""
    (path,) = directive.args
    alias = directive.name == "alias"
    if not alias:
        path = path._replace(text=path.text.removesuffix("/") if path.text else ".")
    directory = Template.parse(path)
    for name in _OF_THEMSELVES:
        if name in directory.variables:
            wording = f'the ${name} variable may not be used in the "{{directive}}" directive'
            raise Misfit(wording, path)
    return Place(directory, alias)


def _index(directive: Directive) -> tuple[Template, ...]:
    """Parse ``index file ...``; an absolute one is a place to go on at."""
    for arg in directive.args:
        if not arg.text:
            raise Misfit('index "" in "{directive}" directive is invalid', arg)
    return tuple(map(Template.parse, directive.args))


class Candidate(NamedTuple):
    """A file, or a *directory*, that ``try_files`` looks for."""

    name: Template
    directory: bool


class TryFiles(NamedTuple):
    """
    One ``try_files`` directive.

    Args:
        fallback: Where to go on if there is no candidate: a URI or an ``@name``.
        status: What to say then instead; 0: go on at the fallback.
    """

    candidates: tuple[Candidate, ...]
    fallback: Template
    status: int = 0


def _try_files(directive: Directive) -> TryFiles:
    """Parse ``try_files file ... uri`` or ``try_files file ... =code``."""
    *files, last = directive.args
    status = 0
    if last.text.startswith("="):
        code = decimal(last.text[1:])
        if code is None or code > 999:
            raise InvalidValue(f'invalid code "{last.text}"', last.position, "such as =404")
        status = code
    return TryFiles(tuple(map(_candidate, files)), Template.parse(last), status)


def _candidate(arg: Argument) -> Candidate:
    directory = arg.text.endswith("/")
    return Candidate(Template.parse(arg._replace(text=arg.text[:-1]) if directory else arg), directory)


class SymlinkRule(NamedTuple):
    """
    What ``disable_symlinks`` forbids.

    Args:
        owned: A link is followed if it and what it leads to belong to one user.
        start: The beginning of a path that is not looked at; None: all of it is.
    """

    owned: bool
    start: Template | None


def _symlinks(directive: Directive) -> SymlinkRule | None:
    """Parse ``disable_symlinks off | on [from=path] | if_not_owner [from=path]``."""
    mode, *rest = directive.args
    choice("off", "on", "if_not_owner")(mode)
    if mode.text == "off":
        if rest:
            raise Misfit('invalid parameter "{value}"', rest[0])
        return None
    start = None
    if rest:
        name, equals, path = rest[0].text.partition("=")
        if name != "from" or not equals:
            raise Misfit('invalid parameter "{value}"', rest[0], "there is from=path")
        start = Template.parse(rest[0]._replace(text=path))
    return SymlinkRule(mode.text == "if_not_owner", start)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FileSettings:
    """
    What the files of a location obey (ngx_http_core_module.c, and the modules named after their directives).

    Args:
        index: The names of each ``index`` directive.
        max_ranges: Parts of a file that one request may ask for; more: it gets the whole; 0: it always does.
        if_modified_since: ``exact``: a file is unchanged if its time is the client's; ``before``: also if it is older.
        log_not_found: Whether the error log tells of files that are missing.
        symlinks: None: they are followed.
        sendfile: Whether the system may copy a file into a socket by itself, which some file systems get wrong.
        gzip_static: Whether ``file.gz`` is sent instead of a file; ``always``: without asking what the client takes.
    """

    place: Place = setting_args(
        "root",
        _place,
        Place(Template((b"html",), _NOWHERE)),
        arity=(1, 1),
        contexts=EVERY_LEVEL | Context.IF,
        twins=(("alias", Context.LOCATION),),
    )
    index: tuple[tuple[Template, ...], ...] = setting_list("index", _index, ((Template((b"index.html",), _NOWHERE),),))
    try_files: TryFiles | None = setting_args(
        "try_files", _try_files, None, arity=(2, None), contexts=Context.SERVER | Context.LOCATION, inherit=False
    )
    etag: bool = setting("etag", flag, True)
    if_modified_since: str = setting("if_modified_since", choice("off", "exact", "before"), "exact")
    max_ranges: int = setting("max_ranges", number, 2**31 - 1)
    log_not_found: bool = setting("log_not_found", flag, True)
    symlinks: SymlinkRule | None = setting_args("disable_symlinks", _symlinks, None, arity=(1, 2))
    sendfile: bool = setting("sendfile", flag, True, contexts=EVERY_LEVEL | Context.IF)
    gzip_static: str = setting("gzip_static", choice("off", "on", "always"), "off")
    autoindex: bool = setting("autoindex", flag, False)
    autoindex_exact_size: bool = setting("autoindex_exact_size", flag, True)
    autoindex_format: str = setting("autoindex_format", choice("html", "json", "jsonp", "xml"), "html")
    autoindex_localtime: bool = setting("autoindex_localtime", flag, False)
