"""Keeps a server that is down from being asked by everybody all the time."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable

from core.errors import Unreachable

logger = logging.getLogger(__name__)


class Breaker:
    """Opens after `failures` in a row; then one call per `every_s` seconds goes through to probe.

    The other calls wait rather than fail at once: a server's restart is mostly shorter than a
    call's first-token deadline, and a person would rather have an answer late than an apology now.
    A probe is a call like any other, so nothing is asked for nobody, and a new one does not wait
    for the one before: a probe that hangs on a dead connection must not hide that the server is
    back. 12 s give 25 calls in an outage of 5 minutes, and an answer within 15 s of its end. A call
    that nobody heard cost nobody anything: the next goes through `unheard_every_s` after it, so
    that a server that was restarted answers soon.
    """

    def __init__(
        self,
        *,
        failures: int = 5,
        every_s: float = 12.0,
        unheard_every_s: float = 2.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit, self._now = failures, now
        self._every_s, self._unheard_every_s = every_s, min(unheard_every_s, every_s)
        self._failed = 0
        self._probe_at = 0.0
        self._closed = asyncio.Event()
        self._closed.set()

    @property
    def open(self) -> bool:
        return not self._closed.is_set()

    async def enter(self, within_s: float) -> None:
        """Return when a call may go to the server. Raises Unreachable when that takes too long."""
        until = self._now() + within_s
        while self.open:
            now = self._now()
            if now >= self._probe_at:
                self._probe_at = now + self._every_s
                return
            if now >= until:
                raise Unreachable(
                    "The model's server is down; it is asked again every few seconds."
                )
            look = min(self._probe_at, until, now + self._unheard_every_s)  # it may come earlier
            try:
                async with asyncio.timeout(look - now):
                    await self._closed.wait()
            except TimeoutError:
                continue

    def worked(self) -> None:
        """The server answered."""
        self._failed = 0
        if self.open:
            logger.info("the model's server answers again")
            self._closed.set()

    def failed(self, *, unheard: bool = False) -> None:
        """A call got nothing out of the server; `unheard`: not even a connection."""
        self._failed += 1
        if self._failed >= self._limit and not self.open:
            logger.warning("the model's server failed %d times in a row", self._failed)
            self._probe_at = self._now() + self._every_s
            self._closed.clear()
        if unheard:
            self._probe_at = min(self._probe_at, self._now() + self._unheard_every_s)
