"""What Telegram keeps of chats, people and messages, and what it finds in texts by itself."""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict, deque
from dataclasses import dataclass, field
from typing import Any

TOKEN = "7000000001:AAF-a_token_of_the_right_shape_for_tests"
MOST_UNITS, MOST_ENTITIES, MOST_CALLBACK_BYTES, MOST_TOAST = 4_096, 100, 64, 200
STYLES = {"bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "code", "pre"}
STYLES |= {"expandable_blockquote", "text_link", "text_mention", "custom_emoji"}
WHOLE = {"code", "pre", "text_link", "text_mention"}  # nothing is found inside of these
FOUND = (  # what Telegram finds in a text by itself, outside of code
    ("mention", re.compile(r"(?<!\w)@\w{4,32}")),
    ("bot_command", re.compile(r"(?<![\w/<>])/\w{1,64}(?:@\w{4,32})?")),
    ("url", re.compile(r"https?://[^\s)\]]+")),
)


class Complaint(Exception):
    """What Telegram answers instead of a result."""

    def __init__(self, code: int, description: str, **parameters: int) -> None:
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


@dataclass
class User:
    id: int
    first_name: str
    username: str = ""
    is_bot: bool = False

    def json(self) -> dict[str, Any]:
        out = {"id": self.id, "is_bot": self.is_bot, "first_name": self.first_name}
        return {**out, "username": self.username} if self.username else out


@dataclass
class Chat:
    id: int
    type: str
    title: str = ""
    username: str = ""
    is_forum: bool = False
    bot_is_admin: bool = False
    gone: str = ""  # why the bot may not write any more
    migrated_to: int = 0

    def json(self) -> dict[str, Any]:
        name = "first_name" if self.type == "private" else "title"
        out = {"id": self.id, "type": self.type, name: self.title}
        if self.username:
            out["username"] = self.username
        return {**out, "is_forum": True} if self.is_forum else out


@dataclass
class Message:
    id: int
    chat: Chat
    sender: User
    text: str
    entities: list[dict[str, Any]] = field(default_factory=list)
    topic: int = 0
    reply_to: Message | None = None
    markup: dict[str, Any] | None = None
    document: tuple[str, bytes] | None = None
    more: dict[str, Any] = field(default_factory=dict)  # fields that only some messages have
    texts: list[str] = field(default_factory=list)  # all that it ever showed
    reactions: dict[int, list[str]] = field(default_factory=dict)
    at: int = field(default_factory=lambda: int(time.time()))

    @property
    def buttons(self) -> list[dict[str, Any]]:
        rows = (self.markup or {}).get("inline_keyboard", [])
        return [button for row in rows for button in row]

    def json(self, *, with_reply: bool = True) -> dict[str, Any]:
        words = "caption" if self.document or "photo" in self.more else "text"
        out: dict[str, Any] = {"message_id": self.id, "date": self.at, "chat": self.chat.json()}
        out |= {"from": self.sender.json(), **self.more}
        if self.text:
            out[words] = self.text
        if self.entities:
            out["entities" if words == "text" else "caption_entities"] = self.entities
        if self.document:
            name, data = self.document
            file = {"file_id": f"file_{self.chat.id}_{self.id}", "file_unique_id": f"u{self.id}"}
            out["document"] = {**file, "file_name": name, "file_size": len(data)}
        if self.topic:
            out |= {"message_thread_id": self.topic, "is_topic_message": True}
        if self.reply_to and with_reply:
            out["reply_to_message"] = self.reply_to.json(with_reply=False)
        if self.buttons:
            out["reply_markup"] = self.markup
        return out


@dataclass
class Call:
    method: str
    params: dict[str, Any]  # as they came: strings, and bytes of files
    at: float
    status: int = 0  # 0: no answer yet, or none at all


class Flood:
    """Flood control: a message a second in a chat, five in a burst; 20 a minute in a group; 30 a
    second in all. Edits count. What comes before the penalty is over is refused too.
    """

    def __init__(self) -> None:
        self._sent: defaultdict[int, deque[float]] = defaultdict(deque)
        self._level: defaultdict[int, float] = defaultdict(float)  # of private chats, at `_at`
        self._at: defaultdict[int, float] = defaultdict(float)
        self._until: defaultdict[int, float] = defaultdict(float)

    def count(self, chat: int, now: float) -> None:
        self._level[chat] = max(0.0, self._level[chat] - (now - self._at[chat]))
        self._at[chat] = now
        if chat > 0 and self._level[chat] > 4:
            self._until[chat] = max(self._until[chat], now + self._level[chat] - 4)
        for key, most, per_s in ((0, 30, 1.0), (chat, 20, 60.0))[: 1 + (chat < 0)]:
            while self._sent[key] and self._sent[key][0] <= now - per_s:
                self._sent[key].popleft()
            if len(self._sent[key]) >= most:
                self._until[key] = max(self._until[key], self._sent[key][0] + per_s)
        until = max(self._until[0], self._until[chat])
        if now < until:
            raise too_many(math.ceil(until - now))
        self._level[chat] += 1
        for key in (0, chat):
            self._sent[key].append(now)


@dataclass
class Fault:
    """`how`: reset (before doing it), lost (done, and never said so), hang, double (an update comes
    twice), or a Complaint."""

    methods: list[str]
    how: str | Complaint
    times: int


def too_many(retry_after_s: int) -> Complaint:
    why = f"Too Many Requests: retry after {retry_after_s}"
    return Complaint(429, why, retry_after=retry_after_s)


def units(text: str) -> int:
    """Length in UTF-16 code units, Telegram's measure."""
    return len(text.encode("utf-16-le")) // 2


def found(text: str) -> list[dict[str, Any]]:
    out = []
    for kind, pattern in FOUND:
        for hit in pattern.finditer(text):
            start = units(text[: hit.start()])
            out.append({"type": kind, "offset": start, "length": units(hit.group())})
    return sorted(out, key=lambda one: int(str(one["offset"])))


def meet(one: dict[str, Any], other: dict[str, Any]) -> bool:
    starts, ends = one["offset"], one["offset"] + one["length"]
    return bool(starts < other["offset"] + other["length"] and other["offset"] < ends)
