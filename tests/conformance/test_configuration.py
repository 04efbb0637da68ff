"""What nginx refuses to load is refused, in nginx's words; what it loads is loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from lbproxy.cli import main
from tests.support import nginx

GOOD = [
    "server { listen 8001; }",
    "server { listen 127.0.0.1:8001; listen [::1]:8001; listen *:8002; listen 8003 default_server; }",
    "server { listen 127.0.0.1:8001 backlog=64 reuseport; }",
    "server { listen 8001; server_name a.com *.a.com www.a.* .b.com ~^c(?<n>\\d+)$ \"\"; }",
    "upstream u { server 127.0.0.1:1 weight=2 max_fails=3 fail_timeout=30s max_conns=5; server 127.0.0.1:2 backup; }",
    "upstream u { ip_hash; server 127.0.0.1:1; server 127.0.0.1:2 down; keepalive 4; }",
    "upstream u { hash $request_uri consistent; server 127.0.0.1:1; } server { location / { proxy_pass http://u; } }",
    "upstream u { server unix:/tmp/a.sock; server 127.0.0.1; zone z 64k; least_conn; }",
    "server { location / { proxy_pass http://127.0.0.1:1/; proxy_read_timeout 1m30s; proxy_buffers 8 8k; } }",
    "server { location / { proxy_pass http://unix:/tmp/x.sock:/uri/; proxy_set_header A b; proxy_hide_header C; } }",
    "server { location / { location /a { return 200; } } location = / { return 204; } location ^~ /b { return 403; } }",
    "server { error_page 404 /x; error_page 500 502 =200 @y; location @y { return 200; } }",
    "log_format f escape=json '{\"a\":\"$uri\"}'; server { access_log off; }",
    "server { client_max_body_size 10m; keepalive_timeout 10s 5s; large_client_header_buffers 4 16k; }",
    "server { set $a b; return 200 \"${a}x\\n\"; }",
    "server { location ~* \\.(gif|png)$ { return 200 $1; } } # a comment",
    "server { location / { uwsgi_pass 127.0.0.1:1; uwsgi_param A b if_not_empty; uwsgi_modifier1 5; } }",
    "sendfile on; tcp_nopush on; types_hash_max_size 2048; server_names_hash_bucket_size 64;",
    "server { if ($host = a) { return 403; } if ( -d /tmp ) { set $a b; } if ($uri ~ \"a b\") { rewrite ^ /x; } }",
    "server { location / { rewrite ^/(?<n>a)/(.*)$ /$n/$2? last; return 200 $n; return 300 x; } rewrite_log on; }",
    "server { location / { if ($request_uri !~* ^/a) { proxy_pass http://127.0.0.1:1; } } }",
    "map $uri $a { hostnames; volatile; default $b; *.x y; ~^z(?<q>.) $q; \\~w v; \"\" u; } map $a $b { c d; }",
    "map_hash_max_size 64; map $uri $a { b c; } map $uri $a { d e; } server { set $a x; }",
    "geo $a { default x; 10.0.0.0/8 y; 10.0.0.0/8 z; ::1 w; proxy 127.0.0.1; proxy_recursive; delete 10.0.0.1; }",
    "geo $host $a { ranges; default x; 10.0.0.0-10.0.0.255 y; 10.0.0.4-10.0.0.5 z; }",
    "split_clients $uri $a { 0.01% x; 99.99% y; } split_clients $uri $b { 10% x; * y; } split_clients $uri $c { }",
    "server { valid_referers none a.b *.c/d; valid_referers ~x; location / { internal; recursive_error_pages on; } }",
    "server { listen 8001 sndbuf=8k rcvbuf=8k deferred fastopen=3 so_keepalive=30m::10 bind default; }",
    "server { listen 127.0.0.1:8001-8003 so_keepalive=off; listen [::1]:8001 ipv6only=on; listen unix:/tmp/x.sock; }",
    "server { keepalive_disable msie6 safari; location / { keepalive_disable none; charset $arg_c; expires $arg_e; } }",
    "server { location / { expires modified +1h; add_trailer A b always; error_page 404 =302 http://x/$uri; } }",
    "server { location / { client_body_in_file_only clean; client_body_in_single_buffer on; proxy_set_body $args; } }",
    "server { location / { limit_rate $arg_r; limit_rate_after 1k; proxy_limit_rate 1k; proxy_bind $arg_b; } }",
    "server { proxy_cookie_flags one $arg_a httponly; proxy_cookie_domain off; proxy_cookie_path ~a $1; }",
    "server { connection_pool_size 512; request_pool_size 4k; client_body_temp_path t 1 2; scgi_temp_path s; }",
    "log_format f '$tcpinfo_rtt $tcpinfo_rttvar $tcpinfo_snd_cwnd $tcpinfo_rcv_space $ssl_protocol $ssl_cipher';",
    "log_format f '$hostname $pid $nginx_version $request_id $msec $connection_time $upstream_cache_status $pipe';",
    "server { set $http_x a; set $arg_y b; set $invalid_referer 1; location ~ ^/(?i)a { } }",
]  # fmt: skip

BAD = [
    "serverr { }",
    "server { listen; }",
    "server { listen 99999; }",
    "server { listen 127.0.0.1:x; }",
    "server { listen 8001 nonsense; }",
    "server { listen 8001; listen 8001; }",
    "server { listen 8001 default_server; } server { listen 8001 default_server; }",
    "server { listen 8001 so_keepalive=::; }",
    "server { listen 8001 fastopen=x; }",
    "server { listen 8001 sndbuf=; }",
    "server { keepalive_disable opera; }",
    "server { listen 8001 backlog=2; } server { listen 8001 backlog=3; }",
    "server { return 200 $tcpinfo_nonsense; }",
    "server { return 200 $ssl_nonsense; }",
    "server { location { } }",
    "server { location / { } location / { } }",
    "server { location = /a { } location = /a { } }",
    "server { location /a { location /b { } } }",
    "server { location = /a { location /a/b { } } }",
    "server { location @x { location /y { } } }",
    "server { location / { proxy_pass; } }",
    "server { location / { proxy_pass ftp://x; } }",
    "server { location / { proxy_pass 127.0.0.1:1; } }",
    "server { location / { proxy_pass http://127.0.0.1:1; proxy_pass http://127.0.0.1:2; } }",
    "server { location ~ x { proxy_pass http://127.0.0.1:1/uri; } }",
    "server { location @x { proxy_pass http://127.0.0.1:1/uri; } }",
    "server { proxy_pass http://127.0.0.1:1; }",
    "server { location / { proxy_read_timeout abc; } }",
    "server { location / { proxy_read_timeout 1s; proxy_read_timeout 2s; } }",
    "server { location / { proxy_buffering maybe; } }",
    "server { location / { proxy_next_upstream nonsense; } }",
    "server { location / { proxy_http_version 3; } }",
    "server { location / { proxy_set_header X; } }",
    "server { location / { proxy_set_header X $nonsense; } }",
    "server { location / { uwsgi_modifier1 256; } }",
    "server { location / { uwsgi_param A; } }",
    "server { client_max_body_size 10x; }",
    "server { return; }",
    "server { return 1000; }",
    "server { return 200 $nonsense; }",
    "server { error_page; }",
    "server { error_page 200 /x; }",
    "server { error_page 404; }",
    "server { set a b; }",
    "server { set $a; }",
    "server { access_log /tmp/x nonsense; }",
    "log_format f; ",
    "log_format f $nonsense;",
    "log_format f a; log_format f b;",
    "upstream u { }",
    "upstream { server 127.0.0.1:1; }",
    "upstream u { server; }",
    "upstream u { server 127.0.0.1:1 weight=0; }",
    "upstream u { server 127.0.0.1:1 weight=x; }",
    "upstream u { server 127.0.0.1:1 nonsense; }",
    "upstream u { server 127.0.0.1:1 fail_timeout=x; }",
    "upstream u { ip_hash; server 127.0.0.1:1 backup; server 127.0.0.1:2; }",
    "upstream u { hash; server 127.0.0.1:1; }",
    "upstream u { hash $a nonsense; server 127.0.0.1:1; }",
    "upstream u { keepalive x; server 127.0.0.1:1; }",
    "upstream u { server 127.0.0.1:1; } upstream u { server 127.0.0.1:1; }",
    "upstream u { server 127.0.0.1:1; } server { location / { proxy_pass http://u:80; } }",
    "upstream u { listen 80; }",
    "server { upstream u { } }",
    "server { listen 8001 }",
    "server { } }",
    "server ; ",
    "listen 80;",
    "server { return 200 \"unfinished; }",
    "include nonsense.conf;",
    "keepalive_timeout 1 2 3;",
    "server { location / { rewrite ^; } }",
    "server { location / { rewrite ^ \"\"; } }",
    "server { location / { rewrite ^ /x sideways; } }",
    "server { location / { rewrite ^ /$nonsense; } }",
    "server { location / { break now; } }",
    "server { location / { if ($nonsense) { } } }",
    "server { location / { if $uri { } } }",
    "server { location / { if ($uri { } } }",
    "server { location / { if () { } } }",
    "server { location / { if (uri) { } } }",
    "server { location / { if (!$uri) { } } }",
    "server { location / { if ($uri == x) { } } }",
    "server { location / { if ($uri = ) { } } }",
    "server { location / { if ($uri = a b) { } } }",
    "server { location / { if (-z /x) { } } }",
    "server { location / { if (-f) { } } }",
    "server { location / { if ($uri) { if ($args) { } } } }",
    "server { location / { if ($uri) { location /a { } } } }",
    "server { location / { if ($uri) { internal; } } }",
    "server { location / { if ($uri) { proxy_pass http://127.0.0.1:1/uri; } } }",
    "server { if ($uri) { add_header A b; } }",
    "server { internal; }",
    "server { set $request_method x; }",
    "if ($uri) { }",
    "map $uri $a { b; }",
    "map $uri $a { b c d; }",
    "map $uri $a { b c; B d; }",
    "map $uri $a { default b; default c; }",
    "map $uri $a { hostnames; *.b c; .b d; }",
    "map $uri $a { hostnames; b*.c d; }",
    "map $uri $a { b $nonsense; }",
    "map $nonsense $a { b c; }",
    "map $uri a { b c; }",
    "map $uri $host { b c; }",
    "map $uri { b c; }",
    "server { map $uri $a { b c; } }",
    "geo $a { b c; }",
    "geo $a { 10.0.0.0/33 c; }",
    "geo $a { 10.0.0.1 c; ranges; }",
    "geo $a { ranges; 10.0.0.1 c; }",
    "geo $a { ranges; 10.0.0.5-10.0.0.4 c; }",
    "geo $a { ranges; 10.0.0.5-10.0.0.9 c; 10.0.0.0-10.0.0.6 d; }",
    "geo $a { 10.0.0.1 b c; }",
    "geo a { 10.0.0.1 b; }",
    "geo $a { proxy b; }",
    "split_clients $uri $a { 50% x; 51% y; }",
    "split_clients $uri $a { 0% x; }",
    "split_clients $uri $a { 1.234% x; }",
    "split_clients $uri $a { half x; }",
    "split_clients $uri $a { * x; 1% y; }",
    "server { valid_referers none; }",
    "server { valid_referers a a; }",
    "server { valid_referers a*b; }",
    "server { valid_referers ~; }",
    "server { valid_referers \"\"; }",
    "sendfile;",
]  # fmt: skip

OTHER_WORDS = [
    "server { server_name ~(; }",  # another engine of regular expressions
    "server { location ~ ( { } }",
    "server { listen 8001;",  # nginx says where the file ended, lbproxy also what was left open
    "server { location / { proxy_pass http://; } }",
]


Verdict = Callable[[str], str]


@pytest.fixture
def ours(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Verdict:
    """Say what ``lbproxy -t`` says of a fragment in an http block: "" when it is good, else the first message."""

    def verdict(fragment: str) -> str:
        conf = tmp_path / "site.conf"
        conf.write_text(f"events {{ }}\nhttp {{\n{fragment}\n}}\n")
        if main(["-t", "-q", "-c", str(conf), "-p", str(tmp_path)]) == 0:
            return ""
        (message, *_) = re.findall(r"\[emerg\] (.*)", capsys.readouterr().err)
        return str(message)

    return verdict


@pytest.fixture
def theirs(tmp_path: Path) -> Verdict:
    """Say what ``nginx -t`` says of it."""
    return lambda fragment: nginx.verdict(tmp_path, fragment)


def words(message: str) -> str:
    """Return *message* without its place and hint."""
    return re.sub(r" in [^ ]+\.conf:\d+.*$", "", message)


@pytest.mark.parametrize("fragment", GOOD)
def test_what_nginx_loads_is_loaded(theirs: Verdict, ours: Verdict, fragment: str) -> None:
    assert (theirs(fragment), ours(fragment)) == ("", "")


@pytest.mark.parametrize("fragment", BAD)
def test_what_nginx_refuses_is_refused_in_its_words(theirs: Verdict, ours: Verdict, fragment: str) -> None:
    """lbproxy may say more, for example the argument it means."""
    expected = words(theirs(fragment))
    assert expected
    assert words(ours(fragment))[: len(expected)] == expected


@pytest.mark.parametrize("fragment", OTHER_WORDS)
def test_what_nginx_refuses_is_refused(theirs: Verdict, ours: Verdict, fragment: str) -> None:
    assert theirs(fragment)
    assert ours(fragment)


IN_IF = [
    "root /x;", "access_log off;", "error_page 404 /x;", "add_header A b;", "add_trailer A b;", "expires 1h;",
    "proxy_pass http://127.0.0.1:1;", "uwsgi_pass 127.0.0.1:1;", "gzip on;", "charset utf-8;", "sendfile on;",
    "rewrite_log on;", "uninitialized_variable_warn off;", "return 200;", "alias /x;", "try_files a b;",
    "proxy_set_header A b;", "proxy_read_timeout 1s;", "client_max_body_size 1;", "allow all;", "auth_basic off;",
    "limit_req zone=z;", "index x;", "types { }", "default_type a;", "etag on;", "uwsgi_param A b;", "satisfy any;",
    "valid_referers a;", "keepalive_timeout 1;", "proxy_buffering on;", "gzip_types a;", "log_not_found off;",
    "recursive_error_pages on;", "autoindex on;", "server_tokens off;",
]  # fmt: skip


@pytest.mark.parametrize("directive", IN_IF)
@pytest.mark.parametrize("around", ["server { location / { if ($uri) { %s } } }", "server { if ($uri) { %s } }"])
def test_what_may_stand_in_if(ours: Verdict, theirs: Verdict, around: str, directive: str) -> None:
    """The same directives as in nginx, in a location's and in a server's."""
    fragment = around % directive
    assert words(ours(fragment)) == words(theirs(fragment))
