"""What those who vote on Telegram are told: what stands, and the question what was right.

Nobody waits for any of it. It keeps no vote, and hears no correction.
"""

from __future__ import annotations

import logging
from collections import deque
from contextlib import suppress
from typing import Any

import telegram as tg
from telegram.error import BadRequest, ChatMigrated, TelegramError

from adapters.telegram_heard import topic_of
from adapters.telegram_line import Line, ours
from adapters.telegram_pace import Pace, keys
from adapters.telegram_paper import NO_PREVIEW, keyboard, replying
from adapters.telegram_text import CORRECTS, units
from core.errors import AdapterError, RateLimited
from core.phrases import TAKEN_BACK, WHAT_INSTEAD, YOUR_VOTE
from core.types import MessageRef, Noted

logger = logging.getLogger(__name__)

STANDS = YOUR_VOTE | {None: "There is nothing to vote on here now."}
MOST_TOAST_UNITS = 200  # https://core.telegram.org/bots/api#answercallbackquery
HIDDEN = "\u200b"  # a sign without width, for the link that names the corrected answer
MOST_WAITS = 3


class Voters:
    def __init__(self, line: Line, tempo: Pace, *, moved: dict[int, int]) -> None:
        """`moved`: groups that became supergroups, and which; what is found out is added."""
        self._line, self._tempo, self._moved = line, tempo, moved
        self._offered: deque[tuple[MessageRef, int]] = deque(maxlen=1_000)

    async def pressed(
        self, press: tg.CallbackQuery, target: MessageRef, noted: Noted, *, added: bool
    ) -> None:
        """`added`: it was no press that takes a vote back."""
        stood = STANDS[noted.score] if added or noted.score else TAKEN_BACK
        words = f"{stood}\n{noted.words}".strip()
        is_new = True
        try:
            await self.toast(press, words, is_long=bool(noted.words))
        except BadRequest:  # too old, or delivered again after an end: the mark tells
            is_new = False
        except TelegramError as error:
            logger.info("telegram: a voter is not told: %s", type(error).__name__)
        message, stands = press.message, noted.score
        if (stands or not added) and message and message.chat.type == message.chat.PRIVATE:
            chat, marked = message.chat.id, keyboard(stands)
            if self._tempo.may(*keys(chat)):
                with suppress(BadRequest):  # it is marked so already
                    await self._line.bot.edit_message_reply_markup(
                        chat, message.message_id, reply_markup=marked
                    )
                    is_new = True
        if stands == -1 and is_new:
            await self.ask(press.from_user, target, topic_of(message))

    async def toast(self, press: tg.CallbackQuery, words: str, *, is_long: bool = False) -> None:
        """What only the one who pressed sees."""
        while units(words) > MOST_TOAST_UNITS:
            words = words[:-2] + "…"
        await self._line.bot.answer_callback_query(press.id, words, show_alert=is_long)

    async def ask(self, voter: tg.User, target: MessageRef, topic: int | None) -> None:
        """Offer one person to say what would have been right; once per answer."""
        chat, offer = int(target.channel.id), (target, voter.id)
        if offer in self._offered:
            return
        self._offered.append(offer)
        name = voter.first_name
        link = tg.MessageEntity("text_link", 0, 1, url=f"{CORRECTS}{chat}/{target.id}")
        entities = [link, tg.MessageEntity("text_mention", 1, units(name), user=voter)]
        await self.tell(
            chat,
            f"{HIDDEN}{name}: {WHAT_INSTEAD} Please reply to this message.",
            entities=entities,
            under=int(target.id),
            message_thread_id=topic,
            # Opens the field for the one who is named.
            reply_markup=tg.ForceReply(selective=True),
        )

    async def tell(self, chat: int, words: str, *, under: int | None = None, **how: Any) -> None:
        """A message of its own; it waits where Telegram says so, and is not said twice. `under`:
        the one that it replies to.
        """
        for _ in range(MOST_WAITS):
            here = self._moved.get(chat, chat)
            await self._tempo.turn(*keys(here))
            try:
                with ours():
                    await self._line.bot.send_message(
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

    async def thank(self, said: tg.Message) -> None:
        await self._line.bot.set_message_reaction(said.chat.id, said.message_id, "👌")
