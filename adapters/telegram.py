"""Telegram, by polling: no public address is needed.

Asking for the next offset is Telegram's acknowledgement, so it is asked for only when the inbox has
stored everything of the batch before. The offset itself is kept nowhere: what is not acknowledged
Telegram keeps for 24 hours and delivers again, and what comes twice is heard once. (Hence rows and
offset need no common transaction.)

A bot cannot look for its own message. A new one says "…" until its place is kept, so that what a
crash leaves behind is never an answer. Of what people delete, bots are not told.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal

import telegram as tg
from pydantic import BaseModel, ConfigDict, SecretStr
from telegram.error import (
    BadRequest,
    ChatMigrated,
    Conflict,
    InvalidToken,
    RetryAfter,
    TelegramError,
)

from adapters import telegram_heard as heard
from adapters.telegram_line import NOT_ACCEPTED, Line, dial, ours, seconds
from adapters.telegram_pace import BOT, EVERY_S, RATES, Pace, keys, kind
from adapters.telegram_paper import NO_PREVIEW, VOTES, Paper, keyboard, replying
from adapters.telegram_text import CORRECTS, units
from core import attachments
from core.answer import Answer
from core.commands import COMMANDS
from core.errors import AdapterError, Closing, RateLimited, Refused, StoreError
from core.ports import Inbox
from core.streaming import show
from core.types import (
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Quoted,
    ThreadRef,
)

logger = logging.getLogger(__name__)

POLL_S, LATE_S = 30.0, 10.0  # how long a poll may last, and how much later its answer may come
STALLED_AFTER_S = 60.0  # without a poll that succeeded, the connections are made anew
FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.2, 30.0
ALBUM_WITHIN_S = 0.3  # between its parts, each of which is a message to Telegram
TYPING_AFTER_S, TYPING_S = 0.3, 4.5  # Telegram shows it for 5 s; a quick answer needs none
PLACEHOLDER = "…"
MOST_WAITS = 3

YOUR_VOTE = {1: "Your vote: 👍", -1: "Your vote: 👎", None: "There is nothing to vote on here now."}
WHAT_INSTEAD = "What should I have said? Please reply to this message."
MOST_TOAST_UNITS = 200  # https://core.telegram.org/bots/api#answercallbackquery
HIDDEN = "\u200b"  # a sign without width, for the link that names the corrected answer

TAKEN = (
    "Telegram: another program asks for this bot's messages, so that neither hears all of them"
    " (409 Conflict): stop it, or give this bot a token of its own from @BotFather"
)
PRIVACY = (
    "Privacy mode is on, so that in groups it is sure to hear only commands, replies to it and what"
    " names it: to let it hear more, send /setprivacy to @BotFather, choose Disable, then remove it"
    " from each group and add it again."
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
        self._poll_s, self._late_s, self._stalled_after_s = poll_s, late_s, stalled_after_s
        self._line: Line | None = None  # while somebody uses it
        self._users = 0
        self._us: tg.User | None = None
        self._group: asyncio.TaskGroup | None = None  # while we run
        self._heard: deque[int] = deque(maxlen=200)  # updates that may come twice
        self._offered: deque[tuple[MessageRef, int]] = deque(maxlen=1_000)

    async def run(self, inbox: Inbox) -> None:
        async with self.connected() as bot:
            us = await self.who()
            if not us.can_read_all_group_messages:
                logger.info("Telegram: @%s: %s", us.username, PRIVACY)
            with ours():
                await bot.delete_webhook()  # Telegram sends there or lets us poll, not both
            await inbox.ready(str(us.id))
            try:
                async with asyncio.TaskGroup() as self._group:
                    self._aside(self._set_menu())
                    self._group.create_task(self._listen(us, inbox))
            except BaseExceptionGroup as failed:
                raise failed.exceptions[0] from None
            finally:
                self._group = None

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        async with self.connected():
            paper = Paper(
                lambda: self._bot,
                to,
                answer,
                moved=self._moved,
                has_buttons=self._settings.votes in ("both", "buttons"),
            )
            typing = self._aside(self._type(to, answer))
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

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[tg.Bot]:
        """The SDK, open for as long as somebody uses it: replies may outlast `run`."""
        self._line = self._line or self._dial()
        self._users += 1
        try:
            yield self._line.bot
        finally:
            self._users -= 1
            if not self._users:
                line, self._line = self._line, None
                await line.close()

    def _dial(self) -> Line:
        settings = self._settings
        return dial(settings.bot_token.get_secret_value(), settings.base_url, self._late_s)

    @property
    def _bot(self) -> tg.Bot:
        """Only while `connected`."""
        assert self._line
        return self._line.bot

    async def who(self) -> tg.User:
        if self._us is None:
            with ours():
                self._us = await self._bot.get_me()
        return self._us

    def _ref(self, chat: int, message: int | str) -> MessageRef:
        """Only once we know who we are."""
        assert self._us
        return MessageRef(ChannelRef(self.name, str(self._us.id), str(chat)), str(message))

    def _aside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None] | None:
        """Do what nobody waits for, while we run; that it failed matters to nobody."""

        async def quietly() -> None:
            with suppress(AdapterError), ours():
                await work

        if self._group is None:
            work.close()
            return None
        return self._group.create_task(quietly())

    # What people do

    async def _listen(self, us: tg.User, inbox: Inbox) -> None:
        """Poll, until the inbox is closed. Raises Refused."""
        wanted = ["message", "edited_message", "callback_query"]
        if self._settings.votes in ("both", "reactions"):
            wanted.append("message_reaction")
        loop = asyncio.get_running_loop()
        offset, again_s, answered_at = None, FIRST_AGAIN_S, loop.time()
        while True:
            try:
                updates = await self._poll(offset, wanted, int(self._poll_s))
                if updates and heard.album_of(updates[-1]):  # the rest of it is on its way
                    await asyncio.sleep(ALBUM_WITHIN_S)
                    updates = await self._poll(offset, wanted, 0)
                answered_at = loop.time()
                await self._hear_all(us, updates, inbox)
                # Nothing is left below `offset` then. After a silent week Telegram counts from
                # anywhere, https://core.telegram.org/bots/api#update: so do not insist on it.
                offset = updates[-1].update_id + 1 if updates else None
                again_s = FIRST_AGAIN_S
                continue
            except Closing:
                return
            except InvalidToken as error:
                raise Refused(NOT_ACCEPTED) from error
            except Conflict as error:
                answered_at = loop.time()
                logger.error("%s; again in %.0f s (%s)", TAKEN, again_s, error)
            except RetryAfter as error:
                again_s = max(again_s, seconds(error.retry_after))
            except (StoreError, TelegramError, TimeoutError) as error:
                what = str(error) or type(error).__name__
                logger.warning("Telegram: nothing heard; again in %.1f s: %s", again_s, what)
            # A pool that lost its connections lets nothing through, as if nobody said anything.
            if loop.time() - answered_at > self._stalled_after_s and self._line:
                logger.warning("Telegram: connecting anew")
                line, self._line = self._line, self._dial()
                await line.close()
                answered_at = loop.time()
            await asyncio.sleep(again_s)
            again_s = min(2 * again_s, LONGEST_AGAIN_S)

    async def _poll(
        self, offset: int | None, wanted: list[str], timeout_s: int
    ) -> tuple[tg.Update, ...]:
        async with asyncio.timeout(timeout_s + self._late_s):
            return await self._bot.get_updates(offset, timeout=timeout_s, allowed_updates=wanted)

    async def _hear_all(self, us: tg.User, updates: tuple[tg.Update, ...], inbox: Inbox) -> None:
        """Return when all is stored: what is of one chat in order, chats side by side."""
        lanes: defaultdict[int, list[tg.Update]] = defaultdict(list)
        for update in updates:
            if update.update_id not in self._heard:
                lanes[update.effective_chat.id if update.effective_chat else 0].append(update)
        working = [self._hear_in_order(us, lane, inbox) for lane in lanes.values()]
        for result in await asyncio.gather(*working, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        self._heard.extend(update.update_id for update in updates)

    async def _hear_in_order(self, us: tg.User, updates: list[tg.Update], inbox: Inbox) -> None:
        for update, *others in heard.together(updates):
            try:
                if update.callback_query:
                    await self._pressed(update.callback_query, inbox)
                elif update.message_reaction:
                    await self._reacted(update.message_reaction, inbox)
                elif update.message:
                    parts = [other.message for other in others if other.message]
                    await self._said(us, [update.message, *parts], inbox)
                elif update.edited_message:
                    await self._said(us, [update.edited_message], inbox, is_new=False)
            except (StoreError, Closing):
                raise
            except Exception as error:  # it would come again for ever, and hold up all others
                logger.error("Telegram: update %d: %s", update.update_id, type(error).__name__)

    async def _said(
        self, us: tg.User, parts: list[tg.Message], inbox: Inbox, *, is_new: bool = True
    ) -> None:
        """A message, or the parts of an album, which are one for us."""
        said = parts[0]
        author, ref = heard.author_of(said), self._ref(said.chat.id, said.message_id)
        if said.migrate_to_chat_id:
            self._moved[said.chat.id] = said.migrate_to_chat_id
        if said.is_automatic_forward or not heard.says_something(said):
            return
        if target := heard.corrected(us, said):
            better = heard.words_of(us, said)
            await inbox.correction(self._ref(*target), author, better)
            if better:  # a picture alone corrects nothing
                self._aside(self._thank(said))
            return
        if is_new and not any(heard.is_for(us, part, COMMANDS) for part in parts):
            return
        text, unread = await self._read(us, parts)
        if not is_new:
            await inbox.changed(ref, text)
            return
        thread = ThreadRef(ref.channel, str(heard.topic_of(said) or ""))
        place = heard.place_of(said.chat)
        await inbox.message(
            IncomingMessage(ref, thread, author, text, True, said.date, place=place, unread=unread)
        )

    async def _read(self, us: tg.User, parts: list[tg.Message]) -> tuple[str, tuple[str, ...]]:
        """What was said, with the texts of the files that came with it; the others' names."""
        words = "\n".join(filter(None, (heard.words_of(us, part) for part in parts)))
        things = [(name, thing) for name, thing in map(heard.attached, parts) if name]
        texts, unread = await attachments.read([self._file(*one) for one in things])
        return (words + texts).strip(), unread

    def _file(self, name: str, thing: Any) -> attachments.Attached:
        async def fetch() -> bytes:
            with ours():
                return bytes(await (await self._bot.get_file(thing)).download_as_bytearray())

        kind, size = getattr(thing, "mime_type", None), getattr(thing, "file_size", None)
        return attachments.Attached(name, kind or "", size or 0, fetch)

    async def _pressed(self, press: tg.CallbackQuery, inbox: Inbox) -> None:
        emoji, message = VOTES.get(press.data or ""), press.message
        if emoji is None or message is None:
            self._aside(self._toast(press, ""))
            return
        target, voter = self._ref(message.chat.id, message.message_id), press.from_user
        vote = IncomingReaction(target, heard.person(voter), emoji, True, datetime.now(UTC))
        noted = await inbox.reaction(vote)
        self._aside(self._tell_voter(press, target, noted))

    async def _reacted(self, change: tg.MessageReactionUpdated, inbox: Inbox) -> None:
        """Telegram says what there was and what there is; an anonymous one has no vote.

        Dated when heard, as presses are: Telegram delivers in order, but its own date is in whole
        seconds and by another clock, so that of two votes the older one could seem to be newer.
        """
        if change.user is None:
            return
        target, voter = self._ref(change.chat.id, change.message_id), heard.person(change.user)
        old, new = emojis(change.old_reaction), emojis(change.new_reaction)
        changes = [(emoji, False) for emoji in old if emoji not in new]
        for emoji, added in changes + [(emoji, True) for emoji in new if emoji not in old]:
            vote = IncomingReaction(target, voter, emoji, added, datetime.now(UTC))
            noted = await inbox.reaction(vote)
            if noted.words and change.chat.type == change.chat.PRIVATE:
                self._aside(self._tell(change.chat.id, noted.words))
            if noted.score == -1 and added:
                self._aside(self._ask(change.user, target, None))

    # What nobody waits for

    async def _type(self, to: IncomingMessage, answer: Answer) -> None:
        """Until a message stands, from which people see that something comes."""
        chat, topic = int(to.thread.channel.id), int(to.thread.thread or 0) or None
        await asyncio.sleep(TYPING_AFTER_S)
        chat = self._moved.get(chat, chat)
        while not answer.refs:
            if self._tempo.may(BOT):  # what is said goes before
                await self._bot.send_chat_action(
                    chat, "typing", message_thread_id=topic, read_timeout=TYPING_S
                )
            await asyncio.sleep(TYPING_S)

    async def _set_menu(self) -> None:
        """What everybody may do stands in everybody's menu, the rest in the admins' own."""
        listed = [command for command in COMMANDS.values() if not command.hidden]
        menu = [tg.BotCommand(one.name, one.help) for one in listed if not one.admin]
        await self._bot.set_my_commands(menu)
        menu = [tg.BotCommand(one.name, one.help) for one in listed]
        for admin in self._settings.admins:
            platform, _, id = admin.partition(":")
            if platform == self.name and id.isdecimal():
                with suppress(BadRequest):  # never wrote to the bot
                    await self._bot.set_my_commands(menu, tg.BotCommandScopeChat(int(id)))

    async def _toast(self, press: tg.CallbackQuery, words: str, *, is_long: bool = False) -> None:
        """What only the one who pressed sees."""
        while units(words) > MOST_TOAST_UNITS:
            words = words[:-2] + "…"
        await self._bot.answer_callback_query(press.id, words, show_alert=is_long)

    async def _tell_voter(self, press: tg.CallbackQuery, target: MessageRef, noted: Noted) -> None:
        words = f"{YOUR_VOTE[noted.score]}\n{noted.words}".strip()
        await self._toast(press, words, is_long=bool(noted.words))
        message, stands = press.message, noted.score
        if stands and message and message.chat.type == message.chat.PRIVATE:
            chat, marked = message.chat.id, keyboard(stands)
            if self._tempo.may(*keys(chat)):
                with suppress(BadRequest):  # it is marked so already
                    await self._bot.edit_message_reply_markup(
                        chat, message.message_id, reply_markup=marked
                    )
        if stands == -1:
            await self._ask(press.from_user, target, heard.topic_of(message))

    async def _ask(self, voter: tg.User, target: MessageRef, topic: int | None) -> None:
        """Offer one person to say what would have been right; once per answer."""
        chat, offer = int(target.channel.id), (target, voter.id)
        if offer in self._offered:
            return
        self._offered.append(offer)
        name = voter.first_name
        link = tg.MessageEntity("text_link", 0, 1, url=f"{CORRECTS}{chat}/{target.id}")
        entities = [link, tg.MessageEntity("text_mention", 1, units(name), user=voter)]
        await self._tell(
            chat,
            f"{HIDDEN}{name}: {WHAT_INSTEAD}",
            entities=entities,
            under=int(target.id),
            message_thread_id=topic,
            # Opens the field for the one who is named.
            reply_markup=tg.ForceReply(selective=True),
        )

    async def _tell(self, chat: int, words: str, *, under: int | None = None, **how: Any) -> None:
        """A message of its own; it waits where Telegram says so, and is not said twice. `under`:
        the one that it replies to.
        """
        for _ in range(MOST_WAITS):
            here = self._moved.get(chat, chat)
            await self._tempo.turn(*keys(here))
            try:
                with ours():
                    await self._bot.send_message(
                        here,
                        words,
                        reply_parameters=replying(under) if under and here == chat else None,
                        link_preview_options=NO_PREVIEW,
                        **how,
                    )
                return
            except RateLimited as error:
                self._tempo.hold(error.retry_after_s, *keys(here))
            except AdapterError as error:
                if not isinstance(error.__cause__, ChatMigrated):
                    raise
                self._moved[here] = error.__cause__.new_chat_id

    async def _thank(self, said: tg.Message) -> None:
        await self._bot.set_message_reaction(said.chat.id, said.message_id, "👌")


async def who_am_i(settings: Settings) -> str:
    """Whom Telegram takes us for. Raises AdapterError."""
    adapter = TelegramAdapter(settings)
    async with adapter.connected():
        us = await adapter.who()
    return f"@{us.username} ({us.id})"


async def missing(settings: Settings) -> list[str]:
    """What is to be set up at Telegram yet, a sentence each. Raises AdapterError."""
    adapter = TelegramAdapter(settings)
    async with adapter.connected() as bot:
        us = await adapter.who()
        with ours():
            webhook = (await bot.get_webhook_info()).url
    wrong = [NO_GROUPS] if us.can_join_groups is False else []
    wrong += [] if us.can_read_all_group_messages else [PRIVACY]
    return wrong + ([WEBHOOK] if webhook else [])


def emojis(reactions: tuple[tg.ReactionType, ...]) -> list[str]:
    return [one.emoji for one in reactions if isinstance(one, tg.ReactionTypeEmoji)]
