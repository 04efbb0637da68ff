"""What is measured, a row per case: what stands behind, what the proxies are to do, and what comes from the front."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.macro import backends, site
from benchmarks.macro.backends import Backend
from benchmarks.macro.contestants import AIOHTTP, HAPROXY, LBPROXY, NGINX, TWISTED, Contestant
from benchmarks.macro.figures import CPU, P50, P99, PER_CLIENT
from benchmarks.macro.loads import Load, Paced, Requests, Start, Transfers
from benchmarks.macro.site import Site

CROWD = 10_000
GROWING = (3, 1.0)
"""The most rounds, and seconds of a turn, where something grows: it has many lanes."""
_PLAIN, _FLOOD = Site(), Requests()
_THREE = (NGINX, HAPROXY, LBPROXY)
_FIVE = (*_THREE, AIOHTTP, TWISTED)


@dataclass(frozen=True, slots=True)
class Variant:
    """One of several things that a case does in turn; *crowd* is how many idle clients are there beside the load."""

    label: str = ""
    site: Site = _PLAIN
    crowd: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """
    One row of the comparison.

    Args:
        backend: Starts it in a directory, on a core.
        field: Who takes part, if it can do what the variant's site asks for.
        direct: Whether the bare backend is measured as well.
        short: Whether it is one of those that run unless told otherwise.
        axis: What grows from variant to variant, if that is the point.
        note: What a reader must know before believing the figures.
        most_rounds, most_seconds: Beyond these it needs no more: rounds, and seconds of a turn.
    """

    name: str
    title: str
    load: Load = _FLOOD
    backend: Callable[[Path, str | None], Backend] = backends.start_http
    variants: tuple[Variant, ...] = (Variant(),)
    field: tuple[Contestant, ...] = _THREE
    direct: bool = False
    short: bool = False
    axis: str = ""
    note: str = ""
    most_rounds: int = 1000
    most_seconds: float = 60.0


def _only(wanted: Site) -> tuple[Variant, ...]:
    return (Variant("", wanted),)


def _growing(axis: str, name: str, title: str, *steps: tuple[int, Site]) -> Case:
    """Return a case whose sites grow; what the load asks for is spread over all that there is."""
    return Case(
        name=name, title=title, load=Requests("rotate.lua"), backend=backends.start_many, axis=axis,
        field=_THREE if axis == "servers" else (NGINX, LBPROXY), most_rounds=GROWING[0], most_seconds=GROWING[1],
        variants=tuple(Variant(str(count), grown) for count, grown in steps),
    )


def _servers(name: str, method: str) -> Case:
    """Return the case of a balancing method as servers become more; all connections are kept."""
    sites = ((count, Site(method=method, servers=count, keepalive=1024)) for count in (2, 100, 1000))
    return _growing("servers", f"servers-{name}", method or "round robin", *sites)


_UNBUFFERED = Site(action=f"{site.HTTP} proxy_request_buffering off;")
_WIDE = Site(keepalive=1024, connections=8192)
_CROWDED = Site(connections=CROWD + 1000)

CASES = (
    Case(name="http", title="small keep-alive GET, HTTP server, connections kept", field=_FIVE, direct=True,
         short=True),
    Case(name="ever-new", title="small GET, no two with the same target or cookie", load=Requests("evernew.lua"),
         short=True),
    Case(name="browser", title="small GET with a browser's head of 12 fields", load=Requests("browser.lua")),
    Case(name="1k", title="answers of 1 KiB", load=Requests(path="/files/1k")),
    Case(name="64k", title="answers of 64 KiB", load=Requests(path="/files/64k")),
    Case(name="post", title="POST of 10 KiB", load=Requests("post.lua")),
    Case(name="close", title="a new connection for every request", load=Requests("close.lua")),
    Case(name="one", title="small GET, 1 connection", load=Requests(connections=1)),
    Case(name="thousand", title="small GET, 1,000 connections", load=Requests(connections=1000),
         variants=_only(_WIDE)),
    Case(name="static", title="a file of 1 KiB", load=Requests(path="/files/1k"), backend=backends.no_backend,
         variants=_only(Site(action=site.FILES))),
    Case(name="uwsgi-tcp", title="small GET, uWSGI over TCP", backend=backends.start_uwsgi_tcp,
         variants=_only(Site(action=site.UWSGI)), short=True),
    Case(name="uwsgi-unix", title="small GET, uWSGI over a unix socket", backend=backends.start_uwsgi_unix,
         variants=_only(Site(action=site.UWSGI)), short=True),
    Case(name="down", title="answers of 200 MB, one after the other", load=Transfers("get", "/files/200m"),
         direct=True, short=True, most_seconds=1),
    Case(name="up", title="PUT of 200 MB, passed on as it comes", load=Transfers("put", "/"),
         backend=backends.start_sink, variants=_only(_UNBUFFERED), direct=True, short=True,
         most_seconds=1),
    Case(name="up-buffered", title="PUT of 200 MB, read whole before it is passed on",
         load=Transfers("put", "/"), backend=backends.start_sink, field=(NGINX, LBPROXY), most_seconds=1),
    Case(name="latency", title="latency at 1,000 requests/s, sent when it is their time", load=Paced(),
         direct=True, short=True),
    Case(name="idle", title="10,000 idle clients, and the latency of 1,000 requests/s beside them",
         load=Paced(figures=(P50, P99, CPU, PER_CLIENT)),
         variants=(Variant("alone", _CROWDED), Variant("crowded", _CROWDED, CROWD))),
    Case(name="start", title="start, test of the configuration, memory", load=Start(), field=_FIVE, short=True,
         most_seconds=0.7),
    Case(name="workers", title="one worker and two, each with a core",
         variants=tuple(Variant(str(count), Site(workers=count)) for count in (1, 2)),
         note="On fewer than four cores the load and the server share those of the workers: look at the CPU per "
              "request only."),
    _servers("round-robin", ""),
    _servers("ip-hash", "ip_hash"),
    _servers("hash", "hash $request_uri"),
    _servers("consistent", "hash $request_uri consistent"),
    _servers("least-conn", "least_conn"),
    _servers("least-time", "least_time header"),
    _servers("fair", "fair"),
    _servers("random", "random"),
    _servers("random-two", "random two"),
    _growing("locations", "locations", "prefix locations",
             *((count, Site(locations=count)) for count in (1, 100, 1000))),
    _growing("names", "names", "server names", *((count, Site(names=count)) for count in (1, 100, 1000))),
)  # fmt: skip
