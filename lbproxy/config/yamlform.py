r"""
The same configuration as YAML: one rule from mappings to directives, so that every directive works in both.

* A key is a directive's name, perhaps with arguments: ``location ~ \.png$:``, ``upstream backend:``.
* A mapping is its block; an empty one is ``{}``.
* A scalar is its further arguments, split at blanks as in nginx's syntax: quotes keep blanks together, but
  ``;``, ``{``, ``}`` and ``#`` mean nothing here.  No value: no arguments.  ``true`` and ``false`` are on and
  off.
* A list repeats the directive, once per item: a mapping, a scalar, or a list of arguments taken as they are.
  It is the only way to repeat: the same key twice in one mapping is refused.

::

    upstream backend:
      ip_hash:
      server: ["10.0.0.1:8000 weight=2", "10.0.0.2:8000", "10.0.0.3:8000 backup"]
    server:
      listen: [80, "[::]:80"]
      location /:
        proxy_pass: http://backend
        proxy_set_header:
          - Host $host
          - [X-Note, "two words"]
      location /old: {return: 301 /new}

``include`` takes both YAML files (.yaml, .yml) and nginx's syntax.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from lbproxy.config.lexer import unescape
from lbproxy.config.parser import DEEPEST, TOO_DEEP, Argument, Directive, Reading
from lbproxy.errors import ConfigSyntaxError, Position, Source, WrongContext

if TYPE_CHECKING:
    import yaml

_WORD = re.compile(
    r"""
    [ \t\r\n]*+
    (?: "(?P<double> (?: [^"\\] | \\. )*+ )" (?= [ \t\r\n] | \Z )
      | '(?P<single> (?: [^'\\] | \\. )*+ )' (?= [ \t\r\n] | \Z )
      | (?P<plain> (?: \\.?+ | [^ \t\r\n\\] )++ )
    )
    """,
    re.VERBOSE | re.DOTALL,
)
_MOST = 100_000  # directives of one text, in which a few anchors may stand for any number
_SWITCHES = {"true": "on", "false": "off"}


def read(source: Source, reading: Reading) -> list[Directive]:
    """Return what could be understood of the YAML text *source*; leave the mistakes in *reading*."""
    reading.chain.append(source.name)
    tree = _Form(source, reading).document()
    reading.chain.pop()
    return tree


class _Form:
    """One YAML text on its way to directives."""

    def __init__(self, source: Source, reading: Reading) -> None:
        import yaml  # noqa: PLC0415 - costs 18 ms that only YAML needs

        self.yaml = yaml
        self.source, self.reading = source, reading
        self.open: list[yaml.Node] = []  # against anchors that contain themselves
        self.made = 0  # directives

    def document(self) -> list[Directive]:
        """Return the directives outside every block."""
        try:
            root = self.yaml.compose(self.source.text, Loader=self.yaml.SafeLoader)
        except self.yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            place = Position(self.source, line, column)
            self._complain(error.problem or "not YAML", place, error.context or "")
            return []
        except RecursionError:
            self._complain(TOO_DEEP, Position(self.source, 1, 1))
            return []
        except self.yaml.YAMLError as error:
            self._complain(f"not YAML: {error}".splitlines()[0], Position(self.source, 1, 1))
            return []
        return [] if root is None else self._block(root)

    def _complain(self, message: str, place: Position, hint: str = "") -> None:
        self.reading.errors.append(ConfigSyntaxError(message, place, hint))

    def _position(self, node: yaml.Node, offset: int = 0) -> Position:
        return Position(self.source, node.start_mark.line + 1, node.start_mark.column + 1 + offset)

    def _block(self, node: yaml.Node) -> list[Directive]:
        """Return the directives of a mapping."""
        if not isinstance(node, self.yaml.MappingNode):
            self._complain("a mapping of directives is expected here", self._position(node))
            return []
        if node in self.open:
            self._complain("a YAML anchor contains itself", self._position(node))
            return []
        if len(self.open) > DEEPEST:
            self._complain(TOO_DEEP, self._position(node))
            return []
        self.open.append(node)
        found: list[Directive] = []
        seen: set[tuple[str, ...]] = set()
        for key, value in node.value:
            head = self._words(key)
            if not head:
                self._complain("a directive needs a name", self._position(key))
                continue
            words = tuple(word.text for word in head)
            if words in seen:
                message = f'duplicate key "{" ".join(words)}"'
                hint = "to repeat a directive, give it a list"
                self.reading.errors.append(WrongContext(message, head[0].position, hint))
                continue
            seen.add(words)
            found += self._directives(head, value)
        self.open.pop()
        return found

    def _directives(self, head: list[Argument], value: yaml.Node) -> list[Directive]:
        """Return the directives of one key: one, or as many as its list has items."""
        if isinstance(value, self.yaml.SequenceNode):
            return [found for item in value.value for found in self._directive(head, item)]
        return self._directive(head, value)

    def _directive(self, head: list[Argument], value: yaml.Node) -> list[Directive]:
        name, *args = head
        self.made += 1
        if self.made >= _MOST:
            if self.made == _MOST:
                self._complain("too many directives, counting anchors wherever they are used", name.position)
            return []
        block: tuple[Directive, ...] | None = None
        if isinstance(value, self.yaml.MappingNode):
            block = tuple(self._block(value))
        elif isinstance(value, self.yaml.SequenceNode):
            args = [*args, *(arg for item in value.value for arg in self._exact(item))]
        else:
            args = [*args, *self._words(value)]
        directive = Directive(name.text, tuple(args), name.position, block)
        if name.text == "include" and block is None:
            return self.reading.included(directive)
        return [directive]

    def _exact(self, node: yaml.Node) -> list[Argument]:
        """Return a scalar of a list of arguments, whole."""
        if not isinstance(node, self.yaml.ScalarNode):
            self._complain("an argument is expected here", self._position(node))
            return []
        return [Argument(_scalar(node), self._position(node), node.style is not None)]

    def _words(self, node: yaml.Node) -> list[Argument]:
        """Split a scalar into words, each with its place where the scalar stands in one line as it is."""
        if not isinstance(node, self.yaml.ScalarNode):
            self._complain("a name or arguments are expected here", self._position(node))
            return []
        if node.tag == "tag:yaml.org,2002:null" and node.style is None:
            return []
        text = _scalar(node)
        raw = self.source.text[node.start_mark.index : node.end_mark.index]
        quote = 1 if node.style in ("'", '"') else 0
        as_written = raw[quote : quote + len(text)] == text and "\n" not in text
        words = []
        for match in _WORD.finditer(text):
            kind = match.lastgroup or "plain"
            offset = quote + match.start(kind) - (kind != "plain") if as_written else 0
            words.append(Argument(unescape(match[kind]), self._position(node, offset), kind != "plain"))
        return words


def _scalar(node: yaml.ScalarNode) -> str:
    """Return a scalar's text; the plain words true and false as nginx says them."""
    text = str(node.value)
    return _SWITCHES.get(text.lower(), text) if node.style is None else text
