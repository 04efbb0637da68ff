"""
Twisted's own reverse proxy, `ReverseProxyResource`: PORT SERVER ACCESS-LOG.

It keeps no connections to the server: every request pays for one.
"""

from __future__ import annotations

import sys

from twisted.internet import reactor
from twisted.web.proxy import ReverseProxyResource
from twisted.web.server import Site


def main() -> None:
    """Serve."""
    port, server, log = sys.argv[1:]
    host, _, server_port = server.rpartition(":")
    site = Site(ReverseProxyResource(host, int(server_port), b""), logPath=log.encode())
    reactor.listenTCP(int(port), site, backlog=1024, interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main()
