"""python -m docs.reports: the gate's page of a tune that passed, and of one that was refused.

Writes docs/report-passed.html and docs/report-refused.html, unedited. A person asks the starter
model a hundred questions, each in a conversation of its own, and votes: in one house against
exclamation marks, in the other by the toss of a coin. Then the real trainer and the real gate do
their work. Some minutes.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

from bench.learn import TASTES, Taste, bare_house, halves, said, vote

HERE = Path(__file__).resolve().parent
VOTES = 100
COIN = random.Random(7)
PEOPLE: dict[str, Taste] = {
    "passed": TASTES["no exclamation marks"],
    "refused": lambda answer: COIN.random() < 0.5,
}


async def judged(taste: Taste) -> str:
    """The page of the first run of a house; the run's last words are printed."""
    dice = random.Random(1)
    asked, _ = halves(dice)
    async with bare_house("docs.reports") as (here, folder):
        for number in range(VOTES):
            await vote(here, number, dice.choice(asked).turns[0], taste)
        told = await said(here.trainer.retrain(dry=False, by=None))
        print(told.strip().splitlines()[-1])
        (page,) = folder.rglob("report.html")
        return page.read_text(encoding="utf-8")


async def main() -> None:
    for name, taste in PEOPLE.items():
        page = await judged(taste)
        (HERE / f"report-{name}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
