"""Where a ``*_pass`` sends requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lbproxy.config.addresses import Endpoint
from lbproxy.errors import InvalidValue, MalformedMessage
from lbproxy.http.variables import VariableTable
from lbproxy.protocols.target import InvalidTargetError, Target, http_pass, http_target, uwsgi_pass, uwsgi_target
from tests.support.exchanges import argument, exchange


@pytest.mark.parametrize(
    ("text", "endpoint", "uri", "host"),
    [
        ("http://backend", Endpoint("backend"), "", b"backend"),
        ("HTTP://Backend", Endpoint("Backend"), "", b"Backend"),
        ("http://127.0.0.1:8080", Endpoint("127.0.0.1", 8080), "", b"127.0.0.1:8080"),
        ("http://127.0.0.1:80/", Endpoint("127.0.0.1", 80), "/", b"127.0.0.1"),
        ("http://backend/a/b?c", Endpoint("backend"), "/a/b?c", b"backend"),
        ("http://backend?c=d", Endpoint("backend"), "/?c=d", b"backend"),
        ("http://[::1]:8080/x", Endpoint("::1", 8080), "/x", b"[::1]:8080"),
        ("http://[::1]", Endpoint("::1"), "", b"[::1]"),
        ("http://unix:/run/a.sock", Endpoint(path="/run/a.sock"), "", b"localhost"),
        ("http://unix:/run/a.sock:/app/", Endpoint(path="/run/a.sock"), "/app/", b"localhost"),
        ("http://unix:/run/a.sock:", Endpoint(path="/run/a.sock"), "", b"localhost"),
        ("unix:///opt/x.sock", Endpoint(path="///opt/x.sock"), "", b"localhost"),
        ("http://a/with blank#and", Endpoint("a"), "/with%20blank%23and", b"a"),
    ],
)
def test_proxy_pass_forms(text: str, endpoint: Endpoint, uri: str, host: bytes) -> None:
    """Upstreams, hosts and unix sockets, with the URI part and the Host that nginx makes of them."""
    target = http_target(text)
    assert (target.endpoint, target.uri, target.host_field, target.url) == (endpoint, uri, host, text)


@pytest.mark.parametrize(
    ("text", "endpoint"),
    [
        ("backend", Endpoint("backend")),
        ("127.0.0.1:3031", Endpoint("127.0.0.1", 3031)),
        ("[::1]:3031", Endpoint("::1", 3031)),
        ("uwsgi://localhost:3031", Endpoint("localhost", 3031)),
        ("unix:/run/a.sock", Endpoint(path="/run/a.sock")),
        ("unix:///run/a:b.sock", Endpoint(path="///run/a:b.sock")),
        ("uwsgi://unix:/run/a.sock", Endpoint(path="/run/a.sock")),
    ],
)
def test_uwsgi_pass_forms(text: str, endpoint: Endpoint) -> None:
    """There is no URI part, so all behind ``unix:`` is the path."""
    assert uwsgi_target(text) == Target(endpoint, text.removeprefix("uwsgi://") if endpoint.host else "", "", text)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("https://backend", "https protocol requires SSL support", "plain HTTP"),
        ("backend", 'invalid URL prefix in "backend"', "did you mean http://backend?"),
        ("ftp://backend", 'invalid URL prefix in "ftp://backend"', "http:// is what"),
        ("http://", 'no host in upstream ""', ""),
        ("http:///x", 'no host in upstream "/x"', ""),
        ("http://:80", 'no host in upstream ":80"', ""),
        ("http://a:0", 'invalid port in upstream "a:0"', ""),
        ("http://a:65536", 'invalid port in upstream "a:65536"', ""),
        ("http://a:x", 'invalid port in upstream "a:x"', ""),
        ("http://a#b/", 'invalid host in upstream "a#b/"', ""),
        ("http://[::1", 'invalid host in upstream "[::1"', ""),
        ("http://unix:", 'no path in the unix domain socket in upstream "unix:"', ""),
        ("http://unix:/" + "a" * 107, "too long path in the unix domain socket in upstream", ""),
    ],
)
def test_proxy_pass_mistakes(text: str, message: str, hint: str) -> None:
    """Mistakes are told in nginx's words, with the mend where it is likely."""
    with pytest.raises(InvalidTargetError) as caught:
        http_target(text)
    assert message in str(caught.value)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("suwsgi://a:1", "suwsgi protocol requires SSL support"),
        ("http://a:1", 'invalid host in upstream "http://a:1"'),
        ("a:1/x", 'invalid host in upstream "a:1/x"'),
        ("", 'no host in upstream ""'),
    ],
)
def test_uwsgi_pass_mistakes(text: str, message: str) -> None:
    """A URL belongs into proxy_pass, TLS is not there."""
    with pytest.raises(InvalidTargetError) as caught:
        uwsgi_target(text)
    assert str(caught.value) == message


def test_a_mistake_in_the_configuration_has_its_place() -> None:
    """While loading, the mistake is an InvalidValue at the argument."""
    arg = argument("backend")
    with pytest.raises(InvalidValue) as caught:
        http_pass(arg)
    assert caught.value.position == arg.position
    assert caught.value.hint == "did you mean http://backend?"


def test_variables_are_filled_in_for_each_request() -> None:
    """The value is parsed as if it stood there; its URI can't break out of the request line."""
    passed = http_pass(argument("http://$arg_to$uri"))
    assert passed.target is None
    target_of = passed.compile(VariableTable({}))
    ex = exchange(b"/a%0d%0ab?to=backend:81")
    target = target_of(ex)
    assert (target.endpoint, target.uri) == (Endpoint("backend", 81), "/a%0D%0Ab")


def test_variables_that_lead_nowhere_are_an_error_of_that_request() -> None:
    """It is answered 500, as in nginx."""
    target_of = uwsgi_pass(argument("$arg_to")).compile(VariableTable({}))
    with pytest.raises(MalformedMessage) as caught:
        target_of(exchange(b"/?to=a:b"))
    assert caught.value.status == 500


@given(st.text(max_size=40))
def test_whatever_a_client_can_make_of_it_is_a_target_or_refused(text: str) -> None:
    """No text leads to another exception, and no URI holds a blank or a control character."""
    for prefix, parse in (("http://", http_target), ("", uwsgi_target)):
        try:
            target = parse(prefix + text)
        except InvalidTargetError:
            continue
        assert not any(character <= " " or character in "#\x7f" for character in target.uri)
        assert bool(target.endpoint.host) != bool(target.endpoint.path)
