"""Requests on their way through a plan, as far as a location's protocol, without any socket."""

from __future__ import annotations

from lbproxy.http.exchange import Client, Exchange
from lbproxy.http.router import Found
from lbproxy.plan import ForwardAction, Plan
from lbproxy.protocols.forwarding import UpstreamProtocol
from lbproxy.wire import uri, uwsgi
from lbproxy.wire.body import NO_BODY, Framing
from lbproxy.wire.heads import HeadLimits, RequestHead, ResponseHead
from lbproxy.wire.requests import parse_request
from lbproxy.wire.responses import parse_response
from tests.support.loading import load_text

CLIENT = Client(b"192.0.2.7", 40000, b"\xc0\x00\x02\x07", b"192.0.2.1", 8080, number=12, opened=90.0)


def request(target: bytes = b"/", fields: bytes = b"Host: www.example.com\r\n", method: bytes = b"GET",
            version: bytes = b"1.1", underscores: bool = False) -> RequestHead:
    """Return the parsed head of a request; *fields* are whole lines."""
    octets = b"%b %b HTTP/%b\r\n%b\r\n" % (method, target, version, fields)
    head = parse_request(octets, HeadLimits(underscores=underscores))
    assert head is not None
    return head


def response(fields: bytes = b"", status: bytes = b"200 OK") -> ResponseHead:
    """Return the parsed head of an HTTP answer; *fields* are whole lines."""
    head = parse_response(b"HTTP/1.1 %b\r\n%b\r\n" % (status, fields), b"GET")
    assert head is not None
    return head


def server_of(locations: str, upstreams: str = "upstream backend { server 127.0.0.1:8001; }") -> Plan:
    """Return the plan of one server with *locations*."""
    return load_text(f"{upstreams} server {{ listen 8080; server_name first.test; {locations} }}")


def arrive(plan: Plan, head: RequestHead) -> Exchange:
    """Return the exchange of *head* with its location found and the scripts run."""
    server = plan.config.servers[0]
    ex = Exchange(CLIENT, head, server, 100.0)
    authority = uri.authority(head.target) or head.host
    ex.host = uri.parse_host(authority) if authority else b"first.test"
    assert ex.raw_path is not None
    ex.path = uri.normalise(ex.raw_path)
    found: Found = plan.router.location(server, ex.path)
    if found.match is not None:
        ex.capture(found.match)
    ex.location = found.location
    script = plan.routes[found.location].script
    if script is not None:
        script(ex)
    return ex


def action_of(plan: Plan, ex: Exchange) -> ForwardAction:
    """Return what the location of *ex* does, which is to pass requests on."""
    action = plan.routes[ex.location].action
    assert isinstance(action, ForwardAction)
    return action


def protocol_of(plan: Plan, path: bytes = b"/") -> UpstreamProtocol:
    """Return the protocol of the location for *path*."""
    return action_of(plan, arrive(plan, request(path))).protocol


def sent(locations: str, head: RequestHead | None = None, framing: Framing = NO_BODY) -> bytes:
    """Return what a server of *locations* gets for *head*."""
    plan = server_of(locations)
    ex = arrive(plan, head or request())
    return action_of(plan, ex).protocol.encode_request(ex, framing)


def lines(octets: bytes) -> list[bytes]:
    """Return the lines of a head, its end checked and left out."""
    assert octets.endswith(b"\r\n\r\n")
    return octets[:-4].split(b"\r\n")


def variables(octets: bytes) -> dict[bytes, bytes]:
    """Return the variables of a uwsgi packet, each of which must be there once."""
    decoded = uwsgi.decode_packet(octets)
    assert decoded is not None
    pairs, _, _, size = decoded
    assert size == len(octets)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)
