"""An answer in a Telegram chat: posted, edited until it is final, with buttons to vote under it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import TypeVar

import telegram as tg
from telegram.error import BadRequest, ChatMigrated

from adapters.telegram_line import Line, ours
from adapters.telegram_text import MOST_UNITS, render, size
from core.answer import Answer
from core.errors import AdapterError
from core.streaming import NOTHING_HERE
from core.types import ChannelRef, IncomingMessage, MessageRef

T = TypeVar("T")
Entities = list[tg.MessageEntity]

logger = logging.getLogger(__name__)

MOST_PAGES = 8
VOTES = {"up": "👍", "down": "👎"}  # what a button carries
TAKES_BACK = "not "  # ahead of that in the button that is marked
MODEL_SPOKE = {"answered", "cut", "stopped"}  # only then there is something to vote on
NO_PREVIEW = tg.LinkPreviewOptions(is_disabled=True)
# What an edit may fail of without harm: it is done already, or nobody wants it back.
AS_GOOD_AS_DONE: tuple[str, ...] = (
    "not modified",
    "to edit not found",
    "can't be edited",
    "no text in the message",
)
AS_GOOD_AS_DONE += ("message_id_invalid",)


class Paper:
    """One answer's place in a chat: a Surface.

    That the token is not accepted ends no answer: it ends the platform, and the next start, with
    another token, goes on.
    """

    limit, most_pages = MOST_UNITS, MOST_PAGES

    def __init__(
        self,
        line: Line,
        to: IncomingMessage,
        answer: Answer,
        *,
        moved: dict[int, int],
        has_buttons: bool,
    ) -> None:
        """`moved`: groups that became supergroups, and which; what is found out is added."""
        self._line, self._to, self._answer = line, to, answer
        self._moved, self._has_buttons = moved, has_buttons
        chat = int(to.thread.channel.id)
        self.chat = moved.get(chat, chat)
        self.topic = int(to.thread.thread or 0) or None
        self._rendered = lru_cache(maxsize=8)(render)  # to measure it, then to send it

    def size(self, text: str) -> int:
        return size(*self._rendered(text))

    async def find(self, part: int) -> MessageRef | None:
        return None  # bots cannot look

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        plain, entities = self._rendered(text)

        async def send(entities: Entities) -> tg.Message:
            return await self._line.bot.send_message(
                self.chat,
                plain,
                entities=entities,
                message_thread_id=self.topic,
                reply_parameters=self._under(part),
                reply_markup=self._buttons(last),
                link_preview_options=NO_PREVIEW,
            )

        sent = await self._here(lambda: styled(send, entities))
        return self._ref(sent)

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        plain, entities = self._rendered(text)

        async def change(entities: Entities) -> None:
            await self._line.bot.edit_message_text(
                plain,
                int(ref.channel.id),
                int(ref.id),
                entities=entities,
                reply_markup=self._buttons(last),
                link_preview_options=NO_PREVIEW,
            )

        with ours(unknown=AdapterError):
            try:
                await styled(change, entities)
            except ChatMigrated as moved:
                self._follow(moved)
                await self._again(ref, text, last=last)
            except BadRequest as error:
                if not any(words in str(error).lower() for words in AS_GOOD_AS_DONE):
                    raise

    async def remove(self, ref: MessageRef) -> None:
        with ours(unknown=AdapterError):
            try:
                await self._line.bot.delete_message(int(ref.channel.id), int(ref.id))
            except BadRequest as error:
                if "to delete not found" in str(error).lower():
                    return
                # It is older than two days, https://core.telegram.org/bots/api#deletemessage
                await self.edit(ref, NOTHING_HERE, last=False)

    async def attach(self, part: int, text: str) -> MessageRef:
        async def send() -> tg.Message:
            return await self._line.bot.send_document(
                self.chat,
                tg.InputFile(text.encode(), filename="answer.md"),
                message_thread_id=self.topic,
            )

        sent = await self._here(send)
        return self._ref(sent)

    async def _here(self, send: Callable[[], Awaitable[tg.Message]]) -> tg.Message:
        with ours(unknown=AdapterError):
            try:
                return await send()
            except ChatMigrated as moved:
                self._follow(moved)
                return await send()

    def _follow(self, moved: ChatMigrated) -> None:
        """The group is a supergroup now, another chat."""
        logger.info("Telegram: chat %d is %d now", self.chat, moved.new_chat_id)
        self._moved[self.chat] = self.chat = moved.new_chat_id

    async def _again(self, ref: MessageRef, text: str, *, last: bool) -> None:
        """The message stayed behind in the old chat: another takes its place in the answer."""
        await self._answer.placing()
        new = await self.post(self._answer.refs.index(ref), text, last=last)
        await self._answer.placed(new)
        self._answer.refs[self._answer.refs.index(ref)] = self._answer.refs.pop()

    def _under(self, part: int) -> tg.ReplyParameters | None:
        """In a group the question that it answers; between two alone that is clear. Where the group
        moved, another message may have its number.
        """
        is_there = str(self.chat) == self._to.ref.channel.id
        return replying(int(self._to.ref.id)) if part == 0 and self.chat < 0 and is_there else None

    def _buttons(self, last: bool) -> tg.InlineKeyboardMarkup | None:
        is_votable = self._has_buttons and self._answer.outcome in MODEL_SPOKE
        return keyboard() if last and is_votable else None

    def _ref(self, sent: tg.Message) -> MessageRef:
        here = self._to.thread.channel
        return MessageRef(
            ChannelRef(here.platform, here.account, str(sent.chat.id)), str(sent.message_id)
        )


class Note(Paper):
    """What nobody asked for: it stands under no question."""

    def _under(self, part: int) -> tg.ReplyParameters | None:
        return None


async def styled(call: Callable[[Entities], Awaitable[T]], entities: Entities) -> T:
    """Plain text is better than none, where Telegram does not take the entities."""
    try:
        return await call(entities)
    except BadRequest as error:
        if not entities or "entit" not in str(error).lower():
            raise
        logger.warning("Telegram: an answer is shown without its styles")
        return await call([])


def keyboard(stands: int | None = None) -> tg.InlineKeyboardMarkup:
    """`stands`: the vote to mark, where only one person sees it. The button itself says that it
    takes the vote back: a press that is delivered again then does the same again.
    """
    marked = {1: "up", -1: "down"}.get(stands or 0)
    buttons = [
        tg.InlineKeyboardButton(f"{sign} ✓", callback_data=TAKES_BACK + data)
        if data == marked
        else tg.InlineKeyboardButton(sign, callback_data=data)
        for data, sign in VOTES.items()
    ]
    return tg.InlineKeyboardMarkup([buttons])


def replying(message: int) -> tg.ReplyParameters:
    return tg.ReplyParameters(message, allow_sending_without_reply=True)
