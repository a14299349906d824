"""Slack, over Socket Mode: no public address is needed.

An event is stored before it is acknowledged, and anything at all is acknowledged but what could not
be stored. How answers are shown is in slack_sheet.py. It knows nothing of the model and of the
store.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr
from slack_bolt.async_app import AsyncApp
from slack_bolt.response import BoltResponse
from slack_sdk.web.async_client import AsyncWebClient

from adapters import slack_events
from adapters.slack_calls import SILENT, Api, ApiError, new_ticket, open_session
from adapters.slack_events import (
    CORRECTION,
    SCOPES,
    Ears,
    forwarded,
    is_ts,
    ts_of,
    unescape,
    when,
)
from adapters.slack_files import read
from adapters.slack_history import AFTER_LINE, AFTER_START, before, since
from adapters.slack_sheet import Sheet
from adapters.slack_socket import LOOK_S, Line
from adapters.slack_votes import KEPT, NOT_KEPT, VOTED, answer_vote, open_modal, whisper
from adapters.slack_whisper import Whisper
from core.answer import Answer
from core.errors import AdapterError, BotError, Closing, Refused, StoreError
from core.lanes import Lanes
from core.ports import Inbox
from core.streaming import show
from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Place,
    Quoted,
    ThreadRef,
)

logger = logging.getLogger(__name__)

LINES = 2  # an envelope comes on any of them: while Slack renews one, the other hears
CATCH_UP_S = 8.0  # how long new events wait for what was said while we were away
FIRST_AGAIN_S, LONGEST_AGAIN_S = 0.5, 30.0  # where it cannot be read
RECENT = timedelta(days=7)
MOST_SEEN = 20_000  # conversations that are remembered in case the line is lost
QUOTED = 50
APPENDS = 0.6  # of the time between edits, for each stream under way: they share the calls
PLACED_WITHIN_S, LOOK_AGAIN_S = 1.5, 0.02  # a message that people see already
THINKING_S = 0.4  # an answer that comes sooner needs no sign of it
RESPONSE_S = 1_700.0  # how long a response_url is good for, nearly
PLACES: dict[str, Place] = {"channel": "public", "im": "direct"}  # and the others: private

THINKING = "is thinking…"

Deed = Callable[[], Awaitable[BoltResponse | None]]
DONE = BoltResponse(status=200, body="")
AGAIN = BoltResponse(status=503, body="")  # not acknowledged: Slack delivers it again


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    bot_token: SecretStr
    app_token: SecretStr
    base_url: str = AsyncWebClient.BASE_URL
    votes: Literal["both", "reactions", "buttons", "none"] = "both"


class SlackAdapter:
    name = "slack"

    def __init__(self, settings: Settings, *, every_s: float = 1.2, settle_s: float = 5.0) -> None:
        """`every_s`: between edits of a message. `settle_s`: how long Slack may take to list a
        message that it accepted.
        """
        self._settings, self._every_s, self._settle_s = settings, every_s, settle_s
        self._places: dict[str, Place] = {}  # by channel
        self._seen: dict[ThreadRef, str] = {}  # conversations with us, and what was heard last
        self._urls: OrderedDict[str, tuple[str, float]] = OrderedDict()  # of commands, by trigger
        self._lanes = Lanes()  # one for each channel
        self._answers: list[tuple[IncomingMessage, Answer]] = []  # under way, for all to see
        self._hearing: set[asyncio.Task[Any]] = set()
        self._group: asyncio.TaskGroup | None = None

    async def run(self, inbox: Inbox) -> None:
        self._inbox = inbox
        async with open_session() as session:
            self._api = self._new_api(session)
            await self._greet()
            seen = await inbox.ready(self._ears.account)
            self._seen = {
                talk.thread: talk.last if is_ts(talk.last) else ts_of(talk.at) for talk in seen
            }
            try:
                async with asyncio.TaskGroup() as self._group:
                    catching_up = self._group.create_task(self._catch_up(self._seen))
                    await asyncio.wait({catching_up}, timeout=CATCH_UP_S)
                    await self._listen(self._group)
            except ExceptionGroup as failed:
                raise failed.exceptions[0] from failed
            finally:
                self._group = None

    async def _greet(self) -> None:
        who = await self._api.call("auth_test")
        self._team = who["team_id"]
        account = f"{self._team}/{who['user_id']}"
        self._ears = Ears(who["user_id"], account, {who["user_id"]: who["user"]})
        logger.info("slack: we are %s in %s", who["user"], who["team"])

    def _new_api(self, session: aiohttp.ClientSession) -> Api:
        token = self._settings.bot_token.get_secret_value()
        return Api(token, self._settings.base_url, session)

    # Staying connected.

    async def _listen(self, group: asyncio.TaskGroup) -> None:
        app = AsyncApp(
            client=self._api.client, before_authorize=self._middleware, logger=SILENT, name="mynah"
        )
        token = self._settings.app_token.get_secret_value()
        ticket = partial(new_ticket, self._api, token)
        lines = [Line(app, token, ticket, SILENT) for _ in range(LINES)]
        was_up, seen = True, self._seen
        try:
            for line in lines:
                await line.open()
            logger.info("slack: connected")
            for line in lines:
                group.create_task(line.stay())
            while True:
                await asyncio.sleep(LOOK_S)
                is_up = any(line.is_up for line in lines)
                if is_up != was_up:
                    logger.warning("slack: %s", "connected again" if is_up else "connection lost")
                    if is_up:
                        group.create_task(self._catch_up(seen, AFTER_LINE))
                    seen = dict(self._seen)  # what is heard later may be newer than what we miss
                was_up = is_up
        finally:
            await asyncio.gather(*(line.close() for line in lines), return_exceptions=True)
            if self._hearing:
                await asyncio.wait(self._hearing, timeout=1.0)

    # Hearing.

    async def _middleware(self, body: dict[str, Any]) -> BoltResponse:
        """Bolt calls this for each envelope, before all else: what it returns is the answer."""
        task = asyncio.current_task()
        assert task is not None
        self._hearing.add(task)
        task.add_done_callback(self._hearing.discard)
        try:
            deed = self._deed(body)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            logger.warning("slack: an event was not understood: %s", type(error).__name__)
            return DONE
        try:
            return (await self._in_order(body, deed) if deed else None) or DONE
        except (StoreError, Closing) as error:
            logger.warning("slack: an event is left for later: %s", error)
            return AGAIN
        except Exception:  # a fault of ours: the event comes again, and the others go on
            logger.exception("slack: an event broke")
            return AGAIN

    async def _in_order(self, body: dict[str, Any], deed: Deed) -> BoltResponse | None:
        """What is said in a channel is stored as it came, though one waits for a file; and so are
        the votes there.
        """
        event = body.get("event") or {}
        voted_in = (event.get("item") or {}).get("channel") or ""
        where = self._ears.channel(event.get("channel") or voted_in)
        async with self._lanes.enter(ThreadRef(where, "votes" if voted_in else "")):
            return await deed()

    def _deed(self, body: dict[str, Any]) -> Deed | None:
        """What is to be done about an envelope; None: nothing."""
        if "command" in body:
            return self._command(body)
        match body.get("type"):
            case "event_callback":
                return self._event(body["event"])
            case "block_actions":
                return self._pressed(body, body["actions"][0])
            case "view_submission" if body["view"].get("callback_id") == CORRECTION:
                return self._corrected(body)
        return None

    def _event(self, event: dict[str, Any]) -> Deed | None:
        match event["type"]:
            case "app_mention" | "message":
                return self._said_or_changed(event)
            case "reaction_added" | "reaction_removed":
                reaction = self._ears.reaction(event)
                if reaction and self._settings.votes in ("both", "reactions"):
                    return partial(self._vote, reaction)
            case "agent_session_stopped":
                self._stop(event)
        return None

    def _stop(self, event: dict[str, Any]) -> None:
        """Slack's own Stop: all that is answered in a thread ends, but for what was asked later.

        https://docs.slack.dev/reference/events/agent_session_stopped
        """
        channel, root = self._ears.channel(event["channel"]), event.get("thread_ts") or ""
        for to, answer in self._answers:
            is_there = to.ref.channel == channel and root in (to.thread.thread, to.ref.id)
            if is_there and to.ref.id < event["event_ts"]:  # it may come late
                answer.stop()

    def _said_or_changed(self, event: dict[str, Any]) -> Deed | None:
        channel = self._ears.channel(event["channel"])
        match event.get("subtype"):
            case None | "file_share" | "thread_broadcast":
                message = self._ears.message(event)
                return partial(self._hear, message, event) if message else None
            case "message_changed":
                now, before = event["message"], event.get("previous_message") or {}
                if now.get("subtype") == "tombstone":
                    return partial(self._inbox.changed, MessageRef(channel, now["ts"]), None)
                if now.get("user") != self._ears.me and now.get("text") != before.get("text"):
                    return partial(self._edited, now, channel)
            case "message_deleted":
                return partial(self._inbox.changed, MessageRef(channel, event["deleted_ts"]), None)
        return None

    async def _hear(self, message: IncomingMessage, event: dict[str, Any]) -> None:
        text, unread = await self._with_files(message.text, event)
        place = await self._place(message.ref.channel.id, event.get("channel_type") or "")
        await self._inbox.message(replace(message, text=text, unread=unread, place=place))
        if message.addressed or message.thread in self._seen:
            self._has_heard(message.thread, message.ref.id)

    def _has_heard(self, thread: ThreadRef, ts: str) -> None:
        self._seen[thread] = max(ts, self._seen.get(thread, ""))
        if len(self._seen) > MOST_SEEN:
            newest = sorted(self._seen.items(), key=lambda one: one[1])[-MOST_SEEN // 2 :]
            self._seen = dict(newest)

    async def _edited(self, now: dict[str, Any], channel: ChannelRef) -> None:
        text, _ = await self._with_files(self._ears.words(now), now)
        await self._inbox.changed(MessageRef(channel, now["ts"]), text)

    async def _with_files(self, text: str, event: dict[str, Any]) -> tuple[str, tuple[str, ...]]:
        token = self._settings.bot_token.get_secret_value()
        base, files = self._settings.base_url, list(event.get("files") or [])
        for one in forwarded(event):
            files += one.get("files") or []
        read_text, unread = await read(self._api.session, files, token, base)
        return text + read_text, unread

    async def _place(self, channel: str, kind: str) -> Place:
        """Who can read there. An app_mention does not say, so that Slack is asked, once."""
        if not kind and channel not in self._places:
            try:
                async with asyncio.timeout(1.0):
                    about = (await self._api.call("conversations_info", channel=channel))["channel"]
            except (AdapterError, TimeoutError) as error:
                logger.info("slack: who reads a channel is unknown: %s", error)
                return "private"  # what nobody may learn from until its people say so
            kind = "im" if about.get("is_im") else "group" if about.get("is_private") else "channel"
        if kind:
            self._places[channel] = PLACES.get(kind, "private")
        return self._places[channel]

    # Votes and corrections.

    def _pressed(self, body: dict[str, Any], action: dict[str, Any]) -> Deed | None:
        trigger = body["trigger_id"]
        match action.get("action_id"):
            case slack_events.CORRECT:
                return partial(self._offer, trigger, action["value"])
            case slack_events.VOTE:
                thread = body["message"].get("thread_ts") or ""
                return partial(self._vote, self._ears.press(body, action), thread, trigger)
        return None

    async def _vote(
        self, reaction: IncomingReaction, thread: str | None = None, trigger: str = ""
    ) -> None:
        """`thread`: where the answer stands; None: unknown, as for reactions."""
        try:
            noted = await self._judged(reaction)
        except (StoreError, Closing):
            if trigger:  # Slack does not deliver a press again
                self._later(
                    whisper(self._api, reaction.target, reaction.author.id, thread, NOT_KEPT)
                )
                return
            raise
        if noted.score is not None or noted.words:
            self._later(answer_vote(self._api, reaction, noted, thread, trigger))

    async def _judged(self, reaction: IncomingReaction) -> Noted:
        """A person sees an answer before we know its place: then the vote waits for that."""
        until = time.monotonic() + PLACED_WITHIN_S
        while True:
            noted = await self._inbox.reaction(reaction)
            is_known = noted.score is not None or noted.words or not reaction.added
            if is_known or not self._may_be_ours_soon(reaction.target) or time.monotonic() > until:
                return noted
            await asyncio.sleep(LOOK_AGAIN_S)

    def _may_be_ours_soon(self, ref: MessageRef) -> bool:
        return any(
            answer.unsure and to.ref.channel == ref.channel and to.ref.id < ref.id
            for to, answer in self._answers
        )

    async def _offer(self, trigger: str, about: str) -> None:
        self._later(open_modal(self._api, trigger, about, VOTED[-1]))

    def _corrected(self, body: dict[str, Any]) -> Deed:
        view, user = body["view"], body["user"]["id"]
        channel, ts, thread = view["private_metadata"].split(" ")
        text = view["state"]["values"][CORRECTION][CORRECTION]["value"] or ""
        target = MessageRef(self._ears.channel(channel), ts)
        return partial(self._correct, target, self._ears.author(user), text, thread)

    async def _correct(
        self, target: MessageRef, author: Author, text: str, thread: str
    ) -> BoltResponse | None:
        try:
            await self._inbox.correction(target, author, text)
        except (StoreError, Closing) as error:
            logger.warning("slack: a correction is not kept: %s", error)
            return answered({"response_action": "errors", "errors": {CORRECTION: NOT_KEPT}})
        self._later(whisper(self._api, target, author.id, thread, KEPT))
        return None

    # Commands.

    def _command(self, body: dict[str, Any]) -> Deed:
        return partial(self._ordered, self._ears.command(body), body.get("response_url") or "")

    async def _ordered(self, message: IncomingMessage, url: str) -> BoltResponse | None:
        now = time.monotonic()
        self._urls[message.ref.id] = (url, now)
        while self._urls and next(iter(self._urls.values()))[1] < now - RESPONSE_S:
            self._urls.popitem(last=False)
        try:
            await self._inbox.message(message)
        except (StoreError, Closing) as error:  # Slack does not deliver a command again
            logger.warning("slack: a command is not kept: %s", error)
            return answered({"response_type": "ephemeral", "text": NOT_KEPT})
        self._has_heard(message.thread, ts_of(message.at))
        return None

    # Speaking.

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        keys = [f"answer:{to.ref.channel.id}/{to.ref.id}"]
        if to.private:
            url, since = self._urls.pop(to.ref.id, ("", 0.0))
            fresh = url if time.monotonic() - since < RESPONSE_S else ""
            whisper = Whisper(self._api, to, answer, fresh)
            await show(answer, whisper, self._api.tempo, keys, every_s=self._every_s)
            return
        way = self._api.way(to, answer)
        votes = self._settings.votes in ("both", "buttons")
        sheet = Sheet(
            self._api, self._ears.me, self._team, to, answer, way, votes, settle_s=self._settle_s
        )
        every_s = self._every_s
        if way == "stream":
            every_s *= APPENDS * (1 + len(self._api.streams))
        if to.thread.thread and not answer.refs:
            self._later(self._think(to, answer))
        self._api.under_way += way != "post"
        self._answers.append((to, answer))
        try:
            await show(answer, sheet, self._api.tempo, keys, every_s=every_s, edits=way != "post")
        finally:
            self._answers.remove((to, answer))
            self._api.under_way -= way != "post"
            sheet.closed()

    async def _think(self, to: IncomingMessage, answer: Answer) -> None:
        await asyncio.sleep(THINKING_S)
        if not answer.refs and answer.outcome is None:
            await self._api.call(
                "assistant_threads_setStatus",
                channel_id=to.ref.channel.id,
                thread_ts=to.thread.thread,
                status=THINKING,
            )

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        root, channel = to.thread.thread, to.ref.channel
        if not root or root == to.ref.id:
            return ()
        said = await before(self._api, channel.id, root, to.ref.id, most=QUOTED)
        names = self._ears.names
        await self._learn_names({m["user"] for m in said if m.get("user")})
        return [
            Quoted(
                ref=MessageRef(channel, m["ts"]),
                author=self._ears.author(m.get("user") or m.get("bot_id") or "", "bot_id" in m),
                text=unescape(m["text"], names),
                at=when(m["ts"]),
            )
            for m in said
        ]

    async def _learn_names(self, users: set[str]) -> None:
        async def learn(user: str) -> None:
            with suppress(AdapterError):  # an id is a name too
                about = (await self._api.call("users_info", user=user))["user"]
                profile = about.get("profile") or {}
                names = (profile.get("display_name"), profile.get("real_name"), about.get("name"))
                self._ears.names[user] = next(filter(None, names), user)

        await asyncio.gather(*(learn(user) for user in users - self._ears.names.keys()))

    # What was said while we were away.

    async def _catch_up(self, seen: dict[ThreadRef, str], again: timedelta = AFTER_START) -> None:
        """`seen`: the conversations with us, and what was heard last in each. `again`: how much of
        what came before the newest is read anew.
        """
        oldest = ts_of(datetime.now(UTC) - RECENT)
        newest = max(seen.values(), default="")
        self._seen = {thread: last for thread, last in self._seen.items() if last > oldest}
        channels: dict[ChannelRef, dict[str, str]] = {}
        for thread, last in seen.items():
            if last > oldest:
                channels.setdefault(thread.channel, {})[thread.thread] = last
        waiting, wait_s = deque(channels.items()), FIRST_AGAIN_S
        while waiting:
            channel, threads = waiting.popleft()
            try:
                async with self._lanes.enter(ThreadRef(channel)):
                    missed = await since(self._api, channel.id, threads, oldest, again)
                    for ts in missed.gone:
                        await self._inbox.changed(MessageRef(channel, ts), None)
                    for message, is_new in missed.messages:
                        with suppress(KeyError, TypeError, ValueError):
                            if is_new:
                                await self._hear_late(message, channel)
                            await self._look_again(message, channel, newest)
            except (ApiError, Refused, Closing) as error:
                logger.warning("slack: what was said in a channel is not read: %s", error)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                why = type(error).__name__
                logger.warning("slack: what was said in a channel is not understood: %s", why)
            except (AdapterError, StoreError) as error:
                logger.warning("slack: what was said in a channel is read later: %s", error)
                waiting.append((channel, threads))
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, LONGEST_AGAIN_S)

    async def _hear_late(self, message: dict[str, Any], channel: ChannelRef) -> None:
        event = {**message, "type": "message", "channel": channel.id}
        if deed := self._said_or_changed(event):
            await deed()

    async def _look_again(self, message: dict[str, Any], channel: ChannelRef, newest: str) -> None:
        """What became of a message since `newest`, the last that we heard anywhere.

        Thumbs are not told by their time. Those on older answers may be of somebody who asked us
        since to forget their votes.
        """
        ts, is_ours = message["ts"], message.get("user") == self._ears.me
        if message.get("subtype") == "tombstone":
            await self._inbox.changed(MessageRef(channel, ts), None)
        elif not is_ours and (message.get("edited") or {}).get("ts", "") > newest:
            await self._edited(message, channel)
        elif is_ours and ts > newest and self._settings.votes in ("both", "reactions"):
            for reaction in self._ears.thumbs(message, channel):
                noted = await self._inbox.reaction(reaction)
                if noted.words:
                    thread = message.get("thread_ts") or ""
                    self._later(answer_vote(self._api, reaction, noted, thread, ""))

    def _later(self, work: Coroutine[Any, Any, Any]) -> None:
        """Do what nobody waits for; that it failed is worth a line and no more."""

        async def quietly() -> None:
            try:
                await work
            except BotError as error:
                logger.info("slack: %s", error)

        if self._group is None:
            work.close()
        else:
            self._group.create_task(quietly())


async def who_am_i(settings: Settings) -> str:
    """Asked of Slack with both tokens. Raises AdapterError."""
    async with open_session() as session:
        api = Api(settings.bot_token.get_secret_value(), settings.base_url, session)
        who = await api.call("auth_test")
        await new_ticket(api, settings.app_token.get_secret_value())
    return f"{who['user']} in {who['team']} ({who['url']})"


async def missing(settings: Settings) -> list[str]:
    """A sentence for each scope that the app lacks, asked of Slack. Raises AdapterError."""
    async with open_session() as session:
        api = Api(settings.bot_token.get_secret_value(), settings.base_url, session)
        who = await api.call("auth_test")
    given = set(re.split(r"[,\s]+", who.headers.get("x-oauth-scopes", "")))
    return [
        f"the scope {scope}: add it on the page OAuth & Permissions of the app, and install it anew"
        for scope in SCOPES
        if scope not in given
    ]


def answered(payload: dict[str, Any]) -> BoltResponse:
    """An acknowledgement that says something."""
    return BoltResponse(status=200, body=payload)
