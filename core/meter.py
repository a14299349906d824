"""Figures of the last minutes: what the model's server tells, else what our own client counted.

What our client counts (core.tally) is of this bot alone; a server tells of all whom it serves.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Self

from core.errors import GenerationError, Rejected
from core.model_metrics import ModelMetrics, Reading, reading, since
from core.tally import Tally

logger = logging.getLogger(__name__)

RECENT_S = 300.0  # what counts as now
EVERY_S = 60.0  # between two readings that are kept


class Meter:
    """The figures of the last minutes, at any time. `async with` it: it reads the server's page
    every minute, so that there is something to compare with. Where there is not, as at first and
    after the server's restart, the counts are our client's.

    A server that has none, or not for us, is then left alone until somebody asks.
    """

    def __init__(
        self,
        page: Callable[[], Awaitable[str]],
        tally: Tally,
        in_line: Callable[[], int],
        *,
        every_s: float = EVERY_S,
    ) -> None:
        """`page`: raises GenerationError, of which Rejected means that asking again is no use."""
        self._page, self._tally, self._in_line, self._every_s = page, tally, in_line, every_s
        self._kept: deque[Reading] = deque()
        self._one_at_a_time = asyncio.Lock()  # an older page after a newer looks like a restart

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._watch(), name="meter of the model's server")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)

    async def metrics(self) -> ModelMetrics:
        """Never raises. Takes as long as the server's page does."""
        theirs, since_at = ModelMetrics(), self._tally.now() - RECENT_S
        with contextlib.suppress(GenerationError):
            before, now = await self._read()
            theirs = since(before, now)
            since_at = before.at if theirs.over_s else since_at
        ours = self._tally.metrics(since_at)
        errors = {**(theirs.errors or {}), **(ours.errors or {})}
        return replace(theirs.or_else(ours), in_line=self._in_line(), errors=errors)

    async def _watch(self) -> None:
        while True:
            try:
                await self._read()
            except Rejected:
                return
            except GenerationError as error:
                logger.debug("the model's server told no figures: %s", type(error).__name__)
            await asyncio.sleep(self._every_s)

    async def _read(self) -> tuple[Reading, Reading]:
        """The oldest reading that is recent, and a new one. Raises GenerationError."""
        async with self._one_at_a_time:
            page = await self._page()
            now = await asyncio.to_thread(reading, page, self._tally.now())
            kept = self._kept
            # What it counted since cannot be told from another server's whole life: a router may
            # show us one page and then another.
            if kept and now.restarted_since(kept[-1]):
                kept.clear()
            while kept and kept[0].at < now.at - RECENT_S - self._every_s:
                kept.popleft()
            before = kept[0] if kept else now
            if not kept or now.at - kept[-1].at >= self._every_s / 2:
                kept.append(now)
            return before, now
