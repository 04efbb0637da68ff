"""What all protocols share: their directives, and what of an answer is for the client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.settings import rows
from lbproxy.errors import ConfigErrors
from lbproxy.protocols.forwarding import ForwardSettings, compile_hiding
from lbproxy.protocols.http import ProxySettings
from lbproxy.protocols.uwsgi import UwsgiSettings
from tests.support.served import protocol_of, response, server_of


def test_both_protocols_have_every_common_directive() -> None:
    """The common rows appear under each prefix."""
    common = {name.removeprefix("*") for name in rows(ForwardSettings)}
    for kind, prefix in ((ProxySettings, "proxy"), (UwsgiSettings, "uwsgi")):
        assert {prefix + name for name in common} <= set(rows(kind))


def test_defaults_are_those_of_nginx() -> None:
    """ngx_http_proxy_merge_loc_conf."""
    settings = ProxySettings()
    assert (settings.connect_timeout, settings.send_timeout, settings.read_timeout) == (60.0, 60.0, 60.0)
    assert settings.next_upstream == {"error", "timeout"}
    assert (settings.next_upstream_tries, settings.next_upstream_timeout) == (0, 0.0)
    assert (settings.buffering, settings.request_buffering) == (True, True)
    assert (settings.buffer_size, settings.buffers) == (4096, (8, 4096))
    assert settings.http_version == "1.1"


def test_values_are_parsed_once() -> None:
    """What the hot path reads is numbers, sets and lower-case names."""
    settings = protocol_of(
        server_of(
            "location / { proxy_pass http://backend; proxy_read_timeout 1m30s; proxy_buffers 4 8k;"
            " proxy_buffer_size 1k; proxy_next_upstream error http_502 non_idempotent; proxy_next_upstream_tries 2;"
            " proxy_hide_header X-One; proxy_hide_header X-Two; proxy_ignore_headers Vary X-Accel-Buffering; }"
        )
    ).settings
    assert settings.read_timeout == 90.0
    assert settings.buffers == (4, 8192)
    assert settings.buffer_size == 1024
    assert settings.next_upstream == {"error", "http_502", "non_idempotent"}
    assert settings.next_upstream_tries == 2
    assert settings.hide_header == (b"x-one", b"x-two")
    assert settings.ignore_headers == {b"vary", b"x-accel-buffering"}


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("proxy_next_upstream http_501;", 'invalid value "http_501"'),
        ("proxy_ignore_headers Age;", 'invalid value "Age"'),
        ("proxy_buffers 1 4k;", 'there must be at least 2 "proxy_buffers"'),
        ("proxy_buffer_size 0;", '"proxy_buffer_size" directive invalid value'),
        ("proxy_hide_header X:Y;", 'invalid header name "X:Y" in "proxy_hide_header" directive'),
        ("uwsgi_buffering maybe;", 'invalid value "maybe" in "uwsgi_buffering" directive'),
        ("uwsgi_read_timeout 5x;", '"uwsgi_read_timeout" directive invalid value'),
        ("proxy_read_timeout 5; proxy_read_timeout 6;", '"proxy_read_timeout" directive is duplicate'),
    ],
)
def test_mistakes_are_told_in_nginx_words(directive: str, message: str) -> None:
    """With the directive's full name."""
    with pytest.raises(ConfigErrors) as caught:
        server_of(f"location / {{ proxy_pass http://backend; {directive} }}")
    assert [error.message.startswith(message) for error in caught.value.errors] == [True]


def test_fields_of_the_connection_and_hidden_ones_stay_behind() -> None:
    """Robustness 11. RFC 9110 section 7.6.1, and what is addressed to the proxy; Upgrade is an offer to the client."""
    head = response(
        b"Server: s\r\nConnection: X-Named\r\nX-Named: 1\r\nKeep-Alive: 5\r\nContent-Length: 0\r\nX-A: 1\r\n"
        b"X-Accel-Redirect: /x\r\nx-hidden: 1\r\nUpgrade: foo\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
    )
    visible = compile_hiding(ProxySettings(hide_header=(b"x-hidden",)), [b"server", b"x-accel-redirect"])
    assert visible(head) == b"X-A: 1\r\nUpgrade: foo\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"


def test_a_passed_field_is_not_hidden() -> None:
    """``*_pass_header`` takes away from the default and from ``*_hide_header``; framing stays ours."""
    head = response(b"Server: s\r\nX-A: 1\r\nContent-Length: 0\r\n")
    settings = ProxySettings(hide_header=(b"x-a",), pass_header=(b"server", b"x-a", b"content-length"))
    assert compile_hiding(settings, [b"server"])(head) == b"Server: s\r\nX-A: 1\r\n"


def test_of_a_field_that_may_stand_once_the_first_counts() -> None:
    """ngx_http_upstream_process_header_line; fields that are lists keep all their lines."""
    head = response(b"Expires: 1\r\nVary: a\r\nETag: x\r\nEXPIRES: 2\r\nVary: b\r\netag: y\r\n")
    assert compile_hiding(ProxySettings(), [])(head) == b"Expires: 1\r\nVary: a\r\nETag: x\r\nVary: b\r\n"


NAMES = [
    "Server", "Date", "X-A", "Vary", "Expires", "Connection", "TE", "Content-Type", "X-Accel-Expires", "Set-Cookie",
]  # fmt: skip


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["1", "x-a", "vary, te"])), max_size=12))
def test_hiding_agrees_with_a_loop_over_the_fields(pairs: list[tuple[str, str]]) -> None:
    """One substitution does what a plain loop over all lines does."""
    head = response(b"".join(f"{name}: {value}\r\n".encode() for name, value in pairs))
    hidden = {"server", "date", "x-accel-expires", "connection", "te"}
    named = {token.strip() for name, value in pairs if name == "Connection" for token in value.split(",")}
    kept, seen = [], set()
    for name, value in pairs:
        lower = name.lower()
        if lower in hidden | named or (lower in {"expires", "content-type"} and lower in seen):
            continue
        seen.add(lower)
        kept.append(f"{name}: {value}\r\n")
    assert compile_hiding(ProxySettings(), [b"server", b"date", b"x-accel-expires"])(head) == "".join(kept).encode()
