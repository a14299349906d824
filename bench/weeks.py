"""Days on which simulated people ask and vote, and nights on which the product's trainer learns.

Answers are real ones, of the embedded server; by night the product's own trainer and gate run, as
after `/retrain` in a terminal: no clock ticks, and what passes answers without a canary.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from bench.learn import (
    OFTEN,
    Answered,
    answered,
    ask,
    bare_house,
    halves,
    of_the_base,
    reply_to,
    said,
    sft_only,
)
from bots.wiring import House
from core.conversation import Messages, render
from core.examples import nearest
from core.types import Exchange, Feedback

WORKING_DAY = timedelta(hours=8)
CHECKS = (
    "votes",
    "outvoted",
    "way",
    "better than the base",
    "better",
)  # of the gate's, which are told of each night

Voter = Callable[[str, random.Random], tuple[str, bool]]
"""Who votes on an answer, and whether they like it."""


class Weeks:
    """A house in a folder of its own. `told`: what became of each night, in a line."""

    def __init__(self, here: House, folder: Path, seed: int) -> None:
        self.here, self.folder, self.dice = here, folder, random.Random(seed)
        self.voted_on, self.never = halves(self.dice)
        self.told: list[str] = []
        self._asked = 0
        self._at = datetime.now(UTC) - timedelta(days=30)

    async def day(self, voter: Voter, votes: int) -> None:
        """Each question is of the half that may be voted on, in a conversation of its own."""
        for number in range(votes):
            _, answer = await ask(self.here, self._asked, self.dice.choice(self.voted_on).turns[0])
            turn = await self.here.store.turn_behind(reply_to(self._asked))
            assert turn
            who, likes = voter(answer, self.dice)
            at = self._at + number * WORKING_DAY / votes
            await self.here.store.put_feedback(Feedback(turn.id, who, 1 if likes else -1, at))
            self._asked += 1
        self._at += timedelta(days=1)

    async def night(self) -> None:
        before = self._reports()
        outcome = (await said(self.here.trainer.retrain(dry=False, by=None))).strip()
        line = outcome.splitlines()[-1].replace(str(self.folder), "DIR")
        words = [line.split(". ")[0].removesuffix(".")]
        for report in self._reports() - before:
            checks = json.loads(report.read_text(encoding="utf-8"))["checks"]
            words += [one["words"] for one in checks if one["name"] in CHECKS]
        self.told.append("; ".join(words))

    def _reports(self) -> set[Path]:
        return set(self.folder.glob("tunes/**/report.json"))

    async def serving(self) -> Path | None:
        name = await self.here.store.serving()
        return self.folder / "tunes" / name if name else None

    async def base(self, dice: int = 0) -> Answered:
        return await asyncio.to_thread(of_the_base, tuple(self.never), dice)

    async def ours(self) -> Answered:
        """What answers now; never voted on were these questions."""
        return await asyncio.to_thread(answered, await self.serving(), self.never, times=OFTEN)

    async def sft(self) -> Answered:
        """A tune of the same votes by SFT on what was liked."""
        run = self.folder / "sft"
        await sft_only(run, self.here)
        return await asyncio.to_thread(answered, run / "candidate", self.never)

    async def examples(self) -> Answered:
        """The base with the nearest liked answers ahead of each question."""
        judged = await self.here.store.judged(["console"])
        said = [
            Exchange(
                each.turn.id,
                each.turn.message.text,
                each.turn.answer,
                {feedback.author_id: feedback.score for feedback in each.feedback},
            )
            for each in reversed(judged)
        ]

        def ahead(question: str) -> Messages:
            return render("", (), question, nearest(question, said))[:-1]

        return await asyncio.to_thread(answered, None, self.never, 0, ahead)


@asynccontextmanager
async def weeks(seed: int) -> AsyncIterator[Weeks]:
    async with bare_house("bench.weeks") as (here, folder):
        yield Weeks(here, folder, seed)
