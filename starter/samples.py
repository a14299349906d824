# ruff: noqa: E501  (patterns of wording read best on one line)
"""Writes SAMPLES.md: ten conversations as they come, at temperature 0.7, none left out or mended."""

from __future__ import annotations

from pathlib import Path
from random import Random

import torch

from starter.evaluate import HERE, people
from starter.speak import Messages, Speaker

SEED = 2026
_SYSTEMS = ("", "", "", "", "Be terse.", "Be friendly.", "Give an example.", "", "", "")
_NAME = ("hi, my name is Marlene", "what's my name?")


def main() -> None:
    """Draws the questions with a fixed seed from the held-out ones, and asks."""
    torch.manual_seed(SEED)
    rng = Random(SEED)
    speaker = Speaker(HERE / "model")
    known = [q for q in people() if q.kind != "followup"]
    follow = [q for q in people() if q.kind == "followup"]
    lines = [
        "# Ten conversations",
        "",
        "Made by `python -m starter.samples` at temperature 0.7, seed "
        f"{SEED}: nothing chosen, nothing mended. The questions are drawn from the held-out ones.",
    ]
    for number, system in enumerate(_SYSTEMS, 1):
        turns = [rng.choice(known).turns[0] for _ in range(4)] + list(rng.choice(follow).turns)
        if number % 3 == 0:
            turns = [_NAME[0], *turns, _NAME[1]]
        lines += ["", f"## {number}", ""]
        messages: Messages = []
        if system:
            messages.append({"role": "system", "content": system})
            lines += [f"*System: {system}*", ""]
        for turn in turns:
            messages.append({"role": "user", "content": turn})
            said = speaker.answers([messages], 0.7)[0].text
            messages.append({"role": "assistant", "content": said})
            lines += [f"**Person:** {turn}", "", f"**Mynah:** {said}", ""]
    text = "\n".join(lines).rstrip() + "\n"
    (Path(HERE) / "SAMPLES.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
