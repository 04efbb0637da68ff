"""Bodies of requests in memory and in files, $limit_rate, and addresses that connections come from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.backends import Conversation, reply
from tests.support.client import octets
from tests.support.stage import Stage
from tests.support.twins import Twins

CONF = """
server {
    listen <listen>;
    client_body_temp_path bodies 1 2;
    proxy_temp_path answers;
    client_body_buffer_size 1k;
    add_header X-Body "<$request_body>" always;
    add_header X-Rate $limit_rate always;
    location / { proxy_pass http://<a>; proxy_set_header X-Body "<$request_body>"; }
    location /uwsgi { include uwsgi_params; uwsgi_param BODY "<$request_body>"; uwsgi_pass <u>; }
    location /only { client_body_in_file_only on; proxy_pass http://<a>; add_header X-File $request_body_file; }
    location /clean { client_body_in_file_only clean; proxy_pass http://<a>; add_header X-File $request_body_file; }
    location /single { client_body_in_single_buffer on; proxy_pass http://<a>; }
    location /unpassed { proxy_pass_request_body off; proxy_set_header Content-Length ""; proxy_pass http://<a>; }
    location /set { proxy_set_body "{$request_body}"; proxy_pass http://<a>; }
    location /return { return 200 "<$request_body>"; }
    location /rated { limit_rate 900k; limit_rate_after 1k; proxy_pass http://<a>; }
    location /rate/set { set $limit_rate $arg_r; proxy_pass http://<a>; }
    location /rate/said { proxy_pass http://<a>/said; }
    location /rate/unsaid { proxy_ignore_headers X-Accel-Limit-Rate; proxy_pass http://<a>/said; }
    location /bind/ { proxy_bind 127.0.0.9; proxy_pass http://<p>/; }
    location /bind/off/ { proxy_bind off; proxy_pass http://<p>/; }
    location /bind/arg/ { proxy_bind $arg_a; proxy_pass http://<p>/; }
    location /bind/bad/ { proxy_bind 192.0.2.1; proxy_pass http://<p>/; }
}
"""


def tell_address(conversation: Conversation) -> None:
    """Answer with the address that the connection comes from."""
    conversation.request()
    conversation.send(reply(conversation.socket.getpeername()[0], "Connection: close"))
    conversation.close()


@pytest.fixture(scope="module")
def twins() -> Iterator[Twins]:
    with Stage() as stage:
        said = reply("x" * 3000, "X-Accel-Limit-Rate: 500000", "Connection: close")
        peer = stage.backend(script=tell_address)
        yield Twins(stage, CONF, {"said": said}, uwsgi=({},), p=peer.address)


SMALL, LARGE = b"hello=world", b"0123456789" * 1000


@pytest.mark.parametrize("target", ["/", "/uwsgi", "/single", "/unpassed", "/set"])
@pytest.mark.parametrize("request_", [
    lambda target: octets(target, method="POST", body=SMALL),
    lambda target: octets(target, method="POST", body=LARGE),
    lambda target: octets(target, "Content-Length: 0", method="POST"),
    octets,
], ids=["small", "large", "empty", "none"])
def test_request_body(twins: Twins, target: str, request_: Callable[[str], bytes]) -> None:
    """$request_body is what was read into memory for a server; what the server gets is the same."""
    twins.check(request_(target))


@pytest.mark.parametrize("target", ["/", "/single", "/unpassed", "/set"])
def test_chunked_request_body(twins: Twins, target: str) -> None:
    """Likewise, decoded."""
    twins.check(octets(target, chunks=[b"hello=", b"world"]))


def test_a_body_that_is_not_read(twins: Twins) -> None:
    """Is none: nobody wanted it."""
    twins.check(octets("/return", method="POST", body=SMALL))


@pytest.mark.parametrize("body", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("target", ["/only", "/clean"])
def test_bodies_in_files(twins: Twins, target: str, body: bytes) -> None:
    """They lie where nginx puts them, under names made alike, and stay or go."""
    request = octets(target, f"Content-Length: {len(body)}", method="POST") + body
    directories = twins.nginx.directory, twins.lbproxy.directory
    for seen, directory in zip(twins.run(request), directories, strict=True):
        (name,) = (value for field, value in seen.answer.fields if field == "x-file")
        assert re.fullmatch(r"prefix/bodies/(\d)/(\d\d)/\d{7}\2\1", name)
        path = Path(name.replace("prefix", str(directory), 1))
        assert (path.read_bytes() if path.exists() else None) == (body if target == "/only" else None)
        assert seen.request.body == body


@pytest.mark.parametrize("target", [
    "/rated", "/rate/set?r=600k", "/rate/set?r=0", "/rate/set?r=nonsense", "/rate/set", "/rate/said", "/rate/unsaid",
])
def test_rates(twins: Twins, target: str) -> None:
    """$limit_rate, before and after the answer; the answer itself is the same."""
    twins.check(octets(target), unlike={"request_completion"})  # nginx forgets it where it has to wait


@pytest.mark.parametrize("target", [
    "/bind/", "/bind/off/", "/bind/arg/?a=127.0.0.3", "/bind/arg/?a=nonsense", "/bind/arg/", "/bind/arg/?a=127.0.0.3:0",
    "/bind/bad/",
])
def test_local_addresses(twins: Twins, target: str) -> None:
    """The server sees them."""
    twins.check(octets(target), logged=("request", "status"))


def test_directories(twins: Twins) -> None:
    """Both have made what is configured before the first request."""
    for directory in (twins.nginx.directory, twins.lbproxy.directory):
        assert (directory / "answers").stat().st_mode & 0o777 == 0o700
