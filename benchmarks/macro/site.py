"""What a proxy is to do in a case, so that each contestant can be told in its own language. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HTTP = 'proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection "";'
UWSGI = "include uwsgi_params; uwsgi_pass app;"
FILES = "root {dir}/www;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """
    A configuration before it has a language.

    Args:
        action: The directives of every location of nginx's and lbproxy's file; {dir} is the case's directory.
        method: The balancing directive of the upstream; "" is round robin.
        servers: How many servers the upstream has; each is an address of its own.
        locations: How many locations there are: ``/v0/``, ``/v1/`` … if more than one.
        names: How many virtual servers there are: ``www0.example.com`` …
        keepalive: How many idle connections to servers are kept.
        connections: How many connections a worker may have.
    """

    action: str = HTTP
    method: str = ""
    servers: int = 1
    locations: int = 1
    names: int = 1
    workers: int = 1
    keepalive: int = 64
    connections: int = 4096

    def upstream(self, addresses: Sequence[str]) -> str:
        """Return the `server` lines of the upstream, and its method."""
        method = [f"{self.method};"] if self.method else []
        return "\n        ".join([*method, *(f"server {address};" for address in addresses[: self.servers])])

    def virtual_servers(self, port: int, directory: str) -> str:
        """Return the `server` blocks of nginx's and lbproxy's file."""
        action = self.action.format(dir=directory)
        paths = [f"/v{number}/" for number in range(self.locations)] if self.locations > 1 else ["/"]
        locations = "\n".join(f"        location {path} {{ {action} }}" for path in paths)
        listen = f"listen 127.0.0.1:{port}"
        return "\n".join(
            f"    server {{\n        {listen}{'' if number else ' backlog=1024'};\n"
            f"        server_name www{number}.example.com;\n{locations}\n    }}"
            for number in range(self.names)
        )
