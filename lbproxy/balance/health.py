"""
Passive failure detection: when failures take a peer out of rotation, and what brings it back.

A peer is *out* when it has max_fails failures.  Then it is skipped until fail_timeout has passed, and the
first pick after that is a probe: `rearm` starts the next window, so that nobody else is sent there before
the probe's outcome is known.  A probe that succeeds clears the failures, one that fails leaves the peer out
for another window.  No transition between these states lives elsewhere.

nginx counts whole seconds (ngx_time) and compares with "<=", so fail_timeout=2 means a probe every three
seconds; the same is done here with *second*, the integer part of monotonic seconds.
Source: nginx src/http/ngx_http_upstream_round_robin.c:ngx_http_upstream_get_peer,
:ngx_http_upstream_free_round_robin_peer.
"""

from __future__ import annotations

from lbproxy.balance.peer import Peer


def is_out(peer: Peer) -> bool:
    """Whether failures have taken *peer* out of rotation (``max_fails=0``: never)."""
    return 0 < peer.max_fails <= peer.fails


def usable(peer: Peer, second: int) -> bool:
    """Whether *peer* may be picked as far as its failures go: it is not out, or its next probe is due."""
    return not 0 < peer.max_fails <= peer.fails or second - peer.checked > peer.fail_timeout


def rearm(peer: Peer, second: int) -> None:
    """Note that *peer* was picked; after a quiet window, the success of this pick may clear its failures."""
    if second - peer.checked > peer.fail_timeout:
        peer.checked = second


def on_failure(peer: Peer, now: float) -> None:
    """
    Count a failure as nginx does: those closer together than fail_timeout add up, however many lie between.

    Each takes a max_fails-th of the weight away, which comes back by one per round of picks.
    """
    peer.fails += 1
    peer.accessed = peer.checked = int(now)
    if peer.max_fails:
        peer.effective_weight = max(0, peer.effective_weight - peer.weight // peer.max_fails)


def on_failure_sliding(peer: Peer, now: float) -> None:
    """
    Count a failure as ``fail_window sliding`` does: only those of the last fail_timeout seconds add up.

    nginx's rule takes a busy server with one failure in ten thousand out sooner or later, because the
    window never becomes quiet (nginx ticket 599); this one does not.
    """
    if is_out(peer):
        del peer.recent_failures[: -peer.max_fails]  # a failed probe: it stays out; keep the list short
    else:
        since = now - peer.fail_timeout
        peer.recent_failures = [time for time in peer.recent_failures if time > since]
        peer.fails = len(peer.recent_failures)
    peer.recent_failures.append(now)
    on_failure(peer, now)


def on_success(peer: Peer) -> None:
    """Clear the failures if there was none since the pick that ended a quiet window, as with a probe."""
    if peer.accessed < peer.checked:
        peer.fails = 0
        peer.recent_failures.clear()
