"""Slack's rig: the contract's words in Slack's language.

What only Slack has is in the files test_slack_*.py beside this one.
"""

from __future__ import annotations

import asyncio
import html
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from adapters.slack import Settings, SlackAdapter
from tests import slack_rules
from tests.adapters.slack_served import CLUB, DIRECT, ROOM, checked_slack
from tests.contract import Ability, AdapterContract, Room
from tests.fake_slack import APP_TOKEN, BOT, BOT_TOKEN, FakeSlack
from tests.fakes import ListInbox, until

ANN, BEN, ROBOT = "U0ANN", "U0BEN", "U0BOB"
PLACES: dict[Room, str] = {"direct": DIRECT, "public": ROOM, "private": CLUB, "thread": ROOM}
SHOWING = (
    "chat.postMessage",
    "chat.update",
    "chat.startStream",
    "chat.appendStream",
    "chat.stopStream",
    "files.completeUploadExternal",
)
NAMES = {"👍": "+1", "👎": "-1", "👍🏽": "+1::skin-tone-4", "👎🏿": "-1::skin-tone-6", "🎉": "tada"}
EXPECTED = ("ok", "ratelimited", "reset", "500", "message_not_in_streaming_state")


class SlackRig:
    lacks: Mapping[Ability, str] = {
        "replies": "a reply on Slack is said in a thread, which is quoted as a whole",
    }
    person_id, bot_id, limit, every_s = ANN, BOT, slack_rules.MARKDOWN, 0.05
    secrets = (BOT_TOKEN, APP_TOKEN)

    def __init__(self, slack: FakeSlack) -> None:
        self.slack, self.inbox = slack, ListInbox()
        self.adapter = self._made(BOT_TOKEN)
        self._mistakes: list[str] = []
        self._looked_at = 0  # so many calls
        self._root = ""  # of the thread that people began
        self._last: tuple[str, str] = ("", "")  # what was said last: its channel and ts

    def _made(self, token: str) -> SlackAdapter:
        settings = Settings(bot_token=token, app_token=APP_TOKEN, base_url=self.slack.base_url)
        return SlackAdapter(settings, every_s=self.every_s, settle_s=0.05)

    async def start(self) -> None:
        self._running = asyncio.create_task(self.adapter.run(self.inbox))
        await self.slack.until(lambda: self.slack.sockets == 2 or self._running.done())
        if self._running.done():
            self._running.result()

    async def stop(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        await self.slack.until(lambda: not self.slack.sockets)

    async def run_with_wrong_token(self) -> None:
        await self._made("xoxb-2-secret").run(self.inbox)

    @property
    def calls(self) -> int:
        return self.slack.count(*SHOWING)

    @property
    def acknowledged(self) -> int:
        return len(self.slack.acknowledged)

    @property
    def mistakes(self) -> list[str]:
        calls, self._looked_at = self.slack.calls[self._looked_at :], len(self.slack.calls)
        self._mistakes += [f"{c.method}: {c.result}" for c in calls if c.result not in EXPECTED]
        self._mistakes += self.slack.complaints
        self.slack.complaints.clear()
        return self._mistakes

    # What people do

    async def say(self, text, *, room="direct", mention=False, by="", files=None) -> str:
        people = {"": ANN, "bob": BEN, "a bot": ROBOT}
        thread = await self._thread() if room == "thread" else ""
        kinds = {"md": "text/plain", "txt": "text/plain", "png": "image/png"}
        attached = [(n, content, kinds[n.split(".")[-1]]) for n, content in (files or {}).items()]
        ts = self.slack.says(
            text,
            by=people.get(by, by),
            channel=PLACES[room],
            thread=thread,
            mention=mention,
            files=tuple(attached),
            bot_id="B0OTHER" if by == "a bot" else "",
        )
        self._last = (PLACES[room], ts)
        return ts

    async def _thread(self) -> str:
        if not self._root:
            self._root = self.slack.says("does anybody know?", by=BEN)
        return self._root

    async def command(self, text: str) -> None:
        name, _, words = text.partition(" ")
        self.slack.commands(name, words)

    def _place_of(self, message_id: str) -> str:
        return next(id for id, place in self.slack.channels.items() if message_id in place.messages)

    async def edit(self, message_id: str, text: str) -> None:
        self.slack.edits(message_id, text, channel=self._place_of(message_id))

    async def delete(self, message_id: str) -> None:
        self.slack.deletes(message_id, channel=self._place_of(message_id))

    async def react(self, message_id, emoji="👍", *, added=True, by="") -> None:
        where = self._place_of(message_id)
        who = BEN if by else ANN
        self.slack.reacts(message_id, NAMES[emoji], by=who, channel=where, added=added)

    async def press(self, message_id: str, emoji: str = "👍", *, by: str = "") -> None:
        which = "positive" if emoji == "👍" else "negative"
        where = self._place_of(message_id)
        self.slack.presses(message_id, which, by=BEN if by else ANN, channel=where)

    async def correct(self, message_id: str, text: str) -> None:
        await self.press(message_id, "👎")
        await self.slack.until(lambda: self.slack.views)
        self.slack.submits(text)

    # What there is to see

    def _shown(self) -> list[dict[str, Any]]:
        everything = [m for id in self.slack.channels for m in self.slack.bots(id)]
        return sorted(everything, key=lambda message: str(message["ts"]))

    def visible(self) -> list[str]:
        return [slack_rules.seen(m) for m in self._shown() if not m.get("files")]

    def whispered(self) -> list[str]:
        return [html.unescape(text) for text in self.slack.told(ANN)]

    def with_buttons(self) -> list[str]:
        return [
            str(message["ts"])
            for message in self._shown()
            if any(block["type"] == "context_actions" for block in message.get("blocks") or [])
        ]

    def sent_files(self) -> list[str]:
        return [f["content"].decode() for f in self.slack.uploads.values() if "shares" in f]

    def pinged(self) -> list[str]:
        return self.slack.pings

    def thread_of(self, message_id: str) -> str:
        message = self.slack.channels[self._place_of(message_id)].messages[message_id]
        return str(message.get("thread_ts", ""))

    # What goes wrong

    def refuse_next(self, *, retry_after_s: float, times: int = 1) -> None:
        wait_s = max(1, round(retry_after_s))
        for method in ("chat.postMessage", "chat.startStream"):
            self.slack.fail(method, "ratelimited", times=times, retry_after_s=wait_s)

    def fail_next(self, times: int = 1, *, done: bool = False) -> None:
        for method in SHOWING:
            self.slack.fail(method, "reset" if done else "500", times=times, after=done)

    def stall_cosmetics(self) -> None:
        self.slack.fail("assistant.threads.setStatus", "hang", times=9)

    def shut_out(self) -> None:
        for place in self.slack.channels.values():
            place.is_gone = True

    async def drop(self) -> None:
        self.slack.disconnect()

    async def redeliver(self) -> None:
        channel, ts = self._last
        self.slack.tells(self.slack.channels[channel].messages[ts], channel)

    async def nonsense(self) -> None:
        for event in (
            {},
            {"type": "message"},
            {"type": "message", "channel": None, "user": 7, "text": ["your words"], "ts": {}},
            {"type": "message", "subtype": "message_changed", "channel": ROOM, "message": None},
            {"type": "message", "subtype": "your words", "channel": ROOM, "text": "your words"},
            {"type": "reaction_added", "user": ANN, "item": {"type": "message"}},
            {"type": "team_rename", "name": "your words"},
        ):
            self.slack.event(event)
        for kind in ("interactive", "slash_commands", "something_new"):
            self.slack.envelope(kind, {"type": "block_actions", "actions": [{"what": 1}]})
        await until(lambda: not self.slack.unacknowledged)


class TestSlack(AdapterContract):
    @pytest.fixture
    async def rig(self, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SlackRig]:
        async with checked_slack(monkeypatch) as slack:
            rig = SlackRig(slack)
            await rig.start()
            yield rig
            await rig.stop()
