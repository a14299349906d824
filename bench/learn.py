"""What a hundred verdicts teach the starter model: python -m bench.learn (`make learn`)

Simulated people with a hidden taste ask the bot half of what the starter model knows, in the words
of its held-out questions, and vote on its real answers; then somebody says `/retrain`. Engine,
store, embedded server, trainer and gate are the product's own. Approval and correctness are of the
other half, never voted on, at the temperature at which the bot answers; beside it the base asked a
second time ("nothing learnt") and a tune by SFT on the liked answers alone. The figures go into a
table, and into docs/learn.svg.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from bench import target, where
from bench.learn_plot import plot
from bots.config import load
from bots.wiring import STARTER, House, house
from core.conversation import Messages
from core.errors import CutShort
from core.training import dataset, jsonl, measure
from core.training.models import load_base
from core.training.runner import run_step
from core.types import Author, ChannelRef, Feedback, IncomingMessage, MessageRef, Outcome, ThreadRef
from starter.evaluate import Question, people
from starter.facts import FACTS
from starter.judge import right_fact
from starter.styles import style_of

Taste = Callable[[str], bool]
TASTES: dict[str, Taste] = {
    "terse answers": lambda answer: style_of(answer).manner == "terse",
    "no exclamation marks": lambda answer: "!" not in answer,
}
VOTES = 100
SAMPLES = 4  # of each question never voted on
# Of the base and the tune: with four, two samples of the base alone differ by more than the point
# of correctness that may be lost.
OFTEN = 16
TEMPERATURE = 0.7
APPROVAL, LOSS_POINTS, WITHIN_S = 0.90, 1.0, 120.0
FACT = {fact.id: fact for fact in FACTS}
PLOT = Path(__file__).resolve().parent.parent / "docs" / "learn.svg"


@dataclass(frozen=True, slots=True)
class Figure:
    """How one model does on the questions that nobody voted on; shares of `asked` answers."""

    approval: float
    correct: float
    asked: int
    kl: float = 0.0


@dataclass(frozen=True, slots=True)
class Learnt:
    """What came of one taste. `after` None: the gate refused; `told` says why."""

    base: Figure
    again: Figure
    sft: Figure
    after: Figure | None
    took_s: float
    told: str


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="who asks what (default: 1)")
    parser.add_argument("--plot", type=Path, default=PLOT, help="where the plot goes")
    arguments = parser.parse_args()
    began = time.monotonic()
    found = {name: await learnt(taste, arguments.seed) for name, taste in TASTES.items()}
    minutes = (time.monotonic() - began) / 60
    show(found, f"{where()}; seed {arguments.seed}; {minutes:.1f} minutes in all")
    bars = {
        name: {arm: figure.approval for arm, figure in arms(one).items()}
        for name, one in found.items()
    }
    arguments.plot.write_text(plot(bars, reach=dict.fromkeys(bars, APPROVAL)), encoding="utf-8")


def arms(one: Learnt) -> dict[str, Figure]:
    whole = {"Mynah's recipe": one.after} if one.after else {}
    return {"base": one.base, "nothing learnt": one.again, "SFT on liked only": one.sft, **whole}


def show(found: dict[str, Learnt], caption: str) -> None:
    table = Table("taste", "model", "approval", "correct", "KL per token", caption=caption)
    for name, one in found.items():
        for arm, figure in arms(one).items():
            approval, correct = f"{100 * figure.approval:.1f} %", f"{100 * figure.correct:.1f} %"
            table.add_row(name, arm, approval, correct, f"{figure.kl:.3f}")
        table.add_section()
    Console().print(table)
    for name, one in found.items():
        print(f"{name}: {one.told}")
        target(f"{name}: start between 25 % and 75 %", 0.25 <= one.base.approval <= 0.75, "")
        if one.after is None:
            target(f"{name}: a tune that serves", False, "refused by the gate")
            continue
        before, after = one.base, one.after
        words = f"{100 * before.approval:.1f} % -> {100 * after.approval:.1f} %"
        target(f"{name}: approval >= {APPROVAL:.0%}", after.approval >= APPROVAL, words)
        lost = 100 * (before.correct - after.correct)
        target(
            f"{name}: correctness lost <= {LOSS_POINTS} point",
            lost <= LOSS_POINTS,
            f"{lost:.1f} of {after.asked} answers",
        )
        in_time = one.took_s <= WITHIN_S
        target(
            f"{name}: from /retrain to an answer <= {WITHIN_S:.0f} s",
            in_time,
            f"{one.took_s:.0f} s",
        )


@asynccontextmanager
async def bare_house(holder: str) -> AsyncIterator[tuple[House, Path]]:
    """A house with the starter model and no nights, and its folder, which goes with it.

    The folder is in data/, which git ignores, should a kill leave it behind.
    """
    Path("data").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir="data") as name:
        folder = Path(name).resolve()
        settings = {
            "storage": {"url": f"sqlite:///{folder}/mynah.db"},
            "training": {"folder": str(folder / "tunes")},
            "night": {"at": None},
            "platforms": {"console": {}},
        }
        (folder / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
        config = load(folder / "config.yaml")
        async with house(config, holder=holder, on_status=lambda words: None) as here:
            await here.ready()
            yield here, folder


async def learnt(taste: Taste, seed: int) -> Learnt:
    """The whole way of one taste, in a folder of its own."""
    dice = random.Random(seed)
    voted_on, never = halves(dice)
    async with bare_house("bench.learn") as (here, folder):
        for number in range(VOTES):
            await vote(here, number, dice.choice(voted_on).turns[0], taste)
        began = time.monotonic()
        told = await said(here.trainer.retrain(dry=False, by=None))
        serving = await here.store.serving()
        model, answer = await ask(here, VOTES, never[0].turns[0])
        took_s = time.monotonic() - began
        if serving and (model != serving or not answer):
            raise RuntimeError(f"{serving} should answer, not {model}")
        run = folder / "sft"
        await sft_only(run, here)
        outcome = told.strip().splitlines()[-1].replace(str(folder), "DIR")
        sft = await asyncio.to_thread(answered, run / "candidate", never)
        after = None
        if serving:
            tune = folder / "tunes" / serving
            after = await asyncio.to_thread(answered, tune, never, times=OFTEN)
    base, again = [await asyncio.to_thread(of_the_base, tuple(never), dice) for dice in (0, 1)]
    return Learnt(
        base.figure(taste),
        again.figure(taste),
        sft.figure(taste),
        after.figure(taste) if after else None,
        took_s,
        outcome,
    )


def halves(dice: random.Random) -> tuple[list[Question], list[Question]]:
    """The held-out questions of one half of the facts, and those of the other."""
    asked = [question for question in people() if question.kind == "fact"]
    facts = sorted({str(question.id) for question in asked})
    dice.shuffle(facts)
    some = set(facts[: len(facts) // 2])
    return (
        [question for question in asked if question.id in some],
        [question for question in asked if question.id not in some],
    )


async def vote(here: House, number: int, question: str, taste: Taste) -> None:
    """Ask in a conversation of its own, and judge the answer."""
    _, answer = await ask(here, number, question)
    now = datetime.now(UTC)
    turn = await here.store.turn_behind(reply_to(number))
    assert turn
    await here.store.put_feedback(Feedback(turn.id, "you", 1 if taste(answer) else -1, now))


async def ask(here: House, number: int, question: str) -> tuple[str, str]:
    """Which model answered, and what."""
    channel = ChannelRef("console", "bench", f"c{number}")
    now = datetime.now(UTC)
    ref, who = MessageRef(channel, str(number)), Author("you", "You")
    message = IncomingMessage(ref, ThreadRef(channel), who, question, addressed=True, at=now)
    turn = await here.store.hear(message)
    assert turn
    asked = await here.engine.question(turn)
    assert not isinstance(asked, str), asked
    prompt, recipe, _ = asked
    await here.store.began(turn.id, recipe)
    pieces: list[str] = []
    outcome: Outcome = "answered"
    try:
        async with aclosing(here.engine.generate(prompt)) as stream:
            async for piece in stream:
                pieces.append(piece)
    except CutShort:  # people see what came, and vote on that
        outcome = "cut"
    answer = "".join(pieces)
    await here.store.placing(turn.id)
    await here.store.placed(turn.id, reply_to(number))
    await here.store.settle(turn.id, answer, outcome)
    await here.store.finish(turn.id)
    return prompt.model, answer


def reply_to(number: int) -> MessageRef:
    return MessageRef(ChannelRef("console", "bench", f"c{number}"), f"answer {number}")


async def said(pieces: AsyncGenerator[str]) -> str:
    async with aclosing(pieces):
        return "".join([piece async for piece in pieces])


async def sft_only(run: Path, here: House) -> None:
    """A tune of the same votes by the other recipe."""
    (run / "scratch").mkdir(parents=True)
    judged, voters = await here.store.judged(["console"]), await here.store.voters(["console"])
    jsonl.write(dataset.gather(judged, voters), run / "dataset")
    recipe = {"base": str(STARTER), "merge": False}
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    deadline = time.monotonic() + 600
    async with aclosing(
        run_step("bench.learn_sft", run, deadline=deadline, log=run / "log")
    ) as steps:
        async for _ in steps:
            pass


@dataclass(frozen=True, slots=True)
class Answered:
    """So many answers to each question, time by time; `kl`: how far from the base, per token."""

    questions: Sequence[Question]
    said: Sequence[str]
    kl: float = 0.0

    def figure(self, taste: Taste) -> Figure:
        asked = len(self.said)
        right = sum(
            right_fact(answer, FACT[str(question.id)])
            for answer, question in zip(self.said, cycle(self.questions), strict=False)
        )
        return Figure(sum(map(taste, self.said)) / asked, right / asked, asked, self.kl)


@cache
def of_the_base(questions: tuple[Question, ...], dice: int) -> Answered:
    return answered(None, questions, dice, times=OFTEN)


def answered(
    tune: Path | None,
    questions: Sequence[Question],
    dice: int = 0,
    ahead: Callable[[str], Messages] = lambda question: (),
    times: int = SAMPLES,
) -> Answered:
    """Ask a tune, or the base, each question so many times behind what stands ahead of it."""
    import torch

    model, tokenizer = load_base(STARTER)
    kl = 0.0
    chats: list[measure.Chat] = [
        [
            {"role": role, "content": text}
            for role, text in (*ahead(question.turns[0]), ("user", question.turns[0]))
        ]
        for question in questions
    ]
    if tune:
        from peft import PeftModel

        model = PeftModel.from_pretrained(model, tune, local_files_only=True)
        kl = measure.kl_per_token(model, tokenizer, chats[:24])
    torch.manual_seed(dice)
    said = [text for _ in range(times) for text in answers(model, tokenizer, chats)]
    return Answered(questions, said, kl)


def answers(
    model: Any, tokenizer: Any, chats: Sequence[measure.Chat], batch: int = 32
) -> list[str]:
    """Sampled as the bot does; the dice roll on from call to call."""
    found: list[str] = []
    with measure.quiet(model):
        for start in range(0, len(chats), batch):
            some = chats[start : start + batch]
            ids, width = measure.generate(
                model, tokenizer, some, tokens=160, temperature=TEMPERATURE
            )
            found += tokenizer.batch_decode(ids[:, width:], skip_special_tokens=True)
    return found


if __name__ == "__main__":
    asyncio.run(main())
