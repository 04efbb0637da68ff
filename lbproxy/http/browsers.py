"""
Old browsers with faults of their own, known by their User-Agent.

As src/http/ngx_http_request.c:ngx_http_process_user_agent: names are told apart by letter case, and one browser's
name within another's does not count.
"""

from __future__ import annotations

import re

from lbproxy.http.getters import field_finder
from lbproxy.wire.heads import RequestHead

MSIE6 = re.compile(rb"^(?!.*Opera)(?:(?!MSIE ).)*+MSIE (?:[45]\..|6\..(?!.*SV1))")
"""Internet Explorer 4 to 6, the last one before its second service pack."""

_SAFARI = re.compile(rb"^(?!.*(?:MSIE ..|Opera|Gecko/|Chrome/))(?=.*Safari/).*Mac OS X")
_agent = field_finder("user-agent")


def is_msie6(head: RequestHead) -> bool:
    """Say whether the client may wait for long if the connection stays open behind the answer to a POST."""
    return MSIE6.search(_agent(head.block) or b"") is not None


def is_safari(head: RequestHead) -> bool:
    """Say whether the client may send a POST on a connection that was closed meanwhile, and wait for long."""
    return _SAFARI.search(_agent(head.block) or b"") is not None
