"""For adapters: words that nobody asked for, shown by what shows answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import UTC, datetime

from core.answer import Answer
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, ThreadRef

NOBODY = Author("", "")


def notice(text: str) -> Answer:
    """The words as an answer of ours, so that nobody votes on it. It is recorded nowhere."""

    async def said() -> AsyncGenerator[str]:
        yield text

    return Answer(said(), outcome="command")


def nobodys(channel: ChannelRef, id: str) -> IncomingMessage:
    """Stands where the question would. `id`: no other notice has it."""
    ref, thread = MessageRef(channel, id), ThreadRef(channel)
    return IncomingMessage(ref, thread, NOBODY, "", addressed=False, at=datetime.now(UTC))
