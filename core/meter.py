"""Figures of the last minutes: what the model's server tells, else what our own client counted.

What our client counts is of this bot alone; a server tells of all whom it serves. Nothing of what
people wrote is in either.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from typing import Self

from core.errors import (
    Broken,
    CutShort,
    Empty,
    GenerationError,
    Overloaded,
    Rejected,
    TimedOut,
    Unreachable,
)
from core.model_metrics import ModelMetrics, Reading, reading, since

logger = logging.getLogger(__name__)

RECENT_S = 300.0  # what counts as now
EVERY_S = 60.0  # between two readings that are kept
MOST_KEPT = 4_000  # answers of our own; more in five minutes are 13 a second
KINDS = (Unreachable, Overloaded, Rejected, TimedOut, Broken, Empty)  # of core.errors


class Asked:
    """One call of our client as it goes on."""

    __slots__ = ("began", "ended", "error", "first_token_s", "now", "tokens")

    def __init__(self, now: Callable[[], float]) -> None:
        self.now, self.began = now, now()
        self.first_token_s: float | None = None
        self.tokens = 0
        self.ended = self.began
        self.error: str | None = None

    def spoke(self) -> None:
        """A token came; only the first counts."""
        if self.first_token_s is None:
            self.first_token_s = self.now() - self.began


class Tally:
    """Counts what our client asks for. It costs little: nothing happens per token."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        self.now = now
        self._began = now()
        self._running = 0
        self._kept: deque[Asked] = deque(maxlen=MOST_KEPT)

    @contextlib.contextmanager
    def counting(self) -> Iterator[Asked]:
        """What is noted in the Asked counts when the block is left, in whichever way.

        An answer that reached its length limit is no error, nor is one that its reader closed.
        """
        asked = Asked(self.now)
        self._running += 1
        try:
            yield asked
        except CutShort:
            raise
        except GenerationError as error:
            asked.error = _kind(error)
            raise
        finally:
            self._running -= 1
            asked.ended = self.now()
            self._kept.append(asked)

    def metrics(self, since_at: float) -> ModelMetrics:
        """Of what ended after this moment of the same clock."""
        full = len(self._kept) == MOST_KEPT
        began = max(since_at, self._kept[0].ended if full else self._began)
        ended = [asked for asked in self._kept if asked.ended >= began]
        waits = sorted(asked.first_token_s for asked in ended if asked.first_token_s is not None)
        tokens = sum(asked.tokens for asked in ended)
        over_s = self.now() - began
        return ModelMetrics(
            over_s=over_s,
            first_token_median_s=_of_rank(0.5, waits),
            first_token_p95_s=_of_rank(0.95, waits),
            tokens=tokens,
            tokens_per_s=tokens / over_s if over_s > 0 else None,
            running=self._running,
            errors=dict(Counter(asked.error for asked in ended if asked.error is not None)),
        )


def _kind(error: GenerationError) -> str:
    """The name of its class in core.errors: what is finer than that is of no use to a reader."""
    return next((kind for kind in KINDS if isinstance(error, kind)), type(error)).__name__


def _of_rank(part: float, ordered: Sequence[float]) -> float | None:
    return ordered[max(0, math.ceil(part * len(ordered)) - 1)] if ordered else None


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
