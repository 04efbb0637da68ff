"""
Imports point one way, and what is pure stays pure.

Ranks are those of ARCHITECTURE.md: a module imports modules of lower ranks, and of its own package as long as that
makes no circle.  Names that only annotations need (under ``TYPE_CHECKING``) are no dependency at run time: they may
name impure libraries and close circles within a package, but not come from higher ranks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import lbproxy

ROOT = Path(lbproxy.__file__).parent

RANKS = {
    "lbproxy": 0, "lbproxy.errors": 0,
    "lbproxy.wire": 1,
    "lbproxy.config": 2,
    "lbproxy.http.exchange": 3, "lbproxy.http.verdict": 3, "lbproxy.http.filters": 3,
    "lbproxy.http.accel": 4, "lbproxy.http.getters": 4, "lbproxy.http.variables": 4, "lbproxy.http.hostnames": 4,
    "lbproxy.http.router": 4, "lbproxy.balance": 4,
    "lbproxy.http.template": 5, "lbproxy.http.absolute": 5, "lbproxy.http.pace": 5,
    "lbproxy.http": 6, "lbproxy.protocols": 6,
    "lbproxy.directives": 7, "lbproxy.plan": 7,
    "lbproxy.compiler": 8, "lbproxy.net": 8,
    "lbproxy.proxy": 9,
    "lbproxy.process": 10,
    "lbproxy.tools": 11,
    "lbproxy.arguments": 11, "lbproxy.cli": 12, "lbproxy.__main__": 13,
}  # fmt: skip
"""The rank of a module is that of its longest prefix here."""

PURE = ("lbproxy.errors", "lbproxy.wire", "lbproxy.config", "lbproxy.http", "lbproxy.balance", "lbproxy.protocols",
        "lbproxy.directives", "lbproxy.plan", "lbproxy.compiler", "lbproxy.process.commands", "lbproxy.process.events",
        "lbproxy.process.pauses", "lbproxy.process.supervise", "lbproxy.process.watchdog")  # fmt: skip
IMPURE = {"trio", "socket", "os", "time", "random", "logging"}

MODULES = {
    ".".join(("lbproxy", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}


def covering(module: str, names: tuple[str, ...]) -> str:
    """Return the longest of *names* that is *module* or a package around it; "" without one."""
    return max((name for name in names if f"{module}.".startswith(f"{name}.")), key=len, default="")


def rank(module: str) -> int:
    """Return the rank of *module*."""
    return RANKS[covering(module, tuple(RANKS))]


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """Yield (imported module, only for annotations) wherever *module* imports, in functions too."""
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    guarded = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in guarded) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            assert node.module is not None
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield (whole if whole in MODULES else node.module), node in guarded


def own_imports(module: str, *, at_run_time: bool = False) -> set[str]:
    """Return the modules of lbproxy that *module* imports."""
    return {
        name
        for name, for_annotations in imports(module)
        if name.partition(".")[0] == "lbproxy" and not (at_run_time and for_annotations)
    }


def package(module: str) -> str:
    """Return the first two parts of a module's name."""
    return ".".join(module.split(".")[:2])


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_to_lower_ranks(module: str) -> None:
    """Or stay within the package."""
    for name in own_imports(module):
        assert name in MODULES, f"{module} imports {name}, which is no module"
        within = package(name) == package(module)
        assert rank(name) < rank(module) or (within and rank(name) <= rank(module)), f"{module} imports {name}"


def test_net_knows_errors_alone() -> None:
    """It moves octets and needs to know of nothing else."""
    for module in MODULES:
        if package(module) == "lbproxy.net":
            assert all(package(name) in ("lbproxy.net", "lbproxy.errors") for name in own_imports(module)), module


def test_imports_make_no_circle() -> None:
    """Not within a package either."""
    done: set[str] = set()

    def visit(module: str, way: tuple[str, ...]) -> None:
        assert module not in way, f"a circle: {' -> '.join((*way[way.index(module):], module))}"
        if module not in done:
            for name in own_imports(module, at_run_time=True) - {"lbproxy"}:
                visit(name, (*way, module))
            done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [module for module in MODULES if covering(module, PURE)])
def test_pure_modules_touch_nothing_outside(module: str) -> None:
    """No sockets, files, clocks, chance or logs: those are handed in."""
    for name, for_annotations in imports(module):
        assert for_annotations or name.partition(".")[0] not in IMPURE, f"{module} imports {name}"


def test_every_module_says_what_it_is() -> None:
    """In a docstring."""
    silent = [name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert silent == []
