"""Whether a run of the trainer would lead to something new, and what it would have to beat."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bots import telling
from core.store import Store
from core.training.dataset import Gathered
from core.training.publish import is_made_of, is_of_base, is_whole, place_of
from core.types_learning import Tune


class News:
    def __init__(self, store: Store, shelf: Path, *, at_least: int, merge: bool) -> None:
        """`at_least`: votes that train. `merge`: a tune has a whole checkpoint beside it."""
        self._store, self._shelf = store, shelf
        self._at_least, self._merge = at_least, merge

    async def rival(self) -> str | None:
        """The tune that the next one has to do better than; None: the base. One that used what is
        forgotten has to go, and so is in nobody's way.
        """
        serving = await self._store.serving()
        has_to_go = serving is not None and await self._store.is_forgotten(serving)
        return None if has_to_go else serving

    async def nothing_for_a_night(self, gathered: Gathered, base: Path) -> str:
        """Why a night runs nothing; "": it does. Ask while nobody else trains."""
        if known := await self.known(gathered, base):
            unused = telling.unused_of(gathered)
            told = f"Nothing that counts was voted, corrected or forgotten since `{known}`.\n"
            return f"{told}Left out: {unused}.\n" if unused else told
        serving, canary = await self._store.answering()
        if canary:  # replaced each night, none would ever have votes enough
            return f"The canary `{canary.tune}` is not decided yet; `/retrain` would replace it.\n"
        if serving and await self.rival() is None:  # it goes when the next one serves
            return ""
        if taken := await self._taken_back(base, serving):  # nearly the same votes make the same
            new, enough = len(set(gathered.turns) - set(taken.turns)), self._at_least
            if new < enough:
                return (
                    f"`{taken.name}` was taken back or dropped, and {new} of {enough} votes on"
                    " answers that it did not know are there; `/retrain` learns at once.\n"
                )
        return ""

    async def _taken_back(self, base: Path, serving: str | None) -> Tune | None:
        """The newest tune that answered, if it does not any more though nothing is wrong with it
        but what people made of it, or how its answers went.
        """
        for tune in reversed(await self._store.tunes()):
            if tune.status == "passed" and await self._store.has_answered(tune.name):
                folder = place_of(tune, self._shelf)
                whole = await asyncio.to_thread(is_whole, folder, merged=self._merge)
                other = any(why in tune.summary for why in (telling.FORGOTTEN, telling.NO_LOADING))
                same = tune.base == str(base) and await asyncio.to_thread(is_of_base, folder, base)
                stands = whole and same and not other
                return tune if stands and tune.name != serving else None
        return None

    async def known(self, gathered: Gathered, base: Path) -> str | None:
        """The newest tune, if this data set led to it, and would again."""
        rival = await self.rival()
        for tune in (await self._store.tunes())[-1:]:
            if telling.NO_LOADING in tune.summary:
                continue  # it is broken: made anew
            if tune.status == "passed" and not await self._store.has_answered(tune.name):
                continue  # killed between its record and the pointer: it answered nobody
            if await asyncio.to_thread(is_made_of, tune, gathered, self._shelf, base, rival):
                return tune.name
        return None
