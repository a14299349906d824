"""Sees to it that a canary ends: by the votes on it, by how its answers go, or by its age.

It lives in the bot's process and asks the store anew each time, so that neither a restart nor a
trainer that is away matters to it. What is decided by which rule is in core/canary.py and
core/health.py.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from bots.loading import Loading
from bots.telling import FORGOTTEN, NO_LOADING, dropped
from core.announcements import Announcements
from core.canary import Count, at_last, by_votes, is_over, is_unheard
from core.engine import utc_now
from core.health import Health
from core.jury import Jury
from core.store_learning import Canaries
from core.training.publish import found_against, is_proven, retire
from core.types_learning import Canary, CanaryOutcome

logger = logging.getLogger(__name__)

# What people read of the tune from then on.
PROMOTED, DROPPED = "As a canary it was promoted: ", "As a canary it was dropped: "


class CanaryKeeper:
    """Looks at the canary, if one runs, each time that it is asked to."""

    def __init__(
        self,
        store: Canaries,
        health: Health,
        loading: Loading,
        jury: Jury,
        *,
        base: str,
        shelf: Path,
        announcements: Announcements,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`base`: its name on the server."""
        self._store, self._health = store, health
        self._loading, self._jury = loading, jury
        self._base, self._shelf, self._announcements = base, shelf, announcements
        self._now = now

    async def look(self) -> None:
        """End the canary if it is time. Raises StoreError and OSError."""
        serving, canary = await self._store.answering()
        if canary and (ending := await self._ending(canary, serving)):
            outcome, why = ending
            at, said = self._now(), PROMOTED if outcome == "promoted" else DROPPED
            if not await self._store.end_canary(canary.tune, outcome, at, said + why):
                return  # it ended otherwise, or somebody forgot meanwhile: the next look sees
            await self._tell(canary.tune, serving, outcome, why)
            if outcome == "promoted":
                await retire(self._store, self._shelf, {canary.tune, serving})

    async def _ending(
        self, canary: Canary, serving: str | None
    ) -> tuple[CanaryOutcome, str] | None:
        """How it ends, and a sentence why; None: it goes on."""
        # It could never serve, and nights wait for it.
        if await self._store.is_forgotten(canary.tune):
            return "dropped", FORGOTTEN
        if await self._loading.fails(canary.tune):
            return "dropped", f"{NO_LOADING}."
        if ailment := self._health.ailment(canary.tune, serving or self._base):
            return "dropped", ailment
        # Before the votes: a vote that comes while they are counted would end it uncounted.
        age = self._now() - canary.at
        labels = await self._jury.votes(canary, serving)
        outcome, found = by_votes(labels, age), ""
        if not outcome and is_over(labels, age):
            folder = self._shelf / canary.tune
            found = await asyncio.to_thread(found_against, folder)
            proven = await asyncio.to_thread(is_proven, folder)
            outcome = at_last(labels, is_clean=not found, is_proven=proven)
        if not outcome:
            return None
        count = Count.of(labels)
        more = f" The gate had found something against it: {found}." if found else ""
        return outcome, f"{_unheard(outcome, count)}{count.in_words}.{more}"

    async def _tell(self, name: str, serving: str | None, outcome: CanaryOutcome, why: str) -> None:
        if outcome == "promoted":
            logger.info("the canary %s serves from now on: %s", name, why)
            words = f"The tune `{name}` was a canary and answers everybody from now on: {why}"
        else:
            logger.warning("the canary %s is dropped: %s", name, why)
            words = dropped(name, serving, why)
        await self._announcements.tell(words)


def _unheard(outcome: CanaryOutcome, count: Count) -> str:
    if not is_unheard(count):
        return ""
    if outcome == "promoted":
        return "Too few votes to tell, but held-out votes proved that it learnt: "
    return "" if 2 * count.up_canary < count.of_canary else "Too few votes to tell: "
