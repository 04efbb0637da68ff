"""Where lines go if not to a file."""

from __future__ import annotations

import pytest

from lbproxy.config.addresses import Endpoint
from lbproxy.config.syslog import SyslogTarget, is_syslog, parse_syslog
from lbproxy.errors import InvalidValue
from tests.support.exchanges import argument


def test_what_is_one() -> None:
    assert is_syslog("syslog:server=x")
    assert not is_syslog("/var/log/syslog")


def test_a_server_is_enough() -> None:
    """The rest is as in nginx, but for the name."""
    target = parse_syslog(argument("syslog:server=192.0.2.1"))
    assert target == SyslogTarget(Endpoint("192.0.2.1"), facility=23, severity=6, tag="lbproxy", hostname=True)


def test_everything_can_be_said() -> None:
    text = "syslog:server=unix:/dev/log,facility=daemon,tag=site_1,severity=warn,nohostname"
    assert parse_syslog(argument(text)) == SyslogTarget(Endpoint(path="/dev/log"), 3, 4, "site_1", hostname=False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("syslog:tag=x", "no syslog server specified"),
        ("syslog:server=a,facility=x", 'unknown syslog facility "x"'),
        ("syslog:server=a,severity=worst", 'unknown syslog severity "worst"'),
        ("syslog:server=a,color=red", 'unknown syslog parameter "color=red"'),
        ("syslog:server=a,server=b", 'duplicate syslog "server"'),
        ("syslog:server=a,tag=a-b", 'syslog "tag" only allows'),
        ("syslog:server=a:0", 'invalid port in syslog server "a:0"'),
        ("syslog:server=", 'no host in syslog server ""'),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    with pytest.raises(InvalidValue) as caught:
        parse_syslog(argument(text))
    assert caught.value.message.startswith(message)
