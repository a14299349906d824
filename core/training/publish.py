"""From a checked candidate to what serves: name, place, probe, record, pointer, in this order.

A folder appears under its name whole, by one rename, and never changes afterwards. The pointer
moves last. A crash at any point leaves what served before serving, and a name that is used up.
"""

from __future__ import annotations

import asyncio
import json
import shutil
from contextlib import aclosing
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import BotError, CutShort
from core.ports import Generator, Tunes
from core.types import Prompt, Tune

PROBE = "Hello! Who are you?"
PROBE_TOKENS = 128
NOT_PROVEN = "That it is better is not proven: too few votes were held out to tell."


class NotServed(BotError):
    """Why the published folder does not answer; a sentence without a full stop."""


def judgement(run: Path) -> dict[str, Any]:
    """The gate's report; one that refuses where there is none that can be read."""
    try:
        report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
        sound = isinstance(report["passed"], bool) and bool(report["checks"])
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    return report if sound else refusal("the checks did not end in a report")


def refusal(why: str) -> dict[str, Any]:
    check = {"name": "checks", "passed": False, "words": why, "value": None}
    return {"passed": False, "proven": False, "checks": [check], "answers": []}


def reasons(report: dict[str, Any]) -> str:
    return "; ".join(check["words"] for check in report["checks"] if check["passed"] is False)


def place(run: Path, shelf: Path, name: str) -> Path:
    """Put the candidate under its name where servers find it, with its report in it."""
    candidate, folder = run / "candidate", shelf / name
    shutil.copyfile(run / "report.json", candidate / "report.json")
    # The folder was made private; servers may run as somebody else.
    for path in (candidate, *candidate.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    candidate.rename(folder)
    return folder


def put_aside(folder: Path, shelf: Path, name: str, report: dict[str, Any]) -> Path:
    """Keep of a refused candidate what explains it; its weights go."""
    aside = shelf / "refused" / name
    aside.mkdir(parents=True)
    if (folder / "manifest.json").is_file() and not (folder / "manifest.json").is_symlink():
        shutil.copyfile(folder / "manifest.json", aside / "manifest.json")
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (aside / "report.json").write_text(text, encoding="utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    return aside


async def probe(generator: Generator, name: str) -> None:
    """One question to the server, under the new name. Raises NotServed."""
    prompt = Prompt((("user", PROBE),), name, PROBE_TOKENS, 0.0)
    text = ""
    try:
        async with aclosing(generator.stream(prompt)) as pieces:
            async for piece in pieces:
                text += piece
    except CutShort:
        pass  # a long answer is an answer; that it ends by itself was the gate's question
    except BotError as error:
        raise NotServed(f"the model's server could not answer with it: {error}") from error
    if not text.strip():
        raise NotServed("it answered the first question with nothing")


async def publish(
    store: Tunes, generator: Generator, run: Path, shelf: Path, tune: Tune, *, at: datetime
) -> Tune:
    """Serve the candidate of `run`, or refuse it; returns the tune as it is recorded.

    `tune.status` and `tune.path` are what this decides. Raises StoreError and OSError.
    """
    report = await asyncio.to_thread(judgement, run)
    folder = run / "candidate"
    if report["passed"]:
        folder = await asyncio.to_thread(place, run, shelf, tune.name)
        try:
            await probe(generator, tune.name)
        except NotServed as error:
            report |= refusal(str(error))
    if not report["passed"]:
        aside = await asyncio.to_thread(put_aside, folder, shelf, tune.name, report)
        summary = f"Refused: {reasons(report)}."
        tune = Tune(tune.name, tune.base, str(aside), "refused", tune.turns, summary, tune.at)
        await store.put_tune(tune)
        return tune
    summary = tune.summary if report.get("proven") else f"{tune.summary} {NOT_PROVEN}"
    tune = Tune(tune.name, tune.base, str(folder), "passed", tune.turns, summary, tune.at)
    await store.put_tune(tune)
    await store.serve(tune.name, at)
    return tune
