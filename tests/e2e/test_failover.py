"""What happens when servers fail: retries, `max_fails`, `backup`, and who is never asked twice."""

from __future__ import annotations

import threading

import pytest

from tests.support.backends import close, closing, hang, reply, reset
from tests.support.client import Client, ask, bodies, get, octets, statuses
from tests.support.node import Node
from tests.support.stage import Stage
from tests.support.waiting import until

NODES = """
upstream nodes {
    server <a> max_fails=1 fail_timeout=1s;
    server <b> max_fails=1 fail_timeout=1s;
}
server {
    listen <listen>;
    location / { include uwsgi_params; uwsgi_pass nodes; }
}
"""
HTTP = """
upstream servers {
    server <a>;
    server <b>;
}
server {
    listen <listen>;
    location / { proxy_pass http://servers; <more> }
}
"""
BAD_GATEWAY = "502 Bad Gateway"


def test_killed_node_loses_no_request_and_returns_after_its_restart(stage: Stage) -> None:
    a, b = stage.node("a"), stage.node("b")
    proxy = stage.lbproxy(NODES, a=a, b=b)
    assert set(bodies(proxy.address, 4)) == {"a", "b"}
    b.kill()
    answers = [get(proxy.address) for _ in range(20)]
    assert [answer.text for answer in answers] == ["a"] * 20
    assert set(statuses(answers)) == {200}
    b.start()
    until(lambda: get(proxy.address).text == "b", "b to be asked again")


def test_node_killed_under_load_loses_no_get(stage: Stage) -> None:
    """
    Requests in flight at the node when it dies are asked again elsewhere, as long as no answer has begun.

    Robustness 19.
    """
    a, b = stage.node("a"), stage.node("b", delay=0.005)
    proxy = stage.lbproxy(NODES, a=a, b=b)
    failed: list[int] = []

    def load() -> None:
        with Client(proxy.address) as client:
            failed.extend(status for _ in range(100) if (status := client.ask().status) != 200)

    threads = [threading.Thread(target=load) for _ in range(6)]
    for thread in threads:
        thread.start()
    until(lambda: b.process.running and len(proxy.stdout.lines) > 100, "the load to be under way")
    b.kill()
    b.start()
    for thread in threads:
        thread.join()
    assert failed == []


@pytest.mark.parametrize("failure", [close, reset, closing(b"HTTP/1.1 200 OK\r\nCont")])
def test_get_moves_on_to_the_next_server(stage: Stage, failure: object) -> None:
    a, b = stage.backend(failure), stage.backend(reply("b"))  # type: ignore[arg-type]
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="")
    assert get(proxy.address).text == "b"
    assert len(a.requests) == 1


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_other_idempotent_methods_move_on_too(stage: Stage, method: str) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="")
    assert ask(proxy.address, octets(method=method, body=b"x"), method=method).text == "b"
    assert b.requests.wait()[0].body == b"x"


def test_post_is_not_repeated_once_it_was_sent(stage: Stage) -> None:
    """Robustness 19. It may have been carried out."""
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="")
    answer = ask(proxy.address, octets(method="POST", body=b"x"), method="POST")
    assert answer.status == 502
    assert (len(a.requests), len(b.requests)) == (1, 0)


def test_post_that_was_not_sent_moves_on(stage: Stage) -> None:
    b = stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=stage.dead(), b=b, more="")
    assert ask(proxy.address, octets(method="POST", body=b"x"), method="POST").text == "b"


def test_post_moves_on_if_the_configuration_says_so(stage: Stage) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="proxy_next_upstream error timeout non_idempotent;")
    assert ask(proxy.address, octets(method="POST", body=b"x"), method="POST").text == "b"


def test_status_moves_on_only_if_listed(stage: Stage) -> None:
    a, b = stage.backend(reply("a", status="503 Busy")), stage.backend(reply("b"))
    plain = stage.lbproxy(HTTP, a=a, b=b, more="")
    assert statuses(get(plain.address) for _ in range(2)) == [503, 200]
    plain.stop()
    listed = stage.lbproxy(HTTP, a=a, b=b, more="proxy_next_upstream error http_503;")
    assert bodies(listed.address, 2) == ["b", "b"]


def test_last_answer_is_passed_on_when_all_give_the_listed_status(stage: Stage) -> None:
    a, b = (stage.backend(reply(name, status="404 Not Found")) for name in "ab")
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="proxy_next_upstream http_404;")
    answer = get(proxy.address)
    assert (answer.status, answer.text) == (404, "b")


def test_tries_are_limited(stage: Stage) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="proxy_next_upstream_tries 1;")
    assert get(proxy.address).status == 502
    assert len(b.requests) == 0


def test_next_upstream_off(stage: Stage) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="proxy_next_upstream off;")
    assert get(proxy.address).status == 502
    assert len(b.requests) == 0


def test_server_that_failed_is_left_alone(stage: Stage) -> None:
    """max_fails is 1 and fail_timeout 10 s unless the configuration says otherwise."""
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="")
    assert bodies(proxy.address, 10) == ["b"] * 10
    assert len(a.requests) == 1


def test_max_fails_counts_failures(stage: Stage) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP.replace("<a>", "<a> max_fails=3"), a=a, b=b, more="")
    assert bodies(proxy.address, 20) == ["b"] * 20
    assert len(a.requests) == 3


def test_max_fails_0_never_gives_up(stage: Stage) -> None:
    a, b = stage.backend(close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP.replace("<a>", "<a> max_fails=0"), a=a, b=b, more="")
    assert bodies(proxy.address, 10) == ["b"] * 10
    assert len(a.requests) == 5


def test_backup_is_asked_only_when_the_others_are_gone(stage: Stage) -> None:
    """Robustness 20. And no longer."""
    a, b = stage.backend(reply("a"), reply("a"), close), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP.replace("<b>", "<b> backup"), a=a, b=b, more="")
    assert "".join(bodies(proxy.address, 5)) == "aabbb"


def test_all_down_is_502_at_once(stage: Stage) -> None:
    """Robustness 20. Nobody waits for a server that is known to be dead."""
    proxy = stage.lbproxy(HTTP, a=stage.dead(), b=stage.dead(), more="")
    answers = [get(proxy.address) for _ in range(3)]
    assert statuses(answers) == [502] * 3
    assert f"<center><h1>{BAD_GATEWAY}</h1></center>" in answers[0].text
    proxy.stderr.wait_for("no live upstreams while connecting to upstream")


def test_single_server_is_never_given_up(stage: Stage) -> None:
    a = stage.backend(close, close, reply("a"))
    proxy = stage.lbproxy(HTTP.replace("server <b>;", ""), a=a, more="")
    assert statuses(get(proxy.address) for _ in range(3)) == [502, 502, 200]


def test_server_that_hangs_is_left_after_the_read_timeout(stage: Stage) -> None:
    """Robustness 19. And a GET is asked again elsewhere."""
    a, b = stage.backend(hang), stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="proxy_read_timeout 300ms;")
    assert bodies(proxy.address, 2) == ["b", "b"]
    a.closed.wait()


def test_nothing_is_asked_again_after_the_answer_began(stage: Stage) -> None:
    """Robustness 19. Two halves of two answers would be glued together."""
    a = stage.backend(closing(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"))
    b = stage.backend(reply("b"))
    proxy = stage.lbproxy(HTTP, a=a, b=b, more="")
    with Client(proxy.address) as client:
        client.send(octets())
        assert client.rest().endswith(b"\r\n\r\nhalf")
    assert len(b.requests) == 0


@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_stale_pooled_connection_is_replaced_and_not_held_against_the_server(stage: Stage, method: str) -> None:
    """Robustness 19. The server closes its idle connection just as the next request comes in."""
    a = stage.backend(reply("1"), close, reply("2"), reply("3"))
    conf = HTTP.replace("server <b>;", "server <b> backup;")
    b = stage.backend(reply("backup"))
    proxy = stage.lbproxy(conf, a=a, b=b, more="")
    requests = [octets(method=method, body=b"" if method == "GET" else b"x")] * 3
    assert [ask(proxy.address, request, method=method).text for request in requests] == ["1", "2", "3"]


def test_max_conns_leads_to_the_next_server_and_then_to_502(stage: Stage) -> None:
    a = stage.backend(hang)
    conf = HTTP.replace("<a>", "<a> max_conns=1").replace("server <b>;", "")
    proxy = stage.lbproxy(conf, a=a, more="")
    with Client(proxy.address) as first:
        first.send(octets())
        a.requests.wait()
        assert get(proxy.address).status == 502


def test_frozen_node_is_left_and_returns(stage: Stage, nodes: tuple[Node, Node, Node]) -> None:
    """Robustness 20. By itself."""
    frozen = stage.node("b")
    conf = NODES.replace("uwsgi_pass nodes;", "uwsgi_pass nodes; uwsgi_read_timeout 300ms;")
    proxy = stage.lbproxy(conf, a=nodes[0], b=frozen)
    frozen.freeze()
    try:
        assert bodies(proxy.address, 4) == ["a"] * 4
    finally:
        frozen.thaw()
    until(lambda: get(proxy.address).text == "b", "b to be asked again")
