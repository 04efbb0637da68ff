"""What another location has said."""

from __future__ import annotations

import pytest

from lbproxy.http.authrequest import AuthRequest, AuthRequestSettings, challenges, compile_auth_request
from lbproxy.http.variables import VariableTable
from tests.support.exchanges import exchange, response
from tests.support.loading import complaints, load_text


def auth_request(conf: str) -> AuthRequest | None:
    plan = load_text(f"server {{ listen 8080; {conf} return 200 $user; }}")
    settings = plan.config.servers[0].settings(AuthRequestSettings)
    return compile_auth_request(settings, VariableTable({}))


def test_variables_are_made_of_what_was_said() -> None:
    """They belong to the request that was asked about; before that they have no value."""
    compiled = auth_request("auth_request /a; auth_request_set $User $upstream_http_x_user; auth_request_set $b $uri;")
    assert compiled is not None
    ex, asked = exchange(b"/"), exchange(b"/a")
    asked.response = response(fields=b"X-User: ann\r\n")
    compiled.assign(ex, asked)
    assert ex.values == {"user": b"ann", "b": b"/a"}


def test_off() -> None:
    """Nobody is asked."""
    assert auth_request("auth_request off; auth_request_set $user x;") is None


@pytest.mark.parametrize(
    ("directive", "message"),
    [
        ("auth_request_set user x;", 'invalid variable name "user"'),
        ("auth_request_set $uri x;", 'the duplicate "uri" variable'),
        ("auth_request_set $a $nothing;", 'unknown "nothing" variable'),
        ("auth_request http://x/;", 'invalid value "http://x/" in "auth_request" directive'),
    ],
)
def test_mistakes(directive: str, message: str) -> None:
    """In nginx's words where it has some."""
    (found,) = complaints(f"server {{ listen 8080; {directive} }}")
    assert found.startswith(message)


def test_challenges() -> None:
    """Those of the answer; those of the server behind if the answer has none."""
    asked = exchange()
    assert list(challenges(asked)) == []
    asked.response = response(401, b"WWW-Authenticate: Basic\r\nWWW-AUTHENTICATE: Token\r\n")
    assert list(challenges(asked)) == [b"Basic", b"Token"]
    asked.sent_fields = b"Server: x\r\nwww-authenticate: Digest\r\n"
    assert list(challenges(asked)) == [b"Digest"]
