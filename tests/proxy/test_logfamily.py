"""Access logs whose path has variables."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lbproxy.http.accesslog import OpenFiles
from lbproxy.proxy.logfamily import LogFamily


def octets(path: Path) -> bytes:
    """Return *path* as the configuration's variables would make it."""
    return os.fsencode(path)


def descriptors() -> int:
    """Return how many this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_a_file_for_each_path(tmp_path: Path) -> None:
    """Lines are written when the turn ends, in order; no file stays open."""
    family = LogFamily("$host.log", None)
    before = descriptors()
    family.write_to(octets(tmp_path / "a"), b"1\n")
    family.write_to(octets(tmp_path / "b"), b"2\n")
    family.write_to(octets(tmp_path / "a"), b"3\n")
    assert not (tmp_path / "a").exists()
    family.flush()
    assert (tmp_path / "a").read_bytes() == b"1\n3\n"
    assert (tmp_path / "b").read_bytes() == b"2\n"
    assert descriptors() == before


def test_without_a_cache_a_renamed_file_gets_nothing_more(tmp_path: Path) -> None:
    family = LogFamily("$host.log", None)
    path = tmp_path / "a"
    family.write_to(octets(path), b"1\n")
    family.flush()
    path.rename(tmp_path / "old")
    family.write_to(octets(path), b"2\n")
    family.flush()
    assert path.read_bytes() == b"2\n"


def test_with_a_cache_it_goes_on_until_somebody_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As nginx; and a reopening ends it too."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    family = LogFamily("$host.log", OpenFiles(10, inactive=1000.0, valid=60.0))
    path = tmp_path / "a"

    def log(line: bytes) -> None:
        family.write_to(octets(path), line)
        family.flush()

    log(b"1\n")
    path.rename(tmp_path / "old")
    log(b"2\n")
    assert not path.exists()
    now = 161.0
    log(b"3\n")
    assert path.read_bytes() == b"3\n"
    path.rename(tmp_path / "older")
    family.reopen()
    log(b"4\n")
    assert path.read_bytes() == b"4\n"
    family.close()


def test_no_more_files_are_open_than_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    family = LogFamily("$host.log", OpenFiles(2, inactive=10.0))
    before = descriptors()
    for name in "abcab":
        family.write_to(octets(tmp_path / name), b"x\n")
        family.flush()
    assert descriptors() == before + 2
    now = 200.0
    family.tick()
    assert descriptors() == before
    assert (tmp_path / "a").read_bytes() == b"x\nx\n"


def test_rarely_used_ones_stay_closed(tmp_path: Path) -> None:
    family = LogFamily("$host.log", OpenFiles(10, min_uses=2))
    before = descriptors()
    for expected in (before, before + 1):
        family.write_to(octets(tmp_path / "a"), b"x\n")
        family.flush()
        assert descriptors() == expected
    family.close()
    assert descriptors() == before


@pytest.mark.parametrize("name", [b"no/such/directory", b"../above", b"a/../../b", b"nul\0"])
def test_what_cannot_be_written_is_told(tmp_path: Path, name: bytes) -> None:
    """And lost, as for any log; a path from above the configured one is none."""
    family = LogFamily("$host.log", None)
    family.write_to(octets(tmp_path) + b"/" + name, b"x\n")
    family.flush()
    assert family.failed
    assert list(tmp_path.iterdir()) == []
    assert list(tmp_path.parent.glob("above")) == []
