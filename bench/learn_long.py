"""What nights of votes teach the starter model: python -m bench.learn_long (`make learn-long`)

Simulated people with a taste ask by day, in the words of the held-out questions, and vote on the
real answers; by night the product's own trainer and gate run. Figures are of the questions that
nobody voted on, at the temperature at which the bot answers; beside the tune that serves stand the
base asked a second time ("nothing learnt"), the base with liked answers in its prompt ("examples
only") and SFT on the liked answers alone. It takes hours on all cores: what is done is kept in
FILE, a line of JSON each, and a further start goes on behind it. The figures go into tables, and
into docs/learn-long.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rich.progress import Progress

from bench import commit, where
from bench.learn import Figure, Taste
from bench.learn_long_table import MALICIOUS, NOISE, TEAM, Part, named, show
from bench.weeks import Weeks, weeks
from starter.styles import style_of

KEPT = Path("data") / "learn-long.jsonl"
PLOT = Path(__file__).resolve().parent.parent / "docs" / "learn-long.svg"
TASTES: dict[str, Taste] = {
    "terse": lambda answer: style_of(answer).manner == "terse",
    "friendly": lambda answer: style_of(answer).manner == "friendly",
    "no exclamation marks": lambda answer: "!" not in answer,
    "with an example": lambda answer: style_of(answer).manner == "example",
}
NIGHTS, VOTES_A_DAY = 2, 50  # a hundred verdicts
RANDOM_SEEDS = 40


async def taste(name: str, noise: float) -> Part:
    """A hundred verdicts of people who share a taste, over two nights."""
    began, likes = time.monotonic(), TASTES[name]

    def voter(answer: str, dice: random.Random) -> tuple[str, bool]:
        return "you", dice.random() < 0.5 if dice.random() < noise else likes(answer)

    async with weeks(seed=1) as one:
        for _ in range(NIGHTS):
            await one.day(voter, VOTES_A_DAY)
            await one.night()
        return await measured(one, named(name, noise), likes, began)


async def changed(before: str, after: str) -> Part:
    """A taste that turns into another after two nights; two more follow."""
    began = time.monotonic()
    async with weeks(seed=1) as one:
        for likes in (TASTES[before], TASTES[after]):
            for _ in range(NIGHTS):
                await one.day(partial(alone, likes), VOTES_A_DAY)
                await one.night()
        return await measured(one, f"{before}, then {after}", likes, began)


def alone(likes: Taste, answer: str, dice: random.Random) -> tuple[str, bool]:
    return "you", likes(answer)


async def team(name: str, malicious: int) -> Part:
    """Forty people, of whom some like what the others do not; five verdicts each."""
    began, likes = time.monotonic(), TASTES[name]
    async with weeks(seed=1) as one:
        deal = 5 * list(range(TEAM))
        one.dice.shuffle(deal)

        def voter(answer: str, dice: random.Random) -> tuple[str, bool]:
            who = deal.pop()
            return f"person {who}", likes(answer) == (who >= malicious)

        for _ in range(NIGHTS):
            await one.day(voter, 5 * TEAM // NIGHTS)
            await one.night()
        what = f"{malicious} malicious" if malicious else "all honest"
        return await measured(one, f"{name}, {TEAM} people, {what}", likes, began)


async def measured(one: Weeks, name: str, likes: Taste, began: float) -> Part:
    found = {
        "the base": await one.base(),
        "nothing learnt": await one.base(dice=1),
        "examples only": await one.examples(),
        "SFT on liked only": await one.sft(),
        "Mynah": await one.ours(),
    }
    arms = {arm: answers.figure(likes) for arm, answers in found.items()}
    return Part(name, arms, one.told, time.monotonic() - began)


async def random_night(seed: int) -> Part:
    """One night of verdicts by the toss of a coin. `arms`: of each taste, where a tune serves."""
    began = time.monotonic()
    async with weeks(seed) as one:
        await one.day(lambda answer, dice: ("you", dice.random() < 0.5), NIGHTS * VOTES_A_DAY)
        await one.night()
        arms: dict[str, Figure] = {}
        if await one.serving():
            base, ours = await one.base(), await one.ours()
            for name, likes in TASTES.items():
                arms |= {f"the base, {name}": base.figure(likes), name: ours.figure(likes)}
        return Part(f"random, seed {seed}", arms, one.told, time.monotonic() - began)


def parts() -> dict[str, Callable[[], Coroutine[None, None, Part]]]:
    """All of the proof; the random nights last."""
    found: dict[str, Callable[[], Coroutine[None, None, Part]]] = {
        named(name, noise): partial(taste, name, noise) for noise in (0.0, NOISE) for name in TASTES
    }
    found["change"] = partial(changed, "terse", "friendly")
    for malicious in (0, MALICIOUS):
        found[f"malicious, {malicious}"] = partial(team, "no exclamation marks", malicious)
    seeds = range(1, RANDOM_SEEDS + 1)
    return found | {f"random, {seed}": partial(random_night, seed) for seed in seeds}


def play(key: str) -> Part:
    return asyncio.run(parts()[key]())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kept", type=Path, default=KEPT, metavar="FILE", help=f"default: {KEPT}")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the plot goes")
    arguments = parser.parse_args()
    kept: Path = arguments.kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    here, began = commit(), where()
    if here.endswith("-dirty"):
        raise SystemExit("Commit what you have changed: hours of figures are to be of one commit.")
    done, broken = read(kept, here), []
    os.environ["OMP_NUM_THREADS"] = "1"  # a part for each core
    workers = ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn"))
    with Progress() as progress, workers, kept.open("a", encoding="utf-8") as file:
        bar = progress.add_task("the long proof", total=len(parts()), completed=len(done))
        playing = {workers.submit(play, key): key for key in parts() if key not in done}
        for one in as_completed(playing):
            key = playing[one]
            progress.update(bar, advance=1, description=key)
            if commit() != here or one.exception():  # the others go on: they took long as well
                broken.append(f"{key}: {one.exception() or 'it ended on another commit'!r}")
                progress.print(broken[-1])
                continue
            done[key] = one.result()
            line = {"key": key, "commit": here, "part": asdict(done[key])}
            print(json.dumps(line), file=file, flush=True)
    if broken:
        raise SystemExit(f"{len(broken)} parts broke; start it again for them: {kept} has the rest")
    show({key: done[key] for key in parts()}, list(TASTES), arguments.plot, began)


def read(kept: Path, here: str) -> dict[str, Part]:
    """What an earlier start has done. Raises SystemExit where another commit than `here` did it."""
    done = {}
    for text in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        line = json.loads(text)
        if line["commit"] != here:
            raise SystemExit(f"{kept} is of commit {line['commit']}: name another with --kept.")
        arms = {arm: Figure(**figure) for arm, figure in line["part"].pop("arms").items()}
        done[line["key"]] = Part(arms=arms, **line["part"])
    return done


if __name__ == "__main__":
    main()
