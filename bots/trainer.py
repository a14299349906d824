"""The Trainer of one machine: walks the four steps of core/training, each in its own process.

It knows the store, the shelf where tunes lie, and words for the person who asked; nothing here
imports a library that trains.
"""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from adapters import PLATFORMS
from bots import review, shelf, telling
from bots.exports import Exports
from bots.news import News
from bots.review import Asking
from bots.steps import lacking, walk
from bots.taking_back import take_back
from core.announcements import Announcements
from core.digest import changes
from core.engine import utc_now
from core.errors import BotError
from core.jury import Jury
from core.phrases import Phrases
from core.ports import Exported, Speaker
from core.serving import go_back, roll_back, tunes
from core.store import Store
from core.training import dataset, taught
from core.training.dataset import Gathered
from core.training.limits import room_for
from core.training.publish import (
    NOT_PROVEN,
    RUNS,
    hush,
    place_of,
    publish,
    retire,
)
from core.training.recipe import why_not
from core.training.runner import StepFailed
from core.training.settings import Settings
from core.types_learning import Canary, Tune

logger = logging.getLogger(__name__)

SAY_EVERY_S = 10.0


class LocalTrainer:
    """The Trainer of one machine: children of this process, one run at a time.

    `generator`: serves a new tune; None: for all that does not train. `model`: the base's name
    there, `base` its folder, where it is at hand. `merge`: also write a whole checkpoint, which the
    embedded server needs. `share`: of new conversations, which a new tune answers first, as a
    canary; 0: it answers everybody.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        generator: Speaker | None,
        model: str,
        base: Path | None,
        merge: bool = True,
        announcements: Announcements | None = None,
        phrases: Phrases | None = None,
        share: float = 0.0,
        jury: Jury | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.store, self.settings, self.generator = store, settings, generator
        self.model = model
        self.base = Path(settings.base).resolve() if settings.base else base
        self.merge, self.share = merge, share
        self.announcements = announcements or Announcements(None)
        self.phrases = phrases or Phrases()
        self.jury = jury or Jury(store, ())
        self.now = now
        self.shelf = Path(settings.folder).resolve()
        self.exports = Exports(store, PLATFORMS)
        self.news = News(store, self.shelf, at_least=settings.at_least, merge=merge)
        self._forgetting = asyncio.Lock()

    async def retrain(
        self,
        *,
        dry: bool,
        by: str | None,
        every_s: float = SAY_EVERY_S,
        by_night: bool = False,
    ) -> AsyncGenerator[str]:
        """Pieces of CommonMark: a list of what is going on, then the outcome.

        `every_s`: how often there is a sign of life. `by_night`: nobody asked, so that what would
        lead to the newest tune once more is not run. Close it to stop the run: its processes and
        its folder are gone then.
        """
        try:
            run = self._dry() if dry else self._run(by, every_s, by_night)
            async with aclosing(run) as lines:
                async for line in lines:
                    yield line
        except shelf.Busy as error:
            then = "That run is under way" if by_night else "Please wait for its outcome"
            yield f"{error}. {then}.\n"
        except (BotError, OSError) as error:
            logger.warning("learning failed: %s", error)
            yield f"\nLearning failed: {telling.plain(error)}. What answered before answers on.\n"
        except Exception:  # whoever asked is owed words, whatever broke
            logger.exception("a run of the trainer broke")
            yield "\nLearning failed; the log says why. What answered before answers on.\n"

    async def review(self, decided: str) -> AsyncGenerator[str]:
        try:
            async with aclosing(self._reviewed(decided, review.IN_CHAT)) as lines:
                async for line in lines:
                    yield line
        except review.NotThere as error:
            yield f"{error}\n"
        except BotError as error:
            logger.warning("what is set aside cannot be read: %s", error)
            yield f"That did not work: {telling.plain(error)}.\n"

    async def clear_up(self) -> None:
        """Remove what a killed process left of its run, or did not forget. Call it once, first."""
        await shelf.clear_up(self.store, self.shelf)
        await self.forget()

    async def forget(self) -> Exported:
        """Take away the reports of tunes that used what is forgotten; by setting, the tunes too.

        It leaves exported data sets as well, where they still lie.
        """
        async with self._forgetting:  # else what is taken back is taken back twice
            await self._forget_tunes()
        return await self.exports.cut()

    async def _forget_tunes(self) -> None:
        try:
            marked = [tune for tune in await self.store.tunes() if tune.forgotten and tune.path]
            names = {tune.name for tune in marked}
            serving, canary = await self.store.answering()
            if canary and canary.tune in names:
                why = f"As a canary it was dropped: {telling.FORGOTTEN}"
                if await self.store.end_canary(canary.tune, "dropped", self.now(), why):
                    logger.warning("the canary %s is dropped: %s", canary.tune, telling.FORGOTTEN)
                    await self.announcements.tell(
                        telling.dropped(canary.tune, serving, telling.FORGOTTEN)
                    )
            for tune in marked:
                await asyncio.to_thread(hush, tune, self.shelf)
            if marked and self.settings.retire_at_once:
                serving = await self.store.serving()
                if serving in names:
                    await go_back(self.store, serving)
                    if (now := await self.store.serving()) != serving:
                        logger.warning("%s is taken back: it used what is forgotten", serving)
                        await self.announcements.tell(telling.gone(str(serving), now))
                await retire(self.store, self.shelf, {await self.store.serving()})
        except (BotError, OSError) as error:
            logger.error("what was forgotten still lies in %s: %s", self.shelf, error)

    async def report(self, tune: Tune) -> Mapping[str, Any] | None:
        """None where it is gone or cannot be read."""
        try:
            found = await asyncio.to_thread(telling.openly, place_of(tune, self.shelf))
            changes(found)  # whoever tells of it must not fail over it: the tune answers already
            return found
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            logger.info("the report of %s cannot be read: %s", tune.name, type(error).__name__)
            return None

    async def export(self, folder: Path) -> AsyncGenerator[str]:
        """Write the data set that a run would use into `folder`, which must not exist."""
        gathered = await self.exports.write(self._gathered, folder)
        yield f"{folder}: {telling.votes_in(gathered)}.\n"

    def verbs(self) -> dict[str, Callable[[Mapping[str, object]], AsyncGenerator[str]]]:
        """What other processes may ask of this one, by name."""
        return {
            "retrain": lambda asked: self.retrain(
                dry=bool(asked.get("dry")),
                by=None,  # asked at a shell, which is no conversation
                every_s=float(str(asked.get("every_s", SAY_EVERY_S))),
            ),
            "tunes": lambda asked: telling.said(tunes(self.store, self.jury)),
            "rollback": lambda asked: telling.said(roll_back(self.store, self.announcements)),
            "review": lambda asked: self._reviewed(str(asked["decided"]), review.AT_A_SHELL),
            "export": lambda asked: self.export(Path(str(asked["folder"]))),
        }

    async def _reviewed(self, decided: str, asking: Asking) -> AsyncGenerator[str]:
        gathered = await self._gathered()
        if decided:
            yield await review.decide(self.store, gathered, decided, self.now(), asking)
        else:
            yield review.listed(gathered, asking)

    async def _gathered(self) -> Gathered:
        judged = await self.store.judged(self.settings.platforms)
        voters = await self.store.voters(self.settings.platforms)
        reviews = await self.store.reviews()
        served = await self._served()
        return await asyncio.to_thread(dataset.gather, judged, voters, reviews, served)

    async def _served(self) -> dict[str, bool]:
        """The tunes that ever answered everybody, and whether they are proven."""
        ever = await self.store.served()
        return {
            tune.name: NOT_PROVEN not in tune.summary
            for tune in await self.store.tunes()
            if tune.name in ever
        }

    async def _dry(self) -> AsyncGenerator[str]:
        gathered = await self._gathered()
        yield f"I would use {telling.votes_in(gathered)}.\n"
        if gathered.change:
            yield f"{gathered.change.in_words}; if it answers, I would take it back.\n"
        async for line in self._obstacles(gathered):
            yield line

    async def _obstacles(self, gathered: Gathered) -> AsyncGenerator[str]:
        """Why there is nothing to run, and whose votes lie unused. Nothing said: nothing is."""
        reason = why_not(gathered.counts, self.settings.at_least)
        if reason:
            yield f"Not enough to learn from yet: {reason}.\n"
        for platform in sorted(PLATFORMS.keys() - set(self.settings.platforms)):
            waiting = len(await self.store.judged([platform]))
            if waiting:
                yield (
                    f"{waiting} votes wait on {platform}: add `{platform}` to `training.platforms`"
                    " in config.yaml to use them.\n"
                )

    async def _run(self, by: str | None, every_s: float, by_night: bool) -> AsyncGenerator[str]:
        assert self.generator
        # 1. Is there a base, enough to learn, anything new, room for it, and nobody else at it?
        base = self.base
        if base is None or not await asyncio.to_thread((base / "config.json").is_file):
            yield "I need the base's files: set `training.base` in config.yaml to their folder.\n"
            return
        gathered = await self._gathered()
        if gathered.change:
            async with shelf.alone(self.shelf):
                taken_back = await take_back(
                    self.store, self.announcements, gathered.change, self.now()
                )
            if taken_back:  # by night as progress: everybody is told, so its line need not say it
                yield f"- {taken_back}\n" if by_night else f"{taken_back}\n"
        obstacles = [line async for line in self._obstacles(gathered)]
        for line in obstacles:
            yield line
        if why_not(gathered.counts, self.settings.at_least):
            if gathered.left_out or gathered.unheard:
                yield f"There are {telling.votes_in(gathered)}.\n"
            return
        async with shelf.alone(self.shelf):
            if by_night and (nothing := await self.news.nothing_for_a_night(gathered, base)):
                yield nothing
                return
            turns = len({row.turn_id for row in gathered.training})
            yield f"Learning from {telling.learnt_from(turns, gathered)}.\n\n"
            if missing := await asyncio.to_thread(lacking):
                raise StepFailed(missing)
            if no_room := await asyncio.to_thread(room_for, self.shelf, base, merge=self.merge):
                raise StepFailed(no_room)
            name = await shelf.new_name(self.store, self.shelf)
            tune = None
            run, log = self.shelf / RUNS / name, self.shelf / "logs" / f"{name}.log"
            try:
                # 2. The data set. Its folder goes with the run: people's words stay in the store.
                rival = await self.news.rival()
                await asyncio.to_thread(
                    shelf.prepare,
                    run,
                    log,
                    gathered,
                    base=base,
                    merge=self.merge,
                    serving=self.shelf / rival if rival else None,
                    serving_is_proven=(await self._served()).get(rival or "", True),
                    own=self.settings.golden,
                )
                # 3. The tune, and the gate.
                async with aclosing(
                    self._steps(run, log, every_s, people=gathered.counts["people"])
                ) as lines:
                    async for line in lines:
                        yield line
                # 4. Into its place, and the pointer.
                used = await asyncio.to_thread(taught.used, gathered, run)
                turns = len({one.turn_id for one in used if one.learnt})
                summary = f"Learnt from {telling.learnt_from(turns, gathered)}."
                at = self.now()
                new = Tune(name, str(base), "", "refused", gathered.used, summary, at)
                tune, replaced = await publish(
                    self.store,
                    self.generator,
                    run,
                    self.shelf,
                    new,
                    base=self.model,
                    at=at,
                    verdicts=used,
                    has_lost=partial(self._has_lost, gathered),
                    share=self.share,
                    by=by,
                )
            finally:
                await asyncio.to_thread(shutil.rmtree, run.parent, ignore_errors=True)
            folder = Path(self.settings.folder, Path(tune.path).relative_to(self.shelf))
            outcome = telling.outcome_of(tune, folder, share=self.share, by=by, replaced=replaced)
            if tune.status == "refused":
                yield f"\n{outcome}\n"
                return
            await self._announce(tune, replaced, obstacles if by_night else ())
            yield telling.Told(f"\n{outcome}\n")

    async def _has_lost(self, gathered: Gathered) -> bool:
        """Whether words changed or went since in prompts that these rows have: such as were quoted
        there, or stood as examples. Who edits may have taken out a secret.
        """
        now = await self._gathered()
        return not set(gathered.turns).isdisjoint(now.left_out.get("prompt changed since", ()))

    def _steps(self, run: Path, log: Path, every_s: float, people: int) -> AsyncGenerator[str]:
        within_s = 60.0 * self.settings.minutes
        return walk(run, log, every_s, within_s=within_s, people=people)

    async def _announce(
        self, tune: Tune, replaced: Canary | None, obstacles: Sequence[str]
    ) -> None:
        """Tell everybody of a tune that begins to answer, and by night, which nobody watches, of
        votes that wait. Never raises.
        """
        what = "canary" if self.share else "tune"
        logger.info("the %s %s begins to answer: %s", what, tune.name, tune.summary)
        report = await self.report(tune)
        words = telling.announcement_of(
            tune, report, self.phrases, share=self.share, replaced=replaced
        )
        words = "\n\n".join((words, *(line.strip() for line in obstacles)))
        await self.announcements.tell(words)
