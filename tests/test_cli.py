"""The command line in this process: which file and prefix are meant, and what is refused."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lbproxy import __version__, cli
from lbproxy.arguments import parse

SERVER = "server { listen 127.0.0.1:0; return 200; }"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current directory; none of the system's configurations exists."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr(cli, "SYSTEM_PREFIX", tmp_path / "etc")
    return tmp_path / "here"


def write(*paths: Path, text: str = SERVER) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def located(*argv: str) -> tuple[Path, Path] | None:
    """Return the file and the prefix that a command line means."""
    options = cli.locate(parse(argv))
    return (options.file, options.prefix) if options else None


def test_file_here_with_its_directory_as_prefix(here: Path) -> None:
    assert located("-c", "my.conf") == (here / "my.conf", here)
    assert located("-c", "a/my.conf") == (here / "a" / "my.conf", here / "a")
    assert located("-c", "/a/my.conf") == (Path("/a/my.conf"), Path("/a"))


def test_prefix_is_above_a_directory_called_conf(here: Path) -> None:
    assert located("-c", "conf/site.conf") == (here / "conf" / "site.conf", here)


def test_file_is_relative_to_a_prefix_that_is_given(here: Path) -> None:
    assert located("-p", "/srv", "-c", "conf/my.conf") == (Path("/srv/conf/my.conf"), Path("/srv"))
    assert located("-p", "sub", "-c", "my.conf") == (here / "sub" / "my.conf", here / "sub")


def test_without_a_file_the_first_that_exists(here: Path) -> None:
    assert located() is None
    etc = here.parent / "etc"
    write(etc / "lbproxy.conf")
    assert located() == (etc / "lbproxy.conf", etc)
    write(here / "conf" / "nginx.conf")
    assert located() == (here / "conf" / "nginx.conf", here)
    write(here / "site.yaml")
    assert located() == (here / "site.yaml", here)
    write(here / "site.conf")
    assert located() == (here / "site.conf", here)
    assert located("-p", "sub") is None


def test_no_configuration_at_all_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main([]) == 1
    assert "no configuration file" in capsys.readouterr().err


@pytest.mark.parametrize("argv", [["site.conf"], ["-s", "start"], ["-x"], ["-c"], ["--daem"]])
def test_mistakes_exit_with_1(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(argv) == 1
    assert capsys.readouterr().err.startswith("lbproxy: [emerg] ")


def test_version_is_printed_as_nginx_does(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-v"]) == 0
    assert capsys.readouterr().err == f"lbproxy version: lbproxy/{__version__}\n"


def test_versions_of_all_parts(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["-V"]) == 0
    text = capsys.readouterr().err
    assert all(name in text for name in ("Python 3.", "trio ", "h11 ", "pyyaml ", "/etc/lbproxy"))


def test_test_lists_what_has_no_effect(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "site.conf", text=f"tcp_nodelay on;\n{SERVER}\n  tcp_nopush on;")
    assert cli.main(["-t"]) == 0
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "lbproxy: [notice] accepted without effect, since they only tune nginx:",
        f"    tcp_nodelay in {here}/site.conf:1:1",
        f"    tcp_nopush in {here}/site.conf:3:3",
        f"lbproxy: the configuration file {here}/site.conf syntax is ok",
        f"lbproxy: configuration file {here}/site.conf test is successful",
    ]


def test_test_shows_warnings(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    twice = SERVER.replace("return", "server_name a; return")
    write(here / "site.conf", text=twice + twice)
    assert cli.main(["-t"]) == 0
    assert 'lbproxy: [warn] conflicting server name "a"' in capsys.readouterr().err


def test_test_finds_what_would_fail_at_start(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "site.conf", text=f"access_log no/a.log; {SERVER}")
    assert cli.main(["-t", "-q"]) == 1
    assert capsys.readouterr().err == (
        'lbproxy: [emerg] open() "no/a.log" failed (2: No such file or directory)\n'
        f"lbproxy: configuration file {here}/site.conf test failed\n"
    )


def test_signal_without_a_master_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(here / "site.conf")
    write(here / "lbproxy.pid", text="1234567\n")
    assert cli.main(["-s", "reload"]) == 1
    assert "lbproxy is not running" in capsys.readouterr().err


def test_reload_of_a_bad_file_is_refused_where_it_was_asked_for(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nginx does; the master gets no signal."""
    write(here / "site.conf", text="server { listen 0; retrun 200; }")
    monkeypatch.setattr("lbproxy.process.pidfile.read_pid", lambda _: os.getpid())
    signals: list[int] = []
    monkeypatch.setattr("os.kill", lambda _, number: signals.append(number))
    assert cli.main(["-s", "reload"]) == 1
    assert 'unknown directive "retrun"' in capsys.readouterr().err
    write(here / "site.conf")
    assert (cli.main(["-s", "reload"]), signals) == (0, [signal.SIGHUP])


@pytest.mark.parametrize("argv", [["-v"], ["-t", "-c", "site.conf"], ["-s", "stop", "-c", "site.conf"]])
def test_quick_commands_import_nothing_slow(here: Path, argv: list[str]) -> None:
    write(here / "site.conf")
    code = "import sys; from lbproxy.cli import main; main(sys.argv[1:]); print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, timeout=20, check=True,
                          env={"PYTHONPATH": str(Path(cli.__file__).parents[1])})  # fmt: skip
    imported = set(done.stdout.split())
    assert not imported & {"trio", "h11", "yaml", "ssl", "asyncio", "subprocess", "tempfile", "argparse", "socket",
                           "importlib.resources", "difflib", "datetime"}  # fmt: skip
    assert ("lbproxy.compiler" in imported) == ("-t" in argv)


def test_module_runs_as_the_command() -> None:
    done = subprocess.run([sys.executable, "-m", "lbproxy", "-v"], capture_output=True, text=True, timeout=20,
                          check=True, env={"PYTHONPATH": str(Path(cli.__file__).parents[1])})  # fmt: skip
    assert done.stderr == f"lbproxy version: lbproxy/{__version__}\n"
