"""From history to prompt. Pure functions: no clock, no network, no store.

Prompts grow at the end only, so that the model server's prefix cache keeps hitting. When they
outgrow the budget, a large block is cut from the front at once: down to half of the budget.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from core.types import Role, Turn

Messages = tuple[tuple[Role, str], ...]

# What a chat template adds around one message. Measured: 2 for the starter model, 4-5 for Qwen 3
# and Llama 3; one more for safety.
TOKENS_PER_MESSAGE = 6


def render(system: str, shown: Sequence[Turn], question: str) -> Messages:
    """The exact messages that the model is shown. The same turns always give the same bytes."""
    past: list[tuple[Role, str]] = []
    for turn in shown:
        past += [("user", turn.message.text), ("assistant", turn.answer)]
    lead: list[tuple[Role, str]] = [("system", system)] if system else []
    return (*lead, *past, ("user", question))


def digest(messages: Messages) -> str:
    """A hash of the exact messages, roles and borders included: SHA-256, hexadecimal."""
    exact = json.dumps(messages, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(exact.encode()).hexdigest()


def fitting(sizes: Sequence[int], fixed: int, budget: int) -> int:
    """How many of the oldest turns to leave out, given each turn's tokens.

    None while everything fits `budget` beside the `fixed` tokens (system text and question); else
    so many that what remains of the past takes at most half of what they may take.
    """
    room = budget - fixed
    if sum(sizes) <= room:
        return 0
    left = len(sizes)
    kept = 0
    while left and kept + sizes[left - 1] <= room // 2:
        left -= 1
        kept += sizes[left]
    return left
