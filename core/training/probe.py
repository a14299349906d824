"""Whether the model's server answers with a new tune, and not as the base does.

It asks what the gate asked, since there the two differed. It knows no folder and no pointer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import aclosing, suppress
from typing import Any

from core.conversation import Messages
from core.errors import BotError, CutShort, Empty, Overloaded, TimedOut, Unreachable
from core.ports import Speaker
from core.training.recipe import ANSWER_TOKENS
from core.types import Prompt

PROBE = "Hello! Who are you?"
PROBES = 8
TOLD_APART_BY = 3  # two servers may differ in a rounding, and so in an answer; hardly in three
BACK_WITHIN_S = 600.0  # a server that starts anew takes minutes; what was learnt can wait
AGAIN_AFTER_S = 5.0


class NotServed(BotError):
    """Why the published folder does not answer; a sentence without a full stop."""


async def probe(
    generator: Speaker, name: str, base: str, asks: Sequence[Messages], again_after_s: float
) -> None:
    """Whether the server answers `asks` under the new name, and not all of them as the base does: a
    server may take a name and answer as the base all the same. Raises NotServed.

    Where it answers nobody just now, it is asked again for some minutes; then GenerationError.
    """
    for ask in asks or [(("user", PROBE),)]:
        new = await _said(generator, name, ask, again_after_s)
        if new and not asks:
            return
        old = await _said(generator, base, ask, again_after_s)
        if old and not new:
            raise NotServed("it answered the first question with nothing")
        if new != old:
            return
    if len(asks) >= TOLD_APART_BY:
        raise NotServed("the model's server answers with it just as the base does")


def differing(report: dict[str, Any]) -> list[Messages]:
    """What the candidate answered otherwise than the base before the gate, as asked there."""
    system = report.get("system", "")
    lead: Messages = (("system", system),) if system else ()
    return [
        (*lead, ("user", answer["question"]))
        for answer in report.get("answers", ())
        if not answer["before"] and answer["said"]["candidate"] != answer["said"]["base"]
    ][:PROBES]


async def _said(generator: Speaker, model: str, ask: Messages, again_after_s: float) -> str:
    """The whole answer; "" also where all of it was thought. Raises NotServed, GenerationError."""
    prompt = Prompt(ask, model, ANSWER_TOKENS, 0.0)
    until = time.monotonic() + BACK_WITHIN_S
    while True:
        try:
            return await _tried(generator, prompt)
        except (Unreachable, Overloaded, TimedOut):
            if time.monotonic() >= until:
                raise
            await asyncio.sleep(again_after_s)
        except BotError as error:
            raise NotServed(f"the model's server could not answer with it: {error}") from error


async def _tried(generator: Speaker, prompt: Prompt) -> str:
    text = ""
    with suppress(CutShort, Empty):  # that it ends by itself was the gate's question
        async with aclosing(generator.stream(prompt)) as pieces:
            async for piece in pieces:
                text += piece
    return text.strip()
