"""Full disks: a body that has no room is refused, a log that cannot be written stops nobody."""

from __future__ import annotations

import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.support.backends import reply
from tests.support.client import Client, ask, get, octets
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
error_log <errors>;
events {}
http {
    client_max_body_size 0;
    access_log <access>;
    log_format short "$request_uri $status";
    server {
        listen <listen>;
        location / { return 200 small; }
        location /pass { proxy_pass http://<b>; }
    }
}
"""
SIZE = 1 << 20


@contextmanager
def small_disk(directory: Path) -> Iterator[Path]:
    """Mount a file system of `SIZE` octets at a new place in *directory*; skips the test where that is not allowed."""
    place = directory / "disk"
    place.mkdir()
    mount = shutil.which("mount")
    if mount is None or subprocess.run(
        [mount, "-t", "tmpfs", "-o", f"size={SIZE}", "none", place], check=False, capture_output=True
    ).returncode:
        pytest.skip("only root may mount a small file system")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(disk: Path) -> Path:
    """Leave no room on *disk*; return what takes it."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    assert shutil.disk_usage(disk).free == 0
    return filler


def test_no_room_for_a_body(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Robustness 13. It is refused with 500, others are served, and the next body that fits is taken."""
    with small_disk(stage.directory) as disk:
        monkeypatch.setenv("TMPDIR", str(disk))
        backend = stage.backend(reply("ok"))
        proxy = stage.lbproxy(CONF, b=backend, errors="stderr", access="off")
        with Client(proxy.address) as client, Client(proxy.address) as other:
            client.send(octets("/pass", f"Content-Length: {4 * SIZE}", method="POST"))
            for _ in range(4):
                client.send(bytes(SIZE))
                assert other.ask().text == "small"
            assert client.answer("POST").status == 500
            assert other.ask("/pass", method="POST", body=bytes(SIZE // 2)).text == "ok"
        (told,) = proxy.errors()
        assert "body not written to a temporary file (28: No space left on device)" in told
        assert len(backend.requests) == 1
        until(lambda: shutil.disk_usage(disk).free == SIZE, "the disk to be empty")


def test_file_that_may_not_grow(stage: Stage) -> None:
    """Robustness 13. The same where a quota, or RLIMIT_FSIZE, is what is exhausted."""
    backend = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=backend, errors="stderr", access="off")
    (worker,) = proxy.workers()
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (SIZE, SIZE))
    assert ask(proxy.address, octets("/pass", method="POST", body=bytes(SIZE + 1)), method="POST").status == 500
    assert ask(proxy.address, octets("/pass", method="POST", body=bytes(SIZE)), method="POST").text == "ok"
    proxy.stderr.wait_for(r"body not written to a temporary file \(27: File too large\)")


def test_no_room_for_an_access_log(stage: Stage) -> None:
    """Robustness 18. Requests are served, the error log says once that lines are lost; later ones are written again."""
    with small_disk(stage.directory) as disk:
        proxy = stage.lbproxy(CONF, b=stage.dead(), errors="stderr", access=f"{disk}/access.log short")
        filler = fill(disk)
        for number in range(20):
            assert get(proxy.address, f"/lost/{number}").text == "small"
        proxy.stderr.wait_for(r"\[crit\] .* write\(\) to .*access.log\" failed \(28: No space left on device\)")
        filler.unlink()
        assert get(proxy.address, "/found").text == "small"
        log = disk / "access.log"
        until(lambda: log.read_text() == "/found 200\n", "the line that has room")
        assert len(proxy.errors("crit")) == 1


def test_no_room_for_any_log(stage: Stage) -> None:
    """Robustness 18. Not even the error log: nobody hears of it, and nobody is stopped by it."""
    proxy = stage.lbproxy(CONF, b=stage.dead(), errors="/dev/full debug", access="/dev/full")
    for _ in range(5):
        assert get(proxy.address).text == "small"
        assert get(proxy.address, "/pass").status == 502
