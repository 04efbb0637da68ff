"""What is known of a configuration without compiling it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.errors import ConfigErrors, ConfigSyntaxError, LbproxyError, Position, Source
from lbproxy.process.options import DEFAULT_PID, Options, pid_path, reasons


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Iterator[Path]:
    """A prefix; the working directory is put back."""
    before = Path.cwd()
    yield tmp_path
    os.chdir(before)


def options(directory: Path, text: str, directives: str = "", name: str = "site.conf") -> Options:
    (directory / name).write_text(text)
    return Options(file=directory / name, prefix=directory, directives=directives)


@pytest.mark.parametrize(
    ("text", "directives", "pid"),
    [
        ("server {}", "", DEFAULT_PID),
        ("pid run/a.pid; nonsense {}", "", "run/a.pid"),
        ("server { pid b; }", "", DEFAULT_PID),
        ("", "pid c.pid;", "c.pid"),
        ("include d.conf;", "", "d.pid"),
        ("pid /run/e.pid;", "", "/run/e.pid"),
    ],
)
def test_pid_file_is_found_without_understanding_the_rest(
    directory: Path, text: str, directives: str, pid: str
) -> None:
    (directory / "d.conf").write_text("pid d.pid;")
    assert pid_path(options(directory, text, directives)) == directory / pid


def test_pid_file_in_yaml(directory: Path) -> None:
    assert pid_path(options(directory, "pid: f.pid", name="site.yaml")) == directory / "f.pid"


def test_file_that_cannot_be_split_into_directives(directory: Path) -> None:
    with pytest.raises(ConfigErrors):
        pid_path(options(directory, "pid a.pid; server {"))


def test_reasons_are_single_lines() -> None:
    place = Position(Source("f", "one two"), 1, 5)
    mistake = ConfigSyntaxError("bad", place)
    assert "\n" in str(mistake)
    assert reasons(ConfigErrors([mistake, mistake])) == ["bad in f:1:5"] * 2
    assert reasons(mistake) == ["bad in f:1:5"]
    assert reasons(LbproxyError("one\ntwo")) == ["one", "two"]


def test_reasons_name_files_as_nginx_does() -> None:
    assert reasons(FileNotFoundError(2, "No such file or directory", "/x")) == [
        'open() "/x" failed (2: No such file or directory)'
    ]


def test_reasons_of_what_nobody_expected_tell_where_it_was() -> None:
    reason, = reasons(ZeroDivisionError("division by zero"))
    assert "ZeroDivisionError: division by zero" in reason
