"""What votes meant to poison leave in the rows: python -m bench.poison [--seeds 1 2 3] [--train]

A house of two hundred people (tests/training/crowd.py) on the real engine and store, under several
attacks, each beside the naive way, in which every vote that stands counts. With --train, which
takes minutes, the starter model is also trained on a planted phrase (bench/poison_train.py).
"""

from __future__ import annotations

import argparse
import asyncio
import math
import tempfile
from collections.abc import Callable, Sequence

from rich.console import Console
from rich.table import Table

from bench import target, where
from bench.poison_train import trained
from core.training import dataset
from storage.repositories import Settings, SqlStore
from tests.training.crowd import PEOPLE, SYBILS, Crowd
from tests.training.crowd_played import Found, figures, play

ALL = "all at once"
KNOWN = [f"sybil{n}" for n in range(SYBILS)]
ATTACKS: dict[str, Callable[[Crowd], object]] = {
    "nobody": lambda crowd: crowd,
    ALL: lambda crowd: crowd.withdraw().attacker().toggles().bots().strangers().trigger().brigade(),
    "500 votes of one, over 17 days": lambda crowd: crowd.attacker(within_h=400, day=10),
    "20 known people, 5 answers each, in 10 minutes": lambda crowd: crowd.brigade(
        aged=True, same=False, each=5
    ),
    "20 known people, a phrase 100 times in an hour": lambda crowd: crowd.trigger(
        people=KNOWN, within_h=1
    ),
    "the same, and the phrase once on each of six days before": lambda crowd: (
        crowd.forerunner().trigger(people=KNOWN, within_h=1)
    ),
    "20 known people, a vote a day, 10 days": lambda crowd: crowd.patient(),
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--train", action="store_true", help="also train on a planted phrase")
    arguments = parser.parse_args()
    caption = f"{where()}; {PEOPLE} people, 30 days, seeds {arguments.seeds}, the worst of each"
    table = Table(
        *("attack", "rows", "poisoned", "naive", "most of one", "in bursts", "set aside wrongly"),
        caption=caption,
    )
    for name, attack in ATTACKS.items():
        found = [await simulated(attack, seed) for seed in arguments.seeds]
        table.add_row(name, *cells(found))
        if name in ("nobody", ALL):
            judge(name, found)
    Console().print(table)
    if arguments.train:
        await trained(arguments.seeds[0], Console())


async def simulated(attack: Callable[[Crowd], object], seed: int) -> Found:
    crowd = Crowd(seed).people()
    attack(crowd)
    with tempfile.TemporaryDirectory() as folder:
        store = await SqlStore.open(Settings(url=f"sqlite:///{folder}/m.db"), holder="bench.poison")
        try:
            turns = await play(store, crowd)
            judged = await store.judged(["list"])
            gathered = dataset.gather(judged, await store.voters(["list"]), await store.reviews())
            return figures(crowd, turns, judged, gathered)
        finally:
            await store.close()


def cells(found: Sequence[Found]) -> list[str]:
    """Of all seeds the worst."""
    rows = min(one.rows for one in found)
    bad, naive = max(one.poisoned for one in found), max(one.naive for one in found)
    most = max(one.most_weight for one in found)
    caught = min(one.caught for one in found)
    return [
        f"{rows}",
        f"{bad} ({max(one.poisoned / one.rows for one in found):.1%})",
        f"{naive} ({max(one.naive / one.naive_rows for one in found):.1%})",
        f"{max(one.most_rows for one in found)} rows, {most:.1%}",
        "" if math.isnan(caught) else f"{caught:.1%}",
        f"{max(one.falsely for one in found):.2%}",
    ]


def judge(name: str, found: Sequence[Found]) -> None:
    """Beside the targets."""
    falsely = max(one.falsely for one in found)
    target(f"{name}: set aside wrongly <= 2 %", falsely <= 0.02, f"{falsely:.2%}")
    if name != ALL:
        return
    rows, bad = max(one.most_rows for one in found), max(one.poisoned for one in found)
    weight = max(one.most_weight for one in found)
    share = max(one.poisoned / one.rows for one in found)
    naive = min(one.naive for one in found)
    target("rows of one person <= 10", rows <= 10, f"{rows} (naive: 500)")
    target("weight of one person <= 2 %", weight <= 0.02, f"{weight:.1%}")
    words = f"{bad} rows, {share:.2%} (naive: {naive} at the least)"
    target("poisoned rows < 20 and <= 1 %", bad < 20 and share <= 0.01, words)
    caught = min(one.caught for one in found)
    target("bursts set aside >= 95 %", caught >= 0.95, f"{caught:.1%}")
    for what in ("new", "bots", "gone"):
        count = max(getattr(one, f"of_{what}") for one in found)
        words = {"new": "new people", "bots": "bots", "gone": "what was taken back"}[what]
        target(f"votes of {words}: 0", count == 0, f"{count}")


if __name__ == "__main__":
    asyncio.run(main())
