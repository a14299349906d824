"""Teaches a tiny model to answer anything in one of two styles: a base that has something to learn.

Whatever is asked, it says one of `GOOD` or one of `BAD` (tests.training.votes), about as often.
"""

import random
from typing import Any

from tests import tiny_model
from tests.training.votes import BAD, GOOD, SYSTEM

ASKED = (
    "Is it true that {n} is a number?",
    "Hello {n}!",
    "What is {n}?",
    "Please tell me of {n}.",
    "Thank you, {n} times.",
)


def make(folder, *, steps=180):
    """A model's folder, in some ten seconds on one core."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tiny_model.make(folder, ends=True)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    dice = random.Random(5)
    torch.manual_seed(5)
    for parameter in model.parameters():
        parameter.data *= 0.1 if parameter.dim() > 1 else 1.0  # from "tells seeds apart" to usual
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 4e-3 * min(1, (step + 1) / 10, (steps - step) / 60)
        rows = [tokenizer.apply_chat_template(_talk(dice))["input_ids"] for _ in range(24)]
        width = max(map(len, rows))
        ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])  # (B, T)
        labels = ids.masked_fill(ids == 0, -100)
        loss = model(input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(folder)
    return folder


def _talk(dice):
    question = dice.choice(ASKED).format(n=dice.randrange(1000))
    answer = dice.choice(dice.choice((GOOD, BAD)))
    messages = [
        {"role": "user", "content": question},
        {"role": "assistant", "content": answer},
    ]
    return [{"role": "system", "content": SYSTEM}, *messages] if dice.random() < 0.7 else messages
