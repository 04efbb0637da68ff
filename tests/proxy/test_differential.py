"""
Clients and servers that say anything, and what each of them understands of the other.

hypothesis writes what a client sends (pipelined requests, cut anywhere, with something doubtful at the end) and how the
server behaves request by request: well, or like a case of `tests.corpus.answers`.  The requests are read at the server,
and the answers at the client, by h11, which knows nothing of lbproxy; for uwsgi by the decoder of packets.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import h11
import trio
from hypothesis import example, given, settings
from hypothesis import strategies as st
from trio.testing import wait_all_tasks_blocked

from lbproxy.wire import uwsgi
from tests.corpus import answers, smuggling
from tests.corpus.answers import Case, End
from tests.support.backends import reply
from tests.support.client import chunked, octets
from tests.support.scene import PATIENCE, Wire, open_scene, virtual_clock
from tests.support.told import Told, read_answers
from tests.support.wire import portions

PASSING = """
    server {
        listen 80; lingering_timeout 3s; client_body_timeout 30s;
        proxy_read_timeout 20s; proxy_request_buffering %s; uwsgi_read_timeout 20s; uwsgi_request_buffering %s;
        uwsgi_param METHOD $request_method; uwsgi_param URI $request_uri; uwsgi_param CONTENT_LENGTH $content_length;
        location / { %s; }
    }
"""
PASS = {"http": "proxy_pass http://<b>", "uwsgi": "uwsgi_pass <b>"}

FOR_EVER = 400.0  # virtual seconds: longer than all time-outs of a conversation together

# What a client sends


@dataclass(frozen=True)
class Asked:
    """A request, complete and in order."""

    octets: bytes
    method: str
    body: bytes


@dataclass(frozen=True)
class Tail:
    """
    What a client sends last.

    Args:
        messages: The requests in it that are to be served, ``METHOD target`` and body.
        status: What it is told behind them; 0: nothing, the last message ends the connection.
        patience: Seconds after which it leaves.
    """

    octets: bytes
    messages: tuple[tuple[bytes, bytes], ...]
    status: int
    patience: float = FOR_EVER


CLOSING = Tail(octets("/last", "Connection: close"), ((b"GET /last", b""),), 0)
BODIES = st.sampled_from([b"", b"hello", b"0\r\n\r\n", octets("/smuggled"), bytes(range(256)) * 4])
DROPPED = ["X_Y: z", "Content_Length: 9", "X(Y): z", "Proxy: x"]


@st.composite
def requests(draw: st.DrawFn) -> Asked:
    """Draw a request without its target, which says ``/N``."""
    method = draw(st.sampled_from(["GET", "GET", "HEAD", "PUT", "POST", "OPTIONS", "PROPFIND"]))
    fields = draw(st.lists(st.sampled_from(DROPPED), max_size=2))
    body = draw(BODIES) if method in {"PUT", "POST", "OPTIONS"} else b""
    if body and draw(st.booleans()):
        cut = draw(st.integers(1, len(body)))
        data = octets("/N", *fields, method=method, chunks=[piece for piece in (body[:cut], body[cut:]) if piece])
    else:
        data = octets("/N", *fields, method=method, body=body)
    if draw(st.integers(0, 4)) == 0:
        head, _, rest = data.partition(b"\r\n\r\n")
        data = b"\r\n" + head.replace(b"\r\n", b"\n") + b"\n\n" + rest
    return Asked(data, method, body)


def tails() -> st.SearchStrategy[Tail]:
    """Return the ends of conversations: in order, by a case of the smuggling corpus, or amid an upload."""
    closing = st.sampled_from([CLOSING, Tail(octets("/last", version="1.0"), CLOSING.messages, 0)])
    doubtful = st.sampled_from([
        Tail(case.octets, case.messages, case.status) for case in smuggling.CASES if case.status and whole(case)
    ])
    cut = st.sampled_from([
        octets("/cut", "Content-Length: 9", method="POST") + b"hello",
        octets("/cut", "Content-Length: 9", method="PUT"),
        octets("/cut", "Transfer-Encoding: chunked", method="POST") + b"5\r\nhello\r\n",
        octets("/cut", "Transfer-Encoding: chunked", method="PUT") + b"9\r\nhello",
        octets("/cut", "Transfer-Encoding: chunked", method="PUT") + b"5\r\nhello\r\n0\r\n",
        octets("/cut")[:-2],
    ])
    patience = st.sampled_from([FOR_EVER, FOR_EVER, 0.0, 1.0, 25.0])
    return st.one_of(closing, closing, doubtful, st.builds(Tail, cut, st.just(()), st.just(408), patience))


def whole(case: smuggling.Case) -> bool:
    """Return whether *case* is refused for what is there, not for what is missing at its end."""
    return case.octets.endswith(smuggling.GET)


# How a server behaves


@dataclass(frozen=True)
class Script:
    """
    What a server does with one request.

    Args:
        cuts: Where its answer is cut into portions.
        early: It answers when it has the head, before it reads the body.
    """

    case: Case
    cuts: tuple[int, ...] = ()
    early: bool = False

    def marked(self, data: bytes, serial: int) -> bytes:
        """Return *data* with a body that no other answer has."""
        return data.replace(b"hello", b"#%04d" % serial)

    def outcome(self, protocol: str, serial: int) -> Told:
        """Return what the client is told by the *serial*-th script of a conversation."""
        told: Told = getattr(self.case, protocol)
        return Told(told.status, self.marked(told.body, serial), told.cut)


def fine(name: str, data: bytes, status: int = 200, body: bytes = b"hello", *, kept: bool = True) -> Case:
    """Return a server that does as it should."""
    told = Told(status, body)
    return Case(name, "RFC 9112", data, told, told, End.SILENCE if kept else End.CLOSE, kept=kept)


OK = fine("length", reply("hello"))
FINE = (
    OK,
    fine("chunks", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"hel", b"lo").replace(
        b"3\r\nhel\r\n2\r\nlo", b"5\r\nhello")),
    fine("until close", b"HTTP/1.1 200 OK\r\n\r\nhello", kept=False),
    fine("close", reply("hello", "Connection: close"), kept=False),
    fine("error", reply("hello", status="500 Oh"), 500),
    fine("no body", b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
)
FOR_HEAD = (fine("length for HEAD", reply("hello")[:-5], body=b""),)
NOTHING = {"nothing, then closes", "nothing, then resets"}


def scripts() -> st.SearchStrategy[Script]:
    """Return what servers do, well or not."""
    cases = st.one_of(st.sampled_from(FINE), st.sampled_from([case for case in answers.CASES if case.method == "GET"]))
    cuts = st.lists(st.integers(0, 200), max_size=3).map(tuple)
    return st.builds(Script, cases, cuts, st.booleans())


@dataclass
class Heard:
    """A request as a server understood it; *serial* numbers them, whichever connection they came by."""

    serial: int
    method: str
    target: str
    script: Script
    reused: bool
    body: bytes = b""
    complete: bool = False
    answered: bool = False


@dataclass
class Server:
    """A server that follows scripts, and writes down what it hears."""

    protocol: str
    scripts: Sequence[Script]
    heard: list[Heard] = field(default_factory=list)
    complaints: list[Exception] = field(default_factory=list)

    async def converse(self, wire: Wire) -> None:
        """Serve one connection."""
        try:
            await self._converse(wire)
        except (h11.RemoteProtocolError, AssertionError) as error:  # raised here, it would take the proxy along
            self.complaints.append(error)

    async def _converse(self, wire: Wire) -> None:
        ear = HttpEar(wire) if self.protocol == "http" else UwsgiEar(wire)
        reused = False
        while (head := await ear.head()) is not None:
            serial = len(self.heard)
            script = self.scripts[serial] if serial < len(self.scripts) else Script(OK)
            if head[0] == "HEAD":
                script = Script(FOR_HEAD[0])
            heard = Heard(serial, *head, script, reused)
            self.heard.append(heard)
            if not script.early:
                heard.body, heard.complete = await ear.body()
                if not heard.complete:
                    return
            heard.answered = True
            await self.answer(wire, heard)
            with suppress(trio.ClosedResourceError):
                if script.early:
                    heard.body, heard.complete = await ear.body()
                if script.case.kept and heard.complete and self.protocol == "http":
                    reused = True
                    continue
                assert await ear.rest() == b"", "a connection is used again though it must not be"
            return

    async def answer(self, wire: Wire, heard: Heard) -> None:
        """Say what the script says."""
        script = heard.script
        with suppress(OSError):  # the proxy may have heard enough
            cuts = () if script.case in answers.SURPLUS else script.cuts  # late, it could be the next answer
            for piece in portions(script.marked(script.case.octets, heard.serial), cuts):
                await wire.send(piece)
                await wait_all_tasks_blocked()
            if script.case.end is End.CLOSE:
                wire.finish() if script.early else wire.close()  # closed with octets unread, it would be reset
            elif script.case.end is End.RESET:
                wire.reset()


async def more(wire: Wire) -> bytes:
    """Return the next octets, b"" at the end, however it comes."""
    try:
        with trio.fail_after(PATIENCE):
            return await wire.socket.recv(1 << 16)
    except ConnectionResetError:
        return b""


class HttpEar:
    """Reads requests with h11; raises h11.RemoteProtocolError for octets that are none."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._parser = h11.Connection(h11.SERVER)
        self._left = b""

    async def _event(self) -> object:
        while (event := self._parser.next_event()) is h11.NEED_DATA:
            self._parser.receive_data(await more(self._wire))
        return event

    async def head(self) -> tuple[str, str] | None:
        """Return method and target of the next request, None when there is none."""
        self._parser = h11.Connection(h11.SERVER)
        if self._left:
            self._parser.receive_data(self._left)
            self._left = b""
        request = await self._event()
        return (request.method.decode(), request.target.decode()) if isinstance(request, h11.Request) else None

    async def body(self) -> tuple[bytes, bool]:
        """Return the body, and whether all of it came."""
        body = b""
        while True:
            event = self._parser.next_event()
            if event is h11.NEED_DATA:
                data = await more(self._wire)
                if not data:
                    return body, False
                self._parser.receive_data(data)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            else:
                assert isinstance(event, h11.EndOfMessage)
                self._left = self._parser.trailing_data[0]
                return body, True

    async def rest(self) -> bytes:
        """Return what else comes."""
        return self._left or await more(self._wire)


class UwsgiEar:
    """Reads one packet and the body it announces."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._data = b""
        self._length = 0

    async def head(self) -> tuple[str, str] | None:
        """Return method and target; see `HttpEar`."""
        while (packet := uwsgi.decode_packet(self._data)) is None:
            data = await more(self._wire)
            if not data:
                assert self._data == b""
                return None
            self._data += data
        params = dict(packet[0])
        assert len(params) == len(packet[0]), "a variable comes twice"
        self._data = self._data[packet[3]:]
        self._length = int(params[b"CONTENT_LENGTH"] or 0)
        return params[b"METHOD"].decode(), params[b"URI"].decode()

    async def body(self) -> tuple[bytes, bool]:
        """See `HttpEar`."""
        while len(self._data) < self._length and (data := await more(self._wire)):
            self._data += data
        body, self._data = self._data[:self._length], self._data[self._length:]
        return body, len(body) == self._length

    async def rest(self) -> bytes:
        """See `HttpEar`."""
        return self._data or await more(self._wire)


# What they make of each other


@dataclass(frozen=True)
class Conversation:
    """All that is drawn."""

    protocol: str
    buffered: bool
    asked: tuple[Asked, ...]
    tail: Tail
    cuts: tuple[int, ...]
    scripts: tuple[Script, ...]

    @property
    def octets(self) -> bytes:
        """What the client sends."""
        return b"".join(
            asked.octets.replace(b"/N", b"/%d" % number, 1) for number, asked in enumerate(self.asked)
        ) + self.tail.octets

    @property
    def messages(self) -> list[tuple[bytes, bytes]]:
        """The requests that may be served, ``METHOD target`` and body."""
        mine = [(f"{asked.method} /{number}".encode(), asked.body) for number, asked in enumerate(self.asked)]
        return [*mine, *self.tail.messages]

    @property
    def conf(self) -> str:
        """The configuration."""
        buffering = "on" if self.buffered else "off"
        return PASSING % (buffering, buffering, PASS[self.protocol])


CONVERSATIONS = st.builds(
    Conversation,
    protocol=st.sampled_from(["http", "uwsgi"]),
    buffered=st.booleans(),
    asked=st.lists(requests(), max_size=4).map(tuple),
    tail=tails(),
    cuts=st.lists(st.integers(0, 3000), max_size=6).map(tuple),
    scripts=st.lists(scripts(), max_size=8).map(tuple),
)


async def hold(conversation: Conversation) -> tuple[list[Told], list[Heard]]:
    """Return what the client is told, and what the server has heard."""
    server = Server(conversation.protocol, conversation.scripts)
    async with open_scene() as scene:
        await scene.serve(conversation.conf, b=scene.backend(server.converse))
        client = await scene.client()
        got, ended = b"", False
        with suppress(OSError):  # the proxy may have ended it
            for piece in portions(conversation.octets, conversation.cuts):
                await client.send(piece)
                await wait_all_tasks_blocked()
        with trio.move_on_after(conversation.tail.patience):
            got, ended = await client.rest(), True
        if not ended:
            with suppress(ConnectionResetError):
                got = await client.arrived()
            client.close()
            await wait_all_tasks_blocked()
    methods = [message.partition(b" ")[0].decode() for message, _ in conversation.messages]
    assert server.complaints == [], server.complaints
    return read_answers(got, [*methods, "GET"], closed=ended, reset=client.was_reset), server.heard


def check(conversation: Conversation, told: Sequence[Told], heard: Sequence[Heard]) -> None:
    """Assert that client and server understood each other."""
    answered = understood(conversation, heard)
    tail, messages = conversation.tail, conversation.messages
    for number, answer in enumerate(told):
        request = answered.get(number)
        if number == len(messages) and answer.status == tail.status:
            assert number == len(told) - 1
        else:
            assert request is not None
            assert request.answered
            assert agrees(answer, request.script.outcome(conversation.protocol, request.serial))
    if tail.patience == FOR_EVER and len(told) < len(messages) + (tail.status > 0):
        assert told
        assert told[-1].cut


def understood(conversation: Conversation, heard: Sequence[Heard]) -> dict[int, Heard]:
    """Assert that the server got the messages in order, and nothing else; return who answered which."""
    messages = conversation.messages
    answered: dict[int, Heard] = {}
    for request in heard:
        last = answered.get(len(answered) - 1)
        if last is not None and (last.method, last.target) == (request.method, request.target):
            assert last.reused
            assert last.script.case.name in NOTHING
            assert last.method != "POST"
            number = len(answered) - 1
        else:
            number = len(answered)
        answered[number] = request
        if number < len(messages):
            line, body = messages[number]
            assert f"{request.method} {request.target}".encode() == line
            assert request.body == body if request.complete else body.startswith(request.body)
            assert request.complete or request.script.early
        else:
            assert number == len(messages)
            assert not request.complete
    return answered


def agrees(answer: Told, outcome: Told) -> bool:
    """Return whether *answer* is *outcome*, or less of what is cut anyway."""
    if outcome.cut:
        return answer.cut and answer.status == outcome.status and outcome.body.startswith(answer.body)
    own = outcome.status in {502, 504}
    return answer == outcome or (own and answer.status == outcome.status and not answer.cut)


def plain(method: str, body: bytes = b"") -> Asked:
    """Return a request as most clients write it."""
    return Asked(octets("/N", method=method, body=body), method, body)


def answered_early() -> Conversation:
    """Return one where a server answers an upload of which half is still to come."""
    upload = plain("PUT", bytes(1000))
    return Conversation("http", False, (upload,), CLOSING, (len(upload.octets) - 500,), (Script(OK, early=True),))


def stale(method: str) -> Conversation:
    """Return one where a server closes a connection it has kept, under a request with *method*."""
    silence = next(case for case in answers.CASES if case.name in NOTHING)
    asked = (plain("GET"), plain(method))
    return Conversation("http", True, asked, CLOSING, (), (Script(OK), Script(silence)))


@settings(max_examples=100)
@given(CONVERSATIONS)
@example(answered_early())
@example(stale("GET"))
@example(stale("POST"))
def test_client_and_server_understand_the_same(conversation: Conversation) -> None:
    """
    What the server understood is what the client is told, in requests and octets, whatever either of them does.

    Robustness 5. A body that breaks off or is malformed never reaches a server as a whole one, nothing behind it is
    served, and no connection with unread or unsent octets is used again.
    Robustness 6. Answers come in order; no octet of one is found in another.
    Robustness B. An answer is whole, one of our own, or seen to be cut.
    Robustness D. A uwsgi server gets each variable once, exactly the body, and nothing behind it.
    Robustness 19. A request is put twice only if it may be, and over a connection that had gone stale.
    """
    check(conversation, *trio.run(hold, conversation, clock=virtual_clock()))
