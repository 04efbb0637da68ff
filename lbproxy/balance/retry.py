"""
May a failed attempt be followed by another at the next server, and does it count against this one?

Source: nginx src/http/ngx_http_upstream.c:ngx_http_upstream_next, :ngx_http_upstream_test_next.
"""

from __future__ import annotations

from typing import NamedTuple

from lbproxy.balance.peer import Outcome

_ALWAYS_FAILURES = frozenset(("error", "timeout", "invalid_header"))
_NEVER_FAILURES = frozenset(("http_403", "http_404"))
_NOT_IDEMPOTENT = frozenset((b"POST", b"LOCK", b"PATCH"))


class RetryPolicy(NamedTuple):
    """
    When to try the next server.

    Args:
        conditions: What moves a request on, as ``proxy_next_upstream`` names it; "off" overrides all others.
        tries: Attempts at most, the first included; 0: as many as the group has servers.
        timeout: Seconds since the first attempt began, after which there is no other; 0: no limit.
    """

    conditions: frozenset[str] = frozenset(("error", "timeout"))
    tries: int = 0
    timeout: float = 0.0

    def allows(
        self,
        condition: str,
        method: bytes,
        *,
        sent: bool,
        attempts: int,
        elapsed: float,
        group_tries: int,
        body_replayable: bool,
    ) -> bool:
        """
        Return whether the next server may be tried.

        Args:
            condition: What happened, as ``proxy_next_upstream`` names it.
            method: Of the request; POST, LOCK and PATCH are repeated only with ``non_idempotent`` once sent.
            sent: Whether octets of the request have been written to the server that failed.
            attempts: How many have been made, the failed one included.
            elapsed: Seconds since the first attempt began.
            group_tries: `PeerGroup.tries`.
            body_replayable: Whether the request's body can be sent again from its start.
        """
        if condition not in self.conditions or "off" in self.conditions:
            return False
        if attempts >= (min(self.tries, group_tries) if self.tries else group_tries):
            return False
        if self.timeout and elapsed >= self.timeout:
            return False
        return not sent or (body_replayable and self.repeatable(method))

    def repeatable(self, method: bytes) -> bool:
        """Whether a request with *method* may be sent again although a server may have begun to obey it."""
        return method not in _NOT_IDEMPOTENT or "non_idempotent" in self.conditions

    @staticmethod
    def outcome(condition: str, *, again: bool) -> Outcome:
        """
        Return what an attempt that ended in *condition* means to the balancer.

        No answer, a late or a malformed one is the server's fault whatever is configured.  An error status is
        only if the request does go out *again*: the last server's 500 goes to the client, as an answer.
        """
        if condition in _ALWAYS_FAILURES:
            return Outcome.FAILED
        if not again:
            return Outcome.OK
        return Outcome.NEXT if condition in _NEVER_FAILURES else Outcome.FAILED
