"""For adapters: words that nobody asked for, shown by what shows answers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from core.answer import Answer
from core.types import (
    Announcement,
    Author,
    ChannelRef,
    IncomingMessage,
    MessageRef,
    Outcome,
    ThreadRef,
)

NOBODY = Author("", "")


async def nowhere(announcement: Announcement) -> None: ...


class Notice:
    """An announcement on its way: each try to tell it goes on where the one before it ended."""

    def __init__(
        self,
        announcement: Announcement,
        keep: Callable[[Announcement], Awaitable[None]] = nowhere,
    ) -> None:
        """`keep`: given `announcement` whenever more of it stands there. Never raises."""
        self.id, self.text, self.at = announcement.id, announcement.text, announcement.at
        self.announcement, self._keep = announcement, keep

    def said(self) -> Answer:
        """The words as an answer of ours, so that nobody votes on it; one for each try."""

        async def pieces() -> AsyncGenerator[str]:
            yield self.text

        far = self.announcement
        return Answer(
            pieces(), outcome="command", refs=far.replies, placing=far.placing, record=self
        )

    async def placing(self) -> None:
        self.announcement = replace(self.announcement, placing=True)
        await self._keep(self.announcement)

    async def placed(self, ref: MessageRef) -> None:
        replies = (*self.announcement.replies, ref)
        self.announcement = replace(self.announcement, replies=replies, placing=False)
        await self._keep(self.announcement)

    async def settle(self, text: str, outcome: Outcome) -> None:
        """It was whole from the first."""


def nobodys(channel: ChannelRef, id: str) -> IncomingMessage:
    """Stands where the question would. `id`: no other notice has it."""
    ref, thread = MessageRef(channel, id), ThreadRef(channel)
    return IncomingMessage(ref, thread, NOBODY, "", addressed=False, at=datetime.now(UTC))
