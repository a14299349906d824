"""Telegram's Bot API for one bot, as a server on loopback: state, limits, flood control, faults.

It keeps chats, messages, reactions and updates as Telegram does, trims and measures text in UTF-16
units, finds mentions and links by itself, delivers an update until a higher offset is asked for
(tests/fake_telegram_methods.py), and lets people do things (`says`, `reacts`, `presses`, ...). It
knows nothing of the product.
Sources: https://core.telegram.org/bots/api, https://core.telegram.org/bots/faq (limits).
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.fake_telegram_chats import (
    TOKEN,
    Call,
    Chat,
    Complaint,
    Fault,
    Flood,
    Message,
    User,
    found,
    too_many,
)
from tests.fake_telegram_methods import Account

# What flood control counts.
COUNTED = {"sendMessage", "sendDocument", "editMessageText", "editMessageMedia"}
COUNTED |= {"editMessageReplyMarkup"}


class FakeTelegram(Account):
    """`async with FakeTelegram() as telegram:` serves at `telegram.url`."""

    def __init__(self, *, limits: bool = False, privacy: bool = True, seed: int = 0) -> None:
        """`limits`: whether calls are counted and refused as the published limits say."""
        super().__init__(privacy=privacy, seed=seed)
        self.limits = limits
        self.calls: list[Call] = []
        self.refused = 0  # calls answered 429
        self.judge: Callable[[Call], list[str]] = lambda call: []  # says what is wrong with a call
        self.mistakes: list[str] = []  # what it said, and what we refused as no server would take
        self._sick: set[int] = set()  # connections on which nothing works any more
        self._connections: set[asyncio.Transport] = set()
        self._faults: list[Fault] = []
        self._flood = Flood()

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

    def migrates(self, group: Chat) -> Chat:
        """The group becomes a supergroup: another chat, in which the old messages are not."""
        new = self.group(group.title)
        group.migrated_to = new.id
        someone = next(iter(self.users.values()))
        self._tell("message", self._new(group, someone, "", more={"migrate_to_chat_id": new.id}))
        self._tell("message", self._new(new, someone, "", more={"migrate_from_chat_id": group.id}))
        return new

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

    async def _file(self, request: web.Request) -> web.Response:
        if self._fault("file") == "hang":
            await asyncio.sleep(3_600)
        at = int(request.match_info["chat"]), int(request.match_info["message"])
        document = self.messages[at].document
        assert document
        return web.Response(body=document[1])
