"""
``stub_status``: how many clients and requests there were and are, as a page and as variables.

As src/http/modules/ngx_http_stub_status_module.c.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lbproxy.config.parser import Directive
from lbproxy.config.settings import Context, setting_args
from lbproxy.http.getters import Getter
from lbproxy.http.totals import Totals


def _switched_on(directive: Directive) -> bool:  # noqa: ARG001 - an argument has had no meaning since nginx 1.7.5
    return True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StubStatusSettings:
    """Where the page is."""

    enabled: bool = setting_args(
        "stub_status", _switched_on, False, arity=(0, 1), contexts=Context.SERVER | Context.LOCATION, inherit=False
    )


class Census:
    """
    Who can be asked for the totals.

    Attributes:
        totals: Returns them; the worker that serves the plan puts its own there when it starts.
    """

    __slots__ = ("totals",)

    def __init__(self) -> None:
        self.totals: Callable[[], Totals] = Totals

    def getters(self) -> Mapping[str, Getter]:
        """Return the variables that tell of it."""
        return {f"connections_{name}": self._getter(name) for name in ("active", "reading", "writing", "waiting")}

    def _getter(self, name: str) -> Getter:
        return lambda _: b"%d" % getattr(self.totals(), name)


def page(totals: Totals) -> bytes:
    """Return the text that nginx shows, its blanks at the ends of lines included."""
    return (
        b"Active connections: %d \nserver accepts handled requests\n %d %d %d \nReading: %d Writing: %d Waiting: %d \n"
        % (totals.active, totals.accepts, totals.handled, totals.requests, totals.reading, totals.writing,
           totals.waiting)
    )  # fmt: skip
