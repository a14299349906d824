"""How long the work of one turn is tried again, while a platform or the disk fails.

It knows no turn: it is told what failed, and when to give up.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable

from core.errors import AdapterError, RateLimited, StoreDamaged, StoreError

logger = logging.getLogger(__name__)

FIRST_RETRY_S, LONGEST_RETRY_S = 1.0, 60.0


class Patience:
    """Ever longer pauses, which end at `closing`. None begins `within_s` after the first one."""

    def __init__(self, what: str, closing: asyncio.Event, within_s: float = math.inf) -> None:
        """`what` fails, for the log: "turn 7"."""
        self._what, self._closing, self._within_s = what, closing, within_s
        self._wait_s = FIRST_RETRY_S
        self._until: float | None = None

    async def again(self, error: AdapterError | StoreError) -> bool:
        """Pause, and return whether to try again."""
        loop = asyncio.get_running_loop()
        self._until = self._until or loop.time() + self._within_s
        if self._closing.is_set() or isinstance(error, StoreDamaged) or loop.time() > self._until:
            return False
        limited_s = error.retry_after_s if isinstance(error, RateLimited) else 0.0
        wait_s = max(self._wait_s, limited_s)
        self._wait_s = min(2 * self._wait_s, LONGEST_RETRY_S)
        logger.warning("%s: %s; again in %.0f s", self._what, error, wait_s)
        try:
            async with asyncio.timeout(wait_s):
                await self._closing.wait()
        except TimeoutError:
            return True
        return False

    async def keep(self, write: Callable[[], Awaitable[None]]) -> None:
        """Write what must not be lost, as soon as the store takes it. Raises StoreError."""
        while True:
            try:
                await write()
                return
            except StoreError as error:
                if not await self.again(error):
                    raise
