"""Sees to it that what the store says serves can serve: a tune that does not load is taken back.

Each question asks the store anew which tune serves, so a restart of anything needs no care. What is
left is a tune whose files went, or broke, or that a new server does not take: then what served
before it serves again, and so on, down to the base.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import Self

from core.announcements import Announcements
from core.commands import serves
from core.engine import utc_now
from core.errors import BotError, CutShort, Empty, GenerationError, StoreDamaged, TimedOut
from core.ports import Speaker, Tunes
from core.training.probe import PROBE
from core.training.publish import is_whole
from core.types import Prompt

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 3.0
DOES_NOT_LOAD = "It does not load any more and was taken back."
TAKEN_BACK = "The tune `{name}` does not load any more and is taken back: {instead} instead."


class Keeper:
    """`async with` it: looks every few seconds, from the start on.

    Files are looked at each time. The server is asked after the start and after an answer failed
    (`failures` counts them); a tune is taken back only when the base answers and it does not.
    """

    def __init__(
        self,
        store: Tunes,
        generator: Speaker,
        failures: Callable[[], int],
        *,
        base: str,
        shelf: Path,
        merged: bool,
        every_s: float = LOOK_EVERY_S,
        watching_for_damage: Callable[[], AbstractContextManager[None]] = nullcontext,
        announcements: Announcements | None = None,
    ) -> None:
        self._store, self._generator, self._failures = store, generator, failures
        self._base, self._shelf, self._merged, self._every_s = base, shelf, merged, every_s
        self._watching_for_damage = watching_for_damage
        self._announcements = announcements or Announcements(None)
        self._asked_at = -1  # failures when the server was last asked: not yet

    async def __aenter__(self) -> Self:
        self._group = asyncio.TaskGroup()
        await self._group.__aenter__()
        self._task = self._group.create_task(self._watch(), name="keeper of the tune that serves")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        await self._group.__aexit__(None, None, None)

    async def _watch(self) -> None:
        while True:
            try:
                with self._watching_for_damage():
                    await self.look()
            except StoreDamaged:
                return
            except (BotError, OSError) as error:
                logger.warning("whether the tune loads could not be checked: %s", error)
            await asyncio.sleep(self._every_s)

    async def look(self) -> None:
        """Take back what does not load, as far as needed. Raises StoreError and OSError."""
        while name := await self._store.serving():
            whole = await asyncio.to_thread(is_whole, self._shelf / name, merged=self._merged)
            if whole and not await self._is_refused(name):
                return
            now = await self._store.roll_back(utc_now())
            logger.error("the tune %s does not load: %s instead", name, serves(now))
            await self._announcements.tell(TAKEN_BACK.format(name=name, instead=serves(now)))
            for tune in await self._store.tunes():
                if tune.name == name and DOES_NOT_LOAD not in tune.summary:
                    summary = f"{tune.summary} {DOES_NOT_LOAD}"
                    await self._store.put_tune(replace(tune, summary=summary))
            self._asked_at = -1

    async def _is_refused(self, name: str) -> bool:
        """Whether the server answers as the base and not as this tune; asked only when in doubt."""
        failures = self._failures()
        if failures == self._asked_at:
            return False
        try:
            await self._ask(name)
        except TimedOut:
            return False  # slow is not broken; asked again next time
        except GenerationError:
            return await self._is_refused_alone(name)
        self._asked_at = failures
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
