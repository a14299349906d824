"""Slack, over Socket Mode: no public address is needed.

An event is stored before it is acknowledged. What is heard is in slack_hearing.py, and how answers
are shown in slack_sheet.py. It knows nothing of the model and of the store.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel, ConfigDict, SecretStr
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from adapters.slack_absence import Absence
from adapters.slack_calls import SILENT, Api, new_ticket, open_session
from adapters.slack_events import SCOPES, Ears, is_ts, ts_of, unescape, when
from adapters.slack_hearing import Hearing
from adapters.slack_history import AFTER_LINE, Talks, before
from adapters.slack_sheet import Sheet
from adapters.slack_socket import LOOK_S, Line
from adapters.slack_status import Status
from adapters.slack_votes import UnderWay, Votes
from adapters.slack_whisper import ResponseUrls, Whisper
from core.answer import Answer
from core.errors import AdapterError, BotError
from core.lanes import Lanes
from core.notice import Notice, nobodys
from core.ports import Inbox
from core.streaming import show
from core.types import ChannelRef, IncomingMessage, MessageRef, Quoted, ThreadRef

logger = logging.getLogger(__name__)

LINES = 2  # an envelope comes on any of them: while Slack renews one, the other hears
CATCH_UP_S = 8.0  # how long new events wait for what was said while we were away
QUOTED = 50
APPENDS = 0.6  # of the time between edits, for each stream under way: they share the calls
CLOCKS_DIFFER = timedelta(minutes=1)


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
        self._urls = ResponseUrls()  # of commands
        self._answers: UnderWay = []
        self._lanes = Lanes()  # one for each channel
        self._group: asyncio.TaskGroup | None = None

    async def run(self, inbox: Inbox) -> None:
        async with open_session() as session:
            self._api = api_of(self._settings, session)
            await self._greet()
            seen = await inbox.ready(self._ears.account)
            talks = Talks(
                {talk.thread: talk.last if is_ts(talk.last) else ts_of(talk.at) for talk in seen}
            )
            counts = self._settings.votes
            votes = Votes(
                self._api,
                inbox,
                self._answers,
                self._later,
                by_reaction=counts in ("both", "reactions"),
                by_button=counts in ("both", "buttons"),
            )
            hearing = Hearing(
                self._api, self._ears, inbox, votes, self._lanes, talks, self._urls, self._answers
            )
            absence = Absence(self._api, self._ears, inbox, hearing, votes, self._lanes, talks)
            try:
                async with asyncio.TaskGroup() as self._group:
                    catching_up = self._group.create_task(absence.catch_up(talks))
                    await asyncio.wait({catching_up}, timeout=CATCH_UP_S)
                    await self._listen(self._group, hearing, absence)
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

    # Staying connected.

    async def _listen(self, group: asyncio.TaskGroup, hearing: Hearing, absence: Absence) -> None:
        app = AsyncApp(
            client=self._api.client,
            before_authorize=hearing.middleware,
            logger=SILENT,
            name="mynah",
        )
        token = self._settings.app_token.get_secret_value()
        ticket = partial(new_ticket, self._api, token)
        lines = [Line(app, token, ticket, SILENT) for _ in range(LINES)]
        was_up, seen = True, dict[ThreadRef, str]()
        try:
            for line in lines:
                await line.open()
            logger.info("slack: connected")
            for line in lines:
                group.create_task(line.stay())
            while True:
                await asyncio.sleep(LOOK_S)
                is_up = any(line.is_up for line in lines)
                if is_up and not was_up:
                    logger.warning("slack: connected again")
                    group.create_task(absence.catch_up(seen, AFTER_LINE))
                elif was_up and not is_up:
                    logger.warning("slack: connection lost")
                    seen = dict(hearing.talks)  # what is heard later may be newer than what we miss
                    hearing.votes.away()
                was_up = is_up
                if self._api.revoked:
                    raise self._api.revoked
        finally:
            await asyncio.gather(*(line.close() for line in lines), return_exceptions=True)
            await hearing.end()

    # Speaking.

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        keys = [f"answer:{to.ref.channel.id}/{to.ref.id}"]
        if to.private:
            whisper = Whisper(self._api, to, answer, self._urls.take(to.ref.id))
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
        status = None
        if to.thread.thread and not answer.refs:
            status = Status(self._api, to, answer, self._later)
            status.think()
        self._api.under_way += way != "post"
        self._answers.append((to, answer))
        try:
            await show(
                answer,
                sheet,
                self._api.tempo,
                keys,
                every_s=every_s,
                edits=way != "post",
                aside=status.wait if status else None,
            )
            if status and not answer.refs:
                status.clear()
        finally:
            if status:
                status.end()
            self._answers.remove((to, answer))
            self._api.under_way -= way != "post"
            sheet.closed()

    async def tell(self, channel: str, notice: Notice) -> None:
        # Looked for after a doubt it is among what came later, by Slack's clock, which may be slow.
        since = ts_of(notice.at - CLOCKS_DIFFER)
        to = nobodys(ChannelRef(self.name, self._ears.account, channel), since)
        async with notice.said() as words:
            sheet = Sheet(
                self._api, self._ears.me, self._team, to, words, "post", False, self._settle_s
            )
            keys = [f"answer:{channel}/{since}"]
            await show(words, sheet, self._api.tempo, keys, every_s=self._every_s, edits=False)

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

    def _later(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[None] | None:
        """Do what nobody waits for; that it failed is worth a line and no more."""

        async def quietly() -> None:
            try:
                await work
            except BotError as error:
                logger.info("slack: %s", error)

        if self._group is None:
            work.close()
            return None
        return self._group.create_task(quietly())


async def who_am_i(settings: Settings) -> str:
    """Asked of Slack with both tokens. Raises AdapterError."""
    async with open_session() as session:
        api = api_of(settings, session)
        who = await api.call("auth_test")
        await new_ticket(api, settings.app_token.get_secret_value())
    return f"{who['user']} in {who['team']} ({who['url']})"


async def missing(settings: Settings) -> list[str]:
    """A sentence for each scope that the app lacks, asked of Slack. Raises AdapterError."""
    async with open_session() as session:
        api = api_of(settings, session)
        who = await api.call("auth_test")
    given = set(re.split(r"[,\s]+", who.headers.get("x-oauth-scopes", "")))
    return [
        f"the scope {scope}: add it on the page OAuth & Permissions of the app, and install it anew"
        for scope in SCOPES
        if scope not in given
    ]


def api_of(settings: Settings, session: aiohttp.ClientSession) -> Api:
    return Api(settings.bot_token.get_secret_value(), settings.base_url, session)
