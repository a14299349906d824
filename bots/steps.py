"""The steps of one run, each a process of its own: a tune, the gate, and what may help against a
refusal. What they do is in core/training; here is only which comes after which.
"""

from __future__ import annotations

import asyncio
import importlib.util
import json
import logging
import sys
import time
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import asdict
from pathlib import Path

from bots.telling import progress_of
from core.training.checks import THE_REST, Check
from core.training.publish import REFUSAL, is_untested, judgement, refusal
from core.training.recipe import PEOPLE_FROM
from core.training.runner import StepFailed, run_step

logger = logging.getLogger(__name__)

STEPS = "core.training"
MOST_TRIES = 3  # of a remedy; core.training.nearer goes no more than three parts of the way
LEARNING = ("torch", "transformers", "trl", "peft", "datasets", "accelerate")
JUDGING = ("jinja2", "matplotlib", "rouge_score", "sacrebleu")


def lacking() -> str:
    """Which library is not installed here, and how to mend that; "": none. Imports none of them."""
    for name in (*LEARNING, *JUDGING):
        if importlib.util.find_spec(name) is None:
            pip = f"{sys.executable} -m pip"
            return f"`{name}` is not installed: {pip} install -e '.[train]' -c constraints.txt"
    return ""


async def walk(
    run: Path, log: Path, every_s: float, *, within_s: float, people: int
) -> AsyncGenerator[str]:
    """Leave a candidate and a report in `run`, and tell the progress. A gate that fails to judge
    refuses. Raises StepFailed where there is no candidate. `people`: how many voted.
    """
    deadline = time.monotonic() + within_s

    def step(name: str) -> AsyncGenerator[str]:
        running = run_step(f"{STEPS}.{name}", run, deadline=deadline, log=log)
        return progress_of(running, every_s)

    if people >= PEOPLE_FROM:
        third = time.monotonic() + within_s / 3
        comparing = progress_of(run_step(f"{STEPS}.halves", run, deadline=third, log=log), every_s)
        try:
            async with aclosing(comparing) as lines:
                async for line in lines:
                    yield line
        except StepFailed as error:  # nobody is outvoted, then
            logger.warning("the halves of the votes were not compared: %s", error)
    async with aclosing(step("tune")) as lines:
        async for line in lines:
            yield line
    # Its exit status says little; the manifest comes last.
    if not await asyncio.to_thread((run / "candidate" / "manifest.json").is_file):
        raise StepFailed(f"it ended without leaving a tune (its log: {log})")
    steps, tried = ["evaluate"], Counter[str]()
    while steps:
        before = await asyncio.to_thread(_written, run)
        try:
            for name in steps:
                async with aclosing(step(name)) as lines:
                    async for line in lines:
                        yield line
            if await asyncio.to_thread(_written, run) == before:
                raise StepFailed(f"the checks did not end in a report (their log: {log})")
        except StepFailed as error:
            await asyncio.to_thread(_refuse, run, str(error))
            return
        remedies = (await asyncio.to_thread(judgement, run)).get("remedies", [])
        tried.update(remedies)
        if any(times > MOST_TRIES for times in tried.values()):
            why = f"{max(tried, key=tried.__getitem__)} was tried {MOST_TRIES} times in vain"
            await asyncio.to_thread(_refuse, run, why)
            return
        steps = [*remedies, "evaluate"] if remedies else []


def _written(run: Path) -> int:
    """When the report was written last, in nanoseconds; 0: there is none."""
    with suppress(FileNotFoundError):
        return (run / "report.json").stat().st_mtime_ns
    return 0


def _refuse(run: Path, why: str) -> None:
    """What an earlier look found refuses it better than that a later one failed. Where that look
    left something to ask, the report says why it was not asked.
    """
    logger.warning("checking a tune failed: %s", why)
    report = judgement(run)
    if report["passed"] or is_untested(report):
        report = refusal(f"checking it failed: {why}")
    elif any(check["name"] == THE_REST for check in report["checks"]):
        broke_off = Check(REFUSAL, None, f"what came next failed: {why}", hard=False)
        report["checks"].append(asdict(broke_off))
    (run / "report.json").write_text(json.dumps(report, ensure_ascii=False), encoding="utf-8")
