"""What a tune learnt from, of all that its run used, by what the tune's manifest says.

Not what was held out for the gate alone, nor rows that its training left out: mostly of people
whom the others outvote, too long, or of a kind that no stage takes. What one stage began with
counts, also where the KL budget ended the stage.
"""

from __future__ import annotations

import json
from pathlib import Path

from core.training.dataset import Gathered
from core.training.publish import judgement
from core.types_learning import Used


def used(gathered: Gathered, run: Path) -> tuple[Used, ...]:
    """All of `gathered`, and what of it the candidate in `run` learnt; of one that the gate refuses
    nothing.
    """
    lines = _lines(run / "candidate") if judgement(run)["passed"] else frozenset()
    rows = [row for line, row in enumerate(gathered.training, 1) if line in lines]
    learnt = {(row.turn_id, person) for row in rows for person in row.by}
    corrected = {(row.turn_id, person) for row in rows if row.corrected for person in row.by}
    return tuple(Used(*one, one in learnt, one in corrected) for one in gathered.verdicts)


def _lines(candidate: Path) -> frozenset[int]:
    """Of train.jsonl. None where the manifest does not say: nobody is told what may be untrue."""
    try:
        made = json.loads((candidate / "manifest.json").read_text(encoding="utf-8"))
        return frozenset(made["learnt"])
    except (OSError, ValueError, KeyError, TypeError):
        return frozenset()
