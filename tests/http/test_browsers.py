"""Which browsers are meant, by what they call themselves."""

from __future__ import annotations

import pytest

from lbproxy.http.browsers import is_msie6, is_safari
from tests.support.exchanges import exchange

MSIE = "Mozilla/4.0 (compatible; MSIE %s; Windows NT 5.1%s)"
SAFARI = "Mozilla/5.0 (Macintosh; PPC Mac OS X; en) AppleWebKit/125.2 (KHTML, like Gecko) Safari/125.8"


@pytest.mark.parametrize(
    ("agent", "msie6", "safari"),
    [
        (MSIE % ("4.01", ""), True, False),
        (MSIE % ("5.5", ""), True, False),
        (MSIE % ("5.0", "; SV1"), True, False),
        (MSIE % ("6.0", ""), True, False),
        (MSIE % ("6.0", "; SV1"), False, False),
        (MSIE % ("7.0", ""), False, False),
        (MSIE % ("10.0", ""), False, False),
        (MSIE % ("6.0", ") Opera 7.0 (x"), False, False),
        ("msie 6.0; x", False, False),
        ("MSIE 6.", False, False),
        ("MSIE 7.0 MSIE 6.0", False, False),
        (SAFARI, False, True),
        (SAFARI.replace("Safari/", "Chrome/1 Safari/"), False, False),
        (SAFARI.replace("Mac OS X", "Windows"), False, False),
        (SAFARI + " Opera", False, False),
        (SAFARI + " MSIE 7.0", False, False),
        ("curl/8", False, False),
    ],
)
def test_agents(agent: str, msie6: bool, safari: bool) -> None:
    """As nginx tells them apart."""
    head = exchange(fields=f"User-Agent: {agent}\r\n".encode()).head
    assert (is_msie6(head), is_safari(head)) == (msie6, safari)


def test_who_does_not_say() -> None:
    """A client without a User-Agent is none of them."""
    assert not is_msie6(exchange().head)
    assert not is_safari(exchange().head)
