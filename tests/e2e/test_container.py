"""In a container: as process 1, on a file system that can't be written, and beside nobody who cleans up."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from tests.support.backends import reply
from tests.support.client import get
from tests.support.daemon import ROOT, Lbproxy, Readiness
from tests.support.process import Process
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = "error_log stderr notice; events {} http { server { listen <listen>; location / { proxy_pass http://<b>; } } }"

NAMESPACES = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]


def unshare_works() -> bool:
    return shutil.which("unshare") is not None and not subprocess.run(
        [*NAMESPACES, "true"], capture_output=True, timeout=10, check=False
    ).returncode


needs_namespaces = pytest.mark.skipif(not unshare_works(), reason="namespaces need unshare(1) and root")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


class Contained(Process):
    """lbproxy as process 1 of a namespace; *pid* is unshare's, *init* that of lbproxy out here."""

    def __init__(self, stage: Stage, conf: Path, *, before: str = "") -> None:
        self.readiness = Readiness(stage.directory / "notify")
        shell = f'{before} exec "$0" -m lbproxy -c "$1"'
        env = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(self.readiness.path)}
        super().__init__([*NAMESPACES, "sh", "-c", shell, sys.executable, conf], env=env)
        until(lambda: children(self.pid), "the first process")
        (self.init,) = children(self.pid)

    def __exit__(self, *_: object) -> None:
        if self.running:
            os.kill(self.init, signal.SIGTERM)
            self.wait()
        self.readiness.close()


def opened(fifo: Path) -> int:
    """Return a descriptor to write to *fifo*, as soon as somebody reads from it."""
    found: list[int] = []

    def has_reader() -> bool:
        with suppress(OSError):
            found.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        return bool(found)

    until(has_reader, "a reader")
    return found[0]


def written(stage: Stage, conf: str = CONF) -> Path:
    path = stage.directory / "site.conf"
    path.write_text(stage.text(conf, b=stage.backend(reply("ok"))))
    return path


@needs_namespaces
def test_process_1_obeys_signals_and_reaps_whom_it_inherits(stage: Stage) -> None:
    orphan = "(sleep 0.2 &);"  # its parent ends at once
    with Contained(stage, written(stage), before=orphan) as proxy:
        proxy.readiness.wait(proxy)
        until(lambda: len(children(proxy.init)) == 1, "the orphan to be reaped, but not the worker")
        proxy_pid_file = stage.directory / "lbproxy.pid"
        assert proxy_pid_file.read_text() == "1\n"
        os.kill(proxy.init, signal.SIGHUP)
        proxy.readiness.wait(proxy, "RELOADING=1")
        proxy.readiness.wait(proxy)
        assert get(stage.listen).text == "ok"
        os.kill(proxy.init, signal.SIGQUIT)
        assert proxy.wait() == 0
        assert not proxy.stderr.matching("sleep|zombie")


@needs_namespaces
def test_signal_that_comes_too_early_is_not_lost_to_process_1(stage: Stage) -> None:
    """The kernel drops what process 1 has no handler for: a container's engine would wait for its end in vain."""
    fifo = stage.directory / "slow.conf"
    os.mkfifo(fifo)
    with Contained(stage, fifo) as proxy:
        writer = opened(fifo)
        os.kill(proxy.init, signal.SIGTERM)
        with os.fdopen(writer, "w") as conf:
            conf.write(stage.text(CONF, b=stage.dead()))
        assert proxy.wait() == 0, proxy.report()
        assert proxy.stderr.matching(r"SIGTERM\) received, exiting")


@needs_namespaces
def test_read_only_file_system(stage: Stage) -> None:
    """Without a pid file, unless the configuration names a place for one that can be written."""
    here = stage.directory
    read_only = f"mount -o remount,ro,bind / && mount --bind {here} {here} && mount -o remount,ro,bind {here} &&"
    with Contained(stage, written(stage), before=read_only) as proxy:
        proxy.readiness.wait(proxy)
        proxy.stderr.wait_for(r"\[warn\] no pid file, .* is read-only")
        assert get(stage.listen).text == "ok"
    assert sorted(path.name for path in stage.directory.iterdir()) == ["site.conf"]


def test_nothing_is_written_but_what_is_configured(stage: Stage) -> None:
    hooks = stage.directory / "hooks"
    hooks.mkdir()
    shutil.copy(ROOT / "tests/support/watchwrites.py", hooks / "sitecustomize.py")
    prefix, temporary = stage.directory / "prefix", stage.directory / "tmp"
    prefix.mkdir()
    temporary.mkdir()
    env = {"PYTHONPATH": f"{hooks}:{ROOT}", "PYTHONDONTWRITEBYTECODE": "1", "TMPDIR": str(temporary)}
    with Lbproxy(prefix, stage.text(CONF, b=stage.backend(reply("ok"))), stage.listen, env=env) as proxy:
        assert get(proxy.address).text == "ok"
        proxy.reload(proxy.conf.read_text())
        assert get(proxy.address).text == "ok"
        assert proxy.stop(signal.SIGQUIT) == 0
    wrote = {match[1] for match in re.finditer(r"WROTE (\S+)", proxy.stderr.text)}
    wrote = {path for path in wrote if Path(path).parent != temporary}
    assert wrote == {f"{prefix}/.lbproxy.pid.{proxy.pid}", f"{prefix}/lbproxy.pid", "/proc/self/comm", "/dev/null"}
