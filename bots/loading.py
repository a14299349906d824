"""Whether a tune can answer: its files are there, and the model's server takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from contextlib import aclosing, suppress
from pathlib import Path

from core.errors import CutShort, Empty, GenerationError, TimedOut
from core.ports import Speaker
from core.training.probe import PROBE
from core.training.publish import is_of_base, is_whole
from core.types import Prompt


class Loading:
    """For one tune at a time. Files are looked at each time. The server is asked when another tune
    is asked about, and after an answer failed (`failures` counts them).
    """

    def __init__(
        self,
        generator: Speaker,
        failures: Callable[[], int],
        *,
        base: str,
        shelf: Path,
        merged: bool,
        folder: Path | None,
    ) -> None:
        """`base`: its name on the server. `folder`: of the base, where it is at hand: no tune of
        another one loads.
        """
        self._generator, self._failures = generator, failures
        self._base, self._shelf, self._merged = base, shelf, merged
        self._folder = folder
        self._asked = "", -1  # the tune, and the failures when the server was last asked about it

    async def fails(self, name: str) -> bool:
        """Whether it cannot answer while the base can. Raises OSError."""
        whole = await asyncio.to_thread(is_whole, self._shelf / name, merged=self._merged)
        if not whole or await self._is_refused(name):
            return True
        return name in await self.strangers([name])

    async def strangers(self, names: Iterable[str]) -> set[str]:
        """Those that stand on another base."""
        return await asyncio.to_thread(self._strangers, names)

    def _strangers(self, names: Iterable[str]) -> set[str]:
        folder = self._folder
        if folder is None:
            return set()
        return {name for name in names if not is_of_base(self._shelf / name, folder)}

    async def _is_refused(self, name: str) -> bool:
        asked = name, self._failures()
        if asked == self._asked:
            return False
        try:
            await self._ask(name)
        except TimedOut:
            return False  # slow is not broken; asked again next time
        except GenerationError:
            return await self._is_refused_alone(name)
        self._asked = asked
        return False

    async def _is_refused_alone(self, name: str) -> bool:
        """Whether the base answers and the tune does not; between the two calls before, the server
        may have come back.
        """
        try:
            await self._ask(self._base)
        except GenerationError:
            return False  # the server is down, or still loading
        try:
            await self._ask(name)
        except TimedOut:
            return False
        except GenerationError:
            return True
        return False

    async def _ask(self, model: str) -> None:
        """Raises GenerationError where not even a word comes."""
        # Behind a router another server each time: the one that failed has its turn.
        prompt = Prompt((("user", PROBE),), model, 1, 0.0, f"keeper {self._failures()}")
        with suppress(CutShort, Empty):
            async with aclosing(self._generator.stream(prompt)) as pieces:
                async for _ in pieces:
                    pass
