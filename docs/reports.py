"""python -m docs.reports: the gate's page of a tune that passed, and of one that was refused.

Writes docs/report-passed.html and docs/report-refused.html, unedited. A person asks the starter
model a hundred questions, each in a conversation of its own, and votes: in one house against
exclamation marks, in the other by the toss of a coin. Then the real trainer and the real gate do
their work. Some minutes.
"""

from __future__ import annotations

import asyncio
import random
import tempfile
from pathlib import Path

import yaml

from bench.learn import TASTES, Taste, halves, said, vote
from bots.config import load
from bots.wiring import house

HERE = Path(__file__).resolve().parent
VOTES = 100
COIN = random.Random(7)
PEOPLE: dict[str, Taste] = {
    "passed": TASTES["no exclamation marks"],
    "refused": lambda answer: COIN.random() < 0.5,
}


async def judged(taste: Taste, folder: Path) -> str:
    """The page of the first run in this folder; the run's last words are printed."""
    settings = {
        "storage": {"url": f"sqlite:///{folder}/mynah.db"},
        "training": {"folder": str(folder / "tunes")},
        "platforms": {"console": {}},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    dice = random.Random(1)
    asked, _ = halves(dice)
    config = load(folder / "config.yaml")
    async with house(config, holder="docs.reports", on_status=lambda words: None) as here:
        await here.ready()
        for number in range(VOTES):
            await vote(here, number, dice.choice(asked).turns[0], taste)
        told = await said(here.trainer.retrain(dry=False, by=None))
    print(told.strip().splitlines()[-1])
    (page,) = folder.rglob("report.html")
    return page.read_text(encoding="utf-8")


async def main() -> None:
    for name, taste in PEOPLE.items():
        with tempfile.TemporaryDirectory() as folder:
            page = await judged(taste, Path(folder))
        (HERE / f"report-{name}.html").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main())
