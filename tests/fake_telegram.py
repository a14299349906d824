"""Telegram's Bot API for one bot, as a server on loopback: state, limits, flood control, faults.

It keeps chats, messages, reactions and updates as Telegram does, trims and measures text in UTF-16
units, finds mentions and links by itself, delivers an update until a higher offset is asked for,
and lets people do things (`says`, `reacts`, `presses`, ...). It knows nothing of the product.
Sources: https://core.telegram.org/bots/api, https://core.telegram.org/bots/faq (limits).
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fake_telegram_chats import (
    MOST_CALLBACK_BYTES,
    MOST_ENTITIES,
    MOST_TOAST,
    MOST_UNITS,
    STYLES,
    TOKEN,
    WHOLE,
    Call,
    Chat,
    Complaint,
    Fault,
    Flood,
    Message,
    User,
    found,
    meet,
    too_many,
    units,
)

# What flood control counts.
COUNTED = {"sendMessage", "sendDocument", "editMessageText", "editMessageMedia"}
COUNTED |= {"editMessageReplyMarkup"}


class FakeTelegram:
    """`async with FakeTelegram() as telegram:` serves at `telegram.url`."""

    def __init__(self, *, limits: bool = False, privacy: bool = True, seed: int = 0) -> None:
        """`limits`: whether calls are counted and refused as the published limits say."""
        self.limits = limits
        self.bot = User(7_000_000_001, "Mynah", "mynah_bot", is_bot=True)
        self.can_join_groups, self.reads_all = True, not privacy
        self.rng = random.Random(seed)
        self.trouble: dict[str, float] = {}  # the share of calls that meet each fault
        self.chats: dict[int, Chat] = {}
        self.users: dict[int, User] = {}
        self.messages: dict[tuple[int, int], Message] = {}
        self.calls: list[Call] = []
        self.toasts: list[tuple[int, str]] = []  # to whom, and what
        self.pinged: list[str] = []  # whom the bot's messages named
        self.unfurled = 0
        self.actions: list[tuple[int, str]] = []
        self.commands: dict[str, list[str]] = {}
        self.bot_reactions: dict[tuple[int, int], list[str]] = {}
        self.webhook = ""
        self.acknowledged = 0  # updates that were confirmed by a higher offset
        self.deliveries: defaultdict[int, int] = defaultdict(int)
        self.refused = 0  # calls answered 429
        self.log: list[str] = []  # the transcript
        self.judge: Callable[[Call], list[str]] = lambda call: []  # says what is wrong with a call
        self.mistakes: list[str] = []  # what it said, and what we refused as no server would take
        self.polling = 0  # polls that wait now
        self._sick: set[int] = set()  # connections on which nothing works any more
        self._connections: set[asyncio.Transport] = set()
        self._ids: defaultdict[int, itertools.count[int]] = defaultdict(lambda: itertools.count(1))
        self._update_ids, self._query_ids = itertools.count(500_001), itertools.count(1)
        self._updates: dict[int, dict[str, Any]] = {}
        self._again: list[dict[str, Any]] = []
        self._allowed: set[str] | None = None
        self._news = asyncio.Event()
        self._poll = 0
        self._faults: list[Fault] = []
        self._who_pressed: dict[str, User] = {}  # by query, until it is answered
        self._newest: deque[dict[str, Any]] = deque(maxlen=100)
        self._flood = Flood()
        self._began = time.monotonic()

    async def __aenter__(self) -> FakeTelegram:
        app = web.Application(client_max_size=60 * 2**20)
        app.router.add_route("*", "/bot{token}/{method}", self._serve)
        app.router.add_get("/file/bot{token}/{chat}/{message}", self._file)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, access_log=None
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    # What people do.

    def person(self, name: str, username: str = "", *, is_bot: bool = False) -> User:
        user = User(100 + len(self.users), name, username, is_bot)
        self.users[user.id] = user
        return user

    def private(self, user: User) -> Chat:
        """The chat of the bot and one person, who has pressed Start."""
        new = Chat(user.id, "private", user.first_name, user.username)
        return self.chats.setdefault(user.id, new)

    def group(self, title: str, *, kind: str = "supergroup", **more: Any) -> Chat:
        number = len(self.chats) + 1
        chat = Chat(
            -number if kind == "group" else -1_001_000_000_000 - number, kind, title, **more
        )
        self.chats[chat.id] = chat
        return chat

    def topic(self, chat: Chat, user: User, name: str) -> int:
        made = {"forum_topic_created": {"name": name, "icon_color": 7322096}}
        root = self._new(chat, user, "", more=made)
        root.topic = root.id
        self._tell("message", root)
        return root.id

    def says(self, chat: Chat, user: User, text: str, *, topic: int = 0, **fields: Any) -> Message:
        """`fields` of Message; a mention of a person without a username comes as an entity."""
        entities = [*fields.pop("entities", []), *found(text)]
        message = self._new(chat, user, text, entities=entities, topic=topic, **fields)
        if topic and not message.reply_to:
            message.reply_to = self.messages[chat.id, topic]  # as Telegram does for every message
        attached = f" [{message.document[0]}]" if message.document else ""
        self._note(chat, f"{user.first_name}: {text}{attached}", message.reply_to)
        self._tell("message", message)
        return message

    def edits(self, message: Message, text: str) -> None:
        message.text, message.entities = text, found(text)
        message.more["edit_date"] = int(time.time())
        self._tell("edited_message", message)

    def reacts(self, message: Message, user: User, *emoji: str) -> None:
        """The reactions that `user` has on the message from now on."""
        old, new = message.reactions.get(user.id, []), list(emoji)
        message.reactions[user.id] = new
        self._note(message.chat, f"{user.first_name} reacts to #{message.id}: {' '.join(new)}")
        self._happened(
            "message_reaction",
            {
                "chat": message.chat.json(),
                "message_id": message.id,
                "user": user.json(),
                "date": int(time.time()),
                "old_reaction": [{"type": "emoji", "emoji": one} for one in old],
                "new_reaction": [{"type": "emoji", "emoji": one} for one in new],
            },
        )

    def presses(self, message: Message, user: User, label: str, *, too_old: bool = False) -> None:
        """Press a button. `too_old`: Telegram no longer says what the message was."""
        [data] = [b["callback_data"] for b in message.buttons if b["text"].startswith(label)]
        query = f"q{next(self._query_ids)}-{user.id}"
        self._who_pressed[query] = user
        carried = message.json()
        if too_old:
            carried = {"chat": message.chat.json(), "message_id": message.id, "date": 0}
        self._note(message.chat, f"{user.first_name} presses {label} under #{message.id}")
        press = {"id": query, "from": user.json(), "message": carried, "data": data}
        self._happened("callback_query", {**press, "chat_instance": "1"})

    def deletes(self, message: Message) -> None:
        """Telegram tells the bot nothing of it."""
        del self.messages[message.chat.id, message.id]

    def migrates(self, group: Chat) -> Chat:
        """The group becomes a supergroup: another chat, in which the old messages are not."""
        new = self.group(group.title)
        group.migrated_to = new.id
        someone = next(iter(self.users.values()))
        self._tell("message", self._new(group, someone, "", more={"migrate_to_chat_id": new.id}))
        self._tell("message", self._new(new, someone, "", more={"migrate_from_chat_id": group.id}))
        return new

    def pushes(self, update: dict[str, Any]) -> None:
        """Any update at all, such as a malformed one."""
        number = next(self._update_ids)
        self._updates[number] = {"update_id": number, **update}
        self._newest.append(self._updates[number])
        self._news.set()

    # What goes wrong.

    def redeliver(self, count: int = 1) -> None:
        """The newest updates come once more, whatever was acknowledged."""
        self._again += list(self._newest)[-count:]
        self._news.set()

    def fail(self, methods: str, how: str | Complaint, times: int = 1) -> None:
        """`methods`: which calls, by name, with blanks between them; "*": all."""
        self._faults.append(Fault(methods.split(), how, times))

    def flooded(self, methods: str, retry_after_s: int, times: int = 1) -> None:
        self.fail(methods, too_many(retry_after_s), times)

    def counts_from(self, number: int) -> None:
        """As after a week in which nothing happened."""
        self._update_ids = itertools.count(number)

    def drop(self) -> None:
        """Cut every connection."""
        for connection in self._connections:
            connection.abort()
        self._connections.clear()

    def heals(self) -> None:
        self._faults.clear()
        self.trouble.clear()
        self._news.set()

    # What there is to see.

    def by_bot(self, chat: Chat | None = None) -> list[Message]:
        """The bot's messages as they stand now, oldest first."""
        mine = [m for m in self.messages.values() if m.sender is self.bot]
        return [m for m in mine if chat is None or m.chat is chat]

    @property
    def updates(self) -> list[dict[str, Any]]:
        """The newest that the bot was told, or will be."""
        return list(self._newest)

    def called(self, *methods: str) -> list[Call]:
        return [call for call in self.calls if call.method in methods]

    # The server.

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        params: dict[str, Any] = {}
        for key, value in [*request.query.items(), *(await request.post()).items()]:
            is_file = isinstance(value, web.FileField)
            params[key] = (value.filename, value.file.read()) if is_file else value  # type: ignore[union-attr]
        method = request.match_info["method"]
        self.calls.append(call := Call(method, params, time.monotonic()))
        self.mistakes += self.judge(call)
        fault: str | Complaint = ""
        assert request.transport
        self._connections.add(request.transport)
        connection = id(request.transport)
        try:
            if request.match_info["token"] != TOKEN:
                raise Complaint(401, "Unauthorized")
            if connection in self._sick:
                raise Complaint(502, "Bad Gateway")
            fault = self._fault(method)
            if fault == "sick":
                self._sick.add(connection)
                raise Complaint(502, "Bad Gateway")
            if fault == "hang":
                await asyncio.sleep(3_600)
            if isinstance(fault, Complaint):
                raise fault
            if fault == "reset":
                request.transport.abort()
                return web.Response()
            if method in COUNTED and self.limits:
                self._flood.count(int(params["chat_id"]), time.monotonic())
            does = getattr(self, f"_do_{method}", None)
            if does is None:
                raise Complaint(404, "Not Found: method not found")
            result = does(params)
            body = {"ok": True, "result": await result if asyncio.iscoroutine(result) else result}
            if fault == "lost":
                request.transport.abort()
                return web.Response()
            call.status = 200
        except Complaint as no:
            is_ours = no is not fault and "not modified" not in no.description
            if is_ours and no.code in (400, 403, 404):
                self.mistakes.append(f"{method}: {no.description}")
            self.refused += no.code == 429
            call.status = no.code
            body = {"ok": False, "error_code": no.code, "description": no.description}
            if no.parameters:
                body["parameters"] = no.parameters
        return web.json_response(body, status=call.status)

    def _fault(self, method: str) -> str | Complaint:
        for fault in self._faults:
            if fault.times and (method in fault.methods or "*" in fault.methods):
                fault.times -= 1
                return fault.how
        for how, share in self.trouble.items():
            if self.rng.random() < share:
                return {"429": too_many(1), "502": Complaint(502, "Bad Gateway")}.get(how, how)
        return ""

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

    async def _file(self, request: web.Request) -> web.Response:
        if self._fault("file") == "hang":
            await asyncio.sleep(3_600)
        at = int(request.match_info["chat"]), int(request.match_info["message"])
        document = self.messages[at].document
        assert document
        return web.Response(body=document[1])

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
