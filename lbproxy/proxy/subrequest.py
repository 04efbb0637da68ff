"""
A request that is made inside, about another one (src/http/ngx_http_core_module.c:ngx_http_subrequest).

It goes the way of any request, from the server's script on, but to nobody: what is sent goes nowhere, and the exchange
tells what the answer was.  The client that is waited for is that of the request it is about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lbproxy.errors import MalformedMessage
from lbproxy.net.stream import Stream
from lbproxy.proxy.connection import Connection

if TYPE_CHECKING:
    from lbproxy.http.exchange import Exchange


class _Nowhere(Stream):
    """
    Takes whatever is sent.

    Args:
        client: Whose departure is ours.
    """

    __slots__ = ("_client",)

    def __init__(self, client: Stream) -> None:
        super().__init__(client.poller, client.socket)
        self._client = client
        self.hung_up, self.broken = client.hung_up, client.broken
        client.on_hangup = self._client_gone

    def _client_gone(self) -> None:
        self._hang_up(broken=self._client.broken)

    def watch_input(self) -> None:
        """See `Stream`."""
        self._client.watch_input()

    def send_now(self, data: bytes | memoryview) -> int:
        """See `Stream`."""
        return len(data)

    def sendfile_now(self, file: int, offset: int, count: int) -> int | None:  # noqa: ARG002 - of no consequence
        """See `Stream`."""
        return count

    def close(self) -> None:
        """Let go of the client, whose connection stays as it is."""
        self._client.on_hangup = None
        self.closed = True

    def abort(self) -> None:
        """See `close`."""
        self.close()


class Subrequest(Connection):
    """A connection of nobody's, with one exchange."""

    __slots__ = ()

    def __init__(self, of: Connection, ex: Exchange) -> None:
        super().__init__(of._server, _Nowhere(of.stream), of._names, of.client)
        self._exchange = ex

    async def answer(self, ex: Exchange) -> None:
        """Have *ex* answered; raises ClientGone."""
        try:
            await self._server.dispatcher.answer(self, ex)
        except MalformedMessage as error:  # it cannot be put to a server
            self.log("error", error.reason)
            ex.status = error.status
        finally:
            self.stream.close()


async def ask(conn: Connection, ex: Exchange, path: bytes) -> Exchange:
    """Have a request for *path* answered, about *ex*, and return it with its status; raises ClientGone."""
    inner = ex.inside(path)
    await Subrequest(conn, inner).answer(inner)
    return inner
