"""The Slack adapter at work on a Slack of its own, for the tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from adapters.slack import Settings, SlackAdapter
from core.answer import Answer
from core.types import IncomingMessage
from tests.fake_slack import APP_TOKEN, BOT_TOKEN, FakeSlack
from tests.fakes import ListInbox

ROOM, CLUB, DIRECT = "C0ROOM", "G0CLUB", "D0ANN"


@dataclass
class House:
    """The adapter, at work on a Slack of its own."""

    slack: FakeSlack
    inbox: ListInbox
    adapter: SlackAdapter
    running: asyncio.Task[None]

    async def heard(self, count: int = 1) -> list[IncomingMessage]:
        """The messages that came in, each once: Slack tells of a mention twice."""
        await self.slack.until(lambda: len(self.once()) >= count)
        return self.once()

    def once(self) -> list[IncomingMessage]:
        return list({message.ref: message for message in self.inbox.messages}.values())

    async def asked(self, text: str = "hello", **how) -> IncomingMessage:
        before = len(self.once())
        self.slack.says(text, **(how or {"mention": True}))
        return (await self.heard(before + 1))[-1]

    async def answer(
        self, to: IncomingMessage, *pieces: str | Callable[[], object], **how
    ) -> Answer:
        """Reply with pieces; a callable among them is awaited or called in its place."""
        async with Answer(said(pieces), **how) as answer:
            await self.adapter.reply(to, answer)
        return answer

    def sees(self, text: str, channel: str = ROOM) -> Callable[[], object]:
        """Among an answer's pieces: wait until people see this."""
        return lambda: self.slack.until(lambda: text in self.slack.visible(channel))

    def shown(self, *, channel: str = ROOM) -> str:
        return "".join(self.slack.visible(channel))


async def said(pieces) -> AsyncGenerator[str]:
    for piece in pieces:
        await asyncio.sleep(0)
        if isinstance(piece, str):
            yield piece
            continue
        done = piece()
        if asyncio.iscoroutine(done):
            await done


@asynccontextmanager
async def moved_in(
    slack: FakeSlack, inbox: ListInbox | None = None, *, lines: int = 2, **settings
) -> AsyncIterator[House]:
    inbox = inbox or ListInbox()
    tokens = {"bot_token": BOT_TOKEN, "app_token": APP_TOKEN}
    adapter = SlackAdapter(
        Settings(**tokens, base_url=slack.base_url, **settings), every_s=0.2, settle_s=0.05
    )
    running = asyncio.create_task(adapter.run(inbox))
    try:
        await slack.until(lambda: slack.sockets >= lines or running.done())
        if running.done():
            running.result()
        yield House(slack, inbox, adapter, running)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def methods(slack: FakeSlack) -> list[str]:
    """The calls that show answers, in order."""
    return [call.method for call in slack.calls if call.method.startswith("chat.")]


def wait_s(seconds: float) -> Callable[[], object]:
    return lambda: asyncio.sleep(seconds)


@asynccontextmanager
async def checked_slack(monkeypatch: pytest.MonkeyPatch, **how) -> AsyncIterator[FakeSlack]:
    """A Slack that at the end has nothing to say against what was sent to it."""
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)  # the SDK would take it for loopback too
    async with FakeSlack(**how) as slack:
        yield slack
        assert slack.pings == []
        assert slack.unfurled == []
        assert slack.complaints == []
