"""Who a client is and whom it means: what servers and applications are told of it is never the client's own word."""

from __future__ import annotations

import pytest
from trio.testing import wait_all_tasks_blocked

from lbproxy.wire import uwsgi
from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene

OK = reply("ok")
HTTP = """
    server {
        listen 80; %s
        proxy_set_header Host $host; proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        location / { proxy_pass http://<b>; }
    }
"""
UWSGI = """
    server {
        listen 80; %s
        uwsgi_param HTTP_X_REAL_IP $remote_addr; uwsgi_param HTTP_X_FORWARDED_FOR $proxy_add_x_forwarded_for;
        location / { uwsgi_pass <b>; }
    }
"""

FORGERIES = [
    ("X-Real-IP: 6.6.6.6",),
    ("x-REAL-ip: 6.6.6.6",),
    ("X_Real_IP: 6.6.6.6",),
    ("X-Real_IP: 6.6.6.6", "x_real-ip: 7.7.7.7"),
    ("X-Real-IP: 6.6.6.6", "X-Real-IP: 7.7.7.7"),
    ("Connection: X-Real-IP", "X-Real-IP: 6.6.6.6"),
    ("Connection: x-real-ip, x-forwarded-for, host",),
    ("X-Forwarded-For: 6.6.6.6",),
    ("X-Forwarded-For: 6.6.6.6", "x-forwarded-FOR: 7.7.7.7"),
    ("X_Forwarded_For: 6.6.6.6",),
    ("Connection: X-Forwarded-For", "X-Forwarded-For: 6.6.6.6"),
    ("X-Forwarded-For: 127.0.0.1", "X_FORWARDED-FOR: 6.6.6.6"),
]


def as_variables(fields: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return *fields* by the names that an application sees, where "-" and "_" are one."""
    seen: dict[str, list[str]] = {}
    for name, values in fields.items():
        seen.setdefault("HTTP_" + name.upper().replace("-", "_"), []).extend(values)
    return seen


def check(seen: dict[str, list[str]], forged: tuple[str, ...]) -> None:
    """Assert that an application that sees *seen* knows its client."""
    assert seen["HTTP_X_REAL_IP"] == ["127.0.0.1"]
    (chain,) = seen["HTTP_X_FORWARDED_FOR"]
    assert chain.split(", ")[-1] == "127.0.0.1"
    claimed = [line.partition(": ")[2] for line in forged if line.lower().startswith("x-forwarded-for:")]
    assert chain.split(", ")[:-1] == claimed


@pytest.mark.parametrize("more", ["", "underscores_in_headers on;", "ignore_invalid_headers off;"])
@pytest.mark.parametrize("forged", FORGERIES)
async def test_http_servers_know_the_client(scene: Scene, forged: tuple[str, ...], more: str) -> None:
    """Robustness 8. Whatever letters, separators, repeats and Connection fields a client tries."""
    b = scene.answering(OK)
    await scene.serve(HTTP % more, b=b)
    await scene.ask(octets("/", *forged))
    (request,) = b.requests
    fields = {name.decode(): request.get_all(name.decode()) for name, _ in request.fields}
    check(as_variables({name: values for name, values in fields.items() if name.lower().startswith("x")}), forged)
    assert request.get_all("Host") == ["example.com"]


@pytest.mark.parametrize("more", ["", "underscores_in_headers on;", "ignore_invalid_headers off;"])
@pytest.mark.parametrize("forged", FORGERIES)
async def test_applications_know_the_client(scene: Scene, forged: tuple[str, ...], more: str) -> None:
    """Robustness 8. Robustness D. Each variable stands once in the packet, and says what is configured."""
    b = scene.backend()
    await scene.serve(UWSGI % more, b=b)
    client = await scene.client()
    await client.send(octets("/", *forged))
    server = await b.accept()
    packet = uwsgi.decode_packet(await server.arrived())
    assert packet is not None
    seen: dict[str, list[str]] = {}
    for name, text in packet[0]:
        seen.setdefault(name.decode(), []).append(text.decode())
    assert [name for name, values in seen.items() if len(values) > 1] == []
    check(seen, forged)


@pytest.mark.parametrize("said", ["$host", "$http_host"])
@pytest.mark.parametrize(("target", "host"), [
    ("/", "one"), ("http://one/", "one"), ("http://one/", "two"), ("http://ONE:80/x", "two"),
])
async def test_routing_and_the_forwarded_host_agree(scene: Scene, said: str, target: str, host: str) -> None:
    """Robustness 9. An absolute target overrides Host, for the choice of the server and for what it is told."""
    b = scene.answering(OK)
    server = "server { listen 80; server_name %s; location / { proxy_set_header Host %s; proxy_pass http://<b>/%s; } }"
    await scene.serve(server % ("one", said, "one") + server % ("two", said, "two"), b=b)
    await scene.ask(octets(target, host=host))
    (request,) = b.requests
    assert request.target == "/onex" if target.endswith("x") else "/one"
    assert [name.lower().removesuffix(":80") for name in request.get_all("Host")] == ["one"]


async def test_cookies_of_an_answer_stay_apart_and_in_order(scene: Scene) -> None:
    """Robustness 12. Set-Cookie is the one field that a comma would destroy (RFC 9110 section 5.3)."""
    cookies = ["a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT", "b=2", "a=3"]
    await scene.serve(HTTP % "", b=scene.answering(reply("", *(f"Set-Cookie: {cookie}" for cookie in cookies), "X: y")))
    assert (await scene.ask(octets())).get_all("Set-Cookie") == cookies


async def test_repeats_of_a_field_keep_their_order(scene: Scene) -> None:
    """Robustness 12. In requests too; only an application's variables are joined, cookies by semicolons."""
    b = scene.answering(OK)
    await scene.serve(HTTP % "", b=b)
    await scene.ask(octets("/", "Accept: a", "Cookie: b=1", "accept: c", "Cookie: d=2"))
    assert b.requests[0].get_all("Accept") == ["a", "c"]
    assert b.requests[0].get_all("Cookie") == ["b=1", "d=2"]


@pytest.mark.parametrize(
    "target", ["/%0d%0aX:%20y", "/a%0ab", "/%00", "/..%2f..%2fetc", "/%2e%2e/%2e%2e/x", "/a/%2e%2e", "//a/.%2e//b"]
)
async def test_nothing_decoded_leaves_its_place(scene: Scene, target: str) -> None:
    """Robustness 10. Not in a rewritten request line, a field, a variable, or a log; and never above the root."""
    b = scene.answering(OK)
    await scene.serve("""
        log_format f '$uri'; access_log <dir>/f f;
        server { listen 80; proxy_set_header X-Uri $uri; location / { proxy_pass http://<b>/app/; } }
    """, b=b)
    answer = await scene.ask(octets(target + "?q=%0d%0a#x"))
    await wait_all_tasks_blocked()
    assert len(scene.log("f")) == 1
    assert all(line.isprintable() for line in scene.log("f"))
    if answer.status == 400:
        assert b.requests == []
        return
    (request,) = b.requests
    assert request.target.startswith("/app/")
    assert request.target.endswith("?q=%0d%0a")
    assert ".." not in request.target
    assert all(0x20 <= octet < 0x7F for octet in request.line)
    assert request.get("X") is None


async def test_host_is_the_name_without_its_port(scene: Scene) -> None:
    """``$host`` stays what it is, also where an absolute target and the Host field say the same name.  Robustness 9."""
    b = scene.answering(OK)
    await scene.serve("server { listen 80; proxy_set_header Host $host; location / { proxy_pass http://<b>; } }", b=b)
    await scene.ask(octets("http://h:81/", host="h"))
    assert b.requests[0].get_all("Host") == ["h"]
