"""Log files: lines, levels, buffers, rotation, and disks that are full."""

from __future__ import annotations

import gzip
import os
import re
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from lbproxy.config.core import LEVELS
from lbproxy.proxy import logfile
from lbproxy.proxy.logfile import ErrorLog, LogFile, Logs, Sink, printable
from tests.support.client import octets
from tests.support.scene import Scene


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a log goes."""
    return tmp_path / "log"


class _Clock:
    """Stands for the time module."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        """Return the time that the test has set."""
        return self.now

    def strftime(self, _: str) -> str:
        """Return some time of day."""
        return "now"


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The time, as log files see it."""
    clock = _Clock()
    monkeypatch.setattr(logfile, "time", clock)
    return clock


class TestLogFile:
    """One file."""

    def test_appends(self, path: Path) -> None:
        """What a file held before stays."""
        path.write_bytes(b"old\n")
        log = LogFile(Sink(str(path)))
        log.write(b"new\n")
        log.close()
        assert path.read_bytes() == b"old\nnew\n"

    def test_lines_of_one_turn_are_written_together(self, path: Path) -> None:
        """An unbuffered log is complete at the end of each turn of the event loop."""
        log = LogFile(Sink(str(path)))
        log.write(b"1\n")
        log.write(b"2\n")
        assert log.per_turn
        log.flush()
        assert path.read_bytes() == b"1\n2\n"
        log.close()

    def test_buffer(self, path: Path) -> None:
        """A buffered log is written when the buffer is full."""
        log = LogFile(Sink(str(path), buffer=10))
        assert not log.per_turn
        log.write(b"1234\n")
        assert path.read_bytes() == b""
        log.write(b"5678\n")
        assert path.read_bytes() == b"1234\n5678\n"
        log.close()

    def test_compressed(self, path: Path) -> None:
        """Each time it is written by itself: the file can be read whatever comes later."""
        log = LogFile(Sink(str(path), buffer=10, gzip=6))
        log.write(b"1234567890\n")
        assert gzip.decompress(path.read_bytes()) == b"1234567890\n"
        log.write(b"x\n")
        log.close()
        assert gzip.decompress(path.read_bytes()) == b"1234567890\nx\n"

    def test_flush_time(self, path: Path, clock: _Clock) -> None:
        """Or when its first line has waited for long enough."""
        log = LogFile(Sink(str(path), buffer=1000, flush=5.0))
        log.write(b"1\n")
        clock.now += 4
        log.write(b"2\n")
        log.tick()
        assert path.read_bytes() == b""
        clock.now += 1
        log.tick()
        assert path.read_bytes() == b"1\n2\n"
        log.close()

    def test_close_writes_what_is_left(self, path: Path) -> None:
        """Nothing that was gathered is lost; closing twice does nothing."""
        log = LogFile(Sink(str(path), buffer=1000))
        log.write(b"1\n")
        log.close()
        log.close()
        assert path.read_bytes() == b"1\n"

    def test_reopen(self, path: Path) -> None:
        """After a rotation, old lines are in the old file and new ones in the new."""
        log = LogFile(Sink(str(path), buffer=1000))
        log.write(b"old\n")
        path.rename(path.with_suffix(".1"))
        log.reopen()
        log.write(b"new\n")
        log.close()
        assert path.with_suffix(".1").read_bytes() == b"old\n"
        assert path.read_bytes() == b"new\n"

    def test_a_reopening_that_fails_changes_nothing(self, path: Path) -> None:
        """The old file goes on being written to."""
        directory = path.parent / "gone"
        directory.mkdir()
        log = LogFile(Sink(str(directory / "log")))
        (directory / "log").rename(path)
        directory.rmdir()
        with pytest.raises(OSError, match="No such file"):
            log.reopen()
        log.write(b"still\n")
        log.close()
        assert path.read_bytes() == b"still\n"

    def test_a_full_disk_is_survived(self) -> None:
        """What cannot be written is lost, and the number of the error kept."""
        log = LogFile(Sink("/dev/full"))
        log.write(b"x\n")
        log.flush()
        assert log.failed == 28
        log.close()

    def test_standard_streams(self, capfd: pytest.CaptureFixture[str]) -> None:
        """They are used as they are, and stay open."""
        for name in ("stdout", "/dev/stderr"):
            log = LogFile(Sink(name))
            log.write(name.encode() + b"\n")
            log.reopen()
            log.close()
        os.fstat(1)
        assert capfd.readouterr() == ("stdout\n", "/dev/stderr\n")

    def test_cannot_be_opened(self, tmp_path: Path) -> None:
        """The error names the file."""
        with pytest.raises(OSError, match="No such file") as caught:
            LogFile(Sink(str(tmp_path / "no" / "log")))
        assert caught.value.filename == str(tmp_path / "no" / "log")


class TestErrorLog:
    """Levels and lines."""

    def test_the_form_of_a_line(self, path: Path) -> None:
        """As nginx writes them, at once."""
        log = LogFile(Sink(str(path)))
        ErrorLog([(log, "error")]).log("error", "what happened")
        pid = os.getpid()
        assert re.fullmatch(rf"\d{{4}}/\d\d/\d\d \d\d:\d\d:\d\d \[error\] {pid}#{pid}: what happened\n",
                            path.read_text())
        log.close()

    def test_levels(self, tmp_path: Path) -> None:
        """Each file takes its level and what is graver."""
        files = {level: LogFile(Sink(str(tmp_path / level))) for level in ("debug", "warn", "emerg")}
        log = ErrorLog([(file, level) for level, file in files.items()])
        for level in LEVELS:
            log.log(level, "x")
        counts = {level: (tmp_path / level).read_text().count("\n") for level in files}
        assert counts == {"debug": 8, "warn": 5, "emerg": 1}
        for file in files.values():
            file.close()

    def test_enabled(self, path: Path) -> None:
        """Tells whether anybody listens; without files nobody does."""
        file = LogFile(Sink(str(path)))
        log = ErrorLog([(file, "warn")])
        assert log.enabled("error")
        assert not log.enabled("info")
        assert not ErrorLog([]).enabled("emerg")
        file.close()

    def test_one_message_one_line(self, path: Path) -> None:
        """Line ends in a message do not end the line, lone surrogates do not end the program."""
        file = LogFile(Sink(str(path)))
        ErrorLog([(file, "debug")]).log("info", "a\nb\rc\udcff")
        assert path.read_text().endswith("a\\nb\\rc\\udcff\n")
        file.close()

    @pytest.mark.parametrize(("value", "text"), [
        (b"GET / HTTP/1.1", "GET / HTTP/1.1"), ("ü".encode(), "ü"), (b"\xff", "\\xff"), (b"a\nb\x1b", "a\\nb\\x1b"),
    ])
    def test_printable(self, value: bytes, text: str) -> None:
        """Octets of strangers are shown so that they cannot do anything to the reader's terminal."""
        assert printable(value) == text


class TestLogs:
    """All of a process."""

    def test_one_file_for_one_path(self, path: Path) -> None:
        """However many logs go there, it is opened once, and lines stand in the order they were written."""
        logs = Logs([(str(path), "error")], {"a": Sink(str(path)), "b": Sink(str(path))})
        assert logs.access["a"] is logs.access["b"]
        logs.access["a"].write(b"first\n")
        logs.access["b"].write(b"second\n")
        logs.end_turn()
        logs.error.log("crit", "third")
        lines = path.read_text().splitlines()
        assert lines[:2] == ["first", "second"]
        assert lines[2].endswith("third")
        logs.close()

    def test_reopen_tells_what_fails(self, tmp_path: Path) -> None:
        """And reopens the others."""
        directory = tmp_path / "gone"
        directory.mkdir()
        error = tmp_path / "error.log"
        logs = Logs([(str(error), "error")], {"a": Sink(str(directory / "a"))})
        (directory / "a").unlink()
        directory.rmdir()
        error.unlink()
        logs.reopen()
        assert f'open() "{directory / "a"}" failed (2: No such file or directory)' in error.read_text()
        logs.close()

    def test_a_log_that_cannot_be_written_is_told_of_once(self, path: Path) -> None:
        """Not with every line that is lost; and again after it had been mended."""
        logs = Logs([(str(path), "error")], {"full": Sink("/dev/full")})
        for _ in range(3):
            logs.access["full"].write(b"x\n")
            logs.end_turn()
            logs.tick()
        (line,) = path.read_text().splitlines()
        assert line.endswith('write() to "/dev/full" failed (28: No space left on device)')
        logs.close()

    def test_nearer_error_logs(self, tmp_path: Path) -> None:
        """A server or location may have its own instead."""
        near = ((str(tmp_path / "near"), "info"),)
        logs = Logs([(str(tmp_path / "main"), "error")], {}, [near])
        logs.error_of(near).log("info", "there")
        logs.error_of(()).log("error", "here")
        assert (tmp_path / "near").read_text().endswith("there\n")
        assert (tmp_path / "main").read_text().endswith("here\n")
        logs.close()


class TestAccessLogs:
    """Access logs of a server at work."""

    async def test_conditions(self, scene: Scene) -> None:
        """``if=`` takes "" and "0" for no."""
        await scene.serve("""log_format f '$uri'; access_log <dir>/f f if=$arg_log;
                             server { listen 80; return 200; }""")
        for query in ("", "?log=", "?log=0", "?log=00", "?log=1", "?log=no"):
            await scene.ask(octets(f"/{query[5:]}x{query}"))
        assert scene.log("f") == ["/00x", "/1x", "/nox"]

    async def test_off_and_several(self, scene: Scene) -> None:
        """A location may have several logs, or none."""
        await scene.serve("""log_format f '$status'; access_log <dir>/f f; access_log <dir>/g f;
                             server { listen 80; location / { return 200; }
                                      location /quiet { access_log off; return 200; } }""")
        await scene.ask(octets("/"))
        await scene.ask(octets("/quiet"))
        assert scene.log("f") == scene.log("g") == ["200"]

    async def test_buffered(self, scene: Scene) -> None:
        """What a buffered log holds is written in the end."""
        proxy = await scene.serve("""log_format f '$uri'; access_log <dir>/f f buffer=4k;
                                     server { listen 80; return 200; }""")
        await scene.ask(octets("/a"))
        await trio.sleep(10)
        assert scene.log("f") == []
        proxy.logs.close()
        assert scene.log("f") == ["/a"]

    async def test_values_are_escaped(self, scene: Scene) -> None:
        """What a client sends can neither end a line nor a quoted value."""
        await scene.serve("""log_format f '"$http_x" $arg_none'; access_log <dir>/f f;
                             server { listen 80; return 200; }""")
        await scene.ask(octets("/", 'X: a"b\\c\xff'))
        assert scene.log("f") == ['"a\\x22b\\x5Cc\\xFF" -']

    async def test_reopened_under_way(self, scene: Scene) -> None:
        """A rotation separates the lines of requests before and after it."""
        proxy = await scene.serve("""log_format f '$uri'; access_log <dir>/f f; server { listen 80; return 200; }""")
        await scene.ask(octets("/old"))
        (scene.directory / "f").rename(scene.directory / "f.1")
        proxy.logs.reopen()
        await scene.ask(octets("/new"))
        await wait_all_tasks_blocked()
        assert (scene.log("f.1"), scene.log("f")) == (["/old"], ["/new"])
