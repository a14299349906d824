"""Telegram, by polling: no public address is needed.

A bot cannot look for its own message. A new one says "…" until its place is kept, so that what a
crash leaves behind is never an answer. Of what people delete, bots are not told.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal

import telegram as tg
from pydantic import BaseModel, ConfigDict, SecretStr
from telegram.error import BadRequest

from adapters.telegram_ears import Ears
from adapters.telegram_line import Line, ours
from adapters.telegram_pace import BOT, EVERY_S, RATES, Pace, keys, kind
from adapters.telegram_paper import Note, Paper
from adapters.telegram_updates import Updates
from adapters.telegram_votes import Voters
from core.answer import Answer
from core.commands import COMMANDS
from core.errors import AdapterError, Refused
from core.notice import Notice, nobodys
from core.ports import Inbox
from core.streaming import show
from core.types import ChannelRef, IncomingMessage, Quoted

logger = logging.getLogger(__name__)

POLL_S, LATE_S = 30.0, 10.0  # how long a poll may last, and how much later its answer may come
STALLED_AFTER_S = 60.0  # without a poll that succeeded, the connections are made anew
TYPING_AFTER_S, TYPING_S = 0.3, 4.5  # Telegram shows it for 5 s; a quick answer needs none
PLACEHOLDER = "…"

PRIVACY = (
    "Privacy mode is on, so that in groups it is sure to hear only commands and replies to it; not"
    " everybody's mentions arrive, by what people report. Send /setprivacy to @BotFather, choose"
    " Disable, then remove it from each group and add it again, or make it an administrator there."
)
NO_GROUPS = "It cannot be added to groups: send /setjoingroups to @BotFather and choose Enable."
WEBHOOK = "A webhook is set, and is removed when Mynah starts: another program may need it."


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_token: SecretStr
    votes: Literal["both", "reactions", "buttons", "none"] = "both"
    base_url: str = "https://api.telegram.org"  # or a Bot API server of your own
    admins: tuple[str, ...] = ()  # "telegram:id" of each: their menu shows what only they may do


class TelegramAdapter:
    name = "telegram"

    def __init__(
        self,
        settings: Settings,
        *,
        every_s: Mapping[str, float] = EVERY_S,
        rates: Mapping[str, tuple[int, float]] = RATES,
        poll_s: float = POLL_S,
        late_s: float = LATE_S,
        stalled_after_s: float = STALLED_AFTER_S,
    ) -> None:
        self._settings, self._every_s, self._tempo = settings, every_s, Pace(rates)
        self._moved: dict[int, int] = {}  # groups that became supergroups, and which
        self._line = line_of(settings, late_s)
        self._updates = Updates(
            self._line, poll_s=poll_s, late_s=late_s, stalled_after_s=stalled_after_s
        )
        self._voters = Voters(self._line, self._tempo, moved=self._moved)
        self._group: asyncio.TaskGroup | None = None  # while we run

    async def run(self, inbox: Inbox) -> None:
        async with self._line.connected():
            us = await self._line.who()
            if not us.can_read_all_group_messages:
                logger.info("Telegram: @%s: %s", us.username, PRIVACY)
            with ours():
                await self._line.bot.delete_webhook()  # it sends there or lets us poll, not both
            await inbox.ready(str(us.id))
            ears = Ears(
                us,
                self._line,
                inbox,
                self._voters,
                moved=self._moved,
                aside=self._aside,
                by_button=self._settings.votes in ("both", "buttons"),
            )
            wanted = ["message", "edited_message", "callback_query"]
            if self._settings.votes in ("both", "reactions"):
                wanted.append("message_reaction")
            try:
                async with asyncio.TaskGroup() as self._group:
                    self._aside(self._set_menu())
                    self._group.create_task(self._updates.listen(wanted, ears.hear))
            except BaseExceptionGroup as failed:  # it listens no more; the rest fails quietly
                raise failed.exceptions[0] from None
            finally:
                self._group = None

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        async with self._line.connected():
            paper = Paper(
                self._line,
                to,
                answer,
                moved=self._moved,
                has_buttons=self._settings.votes in ("both", "buttons"),
            )
            typing = self._aside(self._type(paper, answer))
            try:
                await show(
                    answer,
                    paper,
                    self._tempo,
                    keys(paper.chat),
                    every_s=self._every_s[kind(paper.chat)],
                    placeholder=PLACEHOLDER,
                )
            finally:
                if typing:
                    typing.cancel()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()  # a chat or a topic is one conversation, and bots are shown no past

    async def tell(self, channel: str, notice: Notice) -> None:
        """Without a placeholder: people would be notified of that, not of the words."""
        if not channel.removeprefix("-").isdecimal():
            raise Refused("on Telegram a chat's id is a number, such as -1001234567890")
        to = nobodys(ChannelRef(self.name, "", channel), "")
        async with self._line.connected(), notice.said() as words:
            note = Note(self._line, to, words, moved=self._moved, has_buttons=False)
            every_s = self._every_s[kind(note.chat)]
            await show(words, note, self._tempo, keys(note.chat), every_s=every_s, edits=False)

    def _aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do what nobody waits for, while we run; that it failed matters to nobody."""

        async def quietly() -> None:
            with suppress(AdapterError), ours():
                await work

        if self._group is None:
            work.close()
            return None
        return self._group.create_task(quietly())

    async def _type(self, paper: Paper, answer: Answer) -> None:
        """Until a message stands, from which people see that something comes."""
        await asyncio.sleep(TYPING_AFTER_S)
        while not answer.refs:
            if self._tempo.may(BOT):  # what is said goes before
                await self._line.bot.send_chat_action(
                    paper.chat, "typing", message_thread_id=paper.topic, read_timeout=TYPING_S
                )
            await asyncio.sleep(TYPING_S)

    async def _set_menu(self) -> None:
        """What everybody may do stands in everybody's menu, the rest in the admins' own."""
        listed = [command for command in COMMANDS.values() if not command.hidden]
        menu = [tg.BotCommand(one.name, one.help) for one in listed if not one.admin]
        await self._line.bot.set_my_commands(menu)
        menu = [tg.BotCommand(one.name, one.help) for one in listed]
        for admin in self._settings.admins:
            platform, _, id = admin.partition(":")
            if platform == self.name and id.isdecimal():
                with suppress(BadRequest):  # never wrote to the bot
                    await self._line.bot.set_my_commands(menu, tg.BotCommandScopeChat(int(id)))


def line_of(settings: Settings, late_s: float = LATE_S) -> Line:
    return Line(settings.bot_token.get_secret_value(), settings.base_url, late_s)


async def who_am_i(settings: Settings) -> str:
    """Whom Telegram takes us for. Raises AdapterError."""
    line = line_of(settings)
    async with line.connected():
        us = await line.who()
    return f"@{us.username} ({us.id})"


async def missing(settings: Settings) -> list[str]:
    """What is to be set up at Telegram yet, a sentence each. Raises AdapterError."""
    line = line_of(settings)
    async with line.connected():
        us = await line.who()
        with ours():
            webhook = (await line.bot.get_webhook_info()).url
    wrong = [NO_GROUPS] if us.can_join_groups is False else []
    wrong += [] if us.can_read_all_group_messages else [PRIVACY]
    return wrong + ([WEBHOOK] if webhook else [])
