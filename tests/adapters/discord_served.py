"""The Discord adapter at work against our own Discord."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress

from pydantic import SecretStr

from adapters.discord import DiscordAdapter, Settings
from core.answer import Answer
from core.types import IncomingMessage, Outcome
from tests import fake_discord_spec
from tests.fake_discord import TOKEN, FakeDiscord
from tests.fake_discord_things import Channel, Message, User
from tests.fakes import ListInbox, until

# Where no test is about them, limits would cost seconds.
QUICK = dict.fromkeys(["channel", "bot", "typing"], (1_000, 1.0))


def settings(fake: FakeDiscord, **more) -> Settings:
    addresses = {"base_url": fake.base_url, "gateway_url": fake.gateway_url}
    return Settings(**{"bot_token": SecretStr(TOKEN), **addresses, **more})


@asynccontextmanager
async def checked_discord() -> AsyncIterator[FakeDiscord]:
    """Whatever a test does: every request is one that Discord describes."""
    async with FakeDiscord() as fake:
        yield fake
    if fake_discord_spec.FILE.exists():
        assert fake_discord_spec.problems(fake.calls) == []


class Served:
    """An adapter that runs, and the inbox that it fills."""

    def __init__(
        self,
        fake: FakeDiscord,
        inbox: ListInbox,
        adapter: DiscordAdapter,
        running: asyncio.Task[None],
    ) -> None:
        self.fake, self.inbox, self.adapter, self.running = fake, inbox, adapter, running
        self.ada = fake.person("Ada")
        self.bob = fake.person("Bob")

    async def asked(self, text: str, channel: Channel | None = None, **more) -> IncomingMessage:
        """Ada mentions the bot; returns what the inbox hears."""
        channel = channel or self.fake.general
        said = await self.fake.says(self.ada, channel, f"{self.fake.mention} {text}", **more)
        return await self.heard(said)

    async def heard(self, said: Message) -> IncomingMessage:
        await until(lambda: said.id in [one.ref.id for one in self.inbox.messages])
        return next(one for one in self.inbox.messages if one.ref.id == said.id)

    async def answers(
        self,
        to: IncomingMessage,
        *pieces: str,
        pause_s: float = 0.0,
        outcome: Outcome = "answered",
        **more,
    ) -> Answer:
        answer = Answer(saying(pieces, pause_s), outcome=outcome, **more)
        async with answer:
            await self.adapter.reply(to, answer)
        return answer

    async def answered(self, *pieces: str, channel: Channel | None = None) -> Message:
        """Ada asks and gets an answer; returns its last message."""
        channel = channel or self.fake.general
        answer = await self.answers(await self.asked("a question", channel), *pieces or ("Yes.",))
        return channel.messages[answer.refs[-1].id]

    async def nothing_more(self, user: User | None = None) -> None:
        """Wait until all that was said before is heard, or never will be."""
        marker = await self.fake.says(user or self.ada, self.fake.direct(self.ada), "marker")
        await self.heard(marker)
        self.inbox.messages = [one for one in self.inbox.messages if one.ref.id != marker.id]


@asynccontextmanager
async def served(
    fake: FakeDiscord,
    inbox: ListInbox | None = None,
    *,
    every_s: float = 0.05,
    rates: Mapping[str, tuple[int, float]] = QUICK,
    lost_after_s: float = 300.0,
    settle_s: float = 0.02,
    **more,
) -> AsyncIterator[Served]:
    inbox = inbox or ListInbox()
    adapter = DiscordAdapter(
        settings(fake, **more),
        every_s=every_s,
        rates=rates,
        settle_s=settle_s,
        lost_after_s=lost_after_s,
    )
    before = len(inbox.accounts)
    running = asyncio.create_task(adapter.run(inbox))
    try:
        await until(lambda: len(inbox.accounts) > before or running.done())
        if running.done():
            running.result()
        yield Served(fake, inbox, adapter, running)
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def saying(pieces: Sequence[str], pause_s: float = 0.0) -> AsyncGenerator[str]:
    for piece in pieces:
        await asyncio.sleep(pause_s)
        yield piece
