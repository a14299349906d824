"""Asks the model of a folder, many questions at a time. It knows nothing about what is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from starter.tokens import CONTEXT, END

Messages = list[dict[str, str]]
MOST_TOKENS = 140
_BATCH = 60


@dataclass(frozen=True, slots=True)
class Said:
    """One answer, and whether the model ended it by itself."""

    text: str
    ended: bool


class Speaker:
    """A model in memory, in float32 on a CPU and in its own type on a GPU."""

    def __init__(self, folder: Path) -> None:
        device = "cuda" if torch.cuda.is_available() else "cpu"
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        model: Any = AutoModelForCausalLM.from_pretrained(str(folder), dtype=dtype)
        self.model = model.to(device).eval()
        self.tokenizer.padding_side = "left"
        self.end = self.tokenizer.convert_tokens_to_ids(END)

    def answers(
        self,
        asked: Sequence[Messages],
        temperature: float = 0.0,
        each: Callable[[int], None] = lambda n: None,
    ) -> list[Said]:
        """Gives one answer to each conversation; `each` hears how many more are done.

        Conversations longer than the context lose their oldest messages, as in the product.
        """
        prompts = [self._prompt(messages) for messages in asked]
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
        found: dict[int, Said] = {}
        for start in range(0, len(order), _BATCH):
            some = order[start : start + _BATCH]
            for i, said in zip(
                some, self._batch([prompts[i] for i in some], temperature), strict=True
            ):
                found[i] = said
            each(len(some))
        return [found[i] for i in range(len(prompts))]

    def _prompt(self, messages: Messages) -> list[int]:
        while True:
            text = self.tokenizer.apply_chat_template(
                messages, add_generation_prompt=True, tokenize=False
            )
            ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
            if len(ids) <= CONTEXT - MOST_TOKENS or len(messages) < 2:
                return ids[-(CONTEXT - MOST_TOKENS) :]
            messages = messages[2:]

    @torch.inference_mode()
    def _batch(self, prompts: list[list[int]], temperature: float) -> list[Said]:
        padded = self.tokenizer.pad({"input_ids": prompts}, return_tensors="pt")
        padded = padded.to(self.model.device)
        made = self.model.generate(
            input_ids=padded["input_ids"],
            attention_mask=padded["attention_mask"],
            max_new_tokens=MOST_TOKENS,
            max_length=None,
            do_sample=temperature > 0,
            temperature=temperature or None,
            top_k=None,
            eos_token_id=self.end,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        found = []
        for row in made[:, padded["input_ids"].shape[1] :].tolist():
            ended = self.end in row
            own = row[: row.index(self.end)] if ended else row
            text = str(self.tokenizer.decode(own, skip_special_tokens=False))
            found.append(Said(text, ended))
        return found
