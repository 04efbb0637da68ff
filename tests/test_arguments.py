"""The words of the command line."""

from __future__ import annotations

import pytest

from lbproxy.arguments import OPTIONS, Arguments, Misuse, parse


def test_nothing_given() -> None:
    assert parse([]) == Arguments()


def test_flags_one_by_one_and_behind_one_dash() -> None:
    assert parse(["-t", "-q"]) == parse(["-tq"]) == Arguments(test=True, quiet=True)


@pytest.mark.parametrize("argv", [["-c", "a.conf"], ["-ca.conf"], ["-c", "b", "-c", "a.conf"]])
def test_value_behind_its_letter_or_in_the_next_word(argv: list[str]) -> None:
    assert parse(argv) == Arguments(file="a.conf")


def test_letter_with_a_value_ends_a_group() -> None:
    assert parse(["-tc", "a.conf", "-pq"]) == Arguments(test=True, file="a.conf", prefix="q")


def test_value_may_look_like_an_option_or_be_empty() -> None:
    assert parse(["-g", "-t", "-e", ""]) == Arguments(directives="-t")


@pytest.mark.parametrize("word", ["-h", "-?", "--help"])
def test_ways_to_ask_for_help(word: str) -> None:
    assert parse([word]).help


def test_long_ones() -> None:
    assert parse(["--daemon", "--version"]) == Arguments(daemon=True, version=True)


@pytest.mark.parametrize(
    ("argv", "complaint"),
    [
        (["-x"], 'invalid option: "x"'),
        (["-tx"], 'invalid option: "x"'),
        (["site.conf"], 'invalid option: "site.conf"'),
        (["-"], 'invalid option: "-"'),
        (["--daem"], 'invalid option: "--daem"'),
        (["-t", "-c"], 'option "-c" requires a value'),
        (["-s", "start"], 'invalid option: "-s start": it takes stop, quit, reload, reopen'),
    ],
)
def test_mistakes(argv: list[str], complaint: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse(argv)
    assert str(caught.value) == complaint


def test_help_tells_of_every_option() -> None:
    for letter in "h?vVtTqspceg":
        assert f"-{letter}" in OPTIONS
