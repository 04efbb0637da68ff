"""Which logs there are, and how their files are written."""

from __future__ import annotations

import pytest

from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.accesslog import AccessLog, AccessLogSettings, LogCompiler, OpenFiles, parse_access_log
from lbproxy.http.exchange import Exchange
from lbproxy.http.logformat import LogFormat, parse_log_format
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import directive, exchange
from tests.support.loading import load_text

TABLE = VariableTable({}, defined=["x"])


def log_format(*args: str) -> LogFormat:
    return parse_log_format(directive("log_format", *args))


def access_log(*args: str) -> AccessLog:
    return parse_access_log(directive("access_log", *args))


def set_x(value: bytes) -> Exchange:
    ex = exchange()
    ex.values = {"x": value}
    return ex


# Directives


def test_an_access_log_with_everything() -> None:
    """Path, format and parameters."""
    log = access_log("/var/log/a", "main", "buffer=32k", "flush=5m", "if=$x")
    assert (log.path, log.format, log.buffer, log.flush) == ("/var/log/a", "main", 32768, 300.0)
    assert log.condition is not None
    assert log.condition.variables == ("x",)


def test_compressed_logs_are_buffered() -> None:
    """Level 1 in pieces of 64 KiB, unless said otherwise."""
    log = access_log("a", "main", "gzip")
    assert (log.gzip, log.buffer) == (1, 65536)
    log = access_log("a", "main", "gzip=9", "buffer=1m", "flush=1s")
    assert (log.gzip, log.buffer, log.flush) == (9, 1 << 20, 1.0)


def test_a_path_with_variables() -> None:
    """Is made for each request; open_log_file_cache says which files stay open."""
    plan = load_text("""
        open_log_file_cache max=10 inactive=20s min_uses=2 valid=1m;
        server { listen 80; access_log logs/$host.log; location /off { open_log_file_cache off; } }
    """)
    kept = OpenFiles(10, inactive=20.0, valid=60.0, min_uses=2)
    assert {log.key for log in plan.access_logs} == {("logs/$host.log", kept), ("logs/$host.log", None)}
    (compiled,) = plan.routes[plan.config.servers[0].root].access_logs
    assert compiled.place is not None
    assert compiled.place(exchange()) == b"logs/example.com.log"


@pytest.mark.parametrize("words", ["max=0", "min_uses=2", "max=1 size=2", "on"])
def test_open_log_file_cache_mistakes(words: str) -> None:
    with pytest.raises(ConfigErrors, match=r"max|value must be|invalid"):
        load_text(f"open_log_file_cache {words};")


def test_combined_is_the_format_unless_another_is_named() -> None:
    """access_log path;"""
    assert access_log("a").format == "combined"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("off", "main"), 'invalid parameter "main"'),
        (("a", "main", "buffer=x"), 'invalid buffer size "x"'),
        (("a", "main", "buffer=1k", "flush=x"), 'invalid flush time "x"'),
        (("a", "main", "flush=1s"), 'no buffer is defined for access_log "a"'),
        (("a", "main", "gzip=10"), 'invalid compression level "10"'),
        (("a", "main", "zip"), 'invalid parameter "zip"'),
        (("a", "main", "if=$"), "invalid variable name"),
        (("syslog:tag=h",), "no syslog server specified"),
        (("syslog:server=h", "main", "buffer=1k"), "logs to syslog cannot be buffered"),
        (("memory:32m",), 'access_log to "memory:32m" is not supported by lbproxy'),
        (("/var/$host.log", "main", "gzip"), "buffered logs cannot have variables in name"),
    ],
)
def test_access_logs_that_are_refused(args: tuple[str, ...], message: str) -> None:
    """In nginx's words where it has some."""
    with pytest.raises(InvalidValue) as caught:
        access_log(*args)
    assert caught.value.message == message


def test_off_switches_all_logs_of_a_block_off() -> None:
    """Also those that stand beside it."""
    assert AccessLogSettings(logs=(access_log("a"), access_log("off"))).active == ()
    assert [log.path for log in AccessLogSettings().active] == [""]


# Compiling


def settings(*logs: AccessLog) -> AccessLogSettings:
    return AccessLogSettings(logs=logs)


def test_logs_of_one_format_share_its_function() -> None:
    """A thousand locations compile a format once."""
    compiler = LogCompiler([log_format("main", "$host")], TABLE)
    (first,) = compiler.compile(settings(access_log("a", "main")))
    (second,) = compiler.compile(settings(access_log("b", "main")))
    assert first.line is second.line
    assert first.line(exchange()) == b"example.com\n"
    assert first.wanted is None


@pytest.mark.parametrize(("value", "wanted"), [(b"", False), (b"0", False), (b"00", True), (b"no", True)])
def test_the_condition_is_false_only_if_empty_or_zero(value: bytes, wanted: bool) -> None:
    """if=$x."""
    (log,) = LogCompiler([], TABLE).compile(settings(access_log("a", "combined", "if=$x")))
    assert log.wanted is not None
    assert log.wanted(set_x(value)) is wanted


def test_an_unknown_format_is_refused() -> None:
    """The message names it."""
    with pytest.raises(InvalidValue, match='unknown log format "main"'):
        LogCompiler([], TABLE).compile(settings(access_log("a", "main")))


def test_one_file_has_one_buffer() -> None:
    """Places that log to the same file must agree, as far as they say anything of a buffer."""
    compiler = LogCompiler([], TABLE)
    compiler.compile(settings(access_log("a"), access_log("a", "combined", "buffer=1k"), access_log("a")))
    with pytest.raises(InvalidValue, match='access_log "a" already defined with conflicting parameters'):
        compiler.compile(settings(access_log("a", "combined", "buffer=2k")))
