"""The line before the model's server: people in the order in which they came, training's own last.

A conversation asks one question at a time (core.lanes), so first come, first served is fair between
conversations: nobody stands in line twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager

from core.ports import Speaker
from core.types import Prompt

LONG_FROM = 3  # so few ahead are gone in a moment, also where one is answered at a time
FULL_AFTER = 20  # rounds of the server: who came then would wait for minutes
PATIENCE_S = 60.0


class Line:
    """`at_once` generations side by side; whoever comes then waits."""

    def __init__(self, at_once: int, *, patience_s: float = PATIENCE_S) -> None:
        """`patience_s`: so long training's own requests stand aside."""
        self.at_once, self._patience_s = at_once, patience_s
        self._under_way = 0
        self._people: deque[asyncio.Future[None]] = deque()
        self._training: deque[asyncio.Future[None]] = deque()

    @property
    def waiting(self) -> int:
        """How many people wait."""
        return sum(not waiter.done() for waiter in self._people)

    @property
    def is_long(self) -> bool:
        """Whether somebody who comes now should be told how many are ahead."""
        return self.waiting >= max(LONG_FROM, self.at_once)

    def is_full(self, coming: int) -> bool:
        """Whether whoever comes now should rather come again later: so many are on their way."""
        return coming > (1 + FULL_AFTER) * self.at_once

    @asynccontextmanager
    async def enter(self, *, training: bool = False) -> AsyncIterator[None]:
        """Wait for one's turn; leaving the block lets the next one in."""
        ahead = self._people or (training and self._training)
        if self._under_way < self.at_once and not ahead:
            self._under_way += 1
        else:
            await self._wait(self._training if training else self._people)
        try:
            yield
        finally:
            self._under_way -= 1
            self._let_in()

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        line.append(waiter)
        patience = loop.call_later(self._patience_s, self._promote, waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():  # let in at the very moment
                self._under_way -= 1
                self._let_in()
            raise
        finally:
            patience.cancel()

    def _promote(self, waiter: asyncio.Future[None]) -> None:
        """Training stood aside long enough: from here on it waits like a person."""
        if waiter in self._training:
            self._training.remove(waiter)
            self._people.append(waiter)

    def _let_in(self) -> None:
        while self._under_way < self.at_once and (line := self._people or self._training):
            waiter = line.popleft()
            if not waiter.done():  # else whoever it was has gone
                self._under_way += 1
                waiter.set_result(None)


class AfterPeople:
    """A Speaker for training's own requests: each waits until no person does."""

    def __init__(self, speaker: Speaker, line: Line) -> None:
        self._speaker, self._line = speaker, line

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        async with self._line.enter(training=True), aclosing(self._speaker.stream(prompt)) as said:
            async for piece in said:
                yield piece
