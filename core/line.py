"""The line before the model's server: people in the order in which they came, training's own last.

A conversation asks one question at a time (core.lanes), so first come, first served is fair between
conversations: nobody stands in line twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import takewhile

from core.errors import GenerationError
from core.ports import Speaker
from core.types import Prompt

LONG_FROM = 3  # so few ahead are gone in a moment, also where one is answered at a time
FULL_AFTER = 20  # rounds of the server: who came then would wait for minutes
PATIENCE_S = 60.0
LOOKS_EVERY_S = 5.0  # whoever waits sees so late that the line has moved


class Place(asyncio.Future[None]):
    """Somebody's place in the line; done when their turn has come, or will not."""

    def __init__(self) -> None:
        super().__init__()
        self.since = self.get_loop().time()


class Line:
    """`at_once` generations side by side; whoever comes then waits."""

    def __init__(
        self, at_once: int, *, patience_s: float = PATIENCE_S, looks_every_s: float = LOOKS_EVERY_S
    ) -> None:
        """`patience_s`: so long training's own requests stand aside."""
        self.at_once, self._patience_s, self._looks_every_s = at_once, patience_s, looks_every_s
        self._under_way = 0
        self._people: deque[Place] = deque()
        self._training: deque[Place] = deque()

    @property
    def waiting(self) -> int:
        """How many wait as people do."""
        return sum(not place.done() for place in self._people)

    def is_full(self, coming: int) -> bool:
        """Whether whoever comes now should rather come again later: so many are on their way."""
        return coming > (1 + FULL_AFTER) * self.at_once

    @asynccontextmanager
    async def enter(self, *, training: bool = False) -> AsyncIterator[None]:
        """Wait for one's turn; leaving the block lets the next one in."""
        async with self.stand(training=training) as place:
            await place
            yield

    @asynccontextmanager
    async def stand(self, *, training: bool = False) -> AsyncIterator[Place]:
        """A place in the line. Leaving the block gives it up, or lets the next one in."""
        place = Place()
        (self._training if training else self._people).append(place)
        self._let_in()
        patience = place.get_loop().call_later(self._patience_s, self._promote, place)
        try:
            yield place
        finally:
            patience.cancel()
            if place.done() and not place.cancelled() and place.exception() is None:
                self._under_way -= 1
                self._let_in()
            place.cancel()

    def turn_away(self, error: GenerationError, since: float) -> None:
        """Nothing came of a question that was put to the server then, by the loop's clock: whoever
        waits since then is told so now. To each it would be a wait as long again.
        """
        for place in self._people:
            if place.since <= since and not place.done():
                place.set_exception(error)

    def many_ahead(self, place: Place) -> int:
        """How many are ahead, where those are so many that whoever waits should be told;
        else 0.
        """
        ahead = self._ahead(place)
        return ahead if ahead >= max(LONG_FROM, self.at_once) else 0

    async def fewer(self, place: Place, than: int) -> int:
        """How many are ahead, once half of them have gone; 0: one's turn has come. It looks now and
        then.

        Half, since to tell each step would take the platform's calls from those who are answered.
        """
        while not place.done():
            await asyncio.wait({place}, timeout=self._looks_every_s)
            if 0 < (ahead := self._ahead(place)) <= than / 2:
                return ahead
        return 0

    def _ahead(self, place: Place) -> int:
        if place.done():
            return 0
        before = takewhile(lambda other: other is not place, self._people)
        return sum(not other.done() for other in before)

    def _promote(self, place: Place) -> None:
        """Training stood aside long enough: from here on it waits like a person."""
        if place in self._training:
            self._training.remove(place)
            self._people.append(place)

    def _let_in(self) -> None:
        while self._under_way < self.at_once and (line := self._people or self._training):
            place = line.popleft()
            if not place.done():  # else whoever it was has gone
                self._under_way += 1
                place.set_result(None)


class AfterPeople:
    """A Speaker for training's own requests: each waits until no person does."""

    def __init__(self, speaker: Speaker, line: Line) -> None:
        self._speaker, self._line = speaker, line

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        async with self._line.enter(training=True), aclosing(self._speaker.stream(prompt)) as said:
            async for piece in said:
                yield piece
