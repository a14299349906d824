"""Data sets that people exported, and what leaves them again when it is forgotten.

Which folders these are stands in a file beside the tunes. A folder is cut in place: what it is to
hold is written inside it first, whole, and then put over what it holds, manifest last. Where that
was interrupted, the next cut ends it first.
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

from core.training import dataset
from core.training.dataset import Gathered, Row, rows_of
from core.types import Judged

EXPORTED = "exported.json"
ANEW = ".anew"
FILES = ("train.jsonl", "holdout.jsonl")  # the other two are made of the first


def places(shelf: Path) -> list[Path]:
    """Where data sets were exported to; they may have gone since."""
    try:
        found = json.loads((shelf / EXPORTED).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    return [Path(one) for one in found]


def remember(shelf: Path, folder: Path) -> None:
    """Do so before anything is written there."""
    shelf.mkdir(parents=True, exist_ok=True)
    known = dict.fromkeys([*map(str, places(shelf)), str(folder)])
    anew = shelf / f"{EXPORTED}.new"
    anew.write_text(json.dumps(list(known), indent=1), encoding="utf-8")
    anew.replace(shelf / EXPORTED)


def cut(folder: Path, judged: Sequence[Judged]) -> int:
    """Take out what `judged`, all that may train now, does not bear out. Returns how many rows.

    A row stays where its prompt and its answer are what they were and somebody who judged it so
    still does; of several people those stay. A folder that is gone has lost nothing. Raises
    ValueError where the folder is not what its manifest says: somebody else has written there.
    """
    if not folder.is_dir():
        return 0
    anew = folder / ANEW
    if (anew / "manifest.json").exists():
        _put(anew, folder)
    shutil.rmtree(anew, ignore_errors=True)
    manifest, unused = _read(folder / "manifest.json"), _read(folder / "left_out.json")
    rows, still = _left(folder, manifest, judged), _still(unused, judged)
    people = [list(row.people) for row in rows]
    if people == [entry["by"] for entry in manifest["rows"]] and still == unused:
        return 0
    gathered = Gathered(
        tuple(sorted(rows, key=lambda row: row.turn_id)), split_by=manifest["split"]["by"], **still
    )
    dataset.write(gathered, anew)
    _put(anew, folder)
    return len(manifest["rows"]) - len(rows)


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


def _left(folder: Path, manifest: dict[str, Any], judged: Sequence[Judged]) -> list[Row]:
    now: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for one in judged:
        if not isinstance(found := rows_of(one), str):
            for row in found:
                now[row.turn_id, json.dumps(row.as_kto())].append(row)
    lines = {name: dataset.read(folder, name) for name in FILES}
    rows = []
    for entry in manifest["rows"]:
        line = lines[entry["file"]][entry["line"] - 1]
        line.pop("group", None)
        for row in now[entry["turn"], json.dumps(line)]:
            by = tuple(
                who for who, known in zip(row.by, row.people, strict=True) if known in entry["by"]
            )
            if by:
                held = {"held_out": entry["held_out"], "conversation": entry["conversation"]}
                rows.append(replace(row, by=by, **held))
                break
    return rows


def _put(anew: Path, folder: Path) -> None:
    names = sorted((one.name for one in anew.iterdir()), key="manifest.json".__eq__)
    for name in names:  # the manifest last
        os.replace(anew / name, folder / name)
    anew.rmdir()


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found
