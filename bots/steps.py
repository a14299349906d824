"""The steps of one run, each a process of its own: a tune, the gate, and what may help against a
refusal. What they do is in core/training; here is only which comes after which.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from pathlib import Path

from bots.telling import progress_of
from core.training import halves
from core.training.publish import judgement, refusal
from core.training.recipe import PEOPLE_FROM
from core.training.runner import StepFailed, run_step

logger = logging.getLogger(__name__)

Step = Callable[[str], AsyncGenerator[str]]


async def walk(
    run: Path, log: Path, every_s: float, *, within_s: float, people: int
) -> AsyncGenerator[str]:
    """Leave a candidate and a report in `run`, and tell the progress. A gate that fails to judge
    refuses. Raises StepFailed where there is no candidate. `people`: how many voted.
    """
    deadline = time.monotonic() + within_s

    def step(name: str) -> AsyncGenerator[str]:
        running = run_step(f"core.training.{name}", run, deadline=deadline, log=log)
        return progress_of(running, every_s)

    for name in ("halves", "tune") if people >= PEOPLE_FROM else ("tune",):
        async with aclosing(step(name)) as lines:
            async for line in lines:
                yield line
    # Its exit status says little; the manifest comes last.
    if not await asyncio.to_thread((run / "candidate" / "manifest.json").is_file):
        raise StepFailed(f"it ended without leaving a tune (its log: {log})")
    judging = True
    while judging:
        async with aclosing(_judged(run, step)) as lines:
            async for line in lines:
                yield line
        remedies = (await asyncio.to_thread(judgement, run)).get("remedies", [])
        try:
            for name in remedies:
                async with aclosing(step(name)) as lines:
                    async for line in lines:
                        yield line
        except StepFailed as error:
            logger.warning("nothing helps against what the gate refuses: %s", error)
            return
        in_vain = "halves" in remedies and not await asyncio.to_thread(halves.agree, run)
        judging = bool(remedies) and not in_vain


async def _judged(run: Path, step: Step) -> AsyncGenerator[str]:
    try:
        async with aclosing(step("evaluate")) as lines:
            async for line in lines:
                yield line
    except StepFailed as error:
        report = refusal(f"checking it failed: {error}")
        text = json.dumps(report, ensure_ascii=False)
        await asyncio.to_thread((run / "report.json").write_text, text, "utf-8")
