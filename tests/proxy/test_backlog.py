"""What a client has not taken yet: every octet once, in order, wherever it has been meanwhile."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.temporary import TempPlace
from lbproxy.http.pace import Pace
from lbproxy.net.readiness import Poller
from lbproxy.net.stream import Stream
from lbproxy.proxy.backlog import Backlog
from tests.support.scene import descriptors


class Clock:
    """Stands in for the poller."""

    def __init__(self) -> None:
        self.now, self.ready_calls = 0.0, 0

    def clock(self) -> float:
        """Return the time."""
        return self.now


class Taker:
    """Stands in for a client's stream: it takes as much as it has *room* for."""

    def __init__(self, room: int = 0) -> None:
        self.poller = cast("Poller", Clock())
        self.room, self.taken = room, b""

    @property
    def writable(self) -> bool:
        """Whether there is room."""
        return self.room > 0

    @property
    def bytes_out(self) -> int:
        """Octets taken."""
        return len(self.taken)

    def send_now(self, data: bytes | memoryview) -> int:
        """Take some of *data*."""
        taken = bytes(data[: self.room])
        self.taken += taken
        self.room -= len(taken)
        return len(taken)

    def sendfile_now(self, file: int, offset: int, count: int) -> int | None:
        """Take some of a file."""
        if not self.room:
            return None
        data = os.pread(file, min(count, self.room), offset)
        return self.send_now(data)


@contextmanager
def backlog(taker: Taker, room: int = 0, pace: Pace | None = None, place: TempPlace | None = None
            ) -> Iterator[tuple[Backlog, list[str]]]:
    """Open a backlog for *taker*; yields it and what it has logged."""
    logged: list[str] = []
    kept = Backlog(cast("Stream", taker), 60.0, pace, room=room, place=place,
                   log=lambda level, message: logged.append(f"{level}: {message}"))
    try:
        yield kept, logged
    finally:
        kept.close()


def test_what_the_client_takes_at_once_is_not_kept() -> None:
    """Nor is anything that was sent."""
    with backlog(Taker(10)) as (kept, _):
        kept.put(b"hello")
        assert not kept
        kept.put(b"world and more")
        assert (bool(kept), kept.held) == (True, 9)


def test_a_view_is_copied() -> None:
    """What it shows is overwritten soon."""
    room, taker = bytearray(b"hello"), Taker(2)
    with backlog(taker) as (kept, _):
        kept.put(memoryview(room))
        room[:] = b"xxxxx"
        taker.room = 10
        kept.push()
    assert taker.taken == b"hello"


PIECES = st.lists(st.binary(max_size=60), max_size=12)


@given(pieces=PIECES, rooms=st.lists(st.integers(0, 100), max_size=12), spills=st.sets(st.integers(0, 12)),
       limit=st.integers(0, 300))
def test_every_octet_once_and_in_order(pieces: list[bytes], rooms: list[int], spills: set[int], limit: int) -> None:
    """However the client takes them, and whenever they are moved to the file, as far as that has room."""
    taker = Taker()
    with backlog(taker, limit) as (kept, _):
        for turn in range(max(len(pieces), len(rooms))):
            if turn < len(pieces):
                kept.put(pieces[turn])
            if turn in spills and kept.held:
                assert kept.spill() == (kept.held == 0)
            taker.room += rooms[turn] if turn < len(rooms) else 0
            kept.push()
            assert b"".join(pieces[: turn + 1]).startswith(taker.taken)
        while kept:
            taker.room = 7
            kept.push()
        assert taker.taken == b"".join(pieces)


def test_the_file_is_bounded() -> None:
    """What does not fit stays in memory; once the file is sent, there is room again."""
    taker = Taker()
    with backlog(taker, 10) as (kept, _):
        kept.put(b"12345678")
        assert kept.spill()
        kept.put(b"9abc")
        assert not kept.spills
        assert not kept.spill()
        assert kept.held == 4
        taker.room = 8
        kept.push()
        assert kept.spill()


def test_a_file_that_was_sent_is_not_written_again() -> None:
    """After sendfile(2) the socket holds the file's pages: what is still on its way would change."""
    taker, sent = Taker(), []

    def sendfile_now(file: int, offset: int, count: int) -> int:
        sent.append(os.dup(file))
        return count

    with backlog(taker, 1000) as (kept, logged):
        taker.sendfile_now = sendfile_now  # type: ignore[method-assign]
        for piece in (b"a", b"b"):
            kept.put(piece)
            kept.spill()
            taker.room = 1
            kept.push()
            taker.room = 0
    assert [os.pread(file, 10, 0) for file in sent] == [b"a", b"b"]
    for file in sent:
        os.close(file)
    assert len(logged) == 1


def test_without_room_there_is_no_file() -> None:
    """proxy_max_temp_file_size 0."""
    before = descriptors()
    with backlog(Taker()) as (kept, _):
        kept.put(b"x")
        assert not kept.spill()
        assert descriptors() == before


def test_a_full_disk() -> None:
    """Nothing is lost, the operator is told once, and it is not tried again."""
    taker = Taker()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with backlog(taker, 1 << 30) as (kept, logged):
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        try:
            kept.put(b"a" * 600)
            assert kept.spill()
            kept.put(b"b" * 600)
            assert not kept.spill()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert kept.held == 200
        assert not kept.spills
        assert not kept.spill()
        kept.put(b"c")
        taker.room = 2000
        while kept:
            kept.push()
    assert taker.taken == b"a" * 600 + b"b" * 600 + b"c"
    assert [line.partition(":")[0] for line in logged] == ["warn", "crit"]
    assert "(27: File too large)" in logged[1]


def test_a_place_that_is_none(tmp_path: Path) -> None:
    """Is as good as a full disk."""
    (tmp_path / "file").write_text("x")
    taker = Taker()
    with backlog(taker, 1 << 30, place=TempPlace(str(tmp_path / "file" / "x"))) as (kept, logged):
        kept.put(b"hello")
        assert not kept.spill()
        taker.room = 10
        kept.push()
    assert taker.taken == b"hello"
    (line,) = logged
    assert line.startswith("crit: upstream response not written to a temporary file (20: Not a directory)")


def test_the_file_is_given_back() -> None:
    """With its descriptor; it never had a name."""
    before, names = descriptors(), set(Path(tempfile.gettempdir()).glob("lbproxy-*"))
    with backlog(Taker(), 100) as (kept, _):
        kept.put(b"x")
        kept.spill()
        assert descriptors() == before + 1
        assert set(Path(tempfile.gettempdir()).glob("lbproxy-*")) <= names
    assert descriptors() == before


def test_a_pace() -> None:
    """Goes for memory and file alike; nothing leaves at once."""
    taker = Taker(10_000)
    with backlog(taker, 10_000, Pace(100, 0, 0.0)) as (kept, _):
        kept.put(bytes(150))
        assert (taker.bytes_out, kept.paced) == (0, True)
        kept.push()
        assert (taker.bytes_out, kept.pause(0.0)) == (100, 1.0)
        kept.spill()
        kept.push()
        assert taker.bytes_out == 100
        taker.poller.now = 1.0
        kept.push()
        assert (taker.bytes_out, bool(kept), kept.pause(1.0)) == (150, False, 0.0)


@pytest.mark.parametrize("spilled", [False, True])
def test_since_when_the_client_takes_nothing(spilled: bool) -> None:
    """That is what send_timeout counts from."""
    taker = Taker()
    with backlog(taker, 100) as (kept, _):
        taker.poller.now = 5.0
        kept.put(b"12345")
        if spilled:
            kept.spill()
        taker.poller.now = 9.0
        kept.put(b"67890")
        kept.push()
        assert kept.moved == 5.0
        taker.room = 2
        kept.push()
        assert kept.moved == 9.0
