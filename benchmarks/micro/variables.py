"""
What variables cost when somebody asks for them: those of the table, and those that blocks make.

Run ``python -m benchmarks.micro.variables``.  Prints microseconds per call. Of the table only the dearest are shown;
of `map` and `geo` the cost must not grow with the number of keys and networks, but does with regular expressions.
"""

from __future__ import annotations

import timeit
from collections.abc import Iterable
from functools import partial

from benchmarks.micro.http import exchange, report, servers
from lbproxy.config.parser import Directive, parse
from lbproxy.errors import Source
from lbproxy.http.exchange import Exchange
from lbproxy.http.geo import parse_geo
from lbproxy.http.maps import parse_map
from lbproxy.http.rewrite import compile_script
from lbproxy.http.split_clients import parse_split_clients
from lbproxy.http.variables import VARIABLES, VariableTable
from lbproxy.http.verdict import Step

CALLS = 20_000
SHOWN = 12
SCRIPTS = (
    "return 301 https://$host$request_uri;",
    "set $kind page; set $target $kind:$uri;",
    "rewrite ^/api/v1/(.*)$ /v1.php?path=$1 last;",
)
_TABLE = VariableTable({"hostname": b"box"}, defined=["kind", "target"])


def directives(text: str) -> list[Directive]:
    """Return the directives of *text*."""
    return list(parse(Source("variables.conf", text), lambda *_: []))


def block(head: str, lines: Iterable[str]) -> Directive:
    """Return the directive with a block that *head* begins."""
    return directives(f"{head} {{ {' '.join(lines)} }}")[0]


def dearest() -> list[tuple[float, str]]:
    """Return microseconds and names of the variables of the table that cost most, descending."""
    ex = exchange(servers(1)[0])
    costs = []
    for name, getter in VARIABLES.items():
        try:
            getter(ex)
        except (AttributeError, AssertionError, KeyError, TypeError):
            continue  # it wants more of a request than this one has, such as a connection
        costs.append((min(timeit.repeat(partial(getter, ex), number=CALLS, repeat=3)) / CALLS * 1e6, name))
    return sorted(costs, reverse=True)


def run(script: Step, ex: Exchange, path: bytes, args: bytes) -> None:
    """Run *script* on a request for *path* with *args*, wherever it was sent last."""
    ex.path, ex.args = path, args
    script(ex)


def main() -> None:
    """Print the tables."""
    ex = exchange(servers(1)[0])
    costs = dearest()
    for cost, name in costs[:SHOWN]:
        print(f"{'$' + name:50}{cost:7.2f} us")
    print(f"{f'each of {len(costs) - SHOWN} others, at most':50}{costs[SHOWN][0]:7.2f} us")
    for count in (10, 1000):
        keys = (f"www{number}.example.com {number};" for number in range(count))
        report(f"map of {count} keys", parse_map(block("map $host $x", keys)).compile(_TABLE), ex)
        networks = (f"10.{number >> 8}.{number & 255}.0/24 {number};" for number in range(count))
        report(f"geo of {count} networks", parse_geo(block("geo $x", networks)).compile(_TABLE), ex)
    expressions = (f'"~^/section{number}/" {number};' for number in range(10))
    report("map of 10 expressions", parse_map(block("map $uri $x", expressions)).compile(_TABLE), ex)
    split = parse_split_clients(block("split_clients $remote_addr $x", ("10% a;", "* b;")))
    report("split_clients", split.compile(_TABLE), ex)
    for text in SCRIPTS:
        script = compile_script(directives(text), _TABLE, lambda _: 0)
        assert script is not None
        report(text, run, script, ex, ex.path, ex.args)


if __name__ == "__main__":
    main()
