"""A question and its answer by way of a rig, as the clauses need them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from core.answer import Answer
from core.types import IncomingMessage
from tests.contract.rig import Rig
from tests.fakes import until


async def asked(rig: Rig, text: str = "hello", **how) -> IncomingMessage:
    before = len(rig.inbox.messages)
    await rig.say(text, **how)
    await until(lambda: len(rig.inbox.messages) > before)
    return rig.inbox.messages[-1]


async def shown(rig: Rig, *words: str, **how) -> Answer:
    return await replied(rig, await asked(rig, **how), *words)


async def replied(rig: Rig, to: IncomingMessage, *words: str, **known) -> Answer:
    async with Answer(saying(words), **known) as answer:
        await rig.adapter.reply(to, answer)
    return answer


async def saying(words: Iterable[str]) -> AsyncGenerator[str]:
    for word in words:
        await asyncio.sleep(0)
        yield word
