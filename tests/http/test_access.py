"""Who may come, by address."""

from __future__ import annotations

import pytest

from lbproxy.http.access import compile_rules, parse_rule
from lbproxy.wire.addresses import pack
from tests.support.exchanges import directive
from tests.support.loading import complaints, load_text


def decide(rules: str, *addresses: str) -> list[bool | None]:
    """Return what *rules*, such as "deny all", say to *addresses*; "" is that of a unix socket."""
    may_come = compile_rules([parse_rule(directive(*rule.split())) for rule in rules.split("; ")])
    return [may_come(pack(address) if address else b"") for address in addresses]


def test_the_first_rule_that_fits_decides() -> None:
    """Whom none fits is none of their business."""
    assert decide("allow 10.0.0.1; deny 10.0.0.0/8; allow ::1", "10.0.0.1", "10.0.0.2", "192.0.2.1", "::1", "") == [
        True, False, None, True, None,
    ]  # fmt: skip


def test_all_are_the_clients_of_every_family() -> None:
    """Those of unix sockets too."""
    assert decide("allow unix:; deny all", "", "127.0.0.1", "::1") == [True, False, False]
    assert decide("deny unix:; allow all", "", "127.0.0.1", "::1") == [False, True, True]


def test_ipv4_in_ipv6s_clothes() -> None:
    """Counts as IPv4, unless nothing is said of that (ngx_http_access_handler)."""
    assert decide("deny 10.0.0.0/8; allow ::/0", "::ffff:10.0.0.1", "::ffff:192.0.2.1") == [False, None]
    assert decide("deny ::/0", "::ffff:10.0.0.1") == [False]


@pytest.mark.parametrize("word", ["10.0.0.0/33", "localhost", "ALL", ""])
def test_what_is_neither_address_nor_network(word: str) -> None:
    """Is refused in nginx's words."""
    (found,) = complaints(f'server {{ allow "{word}"; }}')
    assert found.startswith(f'invalid parameter "{word}"')


def test_bits_behind_the_mask_deserve_a_word() -> None:
    """Once, however many blocks inherit the rule."""
    plan = load_text("allow 10.0.0.1/8; set_real_ip_from ::1/64; server { listen 8080; location / {} location /a {} }")
    assert plan.config.warnings == (
        "low address bits of 10.0.0.1/8 are meaningless in site.conf:1:7",
        "low address bits of ::1/64 are meaningless in site.conf:1:36",
    )
