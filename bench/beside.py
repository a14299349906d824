"""How long the first text takes while the trainer runs on the same cores: python -m bench.beside

A bot in a process of its own, on the small test platform: from a person's message to the first text
under it. In turn without and with a tune or a gate beside it, so that whatever else the machine
does falls on both. Once answered by the fake model's server, once by the embedded server with the
starter model, which shares the cores with the trainer.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import target, where
from bots.wiring import STARTER
from core.training import dataset, jsonl
from core.training.runner import run_step
from core.types_learning import Judged
from tests.fake_model import Behaviour, FakeModel
from tests.training.votes import taste
from tests.wire_house import BotProcess, write_config
from tests.wire_platform import Question, WirePlatform

BLOCKS = 10
STEPS = ("tune", "evaluate")  # beside the one block and the next; halves train as a tune does
FAKE, EMBEDDED = 500, 100  # questions, without and with
RATIO = 1.2
VOTES: list[Judged] = taste(400)  # type: ignore[no-untyped-call]
ANSWER = Behaviour(pieces=tuple(f"word{n} " for n in range(20)), delay_s=0.005)


@dataclass
class Figures:
    alone_ms: list[float] = field(default_factory=list)
    beside_ms: list[float] = field(default_factory=list)

    def row(self) -> list[str]:
        alone, beside = measured(self.alone_ms), measured(self.beside_ms)
        shown = [f"{ms:.1f}" for pair in zip(alone, beside, strict=True) for ms in pair]
        return [str(len(self.alone_ms)), *shown, *(f"{ratio:.2f}" for ratio in self.ratios())]

    def ratios(self) -> tuple[float, float]:
        (median, p95), (median_beside, p95_beside) = (
            measured(self.alone_ms),
            measured(self.beside_ms),
        )
        return median_beside / median, p95_beside / p95


def measured(ms: list[float]) -> tuple[float, float]:
    """Median and p95."""
    return statistics.median(ms), statistics.quantiles(ms, n=20)[18]


async def main() -> None:
    table = Table(
        "first text, ms", "questions", "median", "beside", "p95", "beside", caption=where()
    )
    table.add_column("median ratio")
    table.add_column("p95 ratio")
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name).resolve()
        async with FakeModel(ANSWER) as model, WirePlatform() as platform:
            config = write_config(folder, platform, model)
            fake = await compared(config, platform, FAKE, folder)
        table.add_row("the fake model's server", *fake.row())
        async with WirePlatform() as platform:
            (folder / "embedded").mkdir()
            config = write_config(folder / "embedded", platform)
            own = await compared(config, platform, EMBEDDED, folder)
        table.add_row("the embedded server", *own.row())
    Console().print(table)
    for what, ratio in zip(("median", "p95"), fake.ratios(), strict=True):
        words = f"first text beside a training run, {what}, fake model <= {RATIO} x"
        target(words, ratio <= RATIO, f"{ratio:.2f} x")


async def compared(config: Path, platform: WirePlatform, each: int, folder: Path) -> Figures:
    figures = Figures()
    async with BotProcess(config) as bot:
        await bot.connected(platform, within_s=60)
        await block(platform, 5)  # warm
        done = folder / "done"
        if not done.exists():
            await run_once("tune", begun(done), asyncio.Event())
        for number in range(BLOCKS):
            figures.alone_ms += await block(platform, each // BLOCKS)
            async with running(STEPS[number % len(STEPS)], folder / "run", done):
                figures.beside_ms += await block(platform, each // BLOCKS)
    return figures


def shown(platform: WirePlatform, question: Question) -> bool:
    return bool(platform.shown(question).strip())


async def block(platform: WirePlatform, count: int) -> list[float]:
    """Ask one question after the other; each begins a conversation."""
    took = []
    for _ in range(count):
        number = len(platform.questions)
        began = time.monotonic()
        question = platform.say(f"c{number}", "How do I give a thumb up?")
        await platform.until(partial(shown, platform, question), within_s=60)
        took.append((time.monotonic() - began) * 1000)
        await platform.until(lambda: not platform.unacknowledged, within_s=60)
        await asyncio.sleep(0.05)
    return took


@asynccontextmanager
async def running(step: str, run: Path, done: Path) -> AsyncIterator[None]:
    """The step, once more and again as long as the block lasts, from when it is loaded.

    `done`: the folder of a run with a candidate, for the gate.
    """
    at_work = asyncio.Event()

    async def again() -> None:
        while True:
            await run_once(step, begun(run) if step == "tune" else done, at_work)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(again())
        try:
            await at_work.wait()
            yield
        finally:
            task.cancel()


def begun(run: Path) -> Path:
    shutil.rmtree(run, ignore_errors=True)
    (run / "scratch").mkdir(parents=True)
    jsonl.write(dataset.gather(VOTES), run / "dataset")
    recipe = {"base": str(STARTER), "merge": True}
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
    return run


async def run_once(step: str, run: Path, at_work: asyncio.Event) -> None:
    (run / "others.json").unlink(missing_ok=True)  # each gate asks everything
    steps = run_step(f"core.training.{step}", run, deadline=time.monotonic() + 600, log=run / "log")
    async with aclosing(steps):
        async for progress in steps:
            if not progress.what.startswith("loading"):
                at_work.set()


if __name__ == "__main__":
    asyncio.run(main())
