"""Directive trees, includes, and every mistake of syntax in one run."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.dump import dump
from lbproxy.config.parser import Directive, Reading, parse, read
from lbproxy.errors import ConfigErrors, Position, Source
from tests.support.configs import NO_FILES, argument, files

EOF = "unexpected end of file, expecting"

Shape = tuple[str, tuple[str, ...], "tuple[Shape, ...] | None"]


def shape(directives: Sequence[Directive]) -> tuple[Shape, ...]:
    """Return names, arguments and blocks without places."""
    return tuple(
        (one.name, one.texts, None if one.block is None else shape(one.block)) for one in directives
    )


def complaints(text: str) -> list[str]:
    """Return the first line of each mistake in *text*."""
    with pytest.raises(ConfigErrors) as caught:
        parse(Source("t", text), NO_FILES.include)
    return [str(error).splitlines()[0] for error in caught.value.errors]


def test_directives_nest() -> None:
    """A block holds directives; an empty one is not the same as none."""
    found = parse(Source("t", "a b c;\nd { e { } f g; }"), NO_FILES.include)
    assert shape(found) == (("a", ("b", "c"), None), ("d", (), (("e", (), ()), ("f", ("g",), None))))


@pytest.mark.parametrize("end", ["}", ""])
def test_nesting_has_a_limit(end: str) -> None:
    """What reads blocks calls itself for those inside: the interpreter's stack shall not be what ends that."""
    parse(Source("t", "a {" * 64 + "}" * 64), NO_FILES.include)
    with pytest.raises(ConfigErrors) as caught:
        parse(Source("t", "a {" * 5000 + end * 5000), NO_FILES.include)
    first = caught.value.errors[0]
    assert (first.message, first.position.column) == ("more than 64 blocks stand in each other", 64 * 3 + 3)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (";", ['unexpected ";" in t:1:1']),
        ("{ a; } b;", ['unexpected "{" in t:1:1']),
        ("a; }", ['unexpected "}" in t:1:4 (it closes no block)']),
        ("a { b }", ['unexpected "}" in t:1:7 (a ";" is missing behind "b" in line 1)']),
        ("a b", [f'{EOF} ";" or "}}" in t:1:3 (a ";" is missing behind "b" in line 1)']),
        ("a {", [f'{EOF} "}}" in t:1:4 (the block of "a" in line 1 lacks its "}}")']),
        ("; a { ; }", ['unexpected ";" in t:1:1', 'unexpected ";" in t:1:7']),
    ],
)
def test_mistakes_are_worded_as_nginx_words_them(text: str, expected: list[str]) -> None:
    """Each has its place, and the mend where it is known; all of a text are told."""
    assert complaints(text) == expected


def test_the_block_that_lacks_its_brace_is_guessed_from_the_indentation() -> None:
    """A block that opens no further right than the one around it shows which one was left open."""
    text = "server {\n    location / {\n        a;\n}\nserver {\n}\n"
    assert complaints(text) == [
        f'{EOF} "}}" in t:7:1 (the block of "server" in line 1 seems to lack its "}}")'
    ]


def test_an_unclosed_quote_is_told_once() -> None:
    """The blocks it leaves open are no further mistakes."""
    assert len(complaints('a { b "c; }')) == 1


def test_include_puts_the_other_files_in_its_place() -> None:
    """Directives of included files keep their own places; patterns take files in order."""
    environment = files({"d/1": "b;", "d/2": "c { include e; }", "e": "f;"})
    found = parse(Source("t", "a; include d/*; g;"), environment.include)
    assert shape(found) == (
        ("a", (), None), ("b", (), None), ("c", (), (("f", (), None),)), ("g", (), None)
    )  # fmt: skip
    assert [str(one.position) for one in found] == ["t:1:1", "d/1:1:1", "d/2:1:1", "t:1:17"]


MISSING = 'directive "{}" is not terminated by ";" in t:{} (a ";" is missing behind "{}": "{}" begins a new directive)'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("include a\nb c;", [MISSING.format("include", "1:9", "a", "b")]),
        ("x y\ninclude a;", [MISSING.format("x", "1:3", "y", "include")]),
        ("x\ninclude a\nb { c; }", [MISSING.format("x", "1:1", "x", "include"),
                                      MISSING.format("include", "2:9", "a", "b")]),
        ("include a\ninclude a\nb;", [MISSING.format("include", "1:9", "a", "include"),
                                        MISSING.format("include", "2:9", "a", "b")]),
        ("include a b;", ['invalid number of arguments in "include" directive in t:1:1']),
        ('x "y"\n "include" z; x\n include;', []),
    ],
)  # fmt: skip
def test_a_semicolon_missing_beside_an_include(text: str, expected: list[str]) -> None:
    """An include is gone when directives are looked at, so it is noticed here."""
    reading = Reading(files({"a": "d;"}).include, read)
    read(Source("t", text), reading)
    assert [str(error).splitlines()[0] for error in reading.errors] == expected


def test_what_stands_around_an_include_without_its_semicolon_is_read() -> None:
    reading = Reading(files({"a": "d;"}).include, read)
    assert [one.name for one in read(Source("t", "x y\ninclude a\nb { c; }"), reading)] == ["x", "d", "b"]


def test_a_missing_include_is_worded_as_nginx_words_it() -> None:
    """So are wrong numbers of arguments."""
    assert complaints("include x; include;") == [
        'open() "x" failed (2: No such file or directory) in t:1:9',
        'invalid number of arguments in "include" directive in t:1:12',
    ]


def test_an_includer_may_know_no_reason() -> None:
    """A LookupError is worded like a missing file."""

    def include(pattern: str, including: Source) -> Sequence[Source]:
        raise LookupError

    with pytest.raises(ConfigErrors, match=r'open\(\) "x" failed \(not found\) in t:1:9'):
        parse(Source("t", "include x;"), include)


def test_a_file_may_not_include_itself() -> None:
    """Not through another file either; twice in a row is fine."""
    environment = files({"a": "include b; include b;", "b": "c; include a;"})
    with pytest.raises(ConfigErrors) as caught:
        parse(Source("a", "include b;"), environment.include)
    assert [str(error).splitlines()[0] for error in caught.value.errors] == ['"a" includes itself in b:1:12']
    assert len(parse(Source("t", "include b; include b;"), files({"b": "c;"}).include)) == 2


def test_mistakes_of_included_files_are_told_with_the_rest() -> None:
    """In the order of reading, each with its own file."""
    with pytest.raises(ConfigErrors) as caught:
        parse(Source("t", "; include a; ;"), files({"a": "}"}).include)
    assert [str(error.position) for error in caught.value.errors] == ["t:1:1", "a:1:1", "t:1:14"]


words = st.text(alphabet=st.characters(blacklist_categories=["Cs"]), max_size=12)
names = words.filter(lambda word: word not in ("include", ""))
flat = st.tuples(names, st.lists(words, max_size=4).map(tuple), st.none())
trees = st.recursive(
    st.lists(flat, max_size=4).map(tuple),
    lambda inner: st.lists(
        st.one_of(flat, st.tuples(names, st.lists(words, max_size=3).map(tuple), inner)), max_size=3
    ).map(tuple),
    max_leaves=8,
)


def build(shapes: tuple[Shape, ...]) -> tuple[Directive, ...]:
    """Return directives of these shapes, all in one place."""
    place = Position(Source("t"), 1, 1)
    return tuple(
        Directive(name, tuple(map(argument, args)), place, None if block is None else build(block))
        for name, args, block in shapes
    )


@given(trees)
def test_what_is_dumped_parses_to_the_same_tree(tree: tuple[Shape, ...]) -> None:
    """Whatever stands in words: blanks, quotes, braces, backslashes, line ends."""
    text = dump(build(tree))
    assert shape(parse(Source("t", text), NO_FILES.include)) == tree


@given(st.text(alphabet="ab \n;{}\"'\\$#", max_size=50))
def test_any_text_gives_a_tree_or_mistakes(text: str) -> None:
    """And the tree of a text without mistakes survives a dump."""
    try:
        tree = parse(Source("t", text), NO_FILES.include)
    except ConfigErrors:
        return
    assert shape(parse(Source("t", dump(tree)), NO_FILES.include)) == shape(tree)
