"""How often people are said to have changed their minds: python -m bench.minds

The rule of core/training/minds.py, asked each evening for sixty days. Simulated people like a known
share of the base's answers, and another of those of a proven tune that serves ever since. The naive
rule beside it takes the first evening at which the newest votes on the tune have a lower share of
thumbs up than the base's, from as many votes on. There is no drift: who votes stays the same.
"""

from __future__ import annotations

import argparse
import random

from rich.console import Console
from rich.table import Table

from bench import where
from core.training.minds import AT_LEAST, NEWEST, Vote, changed

HOUSES, DAYS, PEOPLE, OF_THE_BASE = 60, 60, 12, 60
TUNE = "mynah@000001"
SHARES = (
    (0.6, 0.7),
    (0.6, 0.65),
    (0.6, 0.6),
    (0.8, 0.8),
    (0.6, 0.55),
    (0.6, 0.5),
    (0.6, 0.4),
    (0.6, 0.2),
)


def house(seed: int, base: float, tune: float, a_day: int) -> tuple[int | None, int | None]:
    """The days of the first alarm by our rule and by the naive one."""
    dice = random.Random(seed)
    votes: list[Vote] = []

    def say(model: str, share: float) -> None:
        number, who = len(votes) + 1, f"person {dice.randrange(PEOPLE)}"
        is_up = dice.random() < share
        votes.append(Vote(number, f"talk {number}", {who: is_up}, model, is_up))

    for _ in range(OF_THE_BASE):
        say("base", base)
    ours = naive = None
    for day in range(1, DAYS + 1):
        for _ in range(a_day):
            say(TUNE, tune)
        if ours is None and changed(votes, {TUNE: True}):
            ours = day
        if naive is None and is_lower(votes):
            naive = day
    return ours, naive


def is_lower(votes: list[Vote]) -> bool:
    newest = [vote.liked for vote in votes if vote.model == TUNE][-NEWEST:]
    base = [vote.liked for vote in votes if vote.model != TUNE][-NEWEST:]
    return len(newest) >= AT_LEAST and sum(newest) * len(base) < sum(base) * len(newest)


def shown(days: list[int | None]) -> str:
    found = sorted(day for day in days if day)
    share = f"{len(found) / len(days):.2f}"
    return f"{share} (day {found[len(found) // 2]})" if found else share


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--houses", type=int, default=HOUSES, help="of each kind")
    houses = parser.parse_args().houses
    table = Table("base, tune", "votes a day", "alarms within 60 days (median)", "naive")
    for base, tune in SHARES:
        for a_day in (5, 20):
            found = [house(seed, base, tune, a_day) for seed in range(houses)]
            ours, naive = ([pair[n] for pair in found] for n in (0, 1))
            table.add_row(f"{base:g}, {tune:g}", str(a_day), shown(ours), shown(naive))
    table.caption = f"{houses} houses of each kind; {where()}"
    Console().print(table)


if __name__ == "__main__":
    main()
