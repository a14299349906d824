"""Writes the generated parts of the model card, README.md: between its two pairs of marks."""

from __future__ import annotations

import json
import re
from pathlib import Path

CARD = Path(__file__).parent / "README.md"


def write_card(model: Path, lines: list[str]) -> None:
    """Puts table and training into the card; raises ValueError where its marks are missing."""
    text = CARD.read_text(encoding="utf-8")
    table = "\n".join(["| what | to reach | reached | |", "|---|---|---|---|", *lines])
    training = json.loads((model / "training.json").read_text())
    legs = training.pop("legs", [])  # of weights that were not made in one go
    facts = "\n".join(f"- {name}: {value}" for name, value in training.items())
    for number, leg in enumerate(legs, 1):
        told = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in leg.items())
        facts += f"\n- leg {number}: {told}"
    CARD.write_text(_put(_put(text, "evaluation", table), "training", facts), encoding="utf-8")


def _put(text: str, name: str, content: str) -> str:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    if begin not in text or end not in text:
        raise ValueError(
            f"{CARD.name} lacks the marks {begin} and {end}; write them where it goes."
        )
    pattern = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    return pattern.sub(lambda _: f"{begin}\n{content}\n{end}", text)
