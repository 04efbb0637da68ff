"""
nginx and lbproxy side by side: the same configuration, the same requests, the same backends.

Both listen on the same port, nginx on 127.0.0.1 and lbproxy on 127.0.0.2, so that nothing but the address differs.
Every request goes to nginx first and then to lbproxy; what the client and the backends saw, and the lines of the
access log, are compared after the few differences that are meant have been taken out:

* nginx 1.22 sends ``Connection: close`` to servers where newer versions, and lbproxy, keep the connection;
* Server and Date differ, and the built-in pages by the two octets that the name is longer;
* lbproxy sends X-Forwarded-Proto to uwsgi, where a client's word would be believed.

All other deliberate differences stand in tests of their own that name them.
"""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace

import h11

from lbproxy.http.errorpage import error_body
from lbproxy.wire.dates import parse_date
from tests.support.backends import Backend, Reply, Request, by_path, closing, reply
from tests.support.client import Client
from tests.support.daemon import Lbproxy
from tests.support.nginx import Nginx
from tests.support.stage import Stage
from tests.support.waiting import Journal

LOGGED = (
    "request", "status", "request_length", "request_method", "uri", "args", "request_uri", "document_uri",
    "is_args", "host", "http_host", "server_name", "server_port", "scheme", "server_protocol", "content_length",
    "content_type", "remote_addr", "remote_user", "connection_requests", "request_completion", "pipe",
    "upstream_addr", "upstream_status", "upstream_response_length", "upstream_bytes_received", "http_referer",
    "http_user_agent", "http_x_forwarded_for", "proxy_add_x_forwarded_for", "arg_a", "cookie_c",
    "sent_http_content_type", "sent_http_location", "sent_http_x_a", "upstream_http_x_a",
    "body_bytes_sent",
)  # fmt: skip
"""Variables that every compared log line has."""

UNCOMPARED = {"remote_port", "http_x_forwarded_proto"}
"""uwsgi variables that differ for good reasons."""

_PREAMBLE = """
server_tokens off;
lingering_timeout 200ms;
proxy_http_version 1.1;
proxy_set_header Connection "";
"""
_LOG = "log_format twins '" + "\\t".join(f"${name}" for name in LOGGED) + "'; access_log /dev/stdout twins;\n"

Field = tuple[str, str]


@dataclass(frozen=True)
class Told:
    """An answer in comparable form; *status* 0 means that the connection ended without one, or amid it."""

    status: int
    reason: bytes = b""
    fields: tuple[Field, ...] = ()
    body: bytes = b""


@dataclass(frozen=True)
class Asked:
    """A request at a backend in comparable form: which one it was, start line, fields by name, body."""

    server: str
    line: bytes
    fields: tuple[Field, ...]
    body: bytes

    def get(self, name: str) -> list[str]:
        """Return the values of the fields or variables of this name (lower case)."""
        return [value for key, value in self.fields if key == name]


@dataclass(frozen=True)
class Seen:
    """What came of the requests of one connection."""

    answers: list[Told] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    log: list[dict[str, str]] = field(default_factory=list)

    def facts(self, logged: Collection[str]) -> Iterator[Field]:
        """Yield all of it as names and values, so that a difference shows by itself; of the log what is *logged*."""
        for place, told in enumerate(self.answers):
            yield f"answer {place}", f"{told.status} {told.reason!r} {told.body!r}"
            yield from ((f"answer {place} field {name}", value) for name, value in _counted(told.fields))
        for place, asked in enumerate(self.asked):
            yield f"request {place}", f"{asked.server} {asked.line!r} {asked.body!r}"
            yield from ((f"request {place} field {name}", value) for name, value in _counted(asked.fields))
        for place, line in enumerate(self.log):
            yield from ((f"log {place} ${name}", value) for name, value in line.items() if name in logged)

    @property
    def answer(self) -> Told:
        """The only answer."""
        (answer,) = self.answers
        return answer

    @property
    def request(self) -> Asked:
        """The only request at a backend."""
        (request,) = self.asked
        return request


class Twins:
    """
    Both proxies with one configuration.

    In it ``<listen>`` stands for the proxy's own address, and a backend's letter for its address.

    Args:
        stage: Where they are set up.
        conf: What stands in the http block; log lines are compared only if it has no access_log of its own.
        pages: Replies of HTTP backends by the last segment of the path; one dict per backend "a", "b", ...;
            any other path is answered with the backend's letter, and the connection closed after it, since the
            two treat a pooled connection that turns out dead differently (see tests/e2e/test_failover.py).
        uwsgi: The same for uwsgi backends "u", "v", ...
        names: More placeholders.

    Attributes:
        backends: All of them by their letters.
    """

    def __init__(
        self, stage: Stage, conf: str, *pages: dict[str, Reply],
        uwsgi: tuple[dict[str, Reply], ...] = (), **names: object,
    ) -> None:  # fmt: skip
        self._stage = stage
        self._requests: Journal[Request] = Journal()
        self.backends = backends = self._start_backends(pages, uwsgi)
        port = stage.listen[1]
        self._logs = "access_log" not in conf
        text = _PREAMBLE + (_LOG if self._logs else "") + conf
        shared: dict[str, object] = {**backends, **names}
        self.nginx: Nginx = stage.nginx(text, **shared, listen=f"127.0.0.1:{port}")
        self.lbproxy: Lbproxy = stage.lbproxy(text, **shared, listen=f"127.0.0.2:{port}")
        self._names = {backend.address: letter for letter, backend in backends.items()}
        self._names |= {str(value): key for key, value in names.items() if re.match(r"[\d.]+:\d+$", str(value))}
        self._names |= {str(proxy.directory): "prefix" for proxy in (self.nginx, self.lbproxy)}

    def _start_backends(
        self, pages: tuple[dict[str, Reply], ...], uwsgi: tuple[dict[str, Reply], ...]
    ) -> dict[str, Backend]:
        backends: dict[str, Backend] = {}
        for letter, answers in zip("abcdefgh", pages, strict=False):
            script = by_path(answers, reply(letter, "Content-Type: text/plain", "Connection: close"))
            backends[letter] = self._stage.backend(script=script, requests=self._requests)
        for letter, answers in zip("uvw", uwsgi, strict=False):
            script = by_path(answers, closing(reply(letter, "Content-Type: text/plain")))
            backends[letter] = self._stage.uwsgi(script=script, requests=self._requests)
        return backends

    def run(self, *requests: bytes, source: str = "127.0.0.1", together: bool = False) -> tuple[Seen, Seen]:
        """
        Send *requests* on one connection to each proxy, and return what nginx made of them and what lbproxy did.

        Args:
            source: The client's address.
            together: Send all before the first answer is read.
        """
        theirs = self._run(self.nginx, "127.0.0.1", requests, source, together)
        return theirs, self.ours(*requests, source=source, together=together)

    def ours(self, *requests: bytes, source: str = "127.0.0.1", together: bool = False) -> Seen:
        """Ask lbproxy alone, where nginx would leave the client without an end."""
        return self._run(self.lbproxy, "127.0.0.2", requests, source, together)

    def received(self) -> list[Request]:
        """Return all requests at backends so far, untouched."""
        return self._requests.all()

    def check(
        self, *requests: bytes, source: str = "127.0.0.1", together: bool = False,
        logged: Collection[str] = LOGGED, unlike: Collection[str] = (),
    ) -> Seen:  # fmt: skip
        """
        Do as `run` does and insist that both are the same; returns that.

        Args:
            logged: Variables to compare in the log lines ...
            unlike: ... except these.
        """
        theirs, ours = self.run(*requests, source=source, together=together)
        nginx, lbproxy = (dict(seen.facts(set(logged) - set(unlike))) for seen in (theirs, ours))
        differences = [
            f"{fact}\n    nginx   {nginx.get(fact)}\n    lbproxy {lbproxy.get(fact)}"
            for fact in {**nginx, **lbproxy}
            if nginx.get(fact) != lbproxy.get(fact)
        ]
        assert not differences, "\n".join(["not the same:", *differences])
        return ours

    def check_refused(self, request: bytes) -> Seen:
        """Check like `check` a request that can't be read whole, of which less is known to the log."""
        return self.check(request, logged=("request", "status"))

    def picks(self, *requests: bytes, source: str = "127.0.0.1") -> str:
        """Send each request on a connection of its own, insist on equal picks and return them as letters."""
        picks = ["", ""]
        for request in requests:
            for side, seen in enumerate(self.run(request, source=source)):
                picks[side] += "".join(asked.server for asked in seen.asked)
        assert picks[1] == picks[0]
        return picks[1]

    def _run(
        self, proxy: Nginx | Lbproxy, host: str, requests: tuple[bytes, ...], source: str, together: bool
    ) -> Seen:
        before, logged = len(self._requests), len(proxy.stdout.lines)
        answers: list[Told] = []
        with Client((host, self._stage.listen[1]), source=source) as client:
            if together:
                client.send(b"".join(requests))
            for request in requests:
                if not together:
                    client.send(request)
                told = self._answer(client, request.split(b" ")[0].decode("latin-1"))
                answers.append(told)
                if told.status == 0:
                    break
                if ("connection", "close") in told.fields:
                    assert client.at_end(), "it said close, but did not"
                    break
        log: list[dict[str, str]] = []
        if self._logs:
            lines = proxy.stdout.lines.wait(logged + len(answers))[logged:]
            log = [dict(zip(LOGGED, self._named(line).split("\t"), strict=True)) for line in lines]
            for line, told in zip(log, answers, strict=True):
                if ("content-encoding", "gzip") in told.fields:
                    line["body_bytes_sent"] = "packed"  # zlib is used with other parameters
        if proxy is self.lbproxy:
            answers, log = _signed_as_nginx(answers, log)
        return Seen(answers, [self._asked(request) for request in self._requests.since(before)], log)

    def _named(self, text: str) -> str:
        for address, letter in self._names.items():
            text = text.replace(address, letter)
        return text

    def _answer(self, client: Client, method: str) -> Told:
        try:
            answer = client.answer(method if re.fullmatch("[A-Z]+", method) else "GET")
        except (h11.RemoteProtocolError, AssertionError, ConnectionResetError):
            return Told(0)
        fields = [(name.decode().lower(), self._named(value.decode("latin-1"))) for name, value in answer.fields]
        made = parse_date((answer.get("Date") or "").encode())
        fields = [(name, _relative(value, made) if name == "expires" else value) for name, value in fields]
        kept = sorted((pair for pair in fields if pair[0] not in {"server", "date"}), key=_name)
        packed = ("content-encoding", "gzip") in fields and answer.body
        return Told(answer.status, answer.reason, tuple(kept), gzip.decompress(answer.body) if packed else answer.body)

    def _asked(self, request: Request) -> Asked:
        fields = [(name.decode().lower(), self._named(value.decode("latin-1"))) for name, value in request.fields]
        if request.line:
            kept = [pair for pair in fields if pair != ("connection", "close")]
        else:
            kept = [pair for pair in fields if pair[0] not in UNCOMPARED]
        return Asked(self._names[request.server], request.line, tuple(sorted(kept, key=_name)), request.body)


def _signed_as_nginx(answers: list[Told], log: list[dict[str, str]]) -> tuple[list[Told], list[dict[str, str]]]:
    """Put the other name into built-in pages, and correct the lengths that count it."""
    told: list[Told] = []
    for number, answer in enumerate(answers):
        body = answer.body.replace(b"<center>lbproxy</center>", b"<center>nginx</center>")
        page = error_body(answer.status, b"lbproxy")
        of_head = not body and page != b"" and ("content-length", str(len(page))) in answer.fields
        fields = answer.fields
        if body != answer.body or of_head:
            fields = tuple((n, str(int(v) - 2) if n == "content-length" else v) for n, v in fields)
        if body != answer.body and log and log[number]["body_bytes_sent"].isdigit():
            log[number]["body_bytes_sent"] = str(int(log[number]["body_bytes_sent"]) - 2)
        told.append(replace(answer, fields=fields, body=body))
    return told, log


def _relative(date: str, made: int | None) -> str:
    """Return how many seconds behind the moment when the answer was *made* the *date* is; itself if it is none."""
    at = parse_date(date.encode())
    return date if at is None or made is None else f"{at - made} s"


def _name(pair: Field) -> str:
    return pair[0]


def _counted(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Tell repeated fields apart, and keep their order."""
    seen: Counter[str] = Counter()
    for name, value in fields:
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} ({seen[name]})"), value
