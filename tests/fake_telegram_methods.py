"""What the fake Telegram keeps for one bot, and what each method of the Bot API does to it.

Sources: https://core.telegram.org/bots/api
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import defaultdict, deque
from typing import Any

from tests.fake_telegram_chats import (
    MOST_CALLBACK_BYTES,
    MOST_ENTITIES,
    MOST_TOAST,
    MOST_UNITS,
    STYLES,
    WHOLE,
    Chat,
    Complaint,
    Message,
    User,
    found,
    meet,
    units,
)


class Account:
    """The bot's chats and updates."""

    def __init__(self, *, privacy: bool, seed: int) -> None:
        self.bot = User(7_000_000_001, "Mynah", "mynah_bot", is_bot=True)
        self.can_join_groups, self.reads_all = True, not privacy
        self.rng = random.Random(seed)
        self.trouble: dict[str, float] = {}  # the share of calls that meet each fault
        self.chats: dict[int, Chat] = {}
        self.users: dict[int, User] = {}
        self.messages: dict[tuple[int, int], Message] = {}
        self.toasts: list[tuple[int, str]] = []  # to whom, and what
        self.pinged: list[str] = []  # whom the bot's messages named
        self.unfurled = 0
        self.actions: list[tuple[int, str]] = []
        self.commands: dict[str, list[str]] = {}
        self.bot_reactions: dict[tuple[int, int], list[str]] = {}
        self.webhook = ""
        self.acknowledged = 0  # updates that were confirmed by a higher offset
        self.deliveries: defaultdict[int, int] = defaultdict(int)
        self.log: list[str] = []  # the transcript
        self.polling = 0  # polls that wait now
        self._ids: defaultdict[int, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._update_ids, self._query_ids = itertools.count(500_001), itertools.count(1)
        self._updates: dict[int, dict[str, Any]] = {}
        self._again: list[dict[str, Any]] = []
        self._allowed: set[str] | None = None
        self._news = asyncio.Event()
        self._poll = 0
        self._who_pressed: dict[str, User] = {}  # by query, until it is answered
        self._newest: deque[dict[str, Any]] = deque(maxlen=100)
        self._began = time.monotonic()

    def deletes(self, message: Message) -> None:
        """Telegram tells the bot nothing of it."""
        del self.messages[message.chat.id, message.id]

    def pushes(self, update: dict[str, Any]) -> None:
        """Any update at all, such as a malformed one."""
        number = next(self._update_ids)
        self._updates[number] = {"update_id": number, **update}
        self._newest.append(self._updates[number])
        self._news.set()

    # The methods.

    async def _do_getUpdates(self, params: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            use = "can't use getUpdates method while webhook is active; use deleteWebhook"
            raise Complaint(409, f"Conflict: {use} to delete the webhook first")
        self._poll += 1
        poll = self._poll
        self._news.set()  # an older poll ends now
        offset, limit = int(params.get("offset", 0)), int(params.get("limit", 100))
        for number in [n for n in self._updates if n < offset]:
            done = self._updates.pop(number)
            self.acknowledged += 1
            if self.rng.random() < self.trouble.get("double", 0):
                self._again.append(done)
        if "allowed_updates" in params:
            self._allowed = set(json.loads(params["allowed_updates"]))
        ends = time.monotonic() + float(params.get("timeout", 0))
        while True:
            waiting = [one for number, one in self._updates.items() if number >= offset]
            found_now = [*self._again, *waiting][:limit]
            if found_now or (left_s := ends - time.monotonic()) <= 0:
                self._again.clear()
                for update in found_now:
                    self.deliveries[update["update_id"]] += 1
                return found_now
            self._news.clear()
            self.polling += 1
            try:
                async with asyncio.timeout(left_s):
                    await self._news.wait()
            except TimeoutError:
                continue
            finally:
                self.polling -= 1
            if poll != self._poll:
                by = "terminated by other getUpdates request"
                raise Complaint(409, f"Conflict: {by}; make sure that only one bot is running")

    def _do_getMe(self, _: dict[str, Any]) -> dict[str, Any]:
        can = {"can_join_groups": self.can_join_groups, "supports_inline_queries": False}
        return {**self.bot.json(), **can, "can_read_all_group_messages": self.reads_all}

    def _do_getWebhookInfo(self, _: dict[str, Any]) -> dict[str, Any]:
        waiting = len(self._updates)
        return {
            "url": self.webhook,
            "has_custom_certificate": False,
            "pending_update_count": waiting,
        }

    def _do_deleteWebhook(self, params: dict[str, Any]) -> bool:
        self.webhook = ""
        if params.get("drop_pending_updates") == "true":
            self._updates.clear()
        return True

    def _do_setMyCommands(self, params: dict[str, Any]) -> bool:
        scope = json.loads(params.get("scope", '{"type": "default"}'))
        commands = json.loads(params["commands"])
        if "chat_id" in scope:
            self._chat(scope)
        for command in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", command["command"]):
                raise Complaint(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise Complaint(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        where = f"{scope['type']} {scope.get('chat_id', '')}".strip()
        self.commands[where] = [command["command"] for command in commands]
        return True

    def _do_sendMessage(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._chat(params)
        text, entities = self._formatted(params)
        return self._sent(chat, params, text=text, entities=entities)

    def _do_sendDocument(self, params: dict[str, Any]) -> dict[str, Any]:
        chat = self._chat(params)
        return self._sent(chat, params, document=params["document"], text=params.get("caption", ""))

    def _sent(self, chat: Chat, params: dict[str, Any], **fields: Any) -> dict[str, Any]:
        topic = int(params.get("message_thread_id", 0))
        if topic and (root := self.messages.get((chat.id, topic))) is None:
            raise Complaint(400, "Bad Request: message thread not found")
        quoted, reply_to = json.loads(params.get("reply_parameters", "{}")), None
        if quoted:
            reply_to = self.messages.get((chat.id, quoted["message_id"]))
            if reply_to is None and not quoted.get("allow_sending_without_reply"):
                raise Complaint(400, "Bad Request: message to be replied not found")
        message = self._new(chat, self.bot, topic=topic, reply_to=reply_to, **fields)
        if topic and not message.reply_to:
            message.reply_to = root
        message.markup = self._keyboard(params)
        self._seen(message, params)
        return message.json()

    def _do_editMessageText(self, params: dict[str, Any]) -> dict[str, Any]:
        message = self._mine(params)
        if message.document:
            raise Complaint(400, "Bad Request: there is no text in the message to edit")
        text, entities = self._formatted(params)
        markup = self._keyboard(params)
        if (text, entities, markup) == (message.text, message.entities, message.markup):
            same = (
                "specified new message content and reply markup are exactly the same as a current"
            )
            raise Complaint(400, f"Bad Request: message is not modified: {same} content and markup")
        message.text, message.entities, message.markup = text, entities, markup
        self._seen(message, params, "edits")
        return message.json()

    def _do_editMessageMedia(self, params: dict[str, Any]) -> dict[str, Any]:
        message, media = self._mine(params), json.loads(params["media"])
        message.document = params[media["media"].removeprefix("attach://")]
        message.text, message.entities = media.get("caption", ""), []
        message.markup = self._keyboard(params)
        self._seen(message, params, "edits")
        return message.json()

    def _do_editMessageReplyMarkup(self, params: dict[str, Any]) -> dict[str, Any]:
        message, markup = self._mine(params), self._keyboard(params)
        if markup == message.markup:
            raise Complaint(400, "Bad Request: message is not modified")
        message.markup = markup
        return message.json()

    def _do_deleteMessage(self, params: dict[str, Any]) -> bool:
        message = self._mine(params, "message to delete not found")
        self._note(message.chat, f"the bot deletes #{message.id}")
        self.deletes(message)
        return True

    def _do_answerCallbackQuery(self, params: dict[str, Any]) -> bool:
        who = self._who_pressed.get(params["callback_query_id"])
        if who is None:
            why = "query is too old and response timeout expired or query ID is invalid"
            raise Complaint(400, f"Bad Request: {why}")
        if len(text := params.get("text", "")) > MOST_TOAST:
            raise Complaint(400, "Bad Request: MESSAGE_TOO_LONG")
        del self._who_pressed[params["callback_query_id"]]
        self.toasts.append((who.id, text))
        self.log.append(f"{self._clock()} to {who.first_name} alone: {text}")
        return True

    def _do_sendChatAction(self, params: dict[str, Any]) -> bool:
        self.actions.append((self._chat(params).id, params["action"]))
        return True

    def _do_setMessageReaction(self, params: dict[str, Any]) -> bool:
        chat, number = self._chat(params), int(params["message_id"])
        if (chat.id, number) not in self.messages:
            raise Complaint(400, "Bad Request: message to react not found")
        emoji = [one["emoji"] for one in json.loads(params["reaction"])]
        self.bot_reactions[chat.id, number] = emoji
        self._note(chat, f"the bot reacts to #{number}: {' '.join(emoji)}")
        return True

    def _do_getFile(self, params: dict[str, Any]) -> dict[str, Any]:
        _, chat, number = params["file_id"].split("_")
        message = self.messages.get((int(chat), int(number)))
        if message is None or message.document is None:
            raise Complaint(
                400, "Bad Request: wrong file_id or the file is temporarily unavailable"
            )
        if len(message.document[1]) > 20 * 2**20:
            raise Complaint(400, "Bad Request: file is too big")
        path = f"{chat}/{number}"
        return {"file_id": params["file_id"], "file_unique_id": f"u{number}", "file_path": path}

    # What Telegram looks at.

    def _chat(self, params: dict[str, Any]) -> Chat:
        chat = self.chats.get(int(params["chat_id"]))
        if chat is None:
            raise Complaint(400, "Bad Request: chat not found")
        if chat.migrated_to:
            why = "Bad Request: group chat was upgraded to a supergroup chat"
            raise Complaint(400, why, migrate_to_chat_id=chat.migrated_to)
        if chat.gone:
            raise Complaint(403, f"Forbidden: {chat.gone}")
        return chat

    def _mine(self, params: dict[str, Any], missing: str = "message to edit not found") -> Message:
        message = self.messages.get((self._chat(params).id, int(params["message_id"])))
        if message is None:
            raise Complaint(400, f"Bad Request: {missing}")
        if message.sender is not self.bot:
            raise Complaint(400, "Bad Request: message can't be edited")
        return message

    def _formatted(self, params: dict[str, Any]) -> tuple[str, list[dict[str, Any]]]:
        """The text as Telegram keeps it, and its entities, given and found."""
        raw, given = params.get("text", ""), json.loads(params.get("entities", "[]"))
        starts_at = min((one["offset"] for one in given), default=units(raw))
        blank = len(raw) - len(raw.lstrip())
        while units(raw[:blank]) > starts_at:  # blanks are cut up to the first entity
            blank -= 1
        text = raw[blank:].rstrip()
        cut, most = units(raw[:blank]), units(text)
        if not text.strip("\u200b\u2060\ufeff "):
            raise Complaint(400, "Bad Request: message text is empty")
        if most > MOST_UNITS:
            raise Complaint(400, "Bad Request: message is too long")
        bounds = {units(raw[:at]) for at in range(len(raw) + 1)}
        kept = []
        for one in given[:MOST_ENTITIES]:
            start, end = one["offset"], one["offset"] + one["length"]
            if one["type"] not in STYLES or not {start, end} <= bounds or one["length"] < 1:
                raise Complaint(400, f"Bad Request: can't parse entities: {one['type']} at {start}")
            if one["type"] == "text_link" and not re.match(r"(https?|tg)://\S+$", one["url"]):
                raise Complaint(400, "Bad Request: can't parse entities: the URL is invalid")
            start, end = max(0, start - cut), min(most, end - cut)
            if start < end:
                kept.append({**one, "offset": start, "length": end - start})
        whole = [one for one in kept if one["type"] in WHOLE]
        return text, kept + [one for one in found(text) if not any(meet(one, o) for o in whole)]

    def _keyboard(self, params: dict[str, Any]) -> dict[str, Any] | None:
        markup: dict[str, Any] | None = json.loads(params.get("reply_markup", "null"))
        for row in (markup or {}).get("inline_keyboard", []):
            for button in row:
                if not 1 <= len(button["callback_data"].encode()) <= MOST_CALLBACK_BYTES:
                    raise Complaint(400, "Bad Request: BUTTON_DATA_INVALID")
        return markup if markup and markup.get("inline_keyboard") != [] else None

    def _seen(self, message: Message, params: dict[str, Any], does: str = "posts") -> None:
        """A message of the bot is shown: whom it pings, what it unfurls, and for the transcript."""
        message.texts.append(message.text)
        for one in message.entities:
            words = message.text.encode("utf-16-le")
            name = words[2 * one["offset"] : 2 * (one["offset"] + one["length"])].decode(
                "utf-16-le"
            )
            if one["type"] == "mention" or one.get("url", "").startswith("tg://user"):
                self.pinged.append(name)
            if one["type"] == "text_mention":
                self.pinged.append(str(one["user"]["id"]))
            if one["type"] in ("url", "text_link"):
                preview = json.loads(params.get("link_preview_options", "{}"))
                self.unfurled += not preview.get("is_disabled")
        styles = [f"{o['type']}{o['offset']}+{o['length']}" for o in message.entities]
        extra = f"  {{{', '.join(styles)}}}" if styles else ""
        if message.document:
            extra += f"  [file {message.document[0]}, {len(message.document[1])} bytes]"
        if message.buttons:
            extra += "  " + " ".join(f"[{button['text']}]" for button in message.buttons)
        if (message.markup or {}).get("force_reply"):
            extra += "  (opens a reply for the one who is named)"
        reply_to = message.reply_to if does == "posts" else None
        self._note(message.chat, f"the bot {does} #{message.id}: {message.text}{extra}", reply_to)

    def _new(self, chat: Chat, sender: User, text: str = "", **fields: Any) -> Message:
        message = Message(next(self._ids[chat.id]), chat, sender, text, **fields)
        self.messages[chat.id, message.id] = message
        return message

    def _tell(self, kind: str, message: Message) -> None:
        """To the bot, if it may hear it: in a group under privacy mode not all is for it."""
        chat, reply_to = message.chat, message.reply_to
        heard = chat.type == "private" or self.reads_all or chat.bot_is_admin
        heard = heard or not message.text or bool(reply_to and reply_to.sender is self.bot)
        for one in message.entities:
            words = message.text[one["offset"] : one["offset"] + one["length"]]  # ASCII in tests
            at_us = words.lower().endswith(f"@{self.bot.username}")
            heard = heard or at_us or (one["type"] == "bot_command" and "@" not in words)
        if heard and message.sender is not self.bot and not chat.gone:
            self._happened(kind, message.json())

    def _happened(self, kind: str, body: dict[str, Any]) -> None:
        if self._allowed is None and kind == "message_reaction":
            return
        if self._allowed is not None and kind not in self._allowed:
            return
        chat = self.chats[body["chat"]["id"]] if kind == "message_reaction" else None
        if chat and chat.type != "private" and not chat.bot_is_admin:
            return
        self.pushes({kind: body})

    def _note(self, chat: Chat, line: str, reply_to: Message | None = None) -> None:
        under = f" (to #{reply_to.id})" if reply_to else ""
        self.log.append(f"{self._clock()} [{chat.title}]{under} {line}")

    def _clock(self) -> str:
        return f"{time.monotonic() - self._began:6.2f} s"
