"""Takes back what answers where people like it less than the base (core.training.minds)."""

from __future__ import annotations

import logging
from datetime import datetime

from core.announcements import Announcements
from core.serving import gone, serves
from core.store_learning import Canaries
from core.training.minds import Change

logger = logging.getLogger(__name__)


async def take_back(
    store: Canaries, announcements: Announcements, change: Change, at: datetime
) -> str:
    """Let nothing answer that learnt from nothing newer than the change, and tell everybody.

    Returns what is told; "": what answers stays. Raises StoreError. Call it while nothing trains.
    """
    tunes = await store.tunes()
    old = {tune.name for tune in tunes if max(tune.turns, default=0) < change.since}
    before, canary = await store.answering()
    if before not in old:
        return ""
    why = f"{change.in_words}."
    what = f"`{before}` is"
    if canary and canary.tune in old:
        ended = await store.end_canary(canary.tune, "dropped", at, f"Dropped: {why}")
        if ended:  # else it ended otherwise meanwhile, and everybody heard that
            what = f"`{before}` and the canary `{canary.tune}` are"
    past = old | gone(tunes)
    while (now := await store.serving()) in past:  # also what began to serve meanwhile
        await store.roll_back(str(now), at, past, f"Taken back: {why}" if now == before else "")
    told = f"{why} So {what} taken back, and {serves(now)}."
    if change.of_minds:
        told += " What was voted on before these votes teaches nothing any more."
    logger.warning("%s", told)
    await announcements.tell(told)
    return told
