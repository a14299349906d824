"""The Telegram adapter at work against our own Telegram: the rig, for the contract and for more."""

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import ClassVar

from pydantic import SecretStr

from adapters.telegram import Settings, TelegramAdapter
from core.answer import Answer
from core.types import IncomingMessage
from tests import fake_telegram_spec as spec
from tests.contract import saying
from tests.fake_telegram import FakeTelegram
from tests.fake_telegram_chats import TOKEN, Complaint, Message, User
from tests.fakes import ListInbox, until

EVERY_S = 0.05
QUICK = {"private": (600, 1.0), "group": (600, 1.0), "bot": (6_000, 1.0)}
POSTS = ("sendMessage", "sendDocument", "editMessageText", "editMessageMedia")


def settings(telegram: FakeTelegram, **more) -> Settings:
    return Settings(**{"bot_token": SecretStr(TOKEN), "base_url": telegram.url, **more})


def quick(
    telegram: FakeTelegram, *, stalled_after_s: float = 60.0, rates=QUICK, **more
) -> TelegramAdapter:
    return TelegramAdapter(
        settings(telegram, **more),
        every_s={"private": EVERY_S, "group": EVERY_S},
        rates=rates,
        poll_s=1,
        late_s=0.4,
        stalled_after_s=stalled_after_s,
    )


async def words(count: int, *, every_s: float) -> AsyncGenerator[str]:
    """As a model says them: one after the other."""
    for n in range(count):
        await asyncio.sleep(every_s)
        yield f"word{n} "


class TelegramRig:
    limit, every_s = 4_096, EVERY_S
    secrets = (TOKEN,)
    lacks: ClassVar = {
        "backfill": "Telegram keeps what was said and delivers it, so there is nothing to fetch",
        "bots": "Telegram shows a bot nothing of what other bots say",
        "deletions": "Telegram tells bots of no deletion",
        "doubts": "a bot cannot look for its own message on Telegram",
        "threads": "a topic on Telegram is a conversation of its own, told by no mention",
        "whispers": "a message on Telegram is for all who are in the chat",
    }

    def __init__(self, telegram: FakeTelegram, **more) -> None:
        self.telegram, self.inbox = telegram, ListInbox()
        self.adapter = quick(telegram, **more)
        self.people = {"": telegram.person("Ann", "ann_of_tests")}
        self.chats = {
            "direct": telegram.private(self.people[""]),
            "public": telegram.group("Square", username="the_square", bot_is_admin=True),
            "private": telegram.group("Kitchen", bot_is_admin=True),
        }
        self.person_id, self.bot_id = str(self.people[""].id), str(telegram.bot.id)
        self.running: asyncio.Task[None]

    @property
    def calls(self) -> int:
        return len(self.telegram.called(*POSTS))

    @property
    def acknowledged(self) -> int:
        return self.telegram.acknowledged

    @property
    def mistakes(self) -> list[str]:
        return self.telegram.mistakes

    async def start(self) -> None:
        before = len(self.inbox.accounts)
        self.running = asyncio.create_task(self.adapter.run(self.inbox))
        await until(lambda: self.running.done() or len(self.inbox.accounts) > before)
        await until(lambda: self.running.done() or self.telegram.polling)

    async def stop(self) -> None:
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    async def run_with_wrong_token(self) -> None:
        await quick(self.telegram, bot_token=SecretStr("1:wrong")).run(ListInbox())

    def who(self, by: str) -> User:
        if by == self.bot_id:
            return self.telegram.bot
        if by not in self.people:
            self.people[by] = self.telegram.person(by)
        return self.people[by]

    def message(self, id: str) -> Message:
        return [one for one in self.telegram.messages.values() if one.id == int(id)][-1]

    async def say(self, text, *, room="direct", mention=False, by="", files=None, to="") -> str:
        who, chat = self.who(by), self.chats[room]
        text = f"@{self.telegram.bot.username} {text}" if mention else text
        if not files:
            reply_to = self.message(to) if to else None
            return str(self.telegram.says(chat, who, text, reply_to=reply_to).id)
        album = {"media_group_id": "1"} if len(files) > 1 else {}
        parts = [
            self.telegram.says(chat, who, text if first else "", document=file, more=dict(album))
            for first, file in zip([True, *[False] * len(files)], files.items(), strict=False)
        ]
        return str(parts[0].id)

    async def edit(self, message_id, text) -> None:
        self.telegram.edits(self.message(message_id), text)

    async def delete(self, message_id) -> None:
        self.telegram.deletes(self.message(message_id))

    async def react(self, message_id, emoji="👍", *, added=True, by="") -> None:
        one = [emoji[0]] if added else []  # Telegram has no skin tones
        self.telegram.reacts(self.message(message_id), self.who(by), *one)

    async def press(self, message_id, emoji="👍", *, by="") -> None:
        self.telegram.presses(self.message(message_id), self.who(by), emoji)

    async def correct(self, message_id, text) -> None:
        self.telegram.presses(self.message(message_id), self.who(""), "👎")
        await until(self.offers)
        offer = self.offers()[-1]
        self.telegram.says(offer.chat, self.who(""), text, reply_to=offer)

    def offers(self) -> list[Message]:
        mine = self.telegram.by_bot()
        return [one for one in mine if one.markup and "force_reply" in one.markup]

    def visible(self) -> list[str]:
        mine = [one for one in self.telegram.by_bot() if one not in self.offers()]
        return [one.text for one in mine if not one.document]

    def whispered(self) -> list[str]:
        return [text for _, text in self.telegram.toasts]

    def with_buttons(self) -> list[str]:
        return [str(one.id) for one in self.telegram.by_bot() if one.buttons]

    def sent_files(self) -> list[str]:
        return [one.document[1].decode() for one in self.telegram.by_bot() if one.document]

    def pinged(self) -> list[str]:
        return self.telegram.pinged

    def thread_of(self, message_id) -> str:
        return str(self.message(message_id).topic or "")

    def refuse_next(self, *, retry_after_s, times=1) -> None:
        self.telegram.flooded(" ".join(POSTS), max(1, round(retry_after_s)), times)

    def fail_next(self, times=1, *, done=False) -> None:
        how = "lost" if done else Complaint(502, "Bad Gateway")
        self.telegram.fail(" ".join(POSTS), how, times)

    def stall_cosmetics(self) -> None:
        self.telegram.fail("sendChatAction setMyCommands", "hang", 100)

    def shut_out(self) -> None:
        self.chats["direct"].gone = "bot was blocked by the user"

    async def drop(self) -> None:
        self.telegram.drop()

    async def redeliver(self) -> None:
        self.telegram.redeliver()

    async def nonsense(self) -> None:
        chat = self.chats["direct"].json()
        for update in (
            {"message": {"message_id": 1}},
            {"message": {"message_id": 1, "date": 0, "chat": chat}},
            {"message": {"message_id": 2, "date": "now", "chat": {"id": "x"}, "text": None}},
            {"message": {"message_id": 3, "date": 2**40, "chat": chat, "text": "my words"}},
            {"message": {"message_id": 4, "date": 2**56, "chat": chat, "text": "my words"}},
            {"message": {"message_id": 5, "date": 2**63, "chat": chat, "text": "my words"}},
            {"message": None},
            {"message": []},
            {"message": "my words"},
            {"a_thing_of_next_year": {"text": "your words"}},
            {"callback_query": {"id": "1", "from": {"id": 1}, "data": "my words"}},
            {"message_reaction": {"chat": chat, "message_id": 1, "date": 1, "new_reaction": 7}},
            {},
        ):
            self.telegram.pushes(update)

    # For what only Telegram has.

    async def heard(self, said: Message) -> IncomingMessage:
        where = (str(said.chat.id), str(said.id))

        def found() -> list[IncomingMessage]:
            heard = self.inbox.messages
            return [one for one in heard if (one.ref.channel.id, one.ref.id) == where]

        await until(found)
        return found()[-1]

    async def asked(self, text: str = "a question", room: str = "direct") -> IncomingMessage:
        name = "" if room == "direct" else f"@{self.telegram.bot.username} "
        said = self.telegram.says(self.chats[room], self.people[""], name + text)
        return await self.heard(said)

    async def answered(self, to: IncomingMessage, *pieces: str, **known) -> Message:
        """Answer it; returns the last message of the answer."""
        async with Answer(saying(pieces or ["Yes."]), **known) as answer:
            await self.adapter.reply(to, answer)
        assert answer.refs
        return self.telegram.messages[int(answer.refs[-1].channel.id), int(answer.refs[-1].id)]

    async def settled(self) -> None:
        """Wait until all that was said before is heard, or never will be."""
        marker = self.telegram.says(self.chats["direct"], self.people[""], "marker")
        self.inbox.messages.remove(await self.heard(marker))


@asynccontextmanager
async def served(
    telegram: FakeTelegram | None = None, *, privacy: bool = True, **more
) -> AsyncIterator[TelegramRig]:
    """An adapter that runs, on a Telegram that holds every call against the description."""
    for name in ("http_proxy", "https_proxy", "all_proxy"):  # calls would go by them
        os.environ.pop(name, None)
        os.environ.pop(name.upper(), None)
    async with AsyncExitStack() as stack:
        if telegram is None:
            telegram = await stack.enter_async_context(FakeTelegram(privacy=privacy))
        if spec.FILE.exists():
            telegram.judge = lambda call: spec.problems([call])
        rig = TelegramRig(telegram, **more)
        await rig.start()
        try:
            yield rig
        finally:
            await rig.stop()
