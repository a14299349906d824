"""What people are told of a new tune: in figures and in two answers, before and after.

Pure. It reads the gate's report, and of its answers those that are handed in: to fixed questions,
never what people said. It knows neither trainer nor files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = 2  # answers before and after
LONGEST = 240  # characters of each
TELLING = ("knowledge", "safety", "length")  # checks whose words say what changed

Answer = Mapping[str, Any]  # `question`, and by voice what was `said` and whether it was `right`


def changes(report: Mapping[str, Any]) -> str:
    """CommonMark: how the tune answers otherwise than what served before it."""
    found = [one["words"] for one in report["checks"] if one["name"] in TELLING]
    answers: Sequence[Answer] = report["answers"]
    rival = "serving" if any("serving" in one["said"] for one in answers) else "base"
    new = [one for one in answers if difference(one, rival) > 0]
    parts = []
    if answers:
        parts.append(
            f"Of {len(answers)} fixed questions it answers {len(new)} in other words than before."
            if new
            else "It answers the fixed questions word for word as before."
        )
    parts += [f"{words[0].upper()}{words[1:]}." for words in found]
    shown = [before_and_after(one, rival) for one in told(new, rival)]
    return "\n\n".join([" ".join(parts), *shown])


def told(new: Sequence[Answer], rival: str) -> Sequence[Answer]:
    """Those that show most: right before and after, then in other words as far as possible."""

    def shows(one: Answer) -> tuple[bool, bool, float]:
        return one["right"]["candidate"], one["right"][rival], difference(one, rival)

    return sorted(new, key=shows, reverse=True)[:SHOWN]


def difference(one: Answer, rival: str) -> float:
    """Of all words in both answers, the share that stands in one of them only."""
    old, new = (set(one["said"][voice].split()) for voice in (rival, "candidate"))
    return len(old ^ new) / len(old | new) if old | new else 0.0


def before_and_after(one: Answer, rival: str) -> str:
    old, new = (short(one["said"][voice]) for voice in (rival, "candidate"))
    return f"> **{short(one['question'])}**\n> before: {old}\n> now: {new}"


def short(text: str) -> str:
    """In one line, with its code closed."""
    line = " ".join(text.replace("```", " ").split())
    if len(line) > LONGEST:
        line = f"{line[:LONGEST].rstrip()} […]"
    return f"{line}`" if line.count("`") % 2 else line or "(nothing)"
