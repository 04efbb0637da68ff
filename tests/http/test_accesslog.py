"""Access log lines, octet by octet; those of "combined" were written by nginx 1.22 for the same requests."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.parser import Directive
from lbproxy.errors import ConfigErrors, InvalidValue
from lbproxy.http.accesslog import (
    COMBINED,
    AccessLog,
    AccessLogSettings,
    LogCompiler,
    LogFormat,
    OpenFiles,
    compile_format,
    formats_by_name,
    parse_access_log,
    parse_log_format,
)
from lbproxy.http.exchange import Exchange
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import answered, directive, exchange
from tests.support.loading import load_text

TABLE = VariableTable({}, defined=["x"])


def log_format(*args: str) -> LogFormat:
    return parse_log_format(directive("log_format", *args))


def access_log(*args: str) -> AccessLog:
    return parse_access_log(directive("access_log", *args))


def line(ex: Exchange, *args: str) -> bytes:
    return compile_format(log_format("main", *args), TABLE)(answered(ex))


def combined(ex: Exchange) -> bytes:
    """Return the line without its time."""
    return re.sub(rb"\[[^]]*\]", b"[]", compile_format(COMBINED, TABLE)(answered(ex)))


def test_combined_without_referer_and_user() -> None:
    """What is not there is a "-"."""
    assert combined(exchange(b"/r3?", b"User-Agent: a\"b\\c\t\xc3\xa9\r\n")) == (
        b'192.0.2.7 - - [] "GET /r3? HTTP/1.1" 200 60 "-" "a\\x22b\\x5Cc\\x09\\xC3\\xA9"\n'
    )


def test_combined_with_everything() -> None:
    """User, referer and user agent."""
    fields = b"Referer: http://a/\r\nUser-Agent: curl/7.88.1\r\nAuthorization: Basic dTpw\r\n"
    assert combined(exchange(b"/", fields, b"POST")) == (
        b'192.0.2.7 - u [] "POST / HTTP/1.1" 200 60 "http://a/" "curl/7.88.1"\n'
    )


def test_an_empty_value_is_not_a_missing_one() -> None:
    """nginx writes "-" for a field that is not there, and nothing for one that is empty."""
    assert line(exchange(fields=b"A:\r\n"), "[$http_a][$http_b]") == b"[][-]\n"


def test_strings_follow_each_other_without_anything_between() -> None:
    """log_format may be spread over several strings."""
    assert line(exchange(), "$status", "100%", " $host") == b"200100% example.com\n"


def test_json_leaves_out_what_is_missing_and_escapes_its_way() -> None:
    """escape=json."""
    ex = exchange(fields=b'U: a"b\\c\td\x7f\xc3\xa9\x01\r\n')
    assert line(ex, "escape=json", '{"n":"$http_n","u":"$http_u"}') == (
        b'{"n":"","u":"a\\"b\\\\c\\td\x7f\xc3\xa9\\u0001"}\n'
    )


def test_none_escapes_nothing() -> None:
    """escape=none."""
    assert line(exchange(fields=b'U: a"\\\r\n'), "escape=none", "[$http_n][$http_u]") == b'[][a"\\]\n'


def set_x(value: bytes) -> Exchange:
    ex = exchange()
    ex.values = {"x": value}
    return ex


@given(st.binary(max_size=20))
def test_default_escaping_can_be_undone_and_keeps_lines_whole(value: bytes) -> None:
    """Every line is printable ASCII, quotes are safe, and no information is lost."""
    made = line(set_x(value), '"$x"')
    assert re.fullmatch(rb'"[ !#-\[\]-~\\]*"\n', made)
    assert re.sub(rb"\\x([0-9A-F]{2})", lambda m: bytes([int(m[1], 16)]), made[1:-2]) == value


@given(st.text(max_size=20))
def test_json_escaping_is_read_back_by_a_json_parser(value: str) -> None:
    """What goes in as UTF-8 comes out of json.loads."""
    made = line(set_x(value.encode("utf-8", "replace")), "escape=json", '{"x":"$x"}')
    assert json.loads(made) == {"x": value.encode("utf-8", "replace").decode()}


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


def test_an_unknown_escaping_is_refused() -> None:
    """escape= knows three values."""
    with pytest.raises(InvalidValue, match='unknown log format escaping "html"'):
        log_format("main", "escape=html", "x")


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


def test_formats_have_different_names() -> None:
    """"combined" is taken from the start."""
    for names in (["a", "a"], ["combined"]):
        with pytest.raises(InvalidValue, match=f'duplicate "log_format" name "{names[0]}"'):
            formats_by_name([log_format(name, "x") for name in names])


def test_an_unknown_format_is_refused() -> None:
    """The message names it."""
    with pytest.raises(InvalidValue, match='unknown log format "main"'):
        LogCompiler([], TABLE).compile(settings(access_log("a", "main")))


def test_an_unknown_variable_in_a_format_is_refused() -> None:
    """At the latest when a log uses it."""
    with pytest.raises(InvalidValue, match='unknown "nothing" variable'):
        compile_format(log_format("main", "$nothing"), TABLE)


def test_one_file_has_one_buffer() -> None:
    """Two places that log to the same file must agree."""
    compiler = LogCompiler([], TABLE)
    compiler.compile(settings(access_log("a", "combined", "buffer=1k")))
    with pytest.raises(InvalidValue, match='access_log "a" already defined with conflicting parameters'):
        compiler.compile(settings(access_log("a")))


def test_parsers_take_directives() -> None:
    """The settings rows hand over the whole directive."""
    made: Directive = directive("log_format", "main", "escape=none", "$host")
    assert parse_log_format(made).escape == "none"
