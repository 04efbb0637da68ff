"""Every directive there is, gathered from the modules that obey them."""

from __future__ import annotations

from lbproxy.balance.methods import ARITIES
from lbproxy.balance.settings import BalanceSettings
from lbproxy.config.core import CORE_SETTINGS
from lbproxy.config.vocabulary import Grammar
from lbproxy.http.accesslog import AccessLogSettings
from lbproxy.http.charset import CharsetSettings
from lbproxy.http.checks import CHECK_SETTINGS
from lbproxy.http.declared import DECLARING_SETTINGS
from lbproxy.http.errorpage import ErrorPageSettings
from lbproxy.http.expires import ExpiresSettings
from lbproxy.http.files.settings import FileSettings
from lbproxy.http.gzip import GzipSettings
from lbproxy.http.headers import HeaderSettings
from lbproxy.http.pace import PaceSettings
from lbproxy.http.rewrite import SCRIPTS, RewriteSettings
from lbproxy.http.stubstatus import StubStatusSettings
from lbproxy.protocols.forwarding import ForwardSettings
from lbproxy.protocols.http import HttpProtocol, ProxySettings
from lbproxy.protocols.uwsgi import UwsgiProtocol, UwsgiSettings

PROTOCOLS: tuple[tuple[type[ForwardSettings], type[HttpProtocol] | type[UwsgiProtocol]], ...] = (
    (ProxySettings, HttpProtocol),
    (UwsgiSettings, UwsgiProtocol),
)
"""What servers may speak: the settings with the ``*_pass``, and what is compiled from them per location."""

GRAMMAR = Grammar(
    settings=(
        *CORE_SETTINGS,
        BalanceSettings,
        AccessLogSettings,
        ErrorPageSettings,
        CharsetSettings,
        ExpiresSettings,
        HeaderSettings,
        GzipSettings,
        StubStatusSettings,
        PaceSettings,
        FileSettings,
        RewriteSettings,
        *DECLARING_SETTINGS,
        *CHECK_SETTINGS,
        *(settings for settings, _ in PROTOCOLS),
    ),
    scripts=SCRIPTS,
    balancers=ARITIES,
)
"""The directives with their contexts and arguments, each declared by the module that obeys it."""
