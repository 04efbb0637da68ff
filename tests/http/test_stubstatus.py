"""How many there were and are."""

from __future__ import annotations

import pytest

from lbproxy.errors import ConfigErrors
from lbproxy.http.stubstatus import Census, page
from lbproxy.http.totals import Totals
from tests.support.exchanges import exchange
from tests.support.loading import load_text

TOTALS = Totals(accepts=10, handled=10, requests=25, active=6, reading=1, writing=2)


def test_the_page_is_nginxs() -> None:
    """Blanks at the ends of lines included: programs read it."""
    assert page(TOTALS) == (
        b"Active connections: 6 \nserver accepts handled requests\n 10 10 25 \nReading: 1 Writing: 2 Waiting: 3 \n"
    )


def test_variables() -> None:
    """They ask whoever serves, each time anew."""
    census = Census()
    getters = census.getters()
    assert getters["connections_active"](exchange()) == b"0"
    census.totals = lambda: TOTALS
    values = {name: get(exchange()) for name, get in getters.items()}
    assert values == {
        "connections_active": b"6", "connections_reading": b"1", "connections_writing": b"2",
        "connections_waiting": b"3",
    }  # fmt: skip


def test_one_location_does_one_thing() -> None:
    with pytest.raises(ConfigErrors, match='"proxy_pass" in a location that answers otherwise already'):
        load_text("server { location / { stub_status; proxy_pass http://127.0.0.1:1; } }")


def test_what_is_inside_has_it_not() -> None:
    plan = load_text("server { location / { stub_status on; location /inner { } } }")
    outer = plan.config.servers[0].root.locations[0]
    assert type(plan.routes[outer].action) is not type(plan.routes[outer.locations[0]].action)
