"""
A reverse proxy as one writes it with aiohttp (on uvloop where there is one): PORT SERVER ACCESS-LOG.

As the others have it: connections to the server are kept, bodies pass as streams, hop-by-hop fields are dropped, there
are timeouts and an access log.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from collections.abc import AsyncIterator

from aiohttp import ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web

HOP_BY_HOP = {"connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer",
              "transfer-encoding", "upgrade"}
PORT, SERVER, LOG = int(sys.argv[1]), sys.argv[2], sys.argv[3]
SESSION = web.AppKey("session", ClientSession)


async def forward(request: web.Request) -> web.StreamResponse:
    """Pass a request on and its answer back."""
    fields = [(name, value) for name, value in request.headers.items() if name.lower() not in {*HOP_BY_HOP, "host"}]
    body = request.content if request.can_read_body else None
    asked = request.app[SESSION].request(request.method, f"http://{SERVER}{request.raw_path}", headers=fields,
                                         data=body, allow_redirects=False)
    async with asked as answer:
        kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP]
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=dict(kept))
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
        return response


async def session(app: web.Application) -> AsyncIterator[None]:
    """Keep connections to the server while *app* runs."""
    async with ClientSession(connector=TCPConnector(limit=0), timeout=ClientTimeout(sock_read=60, sock_connect=60),
                             auto_decompress=False, cookie_jar=DummyCookieJar()) as app[SESSION]:
        yield


def main() -> None:
    """Serve."""
    with contextlib.suppress(ImportError):
        import uvloop  # noqa: PLC0415

        asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    logging.basicConfig(filename=LOG, level=logging.INFO, format="%(message)s")
    app = web.Application(client_max_size=1 << 40)
    app.router.add_route("*", "/{path:.*}", forward)
    app.cleanup_ctx.append(session)
    web.run_app(app, host="127.0.0.1", port=PORT, print=None, backlog=1024)


if __name__ == "__main__":
    main()
