"""What the gate shows beside a tune: the base with examples in its prompt, trained on nothing.

It says what the votes were worth without a tune, and is only shown: it passes or refuses nothing.
Its examples come from the training rows as the bot's come from a channel, but from all channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.conversation import SHARE_OF_EXAMPLES
from core.examples import nearest
from core.training.measure import Chat, Said, longest, prompt_ids
from core.training.trio import Row, Trio
from core.types import Exchange

NAME = "examples"


class Baseline:
    """`there`: whether anything was liked or corrected that can be shown."""

    def __init__(self, trio: Trio, train: Sequence[Row]) -> None:
        """`train`: oldest first."""
        self.trio = trio
        self.liked = [
            Exchange(n, _asked(row["prompt"]), row["completion"][0]["content"], {NAME: 1})
            for n, row in enumerate(train)
            if row["label"]
        ][::-1]
        self.there = bool(self.liked)

    def ask(self, chats: Sequence[Chat]) -> list[Said]:
        """Greedy answers."""
        return self.trio.ask("base", [self.led(chat) for chat in chats])[0]

    def log_probs(self, rows: Sequence[Row]) -> list[float]:
        """The mean log-probability per token of each completion."""
        led = [row | {"prompt": self.led(row["prompt"])} for row in rows]
        tokens = [
            self.trio.tokens(some if self.trio.fits(some) else row)
            for some, row in zip(led, rows, strict=True)
        ]
        return self.trio.log_probs("base", tokens)

    def led(self, chat: Chat) -> Chat:
        """The chat with its examples, the likest last, in an eighth of the window."""
        room = longest(self.trio.model) // SHARE_OF_EXAMPLES
        cut = sum(message["role"] == "system" for message in chat[:1])
        found = list(nearest(_asked(chat), self.liked))
        while found:
            examples = [
                {"role": role, "content": text}
                for one in found
                for role, text in (("user", one.question), ("assistant", one.answer))
            ]
            if len(prompt_ids(self.trio.tokenizer, examples)) <= room:
                return [*chat[:cut], *examples, *chat[cut:]]
            found.pop(0)
        return chat


def _asked(chat: Chat) -> str:
    return chat[-1]["content"]


def means(log_probs: dict[str, list[float]], rows: Sequence[Row]) -> dict[str, Any]:
    """How far each voice but the base moved from it towards what people said, in nats per token."""
    from core.training.checks import clipped

    base = log_probs["base"]
    found = {}
    for voice, values in log_probs.items():
        if voice != "base":
            moved = [
                clipped(new - old, row["label"])
                for new, old, row in zip(values, base, rows, strict=True)
            ]
            found[voice] = round(sum(moved) / len(moved), 4)
    return found
