"""Temporary files."""

from __future__ import annotations

import stat
from contextlib import closing
from pathlib import Path

import pytest

from lbproxy.config.temporary import TempPlace
from lbproxy.proxy.temporary import open_temporary, path_of


def test_without_a_place_there_is_no_name() -> None:
    """The system's directory is used, and nothing is left there."""
    with closing(open_temporary(None)) as file:
        assert path_of(file) == ""
        file.write(b"x")


def test_in_a_place_it_has_no_name_any_more(tmp_path: Path) -> None:
    """But it is known what it was."""
    with closing(open_temporary(TempPlace(str(tmp_path)))) as file:
        assert Path(path_of(file)).parent == tmp_path
        assert list(tmp_path.iterdir()) == []


def test_a_named_one_stays(tmp_path: Path) -> None:
    """For others to read, if they are its owner."""
    with closing(open_temporary(TempPlace(str(tmp_path), (1, 2)), named=True)) as file:
        path = Path(path_of(file))
        file.write(b"hello")
    assert path.read_bytes() == b"hello"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    number = path.name
    assert path == tmp_path / number[-1] / number[-3:-1] / number


def test_names_that_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of an earlier process are passed over, not written to."""
    monkeypatch.setattr("lbproxy.proxy.temporary._numbers", iter([7, 7]))
    names = set()
    for _ in range(2):
        with closing(open_temporary(TempPlace(str(tmp_path)), named=True)) as file:
            names.add(path_of(file))
    assert len(names) == 2
    assert str(tmp_path / "0000000007") in names


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """Is an error of the system's."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError):
        open_temporary(TempPlace(str(tmp_path / "file")))
