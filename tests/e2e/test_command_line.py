"""The command line: what nginx users type, what it prints and how it exits."""

from __future__ import annotations

import textwrap
from pathlib import Path

import lbproxy
from tests.support.backends import reply
from tests.support.client import get
from tests.support.daemon import command
from tests.support.process import Process
from tests.support.stage import Stage
from tests.support.waiting import until

CONF = """
server {
    listen <listen>;
    location / { proxy_pass http://<b>; }
}
"""


def run(*words: str | Path, cwd: Path | None = None) -> tuple[int, Process]:
    """Run ``lbproxy WORDS`` to its end."""
    process = command(*words, cwd=cwd)
    return process.wait(), process


def write(stage: Stage, conf: str, name: str = "site.conf", **names: object) -> Path:
    """Write a configuration into the stage's directory."""
    path = stage.directory / name
    path.write_text(stage.text(conf, **names))
    return path


def test_test_of_a_good_file(stage: Stage) -> None:
    path = write(stage, CONF, b=stage.dead())
    status, process = run("-t", "-c", path)
    assert status == 0
    assert f"configuration file {path} test is successful" in process.stderr.text


def test_quiet_test_prints_nothing(stage: Stage) -> None:
    status, process = run("-t", "-q", "-c", write(stage, CONF, b=stage.dead()))
    assert (status, process.stdout.text, process.stderr.text) == (0, "", "")


def test_all_errors_of_a_file_are_shown_with_their_places(stage: Stage) -> None:
    path = write(stage, "server {\n    lissten 80;\n    location / {\n        proxy_pass;\n    }\n}\n")
    status, process = run("-t", "-c", path)
    assert status == 1
    text = process.stderr.text
    assert f'unknown directive "lissten" in {path}:2:5' in text
    assert f'invalid number of arguments in "proxy_pass" directive in {path}:4:9' in text
    assert '"listen"' in text  # what was meant
    assert "        lissten 80;\n        ^" in text
    assert f"configuration file {path} test failed" in text


def test_dump_shows_the_merged_configuration(stage: Stage) -> None:
    write(stage, "proxy_set_header X-From include;", name="part.conf")
    path = write(stage, CONF.replace("location / {", "location / { include part.conf;"), b=stage.dead())
    status, process = run("-T", "-c", path)
    assert status == 0
    assert "proxy_set_header X-From include;" in process.stdout.text
    assert f"listen {stage.text('<listen>')};" in process.stdout.text


def test_dump_is_itself_a_configuration(stage: Stage) -> None:
    status, process = run("-T", "-q", "-c", write(stage, CONF, b=stage.dead()))
    assert status == 0
    again = write(stage, process.stdout.text, name="again.conf")
    assert run("-t", "-c", again)[0] == 0


def test_version() -> None:
    status, process = run("-v")
    assert status == 0
    assert process.stdout.text + process.stderr.text == f"lbproxy version: lbproxy/{lbproxy.__version__}"


def test_help_names_the_options() -> None:
    status, process = run("-h")
    assert status == 0
    text = process.stdout.text + process.stderr.text
    assert all(option in text for option in ("-c", "-t", "-T", "-q", "-s", "-p", "-e", "-g", "-v", "-V"))


def test_missing_file_is_named(stage: Stage) -> None:
    status, process = run("-c", stage.path("none.conf"))
    assert status == 1
    assert "none.conf" in process.stderr.text
    assert "No such file or directory" in process.stderr.text
    assert "Traceback" not in process.stderr.text


def test_port_in_use_is_said(stage: Stage) -> None:
    """Robustness 22. And the exit status tells it."""
    backend = stage.backend(reply("ok"))
    path = write(stage, f"server {{ listen {backend.address}; return 200; }}")
    status, process = run("-c", path, "-p", stage.directory)
    assert status == 1
    assert backend.address in process.stderr.text
    assert "(98: Address already in use)" in process.stderr.text


def test_foreground_is_the_default_and_the_pid_file_tells_the_master(stage: Stage) -> None:
    pid = stage.directory / "lb.pid"
    proxy = stage.lbproxy(CONF, "-g", f"pid {pid};", b=stage.backend(reply("ok")))
    assert int(pid.read_text()) == proxy.pid
    assert proxy.stop() == 0
    assert not pid.exists()


def test_second_start_on_the_same_pid_file_is_refused(stage: Stage) -> None:
    """Also when the port is another one."""
    pid = stage.directory / "lb.pid"
    proxy = stage.lbproxy(CONF, "-g", f"pid {pid};", b=stage.backend(reply("ok")))
    path = write(stage, CONF, b=stage.dead(), listen=stage.dead())
    status, process = run("-c", path, "-g", f"pid {pid};", "-p", stage.directory)
    assert status == 1
    assert str(proxy.pid) in process.stderr.text
    assert get(proxy.address).text == "ok"


def test_daemon_is_signalled_by_name(stage: Stage) -> None:
    """The command returns once the daemon serves; reload, reopen and quit reach it through the pid file."""
    old, new = stage.backend(reply("old")), stage.backend(reply("new"))
    whole = "daemon on; pid lb.pid; error_log error.log; events {} http { access_log access.log; " + CONF + " }"
    path = write(stage, whole, b=old)
    words = ("-c", path, "-p", stage.directory)
    pid = stage.directory / "lb.pid"
    status, process = run(*words)
    try:
        assert status == 0, process.report()
        assert get(stage.listen).text == "old"
        write(stage, whole, b=new)
        assert run(*words, "-s", "reload")[0] == 0
        until(lambda: get(stage.listen).text == "new", "the new configuration")
        (stage.directory / "access.log").rename(stage.directory / "access.log.1")
        assert run(*words, "-s", "reopen")[0] == 0
        until((stage.directory / "access.log").exists, "the new log")
    finally:
        assert run(*words, "-s", "quit")[0] == 0
        until(lambda: not pid.exists(), "the end")
    log = (stage.directory / "error.log").read_text()
    assert "Traceback" not in log
    assert "[alert]" not in log


def test_signal_without_a_daemon_fails(stage: Stage) -> None:
    path = write(stage, CONF, b=stage.dead())
    status, process = run("-c", path, "-p", stage.directory, "-s", "stop")
    assert status == 1
    assert "pid" in process.stderr.text


def test_yaml_is_the_same_language(stage: Stage) -> None:
    text = """
    upstream servers:
      server: ["<b> weight=2"]
    server:
      listen: <listen>
      location /:
        proxy_pass: http://servers
    """
    backend = stage.backend(reply("ok"))
    proxy = stage.start(stage.text(textwrap.dedent(text), b=backend), name="site.yaml")
    assert get(proxy.address).text == "ok"
