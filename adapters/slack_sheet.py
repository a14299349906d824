"""Where an answer is shown on Slack: as a native stream, in messages that are edited, or in one
post. What one person alone sees is in slack_whisper.py.

A message is blocks: `markdown`, which takes CommonMark as it is, and voting buttons under the last.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from adapters.slack_calls import BREATH_S, GONE, Api, ApiError, Way, posts
from adapters.slack_text import LIMIT, harmless, safe_to_append, size, written
from adapters.slack_votes import voting_buttons
from core.answer import Answer
from core.errors import AdapterError, RateLimited, Refused
from core.streaming import NOTHING_HERE
from core.types import IncomingMessage, MessageRef

logger = logging.getLogger(__name__)

MOST_PAGES = 5
STREAM_S = 240.0  # Slack ends a stream after five minutes: slackapi/python-slack-sdk#1859
MARK = "mynah_answer"
ENDED = ("message_not_in_streaming_state", "message_not_owned_by_app")


@dataclass
class Sheet:
    """The messages of one answer, as core.streaming.show wants them."""

    api: Api
    me: str  # our user id
    team: str
    to: IncomingMessage
    answer: Answer
    way: Way
    votes: bool  # whether buttons belong under an answer
    settle_s: float  # how long Slack may take to show in a listing what it accepted
    limit: int = LIMIT
    most_pages: int = MOST_PAGES
    _stream: Stream | None = None
    _takes_blocks: bool = True  # as far as is known of this answer
    _said: dict[str, tuple[str, bool]] = field(default_factory=dict)  # by ts; and with buttons?

    def size(self, text: str) -> int:
        return size(text)

    @property
    def _is_whole(self) -> bool:
        return self.answer.outcome is not None

    @property
    def _channel(self) -> str:
        return self.to.thread.channel.id

    @property
    def _where(self) -> dict[str, Any]:
        thread = self.to.thread.thread
        return {"channel": self._channel} | ({"thread_ts": thread} if thread else {})

    def _mark(self, part: int) -> dict[str, Any]:
        return {"event_type": MARK, "event_payload": {"to": self.to.ref.id, "part": part}}

    async def _pace(self, *keys: str) -> None:
        """What grows is left out when there is no room for the call; what is whole waits.

        Every answer under way needs one update at its end: there is room for those.
        """
        spare = self.api.under_way if "chat_update" in keys else 0
        if self._is_whole:
            await self.api.tempo.turn(*keys)
        elif not self.api.tempo.may(*keys, spare=spare):
            raise RateLimited("Slack: left out for now", retry_after_s=BREATH_S)

    async def find(self, part: int) -> MessageRef | None:
        after = self.answer.refs[-1].id if self.answer.refs else self.to.ref.id
        for wait_s in (0.0, self.settle_s):  # absent counts only when Slack had time to show it
            await asyncio.sleep(wait_s)
            async for message in self._after(after):
                is_later = message.get("user") == self.me and message["ts"] > after
                if is_later and self._is_part(message, part):
                    return self._ref(message["ts"])
        return None

    def _after(self, ts: str) -> AsyncIterator[Any]:
        about: dict[str, Any] = {"channel": self._channel, "oldest": ts, "most": 10}
        about["include_all_metadata"] = True
        if self.to.thread.thread:
            return self.api.pages("conversations_replies", ts=self.to.thread.thread, **about)
        return self.api.pages("conversations_history", **about)

    def _is_part(self, message: dict[str, Any], part: int) -> bool:
        if part == self.most_pages:
            return bool(message.get("files"))
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") == MARK:
            return bool(metadata.get("event_payload") == self._mark(part)["event_payload"])
        # A stream is marked when it ends. One without a mark is of a try that died in this turn:
        # in a conversation, one is answered after the other, but for what takes minutes.
        is_theirs = message["ts"] in self.api.streams or bool(message.get("files"))
        return part == 0 and bool(self.to.thread.thread) and not is_theirs

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        if self._stream:
            await self._end_stream(last=False)
        if self.way == "stream" and part == 0 and not self._is_whole:
            ref = await self._start(text)
            if ref is not None:
                return ref
        await self._pace(posts(self._channel), "chat_postMessage")
        body = {**self._where, "metadata": self._mark(part), "parse": "none"}
        body |= {"unfurl_links": False, "unfurl_media": False, "link_names": False}
        sent = await self._send("chat_postMessage", text, last=last, **body)
        self._said[sent["ts"]] = (text, bool(self._buttons(last=last)))
        return self._ref(sent["ts"])

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        try:
            if self._stream and self._stream.ts == ref.id:
                await self._grow(text, last=last)
            elif self._said.get(ref.id) != (text, bool(self._buttons(last=last))):
                await self._pace("chat_update")
                await self._update(ref, text, last=last)
        except ApiError as error:
            if error.error != "message_not_found":
                raise

    async def remove(self, ref: MessageRef) -> None:
        await self._pace("chat_delete")
        try:
            await self._checked("chat_delete", channel=self._channel, ts=ref.id)
        except ApiError as error:
            if error.error == "message_not_found":
                return
            logger.info("slack: a message stays that is needed no more: %s", error.error)
            await self.edit(ref, NOTHING_HERE, last=False)

    async def attach(self, part: int, text: str) -> MessageRef:
        content = text.encode()
        about = {"filename": "answer.md", "length": len(content)}
        place = await self._checked("files_getUploadURLExternal", **about)
        status = await self.api.post(place["upload_url"], "the upload", data=content)
        if status != 200:
            raise AdapterError(f"Slack: the upload failed with status {status}")
        thread = self.to.thread.thread
        where = {"channel_id": self._channel} | ({"thread_ts": thread} if thread else {})
        files = [{"id": place["file_id"], "title": "answer.md"}]
        await self._checked("files_completeUploadExternal", files=files, **where)
        return await self._shared(part, place["file_id"])

    async def _shared(self, part: int, file: str) -> MessageRef:
        """The message that carries a file: Slack does not name it, so it is looked for."""
        found = await self.find(part)
        return found or self._ref(file)

    # The calls, and what is done where they fail.

    async def _checked(self, method: str, **arguments: Any) -> Any:
        try:
            return await self.api.call(method, **arguments)
        except ApiError as error:
            if error.error in (*GONE, "missing_scope"):
                raise Refused(str(error)) from error
            raise

    async def _send(self, method: str, text: str, *, last: bool, **body: Any) -> Any:
        """Post or update, with buttons where they belong and the workspace knows them."""
        buttons = self._buttons(last=last)
        if self._takes_blocks and self.api.takes_blocks:
            try:
                sent = await self._checked(method, **body, **written(text, *buttons))
            except ApiError as error:
                if error.error not in ("invalid_blocks", "invalid_blocks_format"):
                    raise
                logger.info("slack: an answer goes on as text (%s)", error.error)
                self._takes_blocks = False
                self.api.refused_blocks(error.error)
            else:
                if buttons:
                    self.api.took_buttons()
                return sent
        return await self._checked(method, **body, markdown_text=harmless(text))

    def _buttons(self, *, last: bool) -> list[dict[str, Any]]:
        judged = self.answer.outcome in ("answered", "cut", "stopped")
        return [voting_buttons()] if last and self.votes and judged else []

    async def _update(self, ref: MessageRef, text: str, *, last: bool) -> None:
        """Make a message say this as a whole; the mark is set again, since a stream may lack it."""
        part = self.answer.refs.index(ref) if ref in self.answer.refs else 0
        mark = self._mark(part)
        about: dict[str, Any] = {"channel": self._channel, "ts": ref.id, "metadata": mark}
        body = about | {"parse": "none", "link_names": False}
        try:
            await self._send("chat_update", text, last=last, **body)
        except ApiError as error:
            if error.error != "streaming_state_conflict":
                raise
            await self._stop(ref.id, metadata=mark)  # a stream that an earlier try left open
            await self._send("chat_update", text, last=last, **body)
        self._said[ref.id] = (text, bool(self._buttons(last=last)))

    # The native stream.

    async def _start(self, text: str) -> MessageRef | None:
        """None: there is no stream to be had, and nothing was shown."""
        shown = safe_to_append(text)
        to_whom = {"recipient_team_id": self.team, "recipient_user_id": self.to.author.id}
        words = {"markdown_text": shown} if shown.strip() else {}
        try:
            sent = await self.api.call("chat_startStream", **self._where, **to_whom, **words)
        except (ApiError, RateLimited) as error:
            self.way = "edits"
            self.api.lost_streams(getattr(error, "error", ""))
            return None
        self._stream = Stream(sent["ts"], shown if words else "", text)
        self.api.streams.add(self._stream.ts)
        return self._ref(sent["ts"])

    async def _grow(self, text: str, *, last: bool) -> None:
        """Append what is new; at the end, or where Slack will have no more, put all of it right."""
        stream = self._stream
        assert stream is not None
        stream.text = text
        if self._is_whole or time.monotonic() - stream.since > STREAM_S:
            await self._end_stream(last=last)
            return
        new = stream.new(safe_to_append(text))
        if not new.strip():
            return
        await self._pace("chat_appendStream")
        try:
            await self.api.call(
                "chat_appendStream", channel=self._channel, ts=stream.ts, markdown_text=new
            )
            stream.shown = (stream.shown or "") + new
        except ApiError as error:
            if error.error == "stopped_by_user":
                self.answer.stop()
            elif error.error in ENDED:
                self.closed()
                await self._update(self._ref(stream.ts), text, last=last)
            else:
                raise
        except RateLimited:
            raise
        except AdapterError:
            stream.shown = None  # what was appended is unknown: the end puts it right
            raise

    async def _end_stream(self, *, last: bool) -> None:
        """Leave the streaming state, then say it once more as a whole: appends may have been lost,
        doubled or cut, and an update is neither.
        """
        stream = self._stream
        assert stream is not None
        if not stream.is_stopped:
            await self.api.tempo.turn("chat_stopStream")
            rest = stream.new(harmless(stream.text))
            more = {"markdown_text": rest} if rest.strip() else {}
            buttons = self._buttons(last=last)
            await self._stop(
                stream.ts,
                metadata=self._mark(0),
                **more,
                **({"blocks": buttons} if buttons else {}),
            )
            stream.is_stopped = True
        await self.api.tempo.turn("chat_update")
        try:
            await self._update(self._ref(stream.ts), stream.text, last=last)
        except ApiError as error:
            if error.error != "message_not_found":
                raise
        self.closed()

    async def _stop(self, ts: str, **arguments: Any) -> None:
        try:
            await self._checked("chat_stopStream", channel=self._channel, ts=ts, **arguments)
        except ApiError as error:
            # It has ended, or somebody deleted it; if not, the update will say so.
            logger.info("slack: a stream was not ended by us: %s", error.error)

    def closed(self) -> None:
        """Nothing is streamed any more. Whoever made the sheet says so at the end."""
        if self._stream:
            self.api.streams.discard(self._stream.ts)
            self._stream = None

    def _ref(self, ts: str) -> MessageRef:
        return MessageRef(self.to.thread.channel, ts)


@dataclass
class Stream:
    """A native stream under way."""

    ts: str
    shown: str | None  # what was appended so far; None: unknown
    text: str  # what it is to say
    since: float = field(default_factory=time.monotonic)
    is_stopped: bool = False

    def new(self, text: str) -> str:
        """What is to be appended, so that it says `text`; "" where appending cannot do it."""
        if self.shown is None or not text.startswith(self.shown):
            return ""
        return text[len(self.shown) :]
