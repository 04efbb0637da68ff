"""A configuration in force: what is read, where logs go, who the workers become."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.verdict import Answer
from lbproxy.process.cycle import (
    LoadedCycle,
    Loader,
    LogPlaces,
    check,
    log_places,
    read_plan,
    warnings,
    workers_identity,
)
from lbproxy.process.detach import Terminal
from lbproxy.process.options import Options
from lbproxy.proxy.logfile import Sink
from tests.support.exchanges import exchange

SERVER = "server { listen 127.0.0.1:0; return 200; }"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path) -> Iterator[Path]:
    """A prefix; the working directory is put back."""
    before = Path.cwd()
    yield tmp_path
    os.chdir(before)


def options(directory: Path, text: str = SERVER, *, name: str = "site.conf", error_log: str = "",
            daemon: bool | None = None, directives: str = "") -> Options:  # fmt: skip
    (directory / name).write_text(text)
    return Options(
        file=directory / name, prefix=directory, error_log=error_log, daemon=daemon, directives=directives
    )


def loaded(options: Options) -> LoadedCycle:
    return LoadedCycle(read_plan(options), options, Terminal())


def places(options: Options) -> LogPlaces:
    return log_places(read_plan(options), options)


def test_reading_enters_the_prefix_and_opens_nothing(directory: Path) -> None:
    plan = read_plan(options(directory, f"error_log e.log; access_log a.log; {SERVER}"))
    assert Path.cwd() == directory
    assert len(plan.config.listeners) == 1
    assert [path.name for path in directory.iterdir()] == ["site.conf"]


def test_directives_of_the_command_line_come_first_with_places_of_their_own(directory: Path) -> None:
    cycle = loaded(options(directory, directives="worker_processes 3;"))
    assert cycle.workers == 3
    with pytest.raises(ConfigErrors) as caught:
        read_plan(options(directory, "server { lissten 1; }", directives="worker_processes x;"))
    first, second = sorted(str(error.position) for error in caught.value.errors)
    assert first.endswith("/site.conf:1:10")
    assert second == "command line:1:18"


def test_directives_of_the_command_line_go_with_yaml(directory: Path) -> None:
    text = "server: {listen: '127.0.0.1:0', return: 200}"
    assert loaded(options(directory, text, name="site.yaml", directives="worker_processes 3;")).workers == 3


def test_directives_of_the_command_line_may_repeat_none_of_the_file(directory: Path) -> None:
    with pytest.raises(ConfigErrors, match='"pid" directive is duplicate'):
        read_plan(options(directory, f"pid a; {SERVER}", directives="pid b;"))


@pytest.mark.parametrize('name', ['a"b.conf', "a\\b.conf", "a b.conf", "a$b;{}.conf", "a[b]*.conf"])
def test_any_file_name_goes_with_directives(directory: Path, name: str) -> None:
    assert read_plan(options(directory, name=name, directives="worker_processes 2;")).config.servers


def test_logs_go_to_the_terminal_by_default(directory: Path) -> None:
    assert places(options(directory)) == LogPlaces((("stderr", "error"),), {"": Sink("stdout")})


def test_logs_of_a_daemon_go_to_files_under_the_prefix(directory: Path) -> None:
    found = places(options(directory, daemon=True))
    assert found == LogPlaces((("logs/error.log", "error"),), {"": Sink("logs/access.log")})
    assert places(options(directory, f"daemon on; {SERVER}")) == found
    assert places(options(directory, f"daemon on; {SERVER}", daemon=False)) != found


def test_error_log_of_the_command_line_is_a_default(directory: Path) -> None:
    assert places(options(directory, error_log="x.log")).errors == (("x.log", "error"),)
    assert places(options(directory, error_log="x.log", daemon=True)).errors == (("x.log", "error"),)
    text = f"error_log y.log warn; {SERVER}"
    assert places(options(directory, text, error_log="x.log")).errors == (("y.log", "warn"),)


def test_access_logs_are_as_configured(directory: Path) -> None:
    text = f"access_log a.log combined buffer=4k flush=2s; {SERVER}"
    assert places(options(directory, text)).access == {"a.log": Sink("a.log", 4096, 2.0)}
    assert places(options(directory, f"access_log off; {SERVER}")).access == {}


def test_error_logs_of_servers_and_locations_are_told_apart(directory: Path) -> None:
    text = """
        error_log main.log;
        server { listen 127.0.0.1:0; return 200; }
        server { listen 127.0.0.1:0; server_name b; error_log b.log warn; error_log main.log;
                 location / { return 200; } location /c { error_log c.log; return 200; } }
    """
    found = places(options(directory, text))
    assert found.errors == (("main.log", "error"),)
    assert found.nearer == ((("b.log", "warn"), ("main.log", "error")), (("c.log", "error"),))
    assert found.files()[:4] == ["main.log", "b.log", "main.log", "c.log"]


def test_cycle_makes_its_logs_and_writes_them(directory: Path) -> None:
    cycle = loaded(options(directory, daemon=True))
    cycle.log("error", "one")
    (directory / "logs" / "error.log").rename(directory / "old")
    cycle.reopen_logs()
    cycle.log("warn", "not logged at this level")
    cycle.log("error", "two")
    cycle.close_logs()
    assert "one" in (directory / "old").read_text()
    assert (directory / "logs" / "error.log").read_text().endswith(f" [error] {os.getpid()}#{os.getpid()}: two\n")
    assert (directory / "logs" / "access.log").exists()


def test_complaints_reach_the_terminal_once(directory: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for text in (SERVER, f"error_log e.log; {SERVER}"):
        cycle = loaded(options(directory, text))
        cycle.complain("sad")
        cycle.close_logs()
        sys.stderr.flush()
        assert capfd.readouterr().err.count("sad") == 1
    assert "[emerg]" in (directory / "e.log").read_text()


def test_number_of_workers(directory: Path) -> None:
    assert loaded(options(directory)).workers == 1
    assert loaded(options(directory, f"worker_processes auto; {SERVER}")).workers == len(os.sched_getaffinity(0))


def test_pid_file_lies_under_the_prefix(directory: Path) -> None:
    assert loaded(options(directory)).pid_path == directory / "lbproxy.pid"
    assert loaded(options(directory, f"pid /run/x.pid; {SERVER}")).pid_path == Path("/run/x.pid")


def test_user_that_is_unknown_is_a_mistake_of_its_line(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    plan = read_plan(options(directory, f"worker_processes 1;\nuser no-such-user; {SERVER}"))
    with pytest.raises(InvalidValue, match=r'getpwnam\("no-such-user"\) failed in .*site.conf:2:1'):
        workers_identity(plan)


def test_owner_of_a_socket_that_is_unknown_is_a_mistake_of_its_line(directory: Path) -> None:
    given = options(directory, "server {\n listen unix:s group=no-such-group; return 200; }")
    with pytest.raises(InvalidValue, match=r'getgrnam\("no-such-group"\) failed in .*site.conf:2:2'):
        check(read_plan(given), given)
    assert not (directory / "s").exists()


def test_user_matters_to_root_only(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = read_plan(options(directory, f"user nobody nogroup; {SERVER}"))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert workers_identity(plan) is None
    assert "makes sense only if lbproxy is started by root" in warnings(plan)[-1]
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert workers_identity(plan) is not None
    assert warnings(plan) == []


def test_check_finds_a_log_that_could_not_be_written(directory: Path) -> None:
    for text in (SERVER, f"error_log e.log; {SERVER}"):
        given = options(directory, text, daemon=True)
        check(read_plan(given), given)
    assert [path.name for path in directory.iterdir()] == ["site.conf"], "nothing is made"
    given = options(directory, f"access_log no/a.log; {SERVER}")
    with pytest.raises(FileNotFoundError) as caught:
        check(read_plan(given), given)
    assert caught.value.filename == "no/a.log"


def test_whether_it_is_a_daemon_is_settled_by_the_first_load(directory: Path) -> None:
    loader = Loader(options(directory), Terminal())
    assert not loader.daemon
    loader().close_logs()
    options(directory, f"daemon on; {SERVER}")
    loader().close_logs()
    assert not loader.daemon
    assert not (directory / "logs").exists()


def test_document_root_is_nginx_default(directory: Path) -> None:
    plan = read_plan(options(directory, 'server { listen 127.0.0.1:0; return 200 "$document_root $realpath_root"; }'))
    (server,) = plan.config.servers
    real = directory / "real"
    real.mkdir()
    (directory / "html").symlink_to(real)
    answer = plan.server_scripts[server](exchange(server=server))
    assert isinstance(answer, Answer)
    assert answer.body == f"{directory}/html {real}".encode()
    real.rmdir()
    answer = plan.server_scripts[server](exchange(server=server))
    assert isinstance(answer, Answer)
    assert answer.body == f"{directory}/html ".encode()
