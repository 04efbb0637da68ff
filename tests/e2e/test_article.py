"""
The configurations of the articles that newcomers copy: load balancing of uWSGI nodes, file by file.

Only addresses are replaced; everything else stands as people find it.
"""

from __future__ import annotations

import getpass

import pytest

from tests.support.client import bodies
from tests.support.node import Kind, Node
from tests.support.stage import Stage

UWSGI = """
upstream django {
    <method>
    server <a>;
    server <b>;
}

server {
    listen      <listen>;
    server_name example.com;
    charset     utf-8;
    client_max_body_size 75M;

    location / {
        uwsgi_pass  django;
        include     uwsgi_params;
    }
}
"""

PROXY = """
upstream backend {
    <method>
    server <a>;
    server <b>;
}

server {
    listen <listen>;

    location / {
        proxy_pass         http://backend;
        proxy_redirect     off;
        proxy_set_header   Host $host;
        proxy_set_header   X-Real-IP $remote_addr;
        proxy_set_header   X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header   X-Forwarded-Host $server_name;
        }
}
"""

WHOLE = """
user  <user>;
worker_processes  1;

error_log  error.log warn;
pid        lbproxy.pid;

events {
    worker_connections  1024;
}

http {
    include       mime.types;
    default_type  application/octet-stream;
    sendfile        on;
    tcp_nopush      on;
    tcp_nodelay     on;
    keepalive_timeout  65;
    types_hash_max_size 2048;

    log_format  main  '$remote_addr - $remote_user [$time_local] "$request" '
                      '$status $body_bytes_sent "$http_referer" '
                      '"$http_user_agent" "$http_x_forwarded_for"';
    access_log  access.log  main;
<site>
}
"""


FRAGMENTS: dict[Kind, str] = {"socket": UWSGI, "http-socket": PROXY}


def check(names: list[str], method: str) -> None:
    """Check how the names of the nodes that answered equal requests of one client fit the method."""
    if method == "":
        assert "".join(names) == "ababab"
    elif "hash" in method:
        assert len(set(names)) == 1
    else:
        assert set(names) <= {"a", "b"}


@pytest.mark.parametrize("method", ["", "ip_hash;", "url_hash;", "fair;", "least_conn;", "hash $request_uri;"])
def test_every_method(stage: Stage, nodes: tuple[Node, Node, Node], method: str) -> None:
    proxy = stage.lbproxy(UWSGI, a=nodes[0], b=nodes[1], method=method)
    check(bodies(proxy.address, 6), method)


@pytest.mark.parametrize("kind", ["socket", "http-socket"])
@pytest.mark.parametrize("prefix", ["unix:", "unix://"])
def test_nodes_on_unix_sockets(stage: Stage, kind: Kind, prefix: str) -> None:
    paths = {name: stage.path(f"{name}.sock") for name in "ab"}
    for name, path in paths.items():
        stage.node(name, kind, at=path)
    proxy = stage.lbproxy(FRAGMENTS[kind], a=prefix + paths["a"], b=prefix + paths["b"], method="")
    check(bodies(proxy.address, 6), "")


@pytest.mark.parametrize("kind", ["socket", "http-socket"])
def test_whole_file(stage: Stage, kind: Kind) -> None:
    a, b = stage.node("a", kind), stage.node("b", kind)
    site = stage.text(FRAGMENTS[kind], a=a, b=b, method="")
    proxy = stage.lbproxy(WHOLE, site=site, user=getpass.getuser())
    check(bodies(proxy.address, 6), "")
