"""What people say on Telegram, in the core's words. It asks Telegram nothing.

Entities say what is a name or a command; their places count UTF-16 units.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import telegram as tg

from adapters.telegram_text import CORRECTS
from core.commands import is_empty
from core.types import Author, ChannelRef, MessageRef, Place, Quoted

# Who speaks in the name of a group, or of a channel.
ANONYMOUS = {1087968824, 136817688}
ATTACHED: tuple[str, ...] = (
    "animation",
    "audio",
    "checklist",
    "contact",
    "dice",
    "document",
    "game",
    "location",
)
ATTACHED += ("paid_media", "photo", "poll", "sticker", "story", "video", "video_note", "voice")


def album_of(update: tg.Update) -> str | None:
    return update.message.media_group_id if update.message else None


def together(updates: Sequence[tg.Update]) -> Iterator[list[tg.Update]]:
    """One by one, but for the parts of an album."""
    lone = (f"update {number}" for number in itertools.count())
    for _, parts in itertools.groupby(updates, lambda update: album_of(update) or next(lone)):
        yield list(parts)


def says_something(said: tg.Message) -> bool:
    """Not that somebody came, left, or changed the picture."""
    return bool(said.text or said.caption or attached(said)[0])


def author_of(said: tg.Message) -> Author:
    if said.sender_chat and (said.from_user is None or said.from_user.id in ANONYMOUS):
        return Author(str(said.sender_chat.id), said.sender_chat.effective_name or "somebody")
    return person(said.from_user)


def person(user: tg.User | None) -> Author:
    if user is None:
        return Author("0", "somebody", is_bot=True)  # nobody whom we could answer
    return Author(str(user.id), user.full_name, user.is_bot)


def place_of(chat: tg.Chat) -> Place:
    if chat.type == chat.PRIVATE:
        return "direct"
    return "public" if chat.username else "private"  # a name lets everybody in


def topic_of(said: tg.MaybeInaccessibleMessage | None) -> int | None:
    """The number of the topic in which it was said, where there are topics."""
    if isinstance(said, tg.Message) and said.is_topic_message:
        return said.message_thread_id
    return None


def is_for(us: tg.User, said: tg.Message, commands: Collection[str]) -> bool:
    """In private, all is; in a group what names us, replies to us or is one of our commands."""
    if said.chat.type == said.chat.PRIVATE:
        return True
    named = [(entity, means(us, entity, token, commands)) for entity, token in marks(said)]
    if any(is_us for _, is_us in named):
        return True
    opening = [entity for entity, _ in named if entity.offset == 0]
    is_to_another = any(one.type in ("mention", "text_mention", "bot_command") for one in opening)
    return replies_to(us, said) and not is_to_another


def replies_to(us: tg.User, said: tg.Message) -> bool:
    """In a topic every message seems to reply to the one that opened it."""
    replied = said.reply_to_message
    if replied is None or replied.from_user is None or replied.forum_topic_created:
        return False
    return replied.from_user.id == us.id


def quoted(us: tg.User, said: tg.Message, channel: ChannelRef) -> Quoted | None:
    """What it replies to, where somebody else said that in this chat: what was marked of it, or
    all. A bot is shown it there also where it did not hear it.
    """
    replied = said.reply_to_message
    is_there = replied is not None and replied.chat.id == said.chat.id
    if replied is None or not is_there or replies_to(us, said):
        return None
    words = said.quote.text if said.quote else words_of(us, replied)
    if not words:
        return None
    ref = MessageRef(channel, str(replied.message_id))
    return Quoted(ref, author_of(replied), words, replied.date)


def means(us: tg.User, entity: tg.MessageEntity, token: str, commands: Collection[str]) -> bool:
    if entity.type == entity.TEXT_MENTION:
        return entity.user is not None and entity.user.id == us.id
    name, _, to = token.casefold().partition("@")
    if to:
        return to == (us.username or "").casefold()
    return entity.type == entity.BOT_COMMAND and entity.offset == 0 and name[1:] in commands


def words_of(us: tg.User, said: tg.Message) -> str:
    """What was said, without our name where that only calls us."""
    raw = utf16(said)
    for entity, token in reversed(list(marks(said))):
        if not means(us, entity, token, ()):
            continue
        before, after = raw[: 2 * entity.offset], raw[2 * (entity.offset + entity.length) :]
        is_first, is_last = is_empty(text(before)), is_empty(text(after))
        if entity.type == entity.BOT_COMMAND:
            raw = before + token.partition("@")[0].encode("utf-16-le") + after
        elif is_first:
            raw = re.sub(r"^[,:;](?=\s)", "", text(after)).encode("utf-16-le", "surrogatepass")
        elif is_last:
            raw = before
    return text(raw).strip()


def marks(said: tg.Message) -> Iterator[tuple[tg.MessageEntity, str]]:
    """The names and commands in it, in their order, each with the words that it covers."""
    raw = utf16(said)
    for entity in said.entities or said.caption_entities:
        if entity.type in (entity.MENTION, entity.TEXT_MENTION, entity.BOT_COMMAND):
            yield entity, text(raw[2 * entity.offset : 2 * (entity.offset + entity.length)])


def utf16(said: tg.Message) -> bytes:
    return (said.text or said.caption or "").encode("utf-16-le", "surrogatepass")


def text(raw: bytes) -> str:
    return raw.decode("utf-16-le", "replace")


def corrected(us: tg.User, said: tg.Message) -> tuple[int, int] | None:
    """The answer that `said` corrects, by its chat and number: it replies to our question, whose
    link tells.
    """
    asked = said.reply_to_message
    if asked is None or not replies_to(us, said):
        return None
    links = [one.url or "" for one in asked.entities if one.type == one.TEXT_LINK]
    found = [link.removeprefix(CORRECTS) for link in links if link.startswith(CORRECTS)]
    if not found:
        return None
    chat, _, number = found[0].rpartition("/")
    return int(chat or said.chat.id), int(number)


def attached(said: tg.Message) -> tuple[str, Any]:
    """What comes with it: its name, and the SDK's object; "" and None where nothing does."""
    for kind in ATTACHED:
        if thing := getattr(said, kind):
            name = getattr(thing, "file_name", None) or kind.replace("_", " ")
            return " ".join(name.split()), thing
    return "", None
