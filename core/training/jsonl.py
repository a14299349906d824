"""A data set on disk: JSONL files as a trainer reads them, and a manifest.

A folder is whole when its manifest.json is there: it comes last.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from core.conversation import Messages
from core.shares import share
from core.training.dataset import Gathered, Row, Split


def write(gathered: Gathered, folder: Path) -> dict[str, Any]:
    """Write the rows, and last manifest.json, which it returns. `folder` must not exist.

    Rows for training are written as TRL reads them: train.jsonl (prompt, completion, label),
    pairs.jsonl (prompt, chosen, rejected) and messages.jsonl, which has what is good only.
    holdout.jsonl is like train.jsonl, with what was held out together. left_out.json says what
    nothing is learnt from; as that leads to the same tune, the manifest knows nothing of it.
    """
    folder.mkdir(parents=True, mode=0o700)
    files, manifest = _contents(gathered)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    unused = {"left_out": gathered.left_out, "unheard": gathered.unheard}
    (folder / "left_out.json").write_text(_as_text(unused), encoding="utf-8")
    making = folder / "manifest.json.making"
    making.write_text(_as_text(manifest), encoding="utf-8")
    making.replace(folder / "manifest.json")
    return manifest


def fingerprint(gathered: Gathered) -> str:
    """The hash that manifest.json would have: of what is learnt, not of what is left out."""
    return hashlib.sha256(_as_text(_contents(gathered)[1]).encode()).hexdigest()


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one file. Raises ValueError where it is not what the manifest says."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]:
        raise ValueError(f"{name} of the data set is not what its manifest says")
    # Not splitlines: people's words may hold other signs that end a line (U+2028).
    return [json.loads(line) for line in data.decode().split("\n") if line]


def _as_text(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)


def _contents(gathered: Gathered) -> tuple[dict[str, str], dict[str, Any]]:
    """The text of each file, and the manifest."""
    training = gathered.training
    held = [row for row in gathered.rows if row.held_out]
    files = {
        "train.jsonl": _lines(row.as_kto() for row in training),
        "pairs.jsonl": _lines(_pairs(training)),
        "messages.jsonl": _lines(
            {"messages": row.chat + row.completion} for row in training if row.label
        ),
        "holdout.jsonl": _lines(row.as_held(gathered.split_by) for row in held),
    }
    counts = gathered.counts
    manifest = {
        "counts": counts,
        "split": {"by": gathered.split_by, "evidence": gathered.evidence},
        "most_from_one_person": share(counts["people"]),
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
        "rows": [
            _entry(row, gathered.split_by, name, line)
            for name, rows in (("train.jsonl", training), ("holdout.jsonl", held))
            for line, row in enumerate(rows, 1)
        ],
    }
    return files, manifest


def _pairs(rows: Iterable[Row]) -> list[dict[str, Any]]:
    """What is good against what is bad after the very same prompt; each text at least once."""
    good: dict[Messages, list[str]] = defaultdict(list)
    bad: dict[Messages, list[str]] = defaultdict(list)
    for row in rows:
        (good if row.label else bad)[row.prompt].append(row.text)
    pairs: dict[tuple[Messages, str, str], None] = {}  # a set that keeps its order
    for prompt, ups in good.items():
        downs = bad.get(prompt, [])
        for n in range(max(len(ups), len(downs)) if downs else 0):
            pairs[prompt, ups[n % len(ups)], downs[n % len(downs)]] = None
    return [
        {
            "prompt": [{"role": role, "content": text} for role, text in prompt],
            "chosen": [{"role": "assistant", "content": up}],
            "rejected": [{"role": "assistant", "content": down}],
        }
        for prompt, up, down in pairs
        if up != down
    ]


def _entry(row: Row, split_by: Split, name: str, line: int) -> dict[str, Any]:
    written = _lines([row.as_held(split_by) if row.held_out else row.as_kto()]).removesuffix("\n")
    return {
        "turn": row.turn_id,
        "by": row.people,
        "label": row.label,
        "corrected": row.corrected,
        "held_out": row.held_out,
        "conversation": row.conversation,
        "shown": row.shown,
        "file": name,
        "line": line,
        "sha256": hashlib.sha256(written.encode()).hexdigest(),
    }


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
