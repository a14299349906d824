"""From what people said of answers to rows that a trainer reads. Pure but for `write`: no torch.

It knows neither the store nor a model. A prompt is rebuilt from what its turn kept and compared by
digest with what the model was shown; a row that no longer fits, because somebody edited, deleted or
forgot, is left out and counted. A folder is whole when its manifest.json is there: it comes last.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from core.conversation import Messages, digest, render
from core.training.redact import redact
from core.types import Judged

HOLD_OUT_FROM = 30  # labels; fewer are too few to lose a fifth of

Reason = Literal[
    "not a whole answer", "prompt changed since", "as many up as down", "correction changes nothing"
]


@dataclass(frozen=True, slots=True)
class Row:
    """One thing to learn: after `prompt`, `text` is good (`label`) or bad.

    `by`: the people behind it. `corrected`: the text is a person's own words, not the model's.
    """

    turn_id: int
    by: tuple[str, ...]
    prompt: Messages
    text: str
    label: bool
    corrected: bool = False
    held_out: bool = False

    def as_kto(self) -> dict[str, Any]:
        return {**self.as_sft(), "label": self.label}

    def as_sft(self) -> dict[str, Any]:
        return {
            "prompt": [{"role": role, "content": text} for role, text in self.prompt],
            "completion": [{"role": "assistant", "content": self.text}],
        }


@dataclass(frozen=True, slots=True)
class Gathered:
    """All rows, oldest turn first, and which turns gave none, by reason."""

    rows: tuple[Row, ...]
    left_out: dict[Reason, tuple[int, ...]] = field(default_factory=dict)

    @property
    def turns(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(row.turn_id for row in self.rows))

    @property
    def training(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if not row.held_out)

    @property
    def counts(self) -> dict[str, int]:
        """What the recipe and the person go by. `labels`: judged turns that can be used."""
        training = self.training
        return {
            "labels": len(self.turns),
            "liked": sum(row.label and not row.corrected for row in training),
            "corrections": sum(row.corrected for row in training),
            "disliked": sum(not row.label for row in training),
            "held_out": len(self.rows) - len(training),
            "people": len({person for row in self.rows for person in row.by}),
        }


def gather(judged: Sequence[Judged]) -> Gathered:
    """One verdict per person and turn, the majority of people decides, ties give nothing.

    A correction is its author's "no" to the answer, and a good answer of its own.
    """
    rows: list[Row] = []
    left_out: dict[Reason, tuple[int, ...]] = {}
    for one in judged:
        found = _rows_of(one)
        if isinstance(found, str):
            left_out[found] = (*left_out.get(found, ()), one.turn.id)
        else:
            rows += found
    if len({row.turn_id for row in rows}) >= HOLD_OUT_FROM:
        rows = [_split(row) for row in rows]
    return Gathered(tuple(rows), left_out)


def held_out(turn_id: int) -> bool:
    """A fifth of all turns, the same ones for ever."""
    return hashlib.blake2b(str(turn_id).encode()).digest()[0] % 5 == 0


def write(gathered: Gathered, folder: Path) -> dict[str, Any]:
    """Write train.jsonl, sft.jsonl, holdout.jsonl and, last, manifest.json, which it returns."""
    folder.mkdir(parents=True)
    training = gathered.training
    files = {
        "train.jsonl": _lines(row.as_kto() for row in training),
        "sft.jsonl": _lines(row.as_sft() for row in training if row.label),
        "holdout.jsonl": _lines(row.as_kto() for row in gathered.rows if row.held_out),
    }
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    manifest = {
        "counts": gathered.counts,
        "files": {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()},
        "rows": [_entry(row) for row in gathered.rows],
        "left_out": gathered.left_out,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return manifest


def read(folder: Path, name: str) -> list[dict[str, Any]]:
    """The rows of one file. Raises ValueError where it is not what the manifest says."""
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    data = (folder / name).read_bytes()
    if hashlib.sha256(data).hexdigest() != manifest["files"][name]:
        raise ValueError(f"{name} of the data set is not what its manifest says")
    return [json.loads(line) for line in data.decode().splitlines()]


def _rows_of(one: Judged) -> list[Row] | Reason:
    turn, recipe = one.turn, one.turn.recipe
    if recipe is None or turn.outcome != "answered" or not turn.answer.strip():
        return "not a whole answer"
    prompt = render(recipe.system, one.shown, turn.message.text)
    if digest(prompt) != recipe.digest:
        return "prompt changed since"
    prompt = tuple((role, redact(text)) for role, text in prompt)
    answer = redact(turn.answer)
    corrections = [c for c in one.corrections if c.text.strip() != turn.answer.strip()]
    votes: dict[str, int] = {f.author_id: f.score for f in sorted(one.feedback, key=lambda f: f.at)}
    votes |= {c.author_id: -1 for c in corrections}
    rows = [
        Row(turn.id, (c.author_id,), prompt, redact(c.text.strip()), True, corrected=True)
        for c in corrections
    ]
    total = sum(votes.values())
    if total:
        voters = tuple(sorted(votes))
        rows.append(Row(turn.id, voters, prompt, answer, total > 0))
    if rows:
        return rows
    return "as many up as down" if votes else "correction changes nothing"


def _split(row: Row) -> Row:
    return replace(row, held_out=held_out(row.turn_id))


def _entry(row: Row) -> dict[str, Any]:
    content = hashlib.sha256(json.dumps(row.as_kto(), ensure_ascii=False).encode()).hexdigest()
    return {
        "turn": row.turn_id,
        "by": row.by,
        "label": row.label,
        "corrected": row.corrected,
        "held_out": row.held_out,
        "sha256": content,
    }


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
