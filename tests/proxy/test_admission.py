"""What is checked before a location does anything: the order, the words, the waiting."""

from __future__ import annotations

import base64
from pathlib import Path

import trio

from tests.support.backends import reply
from tests.support.client import octets
from tests.support.scene import Scene

OK = reply("ok")


def basic(name: str, password: str) -> str:
    """Return the field with these credentials."""
    return f"Authorization: Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"


def users(scene: Scene, text: str) -> Path:
    """Write a file of users."""
    path = scene.directory / "users"
    path.write_text(text)
    return path


class TestOrder:
    """Preaccess, access, then what the location does."""

    async def test_limits_come_before_who_may_come(self, scene: Scene) -> None:
        """Who may not come is counted all the same."""
        await scene.serve(
            "limit_req_zone $uri zone=r:1m rate=1r/m;"
            "server { listen 80; location / { limit_req zone=r; limit_req_status 429; deny all; root /; } }"
        )
        assert [(await scene.ask(octets())).status for _ in range(2)] == [403, 429]

    async def test_real_addresses_come_before_all(self, scene: Scene) -> None:
        """For limits, access, the error log and the access log."""
        await scene.serve(
            "limit_req_zone $binary_remote_addr zone=r:1m rate=1r/m; log_format l '$remote_addr $realip_remote_addr';"
            "access_log access.log l; server { listen 80; set_real_ip_from 127.0.0.0/8;"
            "location / { limit_req zone=r; deny 203.0.113.7; proxy_pass http://<b>; } }", b=scene.answering(OK),
        )  # fmt: skip
        answers = [await scene.ask(octets("/", f"X-Real-IP: 203.0.113.{last}")) for last in (6, 7, 8, 8)]
        assert [answer.status for answer in answers] == [200, 403, 200, 503]
        assert scene.log()[1] == "203.0.113.7 127.0.0.1"
        assert "access forbidden by rule, client: 203.0.113.7, server: " in scene.errors()[0]

    async def test_files_are_looked_for_afterwards(self, scene: Scene) -> None:
        """try_files tells nobody what there is."""
        await scene.serve("server { listen 80; location / { deny all; root <dir>; try_files /none =204; } }")
        assert (await scene.ask(octets())).status == 403


class TestBasic:
    """auth_basic."""

    async def test_a_user_is_let_in(self, scene: Scene) -> None:
        """The loop goes on while a slow password is hashed; the next request costs nothing."""
        path = users(scene, "ann:$1$saltsalt$9xy1btjgzLYfb7hivXtC//\n")
        await scene.serve(
            "server { listen 80; auth_basic staff; auth_basic_user_file <users>;"
            "location / { proxy_pass http://<b>; } }", users=path, b=scene.answering(OK),
        )  # fmt: skip
        client = await scene.client()
        for _ in range(2):
            assert (await client.ask(octets("/", basic("ann", "secret")))).text == "ok"
        answer = await client.ask(octets("/", basic("ann", "secrets")))
        assert (answer.status, answer.get("WWW-Authenticate")) == (401, 'Basic realm="staff"')
        assert 'user "ann": password mismatch, client: 127.0.0.1' in scene.errors()[0]

    async def test_a_password_that_nobody_can_check(self, scene: Scene) -> None:
        """The error log knows the line."""
        path = users(scene, "# staff\nann:$99$x\n")
        await scene.serve("server { listen 80; auth_basic staff; auth_basic_user_file <users>; }", users=path)
        assert (await scene.ask(octets("/", basic("ann", "secret")))).status == 401
        assert f'user "ann": the password in {path}:2 is made in a way that this system does not' in scene.errors()[0]

    async def test_the_answer_is_late(self, scene: Scene) -> None:
        """auth_delay; only for who is not let in."""
        path = users(scene, "ann:{PLAIN}secret\n")
        await scene.serve(
            "server { listen 80; auth_basic staff; auth_basic_user_file <users>; auth_delay 2s;"
            "location / { proxy_pass http://<b>; } }", users=path, b=scene.answering(OK),
        )  # fmt: skip
        began = trio.current_time()
        assert (await scene.ask(octets("/", basic("ann", "secret")))).status == 200
        assert trio.current_time() - began < 0.5
        assert (await scene.ask(octets("/", basic("ann", "wrong")))).status == 401
        assert 2.0 <= trio.current_time() - began < 2.5

    async def test_relative_and_variable_files(self, scene: Scene) -> None:
        """A file per host, say."""
        users(scene, "ann:{PLAIN}secret\n")
        await scene.serve(
            "server { listen 80; location / { auth_basic staff; auth_basic_user_file <dir>/$arg_file;"
            "proxy_pass http://<b>; } }", b=scene.answering(OK),
        )  # fmt: skip
        assert (await scene.ask(octets("/?file=users", basic("ann", "secret")))).status == 200
        assert (await scene.ask(octets("/?file=others", basic("ann", "secret")))).status == 403

    async def test_the_challenge_is_there_whoever_makes_the_page(self, scene: Scene) -> None:
        """A server behind, for instance."""
        await scene.serve(
            "server { listen 80; error_page 401 @page; location / { auth_basic staff; auth_basic_user_file x; }"
            "location @page { auth_basic off; proxy_pass http://<b>; } }", b=scene.answering(reply("page")),
        )  # fmt: skip
        answer = await scene.ask(octets())
        assert (answer.status, answer.text) == (401, "page")
        assert answer.get("WWW-Authenticate") == 'Basic realm="staff"'


async def test_satisfy_any_takes_the_challenge_back(scene: Scene) -> None:
    """Who was asked for a password, and got in otherwise, is not asked again."""
    await scene.serve(
        "server { listen 80; location / { satisfy any; auth_basic staff; auth_basic_user_file x; auth_request /ask;"
        "proxy_pass http://<b>; } location /ask { return 204; } }", b=scene.answering(OK),
    )  # fmt: skip
    answer = await scene.ask(octets())
    assert (answer.status, answer.get("WWW-Authenticate")) == (200, None)
