"""Writes the generated parts of the model card, README.md: between its two pairs of marks."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

CARD = Path(__file__).parent / "README.md"


def write_card(model: Path, lines: list[str]) -> None:
    """Puts table and training into the card; raises ValueError where its marks are missing."""
    text = CARD.read_text(encoding="utf-8")
    sum_ = hashlib.sha256((model / "model.safetensors").read_bytes()).hexdigest()
    of = f"Of model.safetensors with the sum {sum_[:16]}...:\n"
    table = "\n".join([of, "| what | to reach | reached | |", "|---|---|---|---|", *lines])
    training = json.loads((model / "training.json").read_text())
    facts = "\n".join(f"- {name}: {value}" for name, value in training.items())
    CARD.write_text(_put(_put(text, "evaluation", table), "training", facts), encoding="utf-8")


def _put(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise ValueError(
            f"{CARD.name} lacks the marks {begin} and {end}; write them where it goes."
        )
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)
