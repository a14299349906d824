"""What the trainer says: of votes, of a run's progress, of what came of it, and of a tune.

Words, with the figures in them. It runs nothing and asks no store; of files it reads reports.
"""

from __future__ import annotations

import errno
import json
import time
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import aclosing
from pathlib import Path
from typing import Any

from core.digest import changes
from core.phrases import Phrases
from core.serving import serves
from core.training import golden
from core.training.child import FULL_DISK
from core.training.dataset import Gathered
from core.training.publish import NOT_PROVEN
from core.training.runner import Progress
from core.types_learning import Canary, Tune

# Why one ends that nothing else is wrong with, and one that is broken.
FORGOTTEN = "It learnt from words that were deleted or forgotten since."
NO_LOADING = "It does not load"


class Told(str):
    """A line of a run's, of which everybody is told at more length."""


async def said(text: Awaitable[str]) -> AsyncGenerator[str]:
    yield f"{await text}\n"


async def progress_of(steps: AsyncGenerator[Progress], every_s: float) -> AsyncGenerator[str]:
    """A step's progress as lines for a person: each new thing, and a sign of life now and then."""
    last = Progress(0, 0, "")
    said_at = time.monotonic()
    async with aclosing(steps):
        async for progress in steps:
            if progress.what != last.what:
                yield f"- {progress.what}\n"
            elif time.monotonic() - said_at >= every_s:
                yield f"- {progress.what}: {progress.step} of {progress.of}\n"
            else:
                continue
            last, said_at = progress, time.monotonic()


def votes_in(gathered: Gathered) -> str:
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
    if counts["held_out"] and gathered.split_by == "turn":
        parts[-1] += " by turn, which is weak evidence"
    if counts["people"]:
        parts.append(f"from {counts['people']} {'person' if counts['people'] == 1 else 'people'}")
    told = f"{counts['labels']} votes"
    if parts:
        told += f" ({', '.join(parts)})"
    return f"{told}, left out {unused}" if (unused := unused_of(gathered)) else told


def learnt_from(turns: int, gathered: Gathered) -> str:
    """What `votes_in` says, where votes on so many turns of them are learnt from."""
    some = "" if turns == gathered.counts["labels"] else f"{turns} of "
    return some + votes_in(gathered)


def unused_of(gathered: Gathered) -> str:
    """What counts for nothing, and why. "": nothing."""
    some: list[tuple[int, str, str]] = []
    some += [(len(turns), "answer", why) for why, turns in gathered.left_out.items()]
    some += [(len(keys), "vote", why) for why, keys in gathered.unheard.items()]
    return ", ".join(
        f"{n} {what if n == 1 else f'{what}s'} ({why})" for n, what, why in sorted(some)[::-1]
    )


def outcome_of(
    tune: Tune, folder: Path, *, share: float, by: str | None, replaced: Canary | None
) -> str:
    """Some sentences: what answers now, and where to read why. `folder`: the tune's, as people are
    told it. `replaced`: the canary whose place it took.
    """
    page = "report.html" if (Path(tune.path) / "report.html").is_file() else "report.json"
    where = f"the checks, and answers before and after, are in `{folder / page}`."
    if tune.status == "refused":
        why = tune.summary.removeprefix("Refused: ").rstrip(".")
        return (
            f"`{tune.name}` is not taken, and what answered before answers on: {why}."
            f" {where[0].upper()}{where[1:]}"
        )
    told = f"`{tune.name}` answers from now on; `/rollback` takes it back. "
    if share:
        whom = f"{share:.0%} of new conversations{' and you' if by else ''}"
        told = (
            f"`{tune.name}` answers {whom} from now on, as a canary: votes decide whether it"
            " goes on to answer everybody. `/rollback` takes it back. "
        )
    if replaced:
        told += f"{instead_of(replaced)} "
    if NOT_PROVEN in tune.summary:
        return f"{told}{NOT_PROVEN.rstrip('.')}; {where}"
    return f"{told}{where[0].upper()}{where[1:]}"


def announcement_of(
    tune: Tune,
    report: Mapping[str, Any] | None,
    phrases: Phrases,
    *,
    share: float,
    replaced: Canary | None,
) -> str:
    """What everybody is told of a tune that begins to answer; `share`, `replaced`: as above."""
    whom = phrases.share.format(share=share) if share else phrases.everybody
    told = phrases.learnt.format(tune=tune.name, whom=whom, summary=tune.summary)
    if replaced:
        told += f" {instead_of(replaced)}"
    return f"{told}\n\n{changes(report)}" if report else told


def dropped(name: str, serving: str | None, why: str) -> str:
    """What everybody is told of a canary. `serving`: what answers; `why`: a sentence."""
    return f"The tune `{name}` was a canary and is dropped, and {serves(serving)}: {why}"


def gone(name: str, now: str | None) -> str:
    """What everybody is told of what served. `now`: what answers."""
    return f"The tune `{name}` is taken back: {FORGOTTEN} Now {serves(now)}."


def instead_of(replaced: Canary) -> str:
    return f"It takes the place of the canary `{replaced.tune}`."


def openly(folder: Path) -> dict[str, Any]:
    """What anybody may be told of the report in there. Raises OSError and ValueError, and what a
    report in another shape makes.
    """
    found = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    asks = {question.ask for question in golden.load([golden.OURS]).knowledge}
    return {
        "checks": [
            {key: one[key] for key in ("name", "passed", "words", "hard")}
            for one in found["checks"]
        ],
        "answers": [
            {key: one[key] for key in ("question", "said", "right")}
            for one in found["answers"]
            if one["question"] in asks
        ],
    }


def plain(error: Exception) -> str:
    """A sentence without a full stop."""
    if isinstance(error, OSError):
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            return FULL_DISK
        return f"{error.filename}: {error.strerror}"
    return str(error).rstrip(".")
