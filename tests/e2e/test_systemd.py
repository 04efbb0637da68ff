"""Under systemd: what it hears of the service, sockets that it passes, and the files for it in conf/."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.client import get, refuses
from tests.support.daemon import ROOT, Lbproxy, Readiness
from tests.support.process import Process
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
error_log stderr notice;
worker_processes 2;
events {}
http { server { listen <listen>; listen unix:<dir>/front.sock; return 200 "<word>"; } }
"""


def activated(stage: Stage, *addresses: str, conf: str = CONF) -> tuple[Process, Readiness]:
    """Start lbproxy with sockets on *addresses*; it serves with *conf*."""
    file = stage.directory / "site.conf"
    file.write_text(stage.text(conf, word="hello"))
    readiness = Readiness(stage.directory / "notify")
    program = [sys.executable, "-m", "lbproxy", "-c", str(file)]
    env = {"PYTHONPATH": str(ROOT), "NOTIFY_SOCKET": str(readiness.path)}
    process = Process([sys.executable, "-m", "tests.support.activate", *addresses, "--", *program], cwd=ROOT, env=env)
    process.until_ready(lambda: readiness.wait(process))
    return process, readiness


def test_sockets_are_taken_by_their_addresses(stage: Stage) -> None:
    """In any order; the file of a unix socket is the manager's, and what nobody configured is closed and told."""
    other = stage.port()
    path = stage.path("front.sock")
    process, readiness = activated(stage, path, f"127.0.0.1:{other}", stage.text("<listen>"))
    with process:
        assert get(stage.listen).text == "hello"
        assert get(path).text == "hello"
        assert process.stderr.wait_for(rf"closed the socket 127.0.0.1:{other} that was handed over")
        assert refuses(("127.0.0.1", other))
        process.send_signal(signal.SIGHUP)
        readiness.wait(process)
        assert get(stage.listen).text == "hello"
        assert process.stop() == 0
    assert Path(path).exists()
    readiness.close()


def test_descriptor_that_is_no_listening_socket_is_told(stage: Stage) -> None:
    path = stage.directory / "site.conf"
    path.write_text(stage.text(CONF, word="hello"))
    shell = 'exec env LISTEN_PID=$$ LISTEN_FDS=1 "$0" -m lbproxy -c "$1" 3>&1'
    process = Process(["sh", "-c", shell, sys.executable, path], cwd=ROOT)
    assert process.wait() == 1
    assert "descriptor 3: Socket operation on non-socket" in process.stderr.text


def test_reload_is_told_with_its_outcome(stage: Stage) -> None:
    with Lbproxy(stage.directory, stage.text(CONF, word="old"), stage.listen) as proxy:
        proxy.conf.write_text("server { retrun 200; }")
        proxy.send_signal(signal.SIGHUP)
        proxy.readiness.wait(proxy, "RELOADING=1")
        proxy.readiness.wait(proxy, "STATUS=serving with 2 workers; a reload was refused, the error log says why")
        proxy.reload(stage.text(CONF, word="new"))
        assert get(proxy.address).text == "new"
        proxy.send_signal(signal.SIGQUIT)
        proxy.readiness.wait(proxy, "STOPPING=1")


def test_watchdog_hears_of_lbproxy_while_every_worker_answers(stage: Stage) -> None:
    silence = 0.45
    env = {"WATCHDOG_USEC": f"{silence * 1e6:.0f}"}
    with Lbproxy(stage.directory, stage.text(CONF, word="hello"), stage.listen, env=env) as proxy:
        worker = proxy.workers()[0]
        proxy.readiness.wait(proxy, "WATCHDOG=1", silence)
        proxy.readiness.wait(proxy, "WATCHDOG=1", silence)
        os.kill(worker, signal.SIGSTOP)
        until(lambda: Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "T", "it to be stopped")
        with pytest.raises(AssertionError, match="no NEVER within"):  # what was under way
            proxy.readiness.wait(proxy, "NEVER", silence / 3)
        with pytest.raises(AssertionError, match="no WATCHDOG=1 within"):
            proxy.readiness.wait(proxy, "WATCHDOG=1", silence)
        os.kill(worker, signal.SIGCONT)
        proxy.readiness.wait(proxy, "WATCHDOG=1", 2 * silence)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_units_are_what_systemd_expects(tmp_path: Path) -> None:
    for name in ("lbproxy.service", "lbproxy.socket"):
        text = (ROOT / "conf" / name).read_text().replace("/usr/local/bin/lbproxy", sys.executable)
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", str(tmp_path / "lbproxy.socket"), str(tmp_path / "lbproxy.service")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    about_ours = [line for line in done.stderr.splitlines() if re.search(r"lbproxy\.(service|socket)", line)]
    assert not about_ours
