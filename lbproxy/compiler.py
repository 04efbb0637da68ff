"""
From a configuration to a `Plan`: everything compiled to closures, every mistake gathered.

`load` is all that the outside needs: text in, a plan out, or every mistake of the text at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import Any, TypeVar

from lbproxy.balance.retry import RetryPolicy
from lbproxy.balance.settings import zone_mistakes
from lbproxy.config.blocks import in_order, read_config
from lbproxy.config.core import ClientSettings
from lbproxy.config.lexer import Unbalanced
from lbproxy.config.model import Config, Location, VirtualServer
from lbproxy.config.reader import Environment
from lbproxy.directives import GRAMMAR, PROTOCOLS
from lbproxy.errors import ConfigError, ConfigErrors, Source, WrongContext, gathering
from lbproxy.http.accesslog import AccessLogSettings, LogCompiler
from lbproxy.http.authrequest import AuthRequestSettings
from lbproxy.http.charset import CharsetSettings, compile_charset
from lbproxy.http.checks import CheckCompiler, Checks
from lbproxy.http.declared import DeclaredVariables
from lbproxy.http.errorpage import ErrorPageSettings, compile_error_pages
from lbproxy.http.expires import ExpiresSettings, compile_expires
from lbproxy.http.files.action import FileAction, compile_files
from lbproxy.http.files.paths import Root, Roots
from lbproxy.http.files.settings import FileSettings
from lbproxy.http.files.trial import Trial
from lbproxy.http.filters import Filters, chain
from lbproxy.http.gzip import GzipSettings, compile_gzip
from lbproxy.http.headers import HeaderSettings, compile_headers, compile_trailers
from lbproxy.http.pace import PaceSettings, Rates, compile_rates
from lbproxy.http.rewrite import RewriteSettings, captured, compile_script, declared, internal_only
from lbproxy.http.router import Router
from lbproxy.http.stubstatus import Census, StubStatusSettings
from lbproxy.http.template import Template
from lbproxy.http.variables import Constants, VariableTable
from lbproxy.http.verdict import Step
from lbproxy.plan import ForwardAction, Plan, Route, StatusAction
from lbproxy.protocols.forwarding import ForwardSettings, is_own
from lbproxy.protocols.http import ProxySettings
from lbproxy.protocols.target import Pass
from lbproxy.protocols.upstreams import UpstreamPlan, UpstreamTable, compile_upstream_plan
from lbproxy.wire.heads import HeadLimits

T = TypeVar("T")


def load(source: Source, environment: Environment, constants: Constants) -> Plan:
    """
    Return the plan of the configuration in *source*: YAML if its name says so, else nginx's syntax.

    Args:
        source: The main file.
        environment: How to include files and to resolve names.
        constants: Variables that come from outside, see `VariableTable`.

    Raises:
        ConfigErrors: Every mistake, in the order of the text.
    """
    config, errors = read_config(source, GRAMMAR, environment)
    if any(isinstance(error, Unbalanced) for error in errors):
        raise ConfigErrors(errors)  # much stands where it was not meant to stand
    plan, more = _Compiler(config, environment, constants).compile()
    if errors or more:
        raise ConfigErrors(in_order([*errors, *more]))
    return plan


class _Compiler:
    """One compilation: everything is tried, and mistakes are gathered."""

    def __init__(self, config: Config, environment: Environment, constants: Constants) -> None:
        self._config, self._resolver = config, environment.resolve
        self._mistakes: list[ConfigError] = []
        self._compiled: dict[int, Any] = {}  # by identity of what they were compiled from
        self._locations = [
            (server, location) for server in config.servers for location in _with_inner(server.root)
        ]
        self._roots = Roots(environment.prefix, environment.real_path)
        self._file_mode = environment.file_mode
        self._declared = DeclaredVariables(config)
        self._census = Census()
        self._table = VariableTable(
            constants,
            declared(config.directives),
            self._captured(),
            {**self._roots.getters(), **self._census.getters()},
            self._declared.getters,
        )
        self._logs: LogCompiler | None = None
        self._checks: CheckCompiler | None = None

    def compile(self) -> tuple[Plan, list[ConfigError]]:
        """Return the plan as far as it could be made, and the mistakes."""
        self._mistakes += self._declared.compile(self._table, self._locations)
        self._check_templates()
        self._upstreams = UpstreamTable(self._config, self._upstream_blocks())
        with gathering(self._mistakes):
            self._logs = LogCompiler(self._config.settings(AccessLogSettings).formats, self._table)
        more: Sequence[str] = ()
        with gathering(self._mistakes):
            self._checks = CheckCompiler(self._config, self._table, self._resolver)
            more = self._checks.warnings
        routes = {location: self._route(server, location) for server, location in self._locations}
        scripts = {server: self._script(server.root) for server in self._config.servers}
        logs = [log.log for route in routes.values() for log in route.access_logs]
        buffered = [log for log in logs if log.buffer]
        plan = Plan(
            config=replace(self._config, warnings=(*self._config.warnings, *more)) if more else self._config,
            router=Router(self._config, lambda location: isinstance(routes[location].action, ForwardAction)),
            routes=MappingProxyType(routes),
            server_scripts={server: script for server, script in scripts.items() if script is not None},
            upstreams=self._upstreams,
            access_logs=tuple({log.key: log for log in (*logs, *buffered)}.values()),
            census=self._census,
        )
        # one setting may be compiled in many places, and is complained of once
        once = {(mistake.position, mistake.message): mistake for mistake in self._mistakes}
        return plan, list(once.values())

    def _once(self, source: object, compile_: Callable[[], T], failed: T) -> T:
        """Return what *compile_* makes of *source*, made once however many blocks share that object."""
        if id(source) not in self._compiled:
            self._compiled[id(source)] = failed
            with gathering(self._mistakes):
                self._compiled[id(source)] = compile_()
        found: T = self._compiled[id(source)]
        return found

    def _captured(self) -> Iterator[str]:
        """Yield the names of groups in the regular expressions that give variables their values."""
        for server in self._config.servers:
            for name in server.names:
                yield from name.regex.groupindex if name.regex else ()
        for _, location in self._locations:
            yield from location.regex.groupindex if location.regex else ()
            proxy = location.settings(ProxySettings)
            cookies = (*proxy.cookie_domains, *proxy.cookie_paths, *proxy.cookie_flags)
            for regex in (*(rule.regex for rule in proxy.redirects), *(rule.regex for rule in cookies)):
                yield from regex.groupindex if regex else ()
            yield from (assignment.name for assignment in location.settings(AuthRequestSettings).sets)
        yield from captured(self._config.directives)
        yield from self._declared.captured

    def _check_templates(self) -> None:
        """Look up the variables of everything configured, also of what no request will ever see (as nginx)."""
        blocks = [self._config.merged, *(location.merged for _, location in self._locations)]
        for settings in {id(value): value for block in blocks for value in block.values()}.values():
            for template in _templates(settings):
                with gathering(self._mistakes):
                    template.getters(self._table)

    def _upstream_blocks(self) -> dict[str, UpstreamPlan]:
        plans = {}
        for name, conf in self._config.upstreams.items():
            plans[name] = UpstreamPlan(conf)
            if conf.servers:
                with gathering(self._mistakes):
                    plans[name] = compile_upstream_plan(conf, self._table)
        for mistake in zone_mistakes(self._config.upstreams.values()):
            with gathering(self._mistakes):
                raise mistake
        return plans

    def _script(self, location: Location) -> Step | None:
        script, table = location.script, self._table
        step = self._once(script, lambda: compile_script(script, table, self._file_mode), None) if script else None
        return internal_only(step) if location.settings(RewriteSettings).internal else step

    def _route(self, server: VirtualServer, location: Location) -> Route:
        client, pages = location.settings(ClientSettings), location.settings(ErrorPageSettings)
        logs, compiler = location.settings(AccessLogSettings), self._logs
        root = self._root(location)
        return Route(
            location=location,
            server=server,
            client=client,
            limits=self._once(client, lambda: _head_limits(client), HeadLimits()),
            script=None if location is server.root else self._script(location),
            checks=self._check(location),
            trial=self._trial(location, root) if root is not None else None,
            action=self._action(location) or (self._files(location, root) if root is not None else None),
            access_logs=self._once(logs, lambda: compiler.compile(logs) if compiler else (), ()),
            error_pages=self._once(pages, lambda: compile_error_pages(pages.pages, self._table), {}),
            filters=self._filters(location),
            rates=self._rates(location),
        )

    def _check(self, location: Location) -> Checks | None:
        checks = None
        if self._checks is not None:
            with gathering(self._mistakes):
                checks = self._checks.compile(location)
        return checks

    def _filters(self, location: Location) -> Filters | None:
        headers, expires = location.settings(HeaderSettings), location.settings(ExpiresSettings)
        charset, gzip, table = location.settings(CharsetSettings), location.settings(GzipSettings), self._table
        named = self._once(charset, lambda: compile_charset(charset, table), None)
        expiry = self._once(expires, lambda: compile_expires(expires, table), None)
        added = self._once(headers.headers, lambda: compile_headers(headers.headers, table), None)
        trailers = self._once(headers.trailers, lambda: compile_trailers(headers.trailers, table), None)
        pack = self._once(gzip, lambda: compile_gzip(gzip), None)
        filters = Filters(chain((named, expiry, added)), pack, trailers)
        return None if filters == Filters() else filters

    def _rates(self, location: Location) -> Rates | None:
        settings = location.settings(PaceSettings)
        return self._once(settings, lambda: compile_rates(settings, self._table), None)

    def _root(self, location: Location) -> Root | None:
        place = location.settings(FileSettings).place
        return self._once(place, lambda: self._roots.add(location, self._table), None)

    def _trial(self, location: Location, root: Root) -> Trial | None:
        settings = location.settings(FileSettings)
        tried = settings.try_files
        if tried is None:
            return None
        return self._once(tried, lambda: Trial(tried, settings.symlinks, root, self._table), None)

    def _files(self, location: Location, root: Root) -> FileAction | None:
        return self._once(location, lambda: compile_files(location, root, self._table), None)

    def _action(self, location: Location) -> ForwardAction | StatusAction | None:
        """Return what the ``*_pass`` of *location* means; two of them are a mistake."""
        action: ForwardAction | StatusAction | None = None
        if location.settings(StubStatusSettings).enabled:
            action = StatusAction(self._census)
        passes = [(kind, protocol, location.settings(kind).destination) for kind, protocol in PROTOCOLS]
        own = [one for one in passes if is_own(location, one[0])]
        for kind, protocol, destination in own or passes:  # what an `if` says hides what its location says
            if destination is None:
                continue
            upstream = None
            with gathering(self._mistakes):
                if action is not None:
                    message = f'"{kind.prefix}_pass" in a location that answers otherwise already'
                    raise WrongContext(message, destination.position)
                upstream = self._upstream(destination, protocol.default_port)
            with gathering(self._mistakes):
                action = ForwardAction(protocol(location, self._table), upstream, _retry(location.settings(kind)))
        return action

    def _upstream(self, destination: Pass, default_port: int | None) -> UpstreamPlan | None:
        if destination.target is None:
            return None
        return self._upstreams.add(destination.target, default_port, destination.position, self._resolver)


def _with_inner(location: Location) -> Iterator[Location]:
    """Yield *location* and all inside it."""
    yield location
    for inner in location.inner():
        yield from _with_inner(inner)


def _templates(value: object) -> Iterator[Template]:
    """Yield the templates in a settings object, however deep."""
    if isinstance(value, Template):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _templates(item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _templates(getattr(value, field.name))


def _head_limits(client: ClientSettings) -> HeadLimits:
    """Return what a head may be: it lies in the small buffer or in the large ones, a line in one of them."""
    number, size = client.large_header_buffers
    line = max(size, client.header_buffer_size)
    return HeadLimits(
        line=line,
        field=line,
        total=max(number * size, line),
        underscores=client.underscores_in_headers,
        ignore_invalid=client.ignore_invalid_headers,
    )


def _retry(settings: ForwardSettings) -> RetryPolicy:
    return RetryPolicy(settings.next_upstream, settings.next_upstream_tries, settings.next_upstream_timeout)
