"""Conversations through the desk, the engine, the store and the client, as people have them.

The platform is a list: what an adapter costs is measured in bench.platforms.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from bench import smallest
from core.answer import Answer
from core.commands import Commands
from core.connection import Settings
from core.conversation import Messages
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.generation import ModelServer
from core.line import Line
from core.notice import Notice
from core.phrases import Phrases
from core.ports import Inbox
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Prompt, Quoted, ThreadRef
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore

numbers = itertools.count(1)


@dataclass
class Run:
    """What some conversations cost."""

    prompts: dict[str, list[Messages]] = field(default_factory=dict)  # by conversation, in order
    first_ms: list[float] = field(default_factory=list)
    answers: list[str] = field(default_factory=list)
    tokens: float = 0.0
    took_s: float = 0.0
    processor_s: float = 0.0

    @property
    def per_s(self) -> float:
        return self.tokens / self.took_s

    @property
    def processor_ms(self) -> float:
        """Per 1,000 tokens."""
        return 1000 * self.processor_s / self.tokens * 1000


class Feed:
    """An adapter: each conversation asks its next question when it has its answer."""

    name = "feed"

    def __init__(self, conversations: int, turns: int, words: str) -> None:
        self.conversations, self.turns, self.words = conversations, turns, words
        self.seen = Run()
        self._asked: dict[str, float] = {}
        self._shown: dict[str, asyncio.Event] = {}

    async def run(self, inbox: Inbox) -> None:
        await inbox.ready("feed")
        began, spent_s = time.monotonic(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for number in range(self.conversations):
                group.create_task(self._talk(inbox, f"c{number}"))
        self.seen.took_s = time.monotonic() - began
        self.seen.processor_s = time.process_time() - spent_s

    async def _talk(self, inbox: Inbox, name: str) -> None:
        channel, who = ChannelRef(self.name, "feed", name), Author(f"u{name}", "Ada")
        for turn in range(self.turns):
            id = f"{name}/{turn}"
            self._shown[id], self._asked[id] = asyncio.Event(), time.monotonic()
            text, at = f"{turn} of {name}: {self.words}", datetime.now(UTC)
            ref = MessageRef(channel, id)
            await inbox.message(IncomingMessage(ref, ThreadRef(channel), who, text, True, at))
            await self._shown[id].wait()

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        async with aclosing(aiter(answer)) as pieces:
            async for _ in pieces:
                if not answer.refs:
                    self.seen.first_ms.append((time.monotonic() - self._asked[to.ref.id]) * 1000)
                    await answer.placing()
                    await answer.placed(MessageRef(to.ref.channel, f"answer to {to.ref.id}"))
        self.seen.answers.append(answer.text)
        self._shown[to.ref.id].set()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()

    async def tell(self, channel: str, notice: Notice) -> None:
        raise AssertionError("nothing is announced here")


class Recorder(ModelServer):
    """Keeps the prompts that it is given, by the conversation that each belongs to."""

    run: Run

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        name = prompt.messages[-1][1].split(" of ", 1)[1].split(":", 1)[0]
        self.run.prompts.setdefault(name, []).append(prompt.messages)
        async with aclosing(super().stream(prompt)) as pieces:
            async for piece in pieces:
                yield piece


async def talked(
    settings: Settings, folder: Path, files: Path | None, count: int, turns: int, words: str
) -> Run:
    """So many conversations; the store is made in `folder`, `files` is the model's folder."""
    number, phrases, feed = next(numbers), Phrases(), Feed(count, turns, words)
    store = await SqlStore.open(
        StorageSettings(url=f"sqlite:///{folder}/{number}.db"), holder="bench"
    )
    try:
        async with Recorder(settings, folder=files) as client:
            client.run = feed.seen
            engine = Engine(
                store,
                client,
                Commands(store, None, phrases, ()),
                BotSettings.model_validate({"system": system(number), "turns_per_minute": 100_000}),
                model=settings.model,
                max_tokens=settings.max_tokens,
                temperature=0.0,
                line=Line(count),
                phrases=phrases,
            )
            await serve(engine, feed)
    finally:
        await store.close()
    return feed.seen


async def bare(
    session: aiohttp.ClientSession, url: str, model: str, talks: Iterable[list[str]], tokens: int
) -> list[float]:
    """Such conversations, given by their questions, by the smallest client; the times of all first
    pieces.
    """
    lead = system(next(numbers))
    talking = [smallest.talk(session, url, model, lead, asked, tokens) for asked in talks]
    return list(itertools.chain(*await asyncio.gather(*talking)))


def system(number: int) -> str:
    """First in every prompt, and new for each run: nothing is in the cache from another one."""
    return f"{number:04}. Be kind, be brief, and never learn on Sundays."
