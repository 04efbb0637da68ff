"""Files on disk, with and without an eye on links."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

import pytest

from lbproxy.http.files.action import Symlinks
from lbproxy.proxy.filesystem import Lookup, contents, status_of
from tests.support.exchanges import exchange

EX = exchange()
FREELY = Lookup(None)


def watchful(start: Path | str | None = None, *, owned: bool = False) -> Lookup:
    """Return a lookup that minds links behind *start*."""
    return Lookup(Symlinks(owned, (lambda _: os.fsencode(start)) if start is not None else None))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return a directory with a/file, and links to both parts of that path."""
    root = tmp_path.resolve()
    (root / "a").mkdir()
    (root / "a" / "file").write_text("hello")
    (root / "a" / "link").symlink_to("file")
    (root / "b").symlink_to("a")
    return root


def read(lookup: Lookup, path: Path | str) -> str:
    """Return what *lookup* finds at *path*."""
    descriptor = lookup.open(EX, os.fsencode(path))
    with os.fdopen(descriptor) as file:
        return file.read()


def error(lookup: Lookup, path: Path | str) -> int | None:
    """Return why *lookup* does not find *path*, which must be the same for both ways to look."""
    with pytest.raises(OSError) as opening:
        os.close(lookup.open(EX, os.fsencode(path)))
    with pytest.raises(OSError) as asking:
        lookup.stat(EX, os.fsencode(path))
    assert asking.value.errno == opening.value.errno
    return opening.value.errno


def test_links_are_followed(tree: Path) -> None:
    """Usually."""
    for name in ("a/file", "a/link", "b/file", "b/link"):
        assert read(FREELY, tree / name) == "hello"
    assert error(FREELY, tree / "c") == errno.ENOENT
    assert error(FREELY, f"{tree}/a/file/x") == errno.ENOTDIR
    assert FREELY.stat(EX, os.fsencode(tree / "a" / "link")).st_size == 5


@pytest.mark.parametrize("lookup", [FREELY, watchful("/")])
def test_no_file_has_a_nul_in_its_name(lookup: Lookup) -> None:
    """Wherever it came from."""
    assert error(lookup, "/tmp\0/x") == error(lookup, "/tmp/\0") == errno.ENOENT


def test_nothing_is_waited_for(tree: Path) -> None:
    """A fifo that nobody writes to opens at once."""
    os.mkfifo(tree / "fifo")
    descriptor = FREELY.open(EX, os.fsencode(tree / "fifo"))
    assert stat.S_ISFIFO(os.fstat(descriptor).st_mode)
    os.close(descriptor)


def test_no_links(tree: Path) -> None:
    """At the end it is a loop; on the way it is no directory (as in nginx)."""
    lookup = watchful()
    assert read(lookup, tree / "a" / "file") == "hello"
    assert error(lookup, tree / "a" / "link") == errno.ELOOP
    assert error(lookup, tree / "b" / "file") == errno.ENOTDIR
    assert error(lookup, tree / "c" / "file") == errno.ENOENT
    assert read(lookup, f"{tree}//a///file") == "hello"
    assert stat.S_ISDIR(lookup.stat(EX, os.fsencode(f"{tree}/a/")).st_mode)
    assert stat.S_ISDIR(lookup.stat(EX, b"/").st_mode)


@pytest.mark.parametrize(("start", "name", "found"), [
    ("", "b/file", False), ("b", "b/file", True), ("b/", "b/file", True), ("b/f", "b/file", False),
    ("b", "b/link", False), ("b/link", "b/link", True), ("b", "bb/file", True), ("/", "b/file", False),
])  # fmt: skip
def test_no_links_from_somewhere_on(tree: Path, start: str, name: str, found: bool) -> None:
    """What is in front of that is not looked at, if the path begins with it at all."""
    (tree / "bb").mkdir()
    (tree / "bb" / "file").write_text("hello")
    lookup = watchful(f"{tree}/{start}" if start != "/" else "/nowhere")
    if found:
        assert read(lookup, f"{tree}/{name}") == "hello"
    else:
        assert error(lookup, f"{tree}/{name}") in (errno.ELOOP, errno.ENOTDIR)


def test_no_start_is_the_beginning(tree: Path) -> None:
    """A variable may be empty."""
    assert error(watchful(""), tree / "a" / "link") == errno.ELOOP


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_links_to_what_is_ones_own(tree: Path) -> None:
    """A link that belongs to somebody else than the file is not followed."""
    lookup = watchful(tree, owned=True)
    for name in ("a/link", "b/file", "b/link"):
        assert read(lookup, tree / name) == "hello"
    os.chown(tree / "a" / "link", 65534, 65534, follow_symlinks=False)
    assert error(lookup, tree / "a" / "link") == errno.ELOOP
    os.chown(tree / "b", 65534, 65534, follow_symlinks=False)
    assert error(lookup, tree / "b" / "file") == errno.ELOOP


def test_descriptors_are_given_back(tree: Path) -> None:
    """Whatever happens on the way."""
    before = len([*Path("/proc/self/fd").iterdir()])
    for lookup in (watchful(), watchful(owned=True), watchful(tree)):
        for name in ("a/file", "a/link", "b/file", "c", "a/file/x", "a/\0"):
            try:
                os.close(lookup.open(EX, os.fsencode(f"{tree}/{name}")))
                lookup.stat(EX, os.fsencode(f"{tree}/{name}"))
            except OSError:
                pass
    assert len([*Path("/proc/self/fd").iterdir()]) == before


@pytest.mark.parametrize(("code", "expected"), [
    (errno.ENOENT, ("error", 404)), (errno.ENOTDIR, ("error", 404)), (errno.ENAMETOOLONG, ("error", 404)),
    (errno.EACCES, ("error", 403)), (errno.ELOOP, ("error", 403)), (errno.EMFILE, ("crit", 500)),
    (errno.EIO, ("crit", 500)),
])  # fmt: skip
def test_statuses(code: int, expected: tuple[str, int]) -> None:
    """nginx's."""
    assert status_of(OSError(code, "")) == expected


def test_contents(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a link leads to counts; one that leads nowhere is something else; dots hide."""
    (tree / ".hidden").write_text("x")
    (tree / "gone").symlink_to("nowhere")
    (tree / "loop").symlink_to("loop")
    os.mkfifo(tree / "fifo")
    found = {entry.name: entry for entry in contents(os.fsencode(tree), lambda _, error: pytest.fail(str(error)))}
    assert {name: entry.kind for name, entry in found.items()} == {
        b"a": "directory", b"b": "directory", b"gone": "other", b"loop": "other", b"fifo": "other"}  # fmt: skip
    (file,) = (entry for entry in contents(os.fsencode(tree / "a"), lambda *_: None) if entry.name == b"file")
    assert (file.kind, file.size) == ("file", 5)
    assert file.modified == int((tree / "a" / "file").stat().st_mtime)


def test_contents_that_are_not_shown(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are left out, and told of."""

    def refuse(_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    told: list[bytes] = []
    monkeypatch.setattr("lbproxy.proxy.filesystem._describe", refuse)
    assert contents(os.fsencode(tree / "a"), lambda name, _: told.append(name)) == []
    assert sorted(told) == [os.fsencode(tree / "a" / "file"), os.fsencode(tree / "a" / "link")]
    with pytest.raises(NotADirectoryError):
        contents(os.fsencode(tree / "a" / "file"), lambda *_: None)
