"""
nginx's other directives: those that only tune nginx, and those whose work lbproxy does not do.

The line between them: a directive without which every client still gets the same answer, and nobody sees more
than he should, is ignored and listed by ``lbproxy -t``.  Anything else is refused, except with an argument
that turns it off.  A directive that lbproxy obeys needs no row here; its settings class comes first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from lbproxy.config.settings import EVERY_LEVEL, HTTP_SERVER, Context

_MAIN = Context.MAIN
_EVENTS = Context.EVENTS
_HTTP = Context.HTTP
_UPSTREAM = Context.UPSTREAM


class Ignored(NamedTuple):
    """Why a directive is accepted without effect, and where it may stand."""

    why: str
    contexts: Context


class Refused(NamedTuple):
    """Why a directive is refused, and the first arguments that mean "not at all" and are accepted."""

    why: str
    harmless: tuple[str, ...]


def _ignored(*groups: tuple[str, Context, str]) -> Mapping[str, Ignored]:
    """Return them by name from (why, contexts, names separated by blanks)."""
    return MappingProxyType({name: Ignored(why, where) for why, where, names in groups for name in names.split()})


def _family(prefixes: Iterable[str], names: str) -> str:
    """Return ``prefix_name`` for every prefix and name."""
    return " ".join(f"{prefix}_{name}" for prefix in prefixes for name in names.split())


_GATEWAYS = ("proxy", "uwsgi", "fastcgi", "scgi", "grpc", "memcached")
_ABSENT_GATEWAYS = ("fastcgi", "scgi", "grpc", "memcached")

IGNORED: Mapping[str, Ignored] = _ignored(
    (
        "places, limits and tools of nginx's own processes",
        _MAIN,
        """worker_cpu_affinity worker_priority worker_rlimit_core working_directory timer_resolution
        lock_file debug_points env thread_pool pcre_jit ssl_engine ssl_object_cache_inheritable
        load_module quic_bpf google_perftools_profiles""",
    ),
    ("there is always a master; clients of its worker notice no difference", _MAIN, "master_process"),
    (
        "how nginx waits for events",
        _EVENTS,
        """use multi_accept accept_mutex accept_mutex_delay worker_aio_requests debug_connection
        epoll_events devpoll_changes devpoll_events kqueue_changes kqueue_events rtsig_signo""",
    ),
    (
        "how octets get in and out",
        EVERY_LEVEL,
        """sendfile_max_chunk tcp_nodelay tcp_nopush reset_timedout_connection aio aio_write
        directio directio_alignment output_buffers postpone_output read_ahead send_lowat
        subrequest_output_buffer_size msie_padding msie_refresh
        keepalive_min_timeout client_body_in_single_buffer postpone_gzipping""",
    ),
    ("memory of connections and requests", HTTP_SERVER, "connection_pool_size request_pool_size max_headers"),
    (
        "sizes of hash tables",
        _HTTP,
        """server_names_hash_max_size server_names_hash_bucket_size variables_hash_max_size
        variables_hash_bucket_size map_hash_max_size map_hash_bucket_size""",
    ),
    ("sizes of hash tables", EVERY_LEVEL, "types_hash_max_size types_hash_bucket_size"),
    (
        "files are opened anew for each request, and none is written",
        EVERY_LEVEL,
        """open_file_cache open_file_cache_errors open_file_cache_events open_file_cache_min_uses
        open_file_cache_valid min_delete_depth create_full_put_path dav_access""",
    ),
    ("names are resolved at load, by the system", EVERY_LEVEL | _UPSTREAM, "resolver resolver_timeout"),
    ("nothing of the kind is logged", EVERY_LEVEL, "log_subrequest"),
    (
        "nothing of the kind is logged",
        EVERY_LEVEL | Context.IF | Context.SERVER_IF,
        "rewrite_log uninitialized_variable_warn",
    ),
    (
        "memory of compression; clients get the same content without other kinds of it",
        EVERY_LEVEL,
        """gzip_buffers gzip_hash gzip_no_buffer gzip_window gunzip_buffers brotli
        brotli_buffers brotli_comp_level brotli_min_length brotli_static brotli_types brotli_window""",
    ),
    (
        "says nothing without a directive that is refused",
        EVERY_LEVEL,
        """addition_types
        image_filter_buffer image_filter_interlace image_filter_jpeg_quality image_filter_sharpen
        image_filter_transparency image_filter_webp_quality mirror_request_body
        mp4_buffer_size mp4_max_buffer_size mp4_start_key_frame referer_hash_bucket_size
        referer_hash_max_size ssi_last_modified ssi_min_file_chunk ssi_ignore_recycled_buffers
        ssi_silent_errors ssi_types ssi_value_length
        sub_filter_last_modified sub_filter_once sub_filter_types userid_domain userid_expires userid_flags
        userid_mark userid_name userid_p3p userid_path userid_service xml_entities xslt_last_modified
        xslt_param xslt_string_param xslt_types""",
    ),
    ("says nothing without a directive that is refused", _HTTP, "limit_zone perl_modules"),
    ("says nothing without a directive that is refused", EVERY_LEVEL | Context.IF, "override_charset"),
    (
        "says nothing without ``listen ... ssl`` or ``http2 on``, which are refused",
        HTTP_SERVER,
        """ssl_buffer_size ssl_certificate ssl_certificate_cache ssl_certificate_compression
        ssl_certificate_key ssl_ciphers ssl_client_certificate ssl_conf_command ssl_crl ssl_dhparam
        ssl_early_data ssl_ecdh_curve ssl_key_log ssl_ocsp ssl_ocsp_cache ssl_ocsp_responder
        ssl_password_file ssl_prefer_server_ciphers ssl_protocols ssl_reject_handshake
        ssl_session_cache ssl_session_ticket_key ssl_session_tickets ssl_session_timeout ssl_stapling
        ssl_stapling_file ssl_stapling_responder ssl_stapling_verify ssl_trusted_certificate
        ssl_verify_client ssl_verify_depth http2_body_preread_size http2_idle_timeout
        http2_max_concurrent_pushes http2_max_concurrent_streams http2_max_field_size
        http2_max_header_size http2_max_requests http2_pool_size
        http2_recv_timeout http2_streams_index_size http3_hq http3_max_concurrent_streams http3_stream_buffer_size
        quic_active_connection_id_limit quic_gso quic_host_key quic_retry proxy_protocol_timeout""",
    ),
    ("HTTP/1.1 only", EVERY_LEVEL, "http2_chunk_size http2_push_preload"),
    ("HTTP/1.1 only", _HTTP, "http2_recv_buffer_size"),
    (
        "parameters of a cache, which there is not",
        _HTTP,
        _family(("proxy", "uwsgi", "fastcgi", "scgi"), "cache_path"),
    ),
    (
        "memory of answers; parameters of a cache, which there is not",
        EVERY_LEVEL,
        _family(
            _GATEWAYS,
            """bind_dynamic busy_buffers_size cache_background_update cache_bypass
            cache_key cache_lock cache_lock_age cache_lock_timeout cache_max_range_offset cache_methods
            cache_min_uses cache_purge cache_revalidate cache_use_stale cache_valid
            cache_convert_head headers_hash_bucket_size headers_hash_max_size
            no_cache send_lowat store_access temp_file_write_size""",
        ),
    ),
    (
        "says nothing without a target over TLS, which is refused",
        EVERY_LEVEL,
        _family(
            ("proxy", "uwsgi", "grpc"),
            """ssl_certificate ssl_certificate_cache ssl_certificate_key ssl_ciphers ssl_conf_command
            ssl_crl ssl_key_log ssl_name ssl_password_file ssl_protocols ssl_server_name
            ssl_session_reuse ssl_trusted_certificate ssl_verify ssl_verify_depth""",
        ),
    ),
    (
        "says nothing without the ``_pass`` of its protocol, which is refused",
        EVERY_LEVEL,
        _family(
            _ABSENT_GATEWAYS,
            """bind buffering buffers buffer_size catch_stderr connect_timeout force_ranges gzip_flag hide_header
            ignore_client_abort ignore_headers index intercept_errors keep_conn limit_rate max_temp_file_size
            next_upstream next_upstream_timeout next_upstream_tries param pass_header pass_request_body
            pass_request_headers read_timeout request_buffering send_timeout set_header split_path_info
            store temp_path""",
        ),
    ),
    ("choices of an old module; ``hash`` is what nginx has now", _UPSTREAM, "hash_method hash_again"),
)
"""Accepted without effect, by name."""


def _refused(*groups: tuple[str, tuple[str, ...], str]) -> Mapping[str, Refused]:
    """Return them by name from (why, harmless first arguments, names separated by blanks)."""
    return MappingProxyType({name: Refused(why, fine) for why, fine, names in groups for name in names.split()})


UNSUPPORTED: Mapping[str, Refused] = _refused(
    ("lbproxy serves HTTP only", (), "stream mail"),
    ("signed links are not checked", (), "secure_link secure_link_md5 secure_link_secret"),
    ("tokens are not checked; auth_request can have a service do it", ("off",), "auth_jwt"),
    ("there is no database of places; geo knows networks", (),
     "geoip_city geoip_country geoip_org geoip_proxy geoip_proxy_recursive"),
    ("no such content is made here", (), "random_index empty_gif flv mp4 f4f hls post_action early_hints"),
    ("nginx's commercial status pages", (), "status api"),
    ("map over $http_user_agent does the same", (),
     "ancient_browser ancient_browser_value modern_browser modern_browser_value"),
    ("no scripting language is embedded", (),
     "perl perl_require perl_set js_access js_body_filter js_content js_header_filter js_import js_set"),
    ("the protocol is not spoken; HTTP and uwsgi are", (),
     "fastcgi_pass scgi_pass grpc_pass memcached_pass tunnel_pass"),
    ("files are only read", ("off",), "dav_methods dav_ext_methods"),
    ("answers are not put together from parts", ("off",), "ssi concat"),
    ("requests are not doubled", ("off",), "mirror"),
    ("the way nginx has always inherited is the only one", (), "add_header_inherit add_trailer_inherit"),
    ("the content of answers is not changed", (),
     "add_before_body add_after_body sub_filter xslt_stylesheet source_charset charset_map"),
    ("the content of answers is not changed", ("off",), "image_filter gunzip"),
    ("visitors get no cookie from here", ("off",), "userid"),
    ("answers are not asked for in slices", ("0",), "slice"),
    ("no TLS: end it in front of lbproxy", ("off",), "ssl"),
    ("HTTP/1.1 only", ("off",), "http2 http2_push http3 spdy"),
    ("only the stream module sends it", ("off",), "proxy_protocol"),
    ("nothing is cached or stored", ("off",), _family(("proxy", "uwsgi"), "cache store")),
    ("trailers of servers stay behind", ("off",), _family(("proxy", "uwsgi"), "pass_trailers")),
    ("the protocol is not spoken", ("off",), "fastcgi_cache scgi_cache"),
    ("nginx has given it up, or never documented it", (), "uwsgi_string uwsgi_method proxy_request_dynamic"),
    ("nginx's commercial balancing", (),
     "sticky queue ntlm state health_check match upstream_conf jvm_route sticky_cookie_insert"),
    ("servers are checked by the requests they get (max_fails)", (),
     "check check_http_send check_http_expect_alive check_keepalive_requests check_shm_size check_status"),
    ("ranges of an answer are left to the server that makes it", ("off",), _family(("proxy", "uwsgi"), "force_ranges")),
)
"""Refused, since lbproxy would serve something else, by name."""
