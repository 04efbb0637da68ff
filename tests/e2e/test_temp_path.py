"""Temporary files: where they lie, and what they are good for."""

from __future__ import annotations

import resource
import threading
from pathlib import Path

import pytest

from tests.support.backends import Conversation, reply
from tests.support.client import Client, ask, get, octets
from tests.support.daemon import Lbproxy, command
from tests.support.stage import Stage
from tests.support.usage import MIB
from tests.support.waiting import until

CONF = """
server {
    listen <listen>;
    location / { proxy_pass http://<b>; <more> }
    location /uwsgi { include uwsgi_params; uwsgi_pass <u>; <more> }
}
"""
BODY = bytes(range(256)) * (24 * MIB // 256)


def large_or_small(conversation: Conversation) -> None:
    """Answer with the large body where the path ends so, and note when it has been sent."""
    while True:
        request = conversation.request()
        large = request.target.endswith("large")
        conversation.send(reply(BODY if large else "small"))
        if large:
            conversation.backend.closed.append(b"sent")


def spilled(proxy: Lbproxy, place: str) -> list[str]:
    """Return the files without a name below *place* that a worker has open."""
    (worker,) = proxy.workers()
    links = [str(link.readlink()) for link in Path(f"/proc/{worker}/fd").iterdir()]
    return [link for link in links if link.startswith(place) and link.endswith("(deleted)")]


@pytest.mark.parametrize("target", ["/large", "/uwsgi/large"])
def test_slow_client_does_not_hold_its_server(stage: Stage, target: str) -> None:
    """What it does not read lies in a file, in the place that is configured; it comes whole when it reads."""
    b, u = stage.backend(script=large_or_small), stage.uwsgi(script=large_or_small)
    proxy = stage.lbproxy(CONF, b=b, u=u, more="proxy_temp_path answers 1; uwsgi_temp_path answers 1;")
    place = str(proxy.directory / "answers")
    with Client(proxy.address) as client:
        client.send(octets(target, "Connection: close"))
        (b if target == "/large" else u).closed.wait(1)
        until(lambda: len(spilled(proxy, place)) == 1, "the file")
        assert get(proxy.address).text == "small"
        assert client.rest().endswith(BODY)
    until(lambda: spilled(proxy, place) == [], "the file to be given back")
    assert list(Path(place).glob("*/*")) == []


def test_slow_client_holds_its_server_where_there_is_to_be_no_file(stage: Stage) -> None:
    b = stage.backend(script=large_or_small)
    proxy = stage.lbproxy(CONF, b=b, u=stage.dead(), more="proxy_max_temp_file_size 0;")
    with Client(proxy.address) as client:
        client.send(octets("/large", "Connection: close"))
        assert get(proxy.address).text == "small"
        assert len(b.closed) == 0
        assert client.rest().endswith(BODY)
    b.closed.wait(1)


def test_full_disk(stage: Stage) -> None:
    """What does not fit waits at the server; nothing is lost, and the log says why."""
    b = stage.backend(script=large_or_small)
    proxy = stage.lbproxy("error_log stderr;" + CONF, b=b, u=stage.dead(), more="")
    (worker,) = proxy.workers()
    resource.prlimit(worker, resource.RLIMIT_FSIZE, (MIB, MIB))
    with Client(proxy.address) as client:
        client.send(octets("/large", "Connection: close"))
        proxy.stderr.wait_for(r"\[crit\].*not written to a temporary file \(27: File too large\)")
        assert get(proxy.address).text == "small"
        assert client.rest().endswith(BODY)


def test_nothing_is_made_where_nothing_is_configured(stage: Stage) -> None:
    """A read-only file system is enough, as long as the system has a place for temporary files."""
    b = stage.backend(script=large_or_small)
    proxy = stage.lbproxy(CONF, b=b, u=stage.dead(), more="")
    before = sorted(proxy.directory.iterdir())
    assert ask(proxy.address, octets("/", method="POST", body=BODY[: MIB // 2]), method="POST").text == "small"
    assert get(proxy.address, "/large").body == BODY
    assert sorted(proxy.directory.iterdir()) == before


def test_directories_are_made_at_start_and_with_a_new_configuration(stage: Stage) -> None:
    b = stage.backend(reply("ok"))
    proxy = stage.lbproxy(CONF, b=b, u=stage.dead(), more="client_body_temp_path one 1 2;")
    assert (proxy.directory / "one").is_dir()
    proxy.reload(stage.text(CONF, b=b, u=stage.dead(), more="client_body_in_file_only clean; proxy_temp_path two;"))
    directories = {path.name for path in proxy.directory.iterdir() if path.is_dir()}
    assert directories == {"client_body_temp", "one", "two"}


@pytest.mark.parametrize("words", [["-t"], []])
def test_directory_that_can_not_be_made(stage: Stage, words: list[str]) -> None:
    """That is told before anybody is served; a test makes none."""
    conf = stage.directory / "site.conf"
    conf.write_text(stage.text(CONF, b=stage.dead(), u=stage.dead(), more="proxy_temp_path no/such;"))
    with command(*words, "-c", conf) as process:
        assert process.wait() == 1
    assert "no/such" in process.stderr.text
    assert "(2: No such file or directory)" in process.stderr.text
    conf.write_text(stage.text(CONF, b=stage.dead(), u=stage.dead(), more="proxy_temp_path new;"))
    with command("-t", "-c", conf) as process:
        assert process.wait() == 0
    assert not (stage.directory / "new").exists()


def test_body_for_others_to_read(stage: Stage) -> None:
    """client_body_in_file_only: the server is told where it lies, and it is all there."""
    found: list[bytes] = []

    def read(conversation: Conversation) -> None:
        while True:
            found.append(Path(conversation.request().get("X-File") or "").read_bytes())
            conversation.send(reply("read"))

    more = "client_body_in_file_only clean; proxy_pass_request_body off; proxy_set_header X-File $request_body_file;"
    proxy = stage.lbproxy(CONF, b=stage.backend(script=read), u=stage.dead(), more=more)
    requests = [octets(method="POST", body=bytes([number]) * MIB) for number in range(4)]
    threads = [threading.Thread(target=ask, args=(proxy.address, request)) for request in requests]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [bytes([number]) * MIB for number in range(4)]
    until(lambda: list((proxy.directory / "client_body_temp").iterdir()) == [], "the files to be taken away")
