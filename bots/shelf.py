"""The shelf of tunes while a run is at it: one run at a time, its folder, and its tune's name.

What lies there once a tune is made, core/training/publish.py knows.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from core.errors import BotError
from core.store_learning import Tunes
from core.training import golden, jsonl
from core.training.dataset import Gathered
from core.training.publish import REFUSED, sweep

logger = logging.getLogger(__name__)


class Busy(BotError):
    """Somebody trains here already; a sentence without a full stop."""


@asynccontextmanager
async def alone(shelf: Path) -> AsyncIterator[None]:
    """Nobody else trains into this shelf meanwhile, in no process. Raises Busy and OSError."""
    taken = await asyncio.to_thread(lock, shelf)
    try:
        yield
    finally:
        os.close(taken)


def lock(shelf: Path) -> int:
    """A file that is locked until it is closed or this process ends, however it does."""
    shelf.mkdir(parents=True, exist_ok=True)
    lock = os.open(shelf / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Busy("I am learning already, and do one run at a time") from error
    return lock


async def clear_up(store: Tunes, shelf: Path) -> None:
    """Remove what a killed process left of its run."""
    if not await asyncio.to_thread(shelf.is_dir):
        return
    try:
        async with alone(shelf):
            known = {tune.name: tune.path for tune in await store.tunes()}
            unknown = await asyncio.to_thread(sweep, shelf, known)
    except (Busy, OSError) as error:
        logger.warning("the tunes' folder is not cleared up: %s", error)
        return
    for folder in unknown:
        logger.warning("%s is no tune that the store knows: it may be deleted", folder)


async def new_name(store: Tunes, shelf: Path) -> str:
    """For a tune; with a new or an older store beside the shelf, none that lies there."""
    while True:
        name = await store.next_tune()
        for place in (shelf / name, shelf / REFUSED / name):
            if await asyncio.to_thread(place.exists):
                break
        else:
            return name


def prepare(
    run: Path,
    log: Path,
    gathered: Gathered,
    *,
    base: Path,
    merge: bool,
    serving: Path | None,
    serving_is_proven: bool,
    own: str | None,
) -> None:
    """Make the run's folder, with what its steps need, and that of its log. `serving`: where the
    tune lies that does, and whether its gate proved that it is better; `own`: the operator's file
    of golden questions.
    """
    questions = [golden.OURS]
    if own:
        questions.append(Path(own).resolve())
    golden.load(questions)  # what is wrong with them is said before the work, not after
    shutil.rmtree(run.parent, ignore_errors=True)
    run.mkdir(parents=True, mode=0o700)
    (run / "scratch").mkdir()
    log.parent.mkdir(exist_ok=True)
    jsonl.write(gathered, run / "dataset")
    recipe = {
        "base": str(base),
        "merge": merge,
        "serving": str(serving) if serving else None,
        "serving_is_proven": serving_is_proven,
        "golden": [str(path) for path in questions],
    }
    (run / "recipe.json").write_text(json.dumps(recipe), encoding="utf-8")
