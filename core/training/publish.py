"""From a checked candidate to what serves: name, place, probe, record, pointer, in this order.

A folder appears under its name whole, by one rename, and never changes afterwards. The pointer
moves last. A crash at any point leaves what served before serving, and a name that is used up.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import shutil
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.ports import Speaker
from core.store_learning import Canaries, Tunes
from core.training.dataset import Gathered
from core.training.jsonl import fingerprint
from core.training.limits import end_all
from core.training.models import ADAPTER_FILES, known_hash
from core.training.probe import AGAIN_AFTER_S, NotServed, differing, probe
from core.types_learning import Canary, Tune, Used, tune_name

logger = logging.getLogger(__name__)

NOT_PROVEN = "That it is better is not proven: too few votes were held out to tell."
FORGOTTEN = "words that it learnt from were changed or forgotten meanwhile; run it again"
REFUSAL = "checks"  # the name of the check that says why nothing, or no more, was checked
REPORTS = ("report.json", "report.html")
WAY_BACK = 2  # tunes that rolling back leads to; they stay beside the others
KEPT = 10  # tunes that passed; of older ones only the row stays

# Beside the tunes on the shelf: runs under way, and what is being removed.
RUNS, GOING = ".run", ".going"
REFUSED = "refused"  # there, too: what explains why


def judgement(run: Path) -> dict[str, Any]:
    """The gate's report; one that refuses where there is none that can be read."""
    try:
        report: dict[str, Any] = json.loads((run / "report.json").read_text(encoding="utf-8"))
        sound = isinstance(report["passed"], bool) and bool(report["checks"])
    except (OSError, ValueError, KeyError, TypeError):
        sound = False
    return report if sound else refusal("the checks did not end in a report")


def refusal(why: str) -> dict[str, Any]:
    check = {"name": REFUSAL, "passed": False, "words": why, "value": None}
    return {"passed": False, "proven": False, "checks": [check], "answers": []}


def is_untested(report: dict[str, Any]) -> bool:
    """Whether it is a `refusal`, which says nothing of the tune, or the checks broke off."""
    return any(check["name"] == REFUSAL for check in report["checks"])


def found_against(folder: Path) -> str:
    """What the gate found against the tune there, though it may serve; "": nothing. A change of
    length is nothing: it may be what people want.
    """
    checks = judgement(folder)["checks"]
    found = (one for one in checks if one["passed"] is False and one.get("name") != "length")
    return "; ".join(one["words"] for one in found)


def is_proven(folder: Path) -> bool:
    """Whether it found that the tune there agrees with the votes, as no luck would."""
    return bool(judgement(folder).get("proven"))


def reasons(report: dict[str, Any]) -> str:
    """What refused it; checks that are only for a person's eyes are not among them."""
    against = (one for one in report["checks"] if one["passed"] is False and one.get("hard", True))
    return "; ".join(check["words"] for check in against)


def place(run: Path, shelf: Path, name: str) -> Path:
    """Put the candidate under its name where servers find it, with its report in it.

    All of it is on disk, also after a loss of power, before the name is.
    """
    candidate, folder = run / "candidate", shelf / tune_name(name)
    _copy_reports(run, candidate)
    # The folder was made private; servers may run as somebody else.
    for path in (candidate, *candidate.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
        _flush(path)
    candidate.rename(folder)
    _flush(shelf)
    return folder


def put_aside(run: Path, folder: Path, shelf: Path, name: str, report: dict[str, Any]) -> Path:
    """Keep of a refused candidate what explains it; its weights go."""
    aside = shelf / REFUSED / name
    aside.mkdir(parents=True)
    if (folder / "manifest.json").is_file() and not (folder / "manifest.json").is_symlink():
        shutil.copyfile(folder / "manifest.json", aside / "manifest.json")
    _copy_reports(run, aside)
    if report != judgement(run):  # the page says "passed"
        (aside / "report.html").unlink(missing_ok=True)
    text = json.dumps(report, indent=1, ensure_ascii=False)
    (aside / "report.json").write_text(text, encoding="utf-8")
    remove(folder, shelf)
    return aside


def remove(folder: Path, shelf: Path) -> None:
    """Take a folder away: first, at once, from where servers look; what is left goes next time.

    A vLLM that `bots.serve` did not start goes on answering by a name that it met before (0.32), or
    ends where the weights went from its memory, too: we do not ask it any more.
    """
    going = shelf / GOING / folder.name
    going.parent.mkdir(exist_ok=True)
    with suppress(FileNotFoundError):
        folder.rename(going)
    shutil.rmtree(going, ignore_errors=True)
    with suppress(OSError):  # something is left in it, for the next start
        going.parent.rmdir()


def is_whole(folder: Path, *, merged: bool) -> bool:
    """Whether what a server reads is there. `merged`: the embedded server reads a checkpoint."""
    names = [*ADAPTER_FILES, "manifest.json", *(["merged/config.json"] if merged else [])]
    return all((folder / name).is_file() for name in names)


def is_of_base(folder: Path, base: Path) -> bool:
    """Whether a tune is of the base that lies there now; so it is, too, where nothing tells."""
    with suppress(OSError, ValueError, AttributeError):
        made = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return made.get("base_sha256") in (None, known_hash(base))
    return True


def is_made_of(
    tune: Tune, gathered: Gathered, shelf: Path, base: Path, rival: str | None = None
) -> bool:
    """Whether the tune learnt these very rows on this base, and was judged: a run would end in the
    same. Where the checks themselves failed, its files went, or it was refused beside another tune
    than `rival` (None: the base), it would perhaps not.
    """
    try:
        folder = place_of(tune, shelf)
        made = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        is_same = made["dataset_sha256"] == fingerprint(gathered) and tune.base == str(base)
        is_same = is_same and is_of_base(folder, base)
        if tune.status == "passed":
            return is_same
        report = judgement(folder)
        return is_same and not is_untested(report) and report.get("rival", rival) == rival
    except (OSError, ValueError, KeyError, TypeError):
        return False


def sweep(shelf: Path, known: Mapping[str, str]) -> list[Path]:
    """Remove what a killed process left of a run, and weights of tunes that are retired.

    `known`: the path of every tune in the store, by name. Returns the folders that look like a
    tune's and are nobody's: they are left to the operator, but for those of a run that was killed
    before the store knew its tune. Call it while nothing trains here.
    """
    end_all(shelf / RUNS)
    for run in (shelf / RUNS).glob("*@*"):
        if run.name not in known:
            shutil.rmtree(shelf / REFUSED / run.name, ignore_errors=True)
            remove(shelf / run.name, shelf)
    for folder in (shelf / RUNS, shelf / GOING):
        shutil.rmtree(folder, ignore_errors=True)
    unknown = []
    for folder in sorted(shelf.glob("*@*")):
        if folder.name not in known:
            unknown.append(folder)
        elif not known[folder.name]:
            remove(folder, shelf)
    return unknown


def _copy_reports(run: Path, folder: Path) -> None:
    for name in REPORTS:
        if (run / name).is_file():
            shutil.copyfile(run / name, folder / name)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


async def nothing_lost() -> bool:
    return False


async def publish(
    store: Canaries,
    generator: Speaker,
    run: Path,
    shelf: Path,
    tune: Tune,
    *,
    base: str,
    at: datetime,
    verdicts: Collection[Used] = (),
    has_lost: Callable[[], Awaitable[bool]] = nothing_lost,
    share: float = 0.0,
    by: str | None = None,
    again_after_s: float = AGAIN_AFTER_S,
) -> tuple[Tune, Canary | None]:
    """Serve the candidate of `run`, or refuse it; returns the tune as it is recorded, and the
    canary whose place it took.

    `share`: of new conversations, which it answers first, as a canary, with those of the person
    `by`; 0: it answers everybody. A canary that runs already is replaced.

    `base`: its name on the server. `verdicts`: what its run used, and of whom. `has_lost`: whether
    words of others changed or went since that a turn which it used showed. What is changed or
    forgotten while it runs refuses and marks the tune. `again_after_s`: the pause before a server
    that answers nobody is asked again.

    `tune.status` and `tune.path` are what this decides. Raises StoreError, OSError and
    GenerationError; then, and when cancelled, nothing lies under the tune's name, unless the store
    had recorded it already. Once it answers nothing is raised: older tunes may stay, then.
    """
    report = await asyncio.to_thread(judgement, run)
    folder, is_marked = run / "candidate", False
    if report["passed"]:
        folder = shelf / tune_name(tune.name)
        async with AsyncExitStack() as unrecorded:  # nothing unrecorded may lie under the name
            unrecorded.push_async_callback(asyncio.to_thread, remove, folder, shelf)
            await to_the_end(place, run, shelf, tune.name)
            try:
                await probe(generator, tune.name, base, differing(report), again_after_s)
                summary = tune.summary if report.get("proven") else f"{tune.summary} {NOT_PROVEN}"
                tune = replace(tune, path=str(folder), status="passed", summary=summary)
                before = await store.serving()
                # First: what is forgotten from here on marks it by itself.
                is_marked = await store.put_tune(tune, verdicts)
            except NotServed as error:
                report |= refusal(str(error))
            unrecorded.pop_all()
    if report["passed"]:
        is_marked = is_marked or await has_lost()
        if is_marked:
            has_begun = False
        elif share:
            has_begun, replaced = await store.begin_canary(Canary(tune.name, share, by, at))
        else:
            has_begun, replaced = await store.serve(tune.name, at)
        if not has_begun:
            report |= refusal(FORGOTTEN)
    if not report["passed"]:
        aside = await asyncio.to_thread(put_aside, run, folder, shelf, tune.name, report)
        summary = f"Refused: {reasons(report)}."
        tune = replace(tune, path=str(aside), status="refused", summary=summary)
        is_marked = await store.put_tune(replace(tune, forgotten=is_marked), verdicts)
        if not is_marked and await has_lost():
            is_marked = await store.put_tune(replace(tune, forgotten=True))
        if is_marked:
            await asyncio.to_thread(hush, tune, shelf)
        return tune, None
    try:
        await retire(store, shelf, {tune.name, before})
    except (StoreError, OSError) as error:  # it answers; the next one makes room for both
        logger.warning("beside %s older tunes stay: %s", tune.name, error)
    return tune, replaced


async def to_the_end(do: Callable[..., object], *args: object) -> None:
    """Do it in a thread; when cancelled it is done all the same before this ends: a thread cannot
    be stopped.
    """
    doing = asyncio.create_task(asyncio.to_thread(do, *args))  # no group: it would be cancelled
    try:
        await asyncio.shield(doing)
    except asyncio.CancelledError:
        await asyncio.wait([doing])
        if error := doing.exception():
            logger.warning("what was cancelled failed as well: %s", error)
        raise


async def retire(store: Tunes, shelf: Path, needed: set[str | None]) -> None:
    """Remove the files of all tunes but the last ten that passed; their rows stay, without a path.

    `needed`: tunes that are kept however old they are, as are the next two that `/rollback` leads
    to, and those by which an answer is being written: it may wait in vLLM's queue, and vLLM (0.32)
    may have to load the weights again then; where they are gone, its engine ends. Tunes that used
    what is forgotten go all the same, but for the one that serves.
    """
    serving = await store.serving()
    there = [one for one in await store.tunes() if one.path]
    marked = {one.name for one in there if one.forgotten and one.name != serving}
    passed = [one.name for one in there if one.status == "passed"]
    back = [name for name in await store.way_back() if name in passed and name not in marked]
    kept = needed | set(list(dict.fromkeys(back))[:WAY_BACK]) | await store.in_use()
    old_ones = set(passed[:-KEPT]) - kept
    for old in there:
        if old.name in marked | old_ones:
            await store.put_tune(replace(old, path=""))  # first: nothing leads to it any more
            await asyncio.to_thread(remove, place_of(old, shelf), shelf)


def place_of(tune: Tune, shelf: Path) -> Path:
    """Where its files lie; the shelf may have moved since they came there."""
    name = tune_name(tune.name)
    return shelf / name if tune.status == "passed" else shelf / REFUSED / name


def hush(tune: Tune, shelf: Path) -> None:
    """Remove a tune's reports: they quote what people said."""
    for name in REPORTS:
        (place_of(tune, shelf) / name).unlink(missing_ok=True)
