"""What people do on Telegram, handed to the inbox: what they say, change, and think of an answer.

It polls nothing; what comes twice is none of its business.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any

import telegram as tg

from adapters import telegram_heard as heard
from adapters.telegram_line import Line, ours
from adapters.telegram_paper import TAKES_BACK, VOTES
from adapters.telegram_votes import Voters
from core import attachments
from core.commands import COMMANDS, is_command
from core.phrases import NO_BUTTONS, NO_VOTE, NO_WORDS
from core.ports import Inbox
from core.types import (
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    ThreadRef,
)


class Ears:
    def __init__(
        self,
        us: tg.User,
        line: Line,
        inbox: Inbox,
        voters: Voters,
        *,
        moved: dict[int, int],
        aside: Callable[[Coroutine[Any, Any, None]], object],
        by_button: bool,
    ) -> None:
        """`moved`: groups that became supergroups, and which; what is heard of it is added.
        `aside`: does what nobody waits for. `by_button`: whether buttons count; older answers have
        some.
        """
        self._by_button = by_button
        self._us, self._line, self._inbox, self._voters = us, line, inbox, voters
        self._moved, self._aside = moved, aside

    async def hear(self, updates: Sequence[tg.Update]) -> None:
        """One update, or the parts of an album, which are one message for us. Raises StoreError,
        and Closing.
        """
        update, *others = updates
        if update.callback_query:
            await self._pressed(update.callback_query)
        elif update.message_reaction:
            await self._reacted(update.message_reaction)
        elif update.message:
            parts = [other.message for other in others if other.message]
            await self._said([update.message, *parts])
        elif update.edited_message:
            await self._said([update.edited_message], is_new=False)

    async def _said(self, parts: list[tg.Message], *, is_new: bool = True) -> None:
        us, inbox, said = self._us, self._inbox, parts[0]
        author, ref = heard.author_of(said), self._ref(said.chat.id, said.message_id)
        if said.migrate_to_chat_id:
            self._moved[said.chat.id] = said.migrate_to_chat_id
        if said.is_automatic_forward or not heard.says_something(said):
            return
        target = heard.corrected(us, said)
        better = "\n".join(filter(None, (heard.words_of(us, part) for part in parts)))
        if target and not is_command(better):
            if await inbox.correction(self._ref(*target), author, better):
                self._aside(self._voters.thank(said))
            else:
                words = NO_VOTE if better else NO_WORDS
                self._aside(self._voters.tell(said.chat.id, words, under=said.message_id))
            return
        if is_new and not any(heard.is_for(us, part, COMMANDS) for part in parts):
            return
        text, unread = await self._read(parts)
        if not is_new:
            await inbox.changed(ref, text)
            return
        thread = ThreadRef(ref.channel, str(heard.topic_of(said) or ""))
        message = IncomingMessage(
            ref,
            thread,
            author,
            text,
            addressed=True,
            at=said.date,
            place=heard.place_of(said.chat),
            unread=unread,
            replies_to=heard.quoted(us, said, ref.channel),
        )
        await inbox.message(message)

    async def _read(self, parts: list[tg.Message]) -> tuple[str, tuple[str, ...]]:
        """What was said, with the texts of the files that came with it; the others' names."""
        words = "\n".join(filter(None, (heard.words_of(self._us, part) for part in parts)))
        things = [(name, thing) for name, thing in map(heard.attached, parts) if name]
        texts, unread = await attachments.read([self._file(*one) for one in things])
        return (words + texts).strip(), unread

    def _file(self, name: str, thing: Any) -> attachments.Attached:
        async def fetch() -> bytes:
            with ours():
                return bytes(await (await self._line.bot.get_file(thing)).download_as_bytearray())

        kind, size = getattr(thing, "mime_type", None), getattr(thing, "file_size", None)
        return attachments.Attached(name, kind or "", size or 0, fetch)

    async def _pressed(self, press: tg.CallbackQuery) -> None:
        data, message = press.data or "", press.message
        emoji, added = VOTES.get(data.removeprefix(TAKES_BACK)), not data.startswith(TAKES_BACK)
        if emoji is None or message is None or not self._by_button:
            why = "" if self._by_button else NO_BUTTONS
            self._aside(self._voters.toast(press, why))
            return
        target, voter = self._ref(message.chat.id, message.message_id), press.from_user
        vote = IncomingReaction(target, heard.person(voter), emoji, added, datetime.now(UTC))
        noted = await self._inbox.reaction(vote)
        self._aside(self._voters.pressed(press, target, noted, added=added))

    async def _reacted(self, change: tg.MessageReactionUpdated) -> None:
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
            noted = await self._inbox.reaction(vote)
            if noted.words and change.chat.type == change.chat.PRIVATE:
                self._aside(self._voters.tell(change.chat.id, noted.words))
            if noted.score == -1 and added:
                self._aside(self._voters.ask(change.user, target, None))

    def _ref(self, chat: int, message: int | str) -> MessageRef:
        return MessageRef(ChannelRef("telegram", str(self._us.id), str(chat)), str(message))


def emojis(reactions: tuple[tg.ReactionType, ...]) -> list[str]:
    return [one.emoji for one in reactions if isinstance(one, tg.ReactionTypeEmoji)]
