"""benchmarks/macro/cases.py: every row can be run."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.macro.backends import HERE, Backend
from benchmarks.macro.cases import CASES, Case, Variant
from benchmarks.macro.contestants import HAPROXY, LBPROXY, NGINX
from benchmarks.macro.loads import Requests
from benchmarks.macro.site import Site
from lbproxy.balance.methods import BALANCERS
from tests.support.loading import load_text

BACKEND = Backend(None, tuple(f"127.0.{number >> 8}.{number & 255}:9000" for number in range(1, 1002)))


def rows() -> Iterator[tuple[Case, Variant]]:
    """Every case with each of its variants."""
    return ((case, variant) for case in CASES for variant in case.variants)


@pytest.mark.parametrize(("case", "variant"), [
    pytest.param(case, variant, id=f"{case.name}-{variant.label}") for case, variant in rows()
])  # fmt: skip
def test_lbproxy_takes_the_configuration(case: Case, variant: Variant, tmp_path: Path) -> None:
    """The same as nginx gets; it has the servers, names and locations that it should."""
    plan = load_text(LBPROXY.configure(variant.site, BACKEND, "lbproxy", str(tmp_path), 8080))
    (upstream,) = plan.config.upstreams.values()
    assert len(upstream.servers) == variant.site.servers
    assert len(plan.config.servers) == variant.site.names
    assert len(plan.config.servers[0].root.locations) == variant.site.locations


def test_names_are_unique() -> None:
    """--case would run both."""
    assert len({case.name for case in CASES}) == len(CASES)


def test_everybody_in_the_field_can_do_something() -> None:
    """A case that lbproxy or all others sit out is none."""
    for case in CASES:
        taking = {each.name for each in case.field for variant in case.variants if each.takes(variant.site)}
        assert "lbproxy" in taking, case.name
        alone = case.name in ("servers-least-time", "servers-fair")  # nginx has neither
        assert (len(taking) > 1) is not alone, case.name


def test_every_balancing_method_grows() -> None:
    """All that there are; url_hash is another word for one of them."""
    grown = {variant.site.method.partition(" ")[0] for case in CASES for variant in case.variants}
    assert grown - {""} == {row.directive for row in BALANCERS} - {"url_hash"}


def test_scripts_are_there() -> None:
    """Those that the cases name, and no others."""
    named = {case.load.script for case in CASES if isinstance(case.load, Requests)}
    assert named - {""} == {path.name for path in (HERE / "scripts").iterdir()}


def test_haproxy_has_the_same_servers_and_method(tmp_path: Path) -> None:
    """It says so in its own words."""
    site = Site(method="hash $request_uri consistent", servers=2, workers=2, keepalive=7)
    text = HAPROXY.configure(site, BACKEND, "haproxy", str(tmp_path), 8080)
    assert "balance uri\n    hash-type consistent" in text
    assert text.count("    server s") == 2
    assert text.count("pool-max-conn 7") == 2
    assert "nbthread 2" in text


def test_only_who_can_takes_part() -> None:
    """nginx has no least_time and no fair, HAProxy no uwsgi and no table of locations."""
    assert not NGINX.takes(Site(method="fair"))
    assert not HAPROXY.takes(Site(method="least_time header"))
    assert not HAPROXY.takes(Site(action="include uwsgi_params; uwsgi_pass app;"))
    assert not HAPROXY.takes(Site(locations=100))


@pytest.mark.parametrize("name", ["aiohttp", "twisted"])
def test_missing_python_proxies_say_what_to_install(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Instead of failing in the middle."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    (contestant,) = (each for each in CASES[0].field if each.name == name)
    assert "lbproxy[bench]" in contestant.missing()
