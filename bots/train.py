"""python -m bots.train: learn from the votes, list the tunes, take one back.

While the bot runs it is asked to do it; else this opens the store itself. Either way the four steps
of core/training run in processes of their own, and nothing here imports a library that trains.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import shutil
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from pathlib import Path

from adapters import PLATFORMS
from core.commands import roll_back, tunes
from core.engine import utc_now
from core.errors import BotError
from core.ports import Generator, Store
from core.training import dataset
from core.training.dataset import Gathered
from core.training.publish import publish, refusal
from core.training.recipe import why_not
from core.training.runner import Progress, StepFailed, run_step
from core.training.settings import Settings
from core.types import Tune

logger = logging.getLogger(__name__)

SAY_EVERY_S = 10.0


async def told(text: Awaitable[str]) -> AsyncGenerator[str]:
    yield f"{await text}\n"


class LocalTrainer:
    """The Trainer of one machine: children of this process, one run at a time.

    `generator`: serves a new tune; None: for all that does not train. `base`: the folder of the
    model that serves, where it is at hand. `merge`: also write a whole checkpoint, which the
    embedded server needs.
    """

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        generator: Generator | None,
        base: Path | None,
        merge: bool = True,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        self.store, self.settings, self.generator = store, settings, generator
        self.base = Path(settings.base).resolve() if settings.base else base
        self.merge = merge
        self.now = now
        self.shelf = Path(settings.folder).resolve()
        self.running = asyncio.Lock()

    async def retrain(self, *, dry: bool) -> AsyncGenerator[str]:
        """Pieces of CommonMark: a list of what is going on, then the outcome."""
        if self.running.locked():
            yield "I am learning already: one run at a time. Please wait for its outcome.\n"
            return
        async with self.running:
            try:
                async with aclosing(self._dry() if dry else self._run()) as lines:
                    async for line in lines:
                        yield line
            except StepFailed as error:
                yield f"\nLearning failed: {error}. What answered before answers on.\n"
            except (BotError, OSError) as error:
                yield f"\nLearning failed: {error}\nWhat answered before answers on.\n"
            except Exception:  # whoever asked is owed words, whatever broke
                logger.exception("a run of the trainer broke")
                yield "\nLearning failed; the log says why. What answered before answers on.\n"

    async def export(self, folder: Path) -> AsyncGenerator[str]:
        """Write the data set that a run would use into `folder`, which must not exist."""
        gathered = await self._gathered()
        try:
            await asyncio.to_thread(dataset.write, gathered, folder)
        except OSError as error:
            raise BotError(
                f"{folder} cannot be written: {error.strerror}. Name a new folder."
            ) from error
        yield f"{folder}: {_told(gathered)}.\n"

    def verbs(self) -> dict[str, Callable[[Mapping[str, object]], AsyncGenerator[str]]]:
        """What other processes may ask of this one, by name."""
        return {
            "retrain": lambda asked: self.retrain(dry=bool(asked.get("dry"))),
            "tunes": lambda asked: told(tunes(self.store)),
            "rollback": lambda asked: told(roll_back(self.store)),
            "export": lambda asked: self.export(Path(str(asked["folder"]))),
        }

    async def _gathered(self) -> Gathered:
        judged = await self.store.judged(self.settings.platforms)
        return await asyncio.to_thread(dataset.gather, judged)

    async def _dry(self) -> AsyncGenerator[str]:
        gathered = await self._gathered()
        yield f"I would use {_told(gathered)}.\n"
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

    async def _run(self) -> AsyncGenerator[str]:
        assert self.generator
        # 1. Is there a base, and enough to learn?
        base = self.base
        if base is None or not await asyncio.to_thread((base / "config.json").is_file):
            yield "I need the base's files: set `training.base` in config.yaml to their folder.\n"
            return
        gathered = await self._gathered()
        async for line in self._obstacles(gathered):
            yield line
        if why_not(gathered.counts, self.settings.at_least):
            return
        yield f"Learning from {_told(gathered)}.\n\n"

        # 2. The data set. Its folder goes when the run ends: people's words stay in the store.
        name = await self.store.next_tune()
        deadline = time.monotonic() + 60 * self.settings.minutes
        run, log = self.shelf / ".run" / name, self.shelf / "logs" / f"{name}.log"
        try:
            await asyncio.to_thread(self._prepare, gathered, run, log, base)
            # 3. The tune, and the gate. A gate that fails to judge refuses.
            async with aclosing(_words("core.training.tune", run, deadline, log)) as lines:
                async for line in lines:
                    yield line
            try:
                async with aclosing(_words("core.training.evaluate", run, deadline, log)) as lines:
                    async for line in lines:
                        yield line
            except StepFailed as error:
                report = refusal(f"checking it failed: {error}")
                text = json.dumps(report, ensure_ascii=False)
                await asyncio.to_thread((run / "report.json").write_text, text, "utf-8")
            # 4. Into its place, and the pointer.
            summary = f"Learnt from {_told(gathered)}."
            at = self.now()
            new = Tune(name, str(base), "", "refused", gathered.turns, summary, at)
            tune = await publish(self.store, self.generator, run, self.shelf, new, at=at)
        finally:
            await asyncio.to_thread(shutil.rmtree, self.shelf / ".run", ignore_errors=True)
        where = Path(self.settings.folder, Path(tune.path).relative_to(self.shelf), "report.json")
        if tune.status == "passed":
            yield f"\n`{name}` answers from now on; `/rollback` takes it back. {tune.summary}"
        else:
            yield f"\n`{name}` is not taken; what answered before answers on. {tune.summary}"
        yield f" Report: `{where}`\n"

    def _prepare(self, gathered: Gathered, run: Path, log: Path, base: Path) -> None:
        shutil.rmtree(run.parent, ignore_errors=True)  # what a killed run left
        run.mkdir(parents=True, mode=0o700)
        (run / "scratch").mkdir()
        log.parent.mkdir(exist_ok=True)
        dataset.write(gathered, run / "dataset")
        recipe = {"base": str(base), "merge": self.merge}
        (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")


async def _words(module: str, run: Path, deadline: float, log: Path) -> AsyncGenerator[str]:
    """A step's progress as lines for a person: each new thing, and a sign of life now and then."""
    last = Progress(0, 0, "")
    said_at = time.monotonic()
    async with aclosing(run_step(module, run, deadline=deadline, log=log)) as steps:
        async for progress in steps:
            if progress.what != last.what:
                yield f"- {progress.what}\n"
            elif time.monotonic() - said_at >= SAY_EVERY_S:
                yield f"- {progress.what}: {progress.step} of {progress.of}\n"
            else:
                continue
            last, said_at = progress, time.monotonic()


def _told(gathered: Gathered) -> str:
    """The data set in half a sentence."""
    counts = gathered.counts
    parts = [
        f"{counts[key]} {word}"
        for key, word in (
            ("liked", "liked"),
            ("disliked", "disliked"),
            ("corrections", "corrected"),
            ("held_out", "held out for checking"),
        )
        if counts[key]
    ]
    told = f"{counts['labels']} votes"
    if parts:
        told += f" ({', '.join(parts)})"
    left = Counter({reason: len(turns) for reason, turns in gathered.left_out.items()})
    if left:
        told += ", left out " + ", ".join(f"{n} ({reason})" for reason, n in left.most_common())
    return told


def parser() -> argparse.ArgumentParser:
    out = argparse.ArgumentParser(prog="python -m bots.train", description=__doc__)
    what = out.add_mutually_exclusive_group()
    what.add_argument("--dry-run", action="store_true", help="only say what it would use")
    what.add_argument("--list", action="store_true", help="all tunes, and which of them serves")
    what.add_argument("--rollback", action="store_true", help="go back to what answered before")
    what.add_argument(
        "--export", type=Path, metavar="DIR", help="write the data set to a new folder"
    )
    out.add_argument(
        "--config",
        type=Path,
        default=Path("config.yaml"),
        metavar="FILE",
        help="the settings (default: config.yaml)",
    )
    return out


def asked_for(arguments: argparse.Namespace) -> tuple[str, dict[str, object]]:
    """The verb and its arguments."""
    if arguments.list:
        return "tunes", {}
    if arguments.rollback:
        return "rollback", {}
    if arguments.export:
        return "export", {"folder": str(arguments.export.resolve())}
    return "retrain", {"dry": arguments.dry_run}


async def main(argv: Sequence[str]) -> int:
    """Ask the bot that runs; where none does, do it here. Exit code 0 or 2."""
    arguments = parser().parse_args(argv)
    verb, values = asked_for(arguments)
    from bots.config import load
    from bots.door import NobodyHome, ask
    from bots.wiring import house, only_store, socket_of

    try:
        config = load(arguments.config, ["console"])  # no platform is served: no secrets needed
        path = config.storage.path
        if path:
            try:
                await show(ask(socket_of(path), verb, **values))
                return 0
            except NobodyHome:
                pass
        holder = "python -m bots.train"
        if verb == "retrain" and not values["dry"]:
            async with house(config, holder=holder, on_status=logger.info) as here:
                await show(here.trainer.verbs()[verb](values))
        else:
            async with only_store(config, holder=holder) as trainer:
                await show(trainer.verbs()[verb](values))
    except BotError as error:
        print(f"mynah: {error}", file=sys.stderr)
        return 2
    return 0


async def show(pieces: AsyncGenerator[str]) -> None:
    async with aclosing(pieces) as said:
        async for piece in said:
            print(piece, end="", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main(sys.argv[1:])))
    except KeyboardInterrupt:
        sys.exit(130)
