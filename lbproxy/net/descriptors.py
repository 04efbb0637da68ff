"""
When the system has no descriptor left, or no memory for another socket.

Whatever is only kept for later (an idle connection) is closed then for what is needed now; when there is nothing of
that kind, who needs a descriptor waits until somebody is done with one.  Whoever waits does so in turn, and only the
first looks again and again.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import trio

if TYPE_CHECKING:
    from lbproxy.net.readiness import Poller

T = TypeVar("T")

SCARCE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""The system's numbers for having nothing to give at the moment."""

_AGAIN = 0.05  # seconds between two looks


class Descriptors:
    """
    The descriptors of one worker.

    Attributes:
        streams: Sockets connected to clients and servers.
        give_up: Closes something that is idle, at once; False when there is nothing of that kind.
    """

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._turn = trio.Lock()
        self.streams = 0
        self.give_up: Callable[[], bool] = lambda: False

    async def after(self, refusal: OSError, make: Callable[[], T], patience: float) -> T:
        """
        Return what *make* does, which has just been tried and met *refusal*.

        Args:
            make: Opens something; it may raise OSError.
            patience: Seconds to wait for a descriptor at most.

        Raises:
            OSError: What *make* raised, in the end or for another reason.
        """
        while refusal.errno in SCARCE and self.give_up():
            try:
                return make()
            except OSError as error:
                refusal = error
        if refusal.errno not in SCARCE:
            raise refusal
        return await self._poller.as_task(self._wait, refusal, make, patience)

    async def _wait(self, refusal: OSError, make: Callable[[], T], patience: float) -> T:
        with trio.move_on_after(patience):
            async with self._turn:
                while True:
                    try:
                        return make()
                    except OSError as error:
                        if error.errno not in SCARCE:
                            raise
                        refusal = error
                    if not self.give_up():
                        await trio.sleep(_AGAIN)
        raise refusal
