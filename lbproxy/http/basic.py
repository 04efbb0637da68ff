"""
``auth_basic``: who may come, by name and password.

As src/http/modules/ngx_http_auth_basic_module.c.  The file of users is read by `lbproxy.proxy.userfiles`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from lbproxy.config.settings import EVERY_LEVEL, Context, setting
from lbproxy.config.values import duration
from lbproxy.http.exchange import Exchange
from lbproxy.http.template import Template
from lbproxy.http.variables import VariableTable
from lbproxy.wire import fields

_ANYWHERE = EVERY_LEVEL | Context.LIMIT_EXCEPT


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BasicSettings:
    """
    How users prove who they are.

    Args:
        realm: What is asked for; the value "off" asks for nothing.
        user_file: The users and their passwords.
        delay: Seconds before an answer of 401.
    """

    realm: Template | None = setting("auth_basic", Template.parse, None, contexts=_ANYWHERE)
    user_file: Template | None = setting("auth_basic_user_file", Template.parse, None, contexts=_ANYWHERE)
    delay: float = setting("auth_delay", duration, 0.0)


class Basic(NamedTuple):
    """The settings, compiled."""

    realm: Callable[[Exchange], bytes]
    user_file: Callable[[Exchange], bytes]


def compile_basic(settings: BasicSettings, table: VariableTable) -> Basic | None:
    """Return what has to be checked, None if nothing ever has; raises InvalidValue for an unknown variable."""
    realm, user_file = settings.realm, settings.user_file
    if realm is None or user_file is None or realm.constant == b"off":
        return None
    return Basic(realm.bind(table), user_file.bind(table))


def challenge(realm: bytes) -> bytes:
    """Return the field that asks for a user and a password (RFC 7617 section 2)."""
    return fields.line(b"WWW-Authenticate", b'Basic realm="%b"' % realm.translate(fields.BREAKS))


class User(NamedTuple):
    """A user's password as it is kept, and the number of its line."""

    kept: bytes
    line: int


def parse_users(text: bytes) -> Mapping[bytes, User]:
    """Return the users of a file of lines ``name:password[:comment]``; of several of one name the first counts."""
    users: dict[bytes, User] = {}
    for number, line in enumerate(text.split(b"\n"), 1):
        name, colon, rest = line.partition(b":")
        if colon and name and not line.startswith((b"#", b"\r")):
            users.setdefault(name, User(re.split(rb"[\r:]", rest, maxsplit=1)[0], number))
    return users
