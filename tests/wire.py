"""An adapter for the small platform of `tests.wire_platform`, honest as a real one has to be.

It hears, awaits the inbox and only then acknowledges; it shows an answer by a post and edits of it;
before a post that may have been made already it looks for its own message.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict

from core.answer import Answer
from core.errors import AdapterError, Closing, StoreError
from core.notice import Notice
from core.ports import Inbox
from core.types import (
    Aside,
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Quoted,
    ThreadRef,
)

LIMIT_CHARS = 200  # of one message
EVERY_S = 0.05  # edits of one answer
CALL_WITHIN_S = 10.0
AGAIN_AFTER_S = 0.1  # a lost connection
BYTES_PER_LINE = 1_000_000


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    address: str  # "127.0.0.1:5000"


class WireAdapter:
    name = "wire"

    def __init__(self, settings: Settings) -> None:
        self._host, _, port = settings.address.partition(":")
        self._port = int(port)
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._line: asyncio.StreamWriter | None = None
        self._account: str | None = None

    async def run(self, inbox: Inbox) -> None:
        """Stay connected. What could not be stored comes again after a new connection."""
        while True:
            try:
                async with asyncio.TaskGroup() as group:
                    events: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
                    reader, self._line = await asyncio.open_connection(
                        self._host, self._port, limit=BYTES_PER_LINE
                    )
                    group.create_task(self._read(reader, events))
                    if self._account is None:
                        self._account = await self._call("hello")
                        await inbox.ready(self._account)
                    await self._call("listen")
                    while True:
                        event = await events.get()
                        try:
                            await self._hear(event, inbox)
                        except Closing:
                            continue  # not acknowledged: it comes again at the next start
                        await self._call("ack", event=event["event"])
            except* (OSError, AdapterError, StoreError):
                pass
            finally:
                self._hang_up()
            await asyncio.sleep(AGAIN_AFTER_S)

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        """Post the first piece, edit now and then; the last edit shows it whole."""
        text, last, shown = "", 0.0, list[str]()
        async for piece in answer:
            if isinstance(piece, Aside):
                await self._show(to, answer, text + piece, shown)
                continue
            text += piece
            if time.monotonic() - last >= EVERY_S:
                await self._show(to, answer, text, shown)
                last = time.monotonic()
        await self._show(to, answer, text, shown)

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()

    async def tell(self, channel: str, notice: Notice) -> None:
        await self._call("post", channel=channel, under="", nonce=notice.id, text=notice.text)

    async def _show(self, to: IncomingMessage, answer: Answer, text: str, shown: list[str]) -> None:
        """`shown`: what each message shows already, as far as we know."""
        pages = [text[at : at + LIMIT_CHARS] for at in range(0, len(text), LIMIT_CHARS)]
        for number, page in enumerate(pages):
            if number >= len(answer.refs) and await self._post(to, answer, page):
                shown.append(page)
            elif shown[number : number + 1] != [page]:
                await self._call("edit", id=answer.refs[number].id, text=page)
                shown[number : number + 1] = [page]

    async def _post(self, to: IncomingMessage, answer: Answer, page: str) -> bool:
        """A further message; False: it was there already, from before, and may show less."""
        nonce = f"{to.ref.id}/{len(answer.refs)}"
        found = await self._call("find", nonce=nonce) if answer.unsure else None
        posted = found is None
        if posted:
            await answer.placing()
            channel = to.ref.channel.id
            found = await self._call(
                "post", channel=channel, under=to.ref.id, nonce=nonce, text=page
            )
        await answer.placed(MessageRef(to.ref.channel, str(found)))
        return posted

    async def _hear(self, event: dict[str, Any], inbox: Inbox) -> None:
        assert self._account is not None
        channel = ChannelRef(self.name, self._account, event["channel"])
        ref, author = MessageRef(channel, event["id"]), Author(event["author"], event["author"])
        at = datetime.fromtimestamp(event["at"], UTC)
        if event["kind"] == "message":
            await inbox.message(
                IncomingMessage(ref, ThreadRef(channel), author, event["text"], True, at)
            )
        else:
            await inbox.reaction(IncomingReaction(ref, author, event["emoji"], event["added"], at))

    async def _call(self, do: str, **arguments: Any) -> Any:
        """Raises AdapterError when the platform refuses, or does not say that it did it."""
        number = next(self._numbers)
        if self._line is None:
            raise AdapterError("not connected")
        said = self._waiting[number] = asyncio.get_running_loop().create_future()
        self._line.write(json.dumps({"n": number, "do": do, **arguments}).encode() + b"\n")
        try:
            async with asyncio.timeout(CALL_WITHIN_S):
                return await said
        except TimeoutError as error:
            raise AdapterError(f"no answer to {do}") from error
        finally:
            del self._waiting[number]

    async def _read(self, reader: asyncio.StreamReader, events: asyncio.Queue[Any]) -> None:
        while line := await reader.readline():
            message = json.loads(line)
            if "event" in message:
                events.put_nowait(message)
            elif said := self._waiting.get(message["n"]):
                if said.done():
                    continue
                if "error" in message:
                    said.set_exception(AdapterError(message["error"]))
                else:
                    said.set_result(message["ok"])
        raise ConnectionResetError("the platform closed the line")

    def _hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with contextlib.suppress(OSError):
                line.close()
        for said in self._waiting.values():
            if not said.done():
                said.set_exception(AdapterError("the line is gone"))


async def who_am_i(settings: Settings) -> str:
    """Whom the platform takes us for. Raises AdapterError."""
    host, _, port = settings.address.partition(":")
    try:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(b'{"n": 0, "do": "hello"}\n')
        who: str = json.loads(await reader.readline())["ok"]
        writer.close()
    except (OSError, ValueError) as error:
        raise AdapterError(f"nobody answers at {settings.address}") from error
    return who
