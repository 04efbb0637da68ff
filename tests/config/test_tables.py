"""nginx's other directives."""

from __future__ import annotations

import re

import pytest

from lbproxy.config.settings import rows
from lbproxy.config.tables import IGNORED, UNSUPPORTED
from lbproxy.directives import GRAMMAR
from tests.support.configs import mistakes


def test_no_directive_is_both_ignored_and_refused() -> None:
    """What only tunes is not what changes answers."""
    assert not IGNORED.keys() & UNSUPPORTED.keys()


def test_what_lbproxy_obeys_has_no_row() -> None:
    """A row that a settings class hides would say what is not so."""
    obeyed = {name for kind in GRAMMAR.settings for name in rows(kind)} | {*GRAMMAR.scripts, *GRAMMAR.balancers}
    assert not obeyed & {*IGNORED, *UNSUPPORTED}


def test_names_are_names() -> None:
    """No slips in the long strings."""
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", name) for name in [*IGNORED, *UNSUPPORTED])


@pytest.mark.parametrize(
    "text",
    [
        "server { location / { fastcgi_pass x; } }",
        "geoip_country x;",
        "server { ssl on; }",
    ],
)
def test_what_would_change_answers_is_refused(text: str) -> None:
    """Never silently ignored."""
    (found,) = mistakes(text)
    assert " directive is not supported by lbproxy" in found


@pytest.mark.parametrize(
    "text",
    [
        "worker_cpu_affinity auto; events { use epoll; } tcp_nopush on;",
        "server { location / { fastcgi_temp_path /tmp; uwsgi_busy_buffers_size 8k; } }",
        "upstream b { server localhost; hash_again 5; }",
        "server { fastcgi_param A b; proxy_cache off; gunzip off; tcp_nopush on; }",
    ],
)
def test_what_only_tunes_is_accepted(text: str) -> None:
    """Wherever nginx accepts it."""
    assert mistakes(text) == []


def test_even_tuning_has_its_place() -> None:
    """As in nginx."""
    (found,) = mistakes("server { multi_accept on; }")
    assert found == '"multi_accept" directive is not allowed here in site.conf:1:10 (it belongs in events)'
