"""Data sets that people exported, and how what is forgotten leaves them. Only files; no store.

A folder is cut in place: what it is to hold is written inside it first, whole, and then put over
what it holds, manifest last. Where that was interrupted, the next cut ends it first. Nobody else
may write or cut the same folder meanwhile.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from core.training import jsonl
from core.training.dataset import Gathered, Row, rows_of
from core.training.models import sha256
from core.types_learning import Judged

ANEW = ".anew"
MANIFEST, LEFT_OUT = "manifest.json", "left_out.json"


def write(gathered: Gathered, folder: Path) -> None:
    """As jsonl.write does, but the folder has its name only once it is whole."""
    making = _making(folder)
    shutil.rmtree(making, ignore_errors=True)  # of one that was killed
    try:
        jsonl.write(gathered, making)
        making.rename(folder)
    except OSError:
        shutil.rmtree(making, ignore_errors=True)
        raise


def left_nothing(folder: Path) -> bool:
    """Whether no half-written export of this name is there."""
    return not os.path.lexists(_making(folder))


def cut(folder: Path, judged: Sequence[Judged]) -> int:
    """Take out what `judged`, all that may train now, does not bear out. Returns how many rows.

    A row stays where its prompt and its answer are what they were, and those who judged it still
    say the same in sum; who of them does not is taken off. Of others nobody is added, nor does
    what they say now count. A folder that is gone has lost nothing. Raises ValueError where the
    folder is not what its manifest says: somebody else has written there.
    """
    shutil.rmtree(_making(folder), ignore_errors=True)  # killed while it was written
    if not folder.is_dir():
        return 0
    anew = folder / ANEW
    if anew.is_dir() and _is_whole(anew, folder):
        _put(anew, folder)
    shutil.rmtree(anew, ignore_errors=True)
    try:
        manifest, unused = _read(folder / MANIFEST), _read(folder / LEFT_OUT)
        rows, still = _left(folder, manifest, judged), _still(unused, judged)
        people = [list(row.people) for row in rows]
        if people == [entry["by"] for entry in manifest["rows"]] and still == unused:
            return 0
        rows.sort(key=lambda row: row.turn_id)
        gathered = Gathered(tuple(rows), split_by=manifest["split"]["by"], **still)
    except (KeyError, TypeError, AttributeError, IndexError, FileNotFoundError) as error:
        raise ValueError(f"it is no data set of Mynah's ({type(error).__name__})") from error
    jsonl.write(gathered, anew)
    _put(anew, folder)
    return len(manifest["rows"]) - len(rows)


def _left(folder: Path, manifest: dict[str, Any], judged: Sequence[Judged]) -> list[Row]:
    lines = {name: jsonl.read(folder, name) for name in manifest["files"]}
    heard: dict[int, set[str]] = defaultdict(set)
    for entry in manifest["rows"]:
        heard[entry["turn"]].update(entry["by"])
    now: dict[tuple[int, bool, str], list[Row]] = defaultdict(list)
    for one in judged:
        if one.turn.id not in heard:
            continue
        found = rows_of(_by(one, heard[one.turn.id]))
        for row in () if isinstance(found, str) else found:
            now[row.turn_id, row.corrected, json.dumps(row.as_kto())].append(row)
    rows = []
    for entry in manifest["rows"]:
        line = lines[entry["file"]][entry["line"] - 1]
        line.pop("group", None)
        for row in now[entry["turn"], entry["corrected"], json.dumps(line)]:
            known = zip(row.by, row.people, strict=True)
            by = tuple(who for who, person in known if person in entry["by"])
            if by:
                held = {"held_out": entry["held_out"], "conversation": entry["conversation"]}
                rows.append(replace(row, by=by, **held))
                break
    return rows


def _by(one: Judged, people: set[str]) -> Judged:
    """Without what anybody else said of it."""
    platform = one.turn.message.ref.channel.platform
    return replace(
        one,
        feedback=tuple(f for f in one.feedback if f"{platform}:{f.author_id}" in people),
        corrections=tuple(c for c in one.corrections if f"{platform}:{c.author_id}" in people),
    )


def _still(unused: dict[str, Any], judged: Sequence[Judged]) -> dict[str, Any]:
    """Of what was left out that of which there is still a verdict."""
    turns = {one.turn.id for one in judged}
    said = {(one.turn.id, feedback.author_id) for one in judged for feedback in one.feedback}
    said |= {(one.turn.id, better.author_id) for one in judged for better in one.corrections}
    return {
        "left_out": {
            why: [turn for turn in some if turn in turns]
            for why, some in unused["left_out"].items()
        },
        "unheard": {
            why: [[turn, who] for turn, who in some if (turn, who) in said]
            for why, some in unused["unheard"].items()
        },
    }


def _is_whole(anew: Path, folder: Path) -> bool:
    """Whether a cut was killed when all was written and only had to be put in place."""
    try:
        files = _read(anew / MANIFEST)["files"]
        places = {name: anew if (anew / name).exists() else folder for name in files}
        return all(sha256(place / name) == files[name] for name, place in places.items())
    except (OSError, ValueError):
        return False


def _put(anew: Path, folder: Path) -> None:
    for path in sorted(anew.iterdir(), key=lambda path: path.name == MANIFEST):
        os.replace(path, folder / path.name)
    anew.rmdir()


def _making(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.making")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
