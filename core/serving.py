"""What answers, in words, and how somebody takes it back by hand."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

from core.announcements import Announcements
from core.canary import Count
from core.jury import Jury
from core.store_learning import Canaries
from core.types_learning import Canary, Tune

logger = logging.getLogger(__name__)


async def roll_back(store: Canaries, announcements: Announcements) -> str:
    """Let what answered before answer again: first, instead of a canary. Returns what whoever asked
    is told; everybody is by `announcements`.
    """
    serving, canary = await store.answering()
    why = "As a canary it was taken back by hand."
    if canary is None:
        return await go_back(store, serving, announcements)
    if not await store.end_canary(canary.tune, "rolled back", datetime.now(UTC), why):
        # It was promoted a moment ago, or is gone.
        return await go_back(store, canary.tune, announcements)
    logger.info("the canary %s is taken back by hand", canary.tune)
    await announcements.tell(
        f"The tune `{canary.tune}` was a canary and is taken back by hand: {serves(serving)}"
        " everybody."
    )
    more = " Say it once more to go further back." if serving else ""
    return (
        f"The canary `{canary.tune}` is taken back: {serves(serving)} everybody, from the next"
        f" answer on.{more}"
    )


async def go_back(
    store: Canaries, before: str | None, announcements: Announcements | None = None
) -> str:
    """Let what served before this tune serve again, whatever a canary does, and tell everybody by
    `announcements` that somebody took it back. Nothing is moved where something else serves by now.
    """
    if before is None:
        return "The base answers already; there is nothing to roll back."
    at = datetime.now(UTC)
    not_again = {before} | gone(await store.tunes())
    did_move = await store.roll_back(before, at, not_again)
    now = await store.serving()
    if not did_move:
        return f"What answers changed just now: {serves(now)}. Say it once more to go back."
    if announcements:
        words = f"The tune `{before}` is taken back by hand: {serves(now)} everybody."
        logger.info("the tune %s is taken back by hand", before)
        await announcements.tell(words)
    return f"Rolled back: {serves(now)} instead of `{before}`, from the next answer on."


def gone(tunes: Iterable[Tune]) -> set[str]:
    """Those of them that are not to serve again: their files went, or are about to."""
    return {tune.name for tune in tunes if not tune.path or tune.forgotten}


async def tunes(store: Canaries, jury: Jury) -> str:
    """Which tune serves, how a canary stands beside it, and the last ten."""
    serving, canary = await store.answering()
    told = f"{serves(serving)[0].upper()}{serves(serving)[1:]}."
    if canary:
        told += f" {await how_it_stands(jury, canary, serving)}"
    for tune in (await store.tunes())[-10:][::-1]:
        here = " **serves now**" if tune.name == serving else ""
        here = " **canary**" if canary and tune.name == canary.tune else here
        told += f"\n- `{tune.name}` ({tune.at:%Y-%m-%d %H:%M} UTC, {tune.status}){here}: "
        told += tune.summary
        if tune.forgotten:
            told += " _It used what is forgotten" + (" and goes next._" if tune.path else "._")
    return told


async def how_it_stands(jury: Jury, canary: Canary, serving: str | None) -> str:
    count = Count.of(await jury.votes(canary, serving))
    return (
        f"The canary `{canary.tune}` answers {canary.share:.0%} of new conversations since"
        f" {canary.at:%Y-%m-%d %H:%M} UTC: {count.in_words}."
    )


def serves(name: str | None) -> str:
    return f"the tune `{name}` answers" if name else "the base answers"
