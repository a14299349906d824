"""Where an answer appears on Discord: under the question, or for the asker's eyes only."""

from __future__ import annotations

import asyncio
import hashlib
import io
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import discord

from adapters.discord_calls import Archived, Unknown
from adapters.discord_client import MESSAGES, PAGE, Client
from core.answer import Answer
from core.errors import AdapterError
from core.markup import tables_as_code
from core.types import IncomingMessage, MessageRef

# https://docs.discord.com/developers/resources/message#create-message says 2,000 characters and not
# which: in UTF-16 units no message is longer than it is thought to be.
LIMIT, MOST_PAGES = 2_000, 5
PAGES_LOOKED_AT = 5  # to find one of ours
DEFERRED_WITHIN_S = 3.0
FILE = "answer.md"

SUPPRESS_EMBEDS, EPHEMERAL, SILENT = 1 << 2, 1 << 6, 1 << 12
NOBODY: dict[str, list[str]] = {"parse": []}  # is notified by what we say
THUMBS = {"mynah:up": "👍", "mynah:down": "👎"}
VOTING = [
    {
        "type": 1,
        "components": [
            {"type": 2, "style": 2, "custom_id": id, "emoji": {"name": emoji}}
            for id, emoji in THUMBS.items()
        ],
    }
]
TYPING_AFTER_S, TYPING_S = 0.4, 8.0  # a quick answer says enough; Discord shows it for 10
TYPING = "/channels/{channel_id}/typing"
CHANNEL, MESSAGE = "/channels/{channel_id}", MESSAGES + "/{message_id}"
FOLLOW_UP, SHOWN = "/webhooks/{webhook_id}/{webhook_token}", "/messages/{message_id}"
_UNKNOWN = re.compile(r"~{3,}|`{4,}|#{4,6}[ \t]")
_FENCE = re.compile(r"(?:[ \t>]|[-*+][ \t]|\d+[.)][ \t])*(`{3,}|~{3,})(.*)")
_SMALL_HEADING = re.compile(r" {0,3}#{4,6}[ \t]+(.*?)(?:[ \t]+#+)?[ \t]*$")


class InChannel:
    """One answer in a channel, a thread or a direct message: replies to the question."""

    limit, most_pages = LIMIT, MOST_PAGES

    def __init__(self, client: Client, to: IncomingMessage, answer: Answer, *, votes: bool) -> None:
        """`votes`: put voting buttons under it."""
        self._client, self._to, self._answer, self._votes = client, to, answer, votes
        self.channel_id = to.thread.thread or to.thread.channel.id
        self.channel = to.ref.channel
        self.typing: asyncio.Task[None] | None = None  # until there is something to see
        self._shown: dict[str, dict[str, Any]] = {}  # what each message shows, where we know it

    async def types(self, may: Callable[[], bool]) -> None:
        """Show that an answer is on its way, if it takes a moment, until cancelled. `may`: there is
        room for the call."""
        await asyncio.sleep(TYPING_AFTER_S)
        with suppress(AdapterError):
            while True:
                if may():
                    await self._client.ask("POST", TYPING, channel_id=self.channel_id)
                await asyncio.sleep(TYPING_S)

    def size(self, text: str) -> int:
        return len(render(text).encode("utf-16-le")) // 2

    def may_be_placing(self, ref: MessageRef) -> bool:
        """Whether it may turn out that this message carries a part of the answer."""
        answer = self._answer
        is_later = ref.channel == self.channel and int(ref.id) > int(self._to.ref.id)
        return is_later and answer.unsure and ref not in answer.refs

    async def find(self, part: int) -> MessageRef | None:
        """Among the replies to the question; the nonce knows those of the last minutes too."""
        after = self._answer.refs[-1].id if self._answer.refs else self._to.ref.id
        for _ in range(PAGES_LOOKED_AT):
            params = {"after": after, "limit": PAGE}
            found = await self._client.ask(
                "GET", MESSAGES, params=params, channel_id=self.channel_id
            )
            for message in reversed(found):  # they come newest first
                original = (message.get("message_reference") or {}).get("message_id")
                is_ours = int(message["author"]["id"]) == self._client.id
                if is_ours and original == self._to.ref.id:
                    return MessageRef(self.channel, message["id"])
            if len(found) < PAGE:
                break
            after = found[0]["id"]
        return None

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        if self.typing:
            self.typing.cancel()
        body = self._body(text, last=last) | self._new(part)
        data = await self._client.ask("POST", MESSAGES, body, channel_id=self.channel_id)
        ref = MessageRef(self.channel, data["id"])
        is_same = data["content"] == body["content"].strip()
        if is_same and bool(data["components"]) == bool(body["components"]):
            self._shown[ref.id] = self._body(text, last=last)
        else:  # the nonce was known: it is what a try before this one posted
            await self.edit(ref, text, last=last)
        return ref

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        body = self._body(text, last=last)
        if self._shown.get(ref.id) == body:
            return  # where nobody votes, the end of an answer looks like any other part
        change = partial(self._client.ask, "PATCH", channel_id=self.channel_id)
        with suppress(Unknown):  # somebody deleted it
            try:
                await change(MESSAGE, body, message_id=ref.id)
            except Archived:  # a new message would open it; an edit does not
                await change(CHANNEL, {"archived": False})
                await change(MESSAGE, body, message_id=ref.id)
            self._shown[ref.id] = body

    async def remove(self, ref: MessageRef) -> None:
        with suppress(Unknown):  # it went already
            await self._client.ask("DELETE", MESSAGE, channel_id=self.channel_id, message_id=ref.id)

    async def attach(self, part: int, text: str) -> MessageRef:
        body = {"allowed_mentions": NOBODY, "attachments": [{"id": "0", "filename": FILE}]}
        data = await self._client.ask(
            "POST",
            MESSAGES,
            body | self._new(part),
            file=file_of(text),
            channel_id=self.channel_id,
        )
        return MessageRef(self.channel, data["id"])

    def _body(self, text: str, *, last: bool) -> dict[str, Any]:
        is_said_by_model = self._answer.outcome in ("answered", "cut", "stopped")
        return {
            "content": render(text),
            "allowed_mentions": NOBODY,
            "flags": SUPPRESS_EMBEDS,
            "components": VOTING if self._votes and last and is_said_by_model else [],
        }

    def _new(self, part: int) -> dict[str, Any]:
        """What a new message says besides: how it is known again, and what it answers."""
        reference = {"message_id": self._to.ref.id, "fail_if_not_exists": False}
        nonce = nonce_of(self._to.ref, part)
        return {"nonce": nonce, "enforce_nonce": True, "message_reference": reference}


class Unasked(InChannel):
    """A notice: it stands for itself, under no question."""

    async def find(self, part: int) -> MessageRef | None:
        """The nonce knows those of the last minutes."""
        return None

    def _new(self, part: int) -> dict[str, Any]:
        new = super()._new(part)
        del new["message_reference"]
        return new


@dataclass
class Command:
    """A slash command under way: what showing its answer needs."""

    token: str
    until: float  # by the loop's clock; later it cannot be used
    deferred: asyncio.Event = field(default_factory=asyncio.Event)


class ForOne(InChannel):
    """The answer to a slash command, which grows in the response that only the asker sees.

    That can be edited for 15 minutes, and by this process only; later it goes on in a direct
    message.
    """

    def __init__(
        self,
        client: Client,
        to: IncomingMessage,
        answer: Answer,
        command: Command | None,
    ) -> None:
        """`command`: None where it came before a restart."""
        super().__init__(client, to, answer, votes=False)
        self._command = command
        self._moved: dict[str, str] = {}  # messages that cannot be edited, and what replaces them
        self._is_direct = False

    def may_be_placing(self, ref: MessageRef) -> bool:
        return False  # nobody votes on it

    async def find(self, part: int) -> MessageRef | None:
        """A response cannot be doubled, and the nonce knows the direct message."""
        return None

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        ref = await self._respond(part, text, last=last)
        return ref or await self._post_directly(part, text, last=last)

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        part = self._answer.refs.index(ref)
        id = self._moved.get(ref.id)
        if id is not None or ref.channel != self._to.ref.channel:
            await self._go_direct()
            await super().edit(MessageRef(ref.channel, id or ref.id), text, last=last)
        elif not await self._respond(part, text, last=last, id=ref.id) and last:
            self._moved[ref.id] = (await self._post_directly(part, text, last=last)).id

    async def remove(self, ref: MessageRef) -> None:
        """In a response it stays: an earlier process showed it."""
        if ref.channel != self._to.ref.channel:
            await self._go_direct()
            await super().remove(ref)

    async def attach(self, part: int, text: str) -> MessageRef:
        if self._command:
            with suppress(Unknown):
                attachments = [{"id": "0", "filename": FILE}]
                body = {"flags": EPHEMERAL, "attachments": attachments}
                data = await self._ask("POST", FOLLOW_UP, body, file=file_of(text))
                return MessageRef(self._to.ref.channel, data["id"])
        await self._go_direct()
        return await super().attach(part, text)

    async def _respond(
        self, part: int, text: str, *, last: bool, id: str | None = None
    ) -> MessageRef | None:
        """Show it in the response, or behind it; None: that cannot be done any more."""
        if self._command is None:
            return None
        body = self._body(text, last=last)
        if id is not None and self._shown.get(id) == body:
            return MessageRef(self._to.ref.channel, id)
        shown = body
        if part and id is None:
            body = body | {"flags": EPHEMERAL | SUPPRESS_EMBEDS}
        try:
            if part == 0:
                data = await self._ask("PATCH", FOLLOW_UP + "/messages/@original", body)
            elif id is None:
                data = await self._ask("POST", FOLLOW_UP, body)
            else:
                data = await self._ask("PATCH", FOLLOW_UP + SHOWN, body, message_id=id)
        except Unknown:
            self._command = None
            return None
        self._shown[data["id"]] = shown
        return MessageRef(self._to.ref.channel, data["id"])

    async def _ask(self, method: str, path: str, body: dict[str, Any], **more: Any) -> Any:
        command = self._command
        assert command
        with suppress(TimeoutError):
            async with asyncio.timeout(DEFERRED_WITHIN_S):
                await command.deferred.wait()
        ids: dict[str, Any] = {"webhook_id": self._client.account, "webhook_token": command.token}
        return await self._client.ask(method, path, body, **ids, **more)

    async def _post_directly(self, part: int, text: str, *, last: bool) -> MessageRef:
        await self._go_direct()
        return await super().post(part, text, last=last)

    async def _go_direct(self) -> None:
        if not self._is_direct:
            self.channel_id = await self._client.direct(self._to.author.id)
            self.channel = self._client.ref(int(self.channel_id))
            self._is_direct = True


def render(text: str) -> str:
    """CommonMark as Discord shows it: it knows most of it, but no tables, no headings below the
    third, and around code three backticks and nothing else."""
    text = tables_as_code(text)
    if not _UNKNOWN.search(text):
        return text
    lines, fence, opened = text.split("\n"), "", 0
    for number, line in enumerate(lines):
        found = _FENCE.match(line)
        if fence:
            if found and found[1].startswith(fence) and not found[2].strip():
                if "```" not in "\n".join(lines[opened + 1 : number]):
                    lines[opened] = lines[opened].replace(fence, "```", 1)
                    lines[number] = line.replace(found[1], "```", 1)
                fence = ""
        elif found and not (found[1][0] == "`" and "`" in found[2]):
            fence, opened = found[1], number
        elif heading := _SMALL_HEADING.match(line):
            words = heading[1]  # Discord has three levels; code may hold what makes text bold
            lines[number] = f"### {words}" if "`" in words else f"**{words.replace('**', '')}**"
    return "\n".join(lines)


def nonce_of(ref: MessageRef, part: int) -> str:
    """The same for every try to post this part; Discord takes 25 characters."""
    key = f"{ref.channel.account}/{ref.channel.id}/{ref.id}/{part}"
    return hashlib.sha256(key.encode()).hexdigest()[:25]


def file_of(text: str) -> discord.File:
    return discord.File(io.BytesIO(text.encode()), filename=FILE)
