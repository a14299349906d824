"""Base, the tune that serves and the candidate, on one loaded model: asked and scored side by side.

It knows nothing of limits or verdicts; those are the gate's.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.training import integrity
from core.training.measure import (
    CANDIDATE,
    SERVING,
    Chat,
    Said,
    Voice,
    answers,
    log_probs_per_token,
    longest,
    prompt_ids,
    row_ids,
    shortened,
    speaking,
)
from core.training.models import load_base
from core.training.recipe import ANSWER_TOKENS

Row = dict[str, Any]  # of the data set: prompt, completion, label
Tokens = tuple[list[int], int]  # all of a row, and where its completion begins


class Trio:
    """`rival`: what the candidate would replace: the tune in the folder `serving`, or the base
    where none is named, or where it is no tune of this base any more. `name`: the rival's, for
    people. `seen`: the turns that it was trained on. `voices`: those of the three that differ.
    """

    def __init__(self, base: Path, serving: Path | None, candidate: Path) -> None:
        from peft import PeftModel

        plain, self.tokenizer = load_base(base)
        self.model = PeftModel.from_pretrained(
            plain, candidate, adapter_name=CANDIDATE, local_files_only=True
        )
        self.rival: Voice = "base"
        self.name = "the base"
        self.seen: frozenset[int] = frozenset()
        if serving and integrity.stands_on(serving, base):
            made = json.loads((serving / "manifest.json").read_text(encoding="utf-8"))
            self.seen = frozenset(made.get("turns", ()))
            self.model.load_adapter(str(serving), SERVING, local_files_only=True)
            self.rival, self.name = "serving", serving.name
        self.model.set_adapter(CANDIDATE)
        self.model.eval()
        self.voices: list[Voice] = list(dict.fromkeys(("base", self.rival, "candidate")))

    def ask(
        self,
        voice: Voice,
        chats: Sequence[Chat],
        *,
        begun: Sequence[str] | None = None,
        times: int = 1,
        temperature: float = 0.0,
    ) -> list[list[Said]]:
        """All answers, `times` over, one list a time. `begun`: the first words of each answer."""
        rows = [prompt_ids(self.tokenizer, chat) for chat in chats]
        if begun:
            ids = [self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in begun]
            rows = [[*row, *more] for row, more in zip(rows, ids, strict=True)]
        with speaking(self.model, voice):
            said = answers(
                self.model,
                self.tokenizer,
                rows * times,
                tokens=ANSWER_TOKENS,
                temperature=temperature,
            )
        return [said[n * len(rows) : (n + 1) * len(rows)] for n in range(times)]

    def log_probs(self, voice: Voice, rows: Sequence[Tokens]) -> list[float]:
        """The mean log-probability per token of each completion."""
        with speaking(self.model, voice):
            return log_probs_per_token(self.model, self.tokenizer, rows)

    def tokens(self, row: Row) -> Tokens:
        return row_ids(self.tokenizer, row)

    def fits(self, row: Row) -> bool:
        """Whether the model's window is long enough for it."""
        return len(self.tokens(row)[0]) <= longest(self.model)

    def fitted(self, row: Row) -> Row | None:
        """The row, where it does not fit without its oldest turns; None: nor so."""
        return row if self.fits(row) else self.learnt(row)

    def learnt(self, row: Row) -> Row | None:
        """What the training learns of it; None: nothing, it is too long."""
        row = shortened(self.model, self.tokenizer, row)
        return row if self.fits(row) else None
