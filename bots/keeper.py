"""Sees to it that what the store says serves can serve: a tune that does not load is taken back.

Each question asks the store anew which tune serves, so a restart of anything needs no care. What is
left is a tune whose files went, or broke, or that a new server does not take: then what served
before it serves again, and so on, past what used something forgotten, down to the base.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from bots.loading import Loading
from bots.telling import NO_LOADING
from core.announcements import Announcements
from core.engine import utc_now
from core.ports import Speaker
from core.serving import gone, serves
from core.store_learning import Tunes

logger = logging.getLogger(__name__)

DOES_NOT_LOAD = f"{NO_LOADING} any more and was taken back."
TAKEN_BACK = "The tune `{name}` does not load any more and is taken back: {instead} instead."


class Keeper:
    """Looks at the tune that serves, as Loading does, each time that it is asked to."""

    def __init__(
        self,
        store: Tunes,
        generator: Speaker,
        failures: Callable[[], int],
        *,
        base: str,
        shelf: Path,
        merged: bool,
        folder: Path | None,
        announcements: Announcements | None = None,
    ) -> None:
        """As Loading has them."""
        self._store = store
        self._loading = Loading(
            generator, failures, base=base, shelf=shelf, merged=merged, folder=folder
        )
        self._announcements = announcements or Announcements(None)

    async def look(self) -> None:
        """Take back what does not load, as far as needed. Raises StoreError and OSError."""
        while name := await self._store.serving():
            if not await self._loading.fails(name):
                return
            at = utc_now()
            known = await self._store.tunes()
            not_again = {name} | gone(known)
            not_again |= await self._loading.strangers(one.name for one in known)
            told = any(DOES_NOT_LOAD in one.summary for one in known if one.name == name)
            why = "" if told else DOES_NOT_LOAD
            if not await self._store.roll_back(name, at, not_again, why):
                continue  # somebody took it back meanwhile, or something else began to serve
            now = await self._store.serving()
            logger.error("the tune %s does not load: %s instead", name, serves(now))
            await self._announcements.tell(TAKEN_BACK.format(name=name, instead=serves(now)))
