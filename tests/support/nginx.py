"""An installed nginx, run in the foreground round a given http-level fragment."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

from lbproxy import config
from tests.support.process import Process

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/local/nginx/sbin")
PARAMS = Path(config.__file__).with_name("params")

_WHOLE = """\
daemon off;
master_process off;
{user}
error_log stderr notice;
pid nginx.pid;
events {{ worker_connections 512; }}
http {{
    client_body_temp_path temp_body; proxy_temp_path temp_proxy; uwsgi_temp_path temp_uwsgi;
    fastcgi_temp_path temp_fastcgi; scgi_temp_path temp_scgi;
    {log}
{fragment}
}}
"""


class Nginx(Process):
    """
    A running nginx; a context manager.

    Args:
        directory: Its prefix, an existing empty directory.
        fragment: What stands in the http block.
    """

    def __init__(self, directory: Path, fragment: str) -> None:
        assert NGINX is not None
        self.directory = directory
        user = "user root;" if os.geteuid() == 0 else ""
        log = "" if "access_log" in fragment else "access_log off;"  # the built-in default is a system file
        whole = _WHOLE.format(user=user, log=log, fragment=fragment)
        (directory / "nginx.conf").write_text(whole)
        for included in PARAMS.iterdir():
            shutil.copy(included, directory)
        super().__init__([NGINX, "-p", directory, "-c", "nginx.conf", "-e", "stderr"])
        self.until_ready(lambda: self.stderr.wait_for('using the "'))  # logged when all sockets listen


def verdict(directory: Path, fragment: str) -> str:
    """Return what ``nginx -t`` says of *fragment* in an http block: "" when it is good, else the first message."""
    assert NGINX is not None
    conf = directory / "nginx.conf"
    conf.write_text(_WHOLE.format(user="", log="access_log off;", fragment=fragment))
    with Process([NGINX, "-t", "-q", "-p", directory, "-c", "nginx.conf", "-e", "stderr"]) as process:
        if process.wait() == 0:
            return ""
    (message, *_) = process.stderr.matching(r"\[emerg\]")
    return re.sub(r"^.*?\[emerg\] (\d+#\d+: )?", "", message)
