"""A small Slack: the Web API and Socket Mode over real sockets, with state, limits and faults.

`async with FakeSlack() as slack:` serves at `slack.base_url`. People act through methods such as
`says`, `reacts` and `presses`; what the bot did is in `channels`, `ephemerals` and `calls`.
It lives in the test's process, so that it outlives a bot that is killed, and knows no adapter.
"""

from __future__ import annotations

import asyncio
import html
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests import slack_rules as rules
from tests.fake_slack_state import (
    APP_TOKEN,
    BOT,
    BOT_TOKEN,
    TEAM,
    TOKEN_FREE,
    Channel,
    Ephemeral,
    Fault,
)
from tests.fake_slack_web import WebApi, done, refused

__all__ = ["APP_TOKEN", "BOT", "BOT_TOKEN", "TOKEN_FREE", "Channel", "FakeSlack", "Fault"]


class FakeSlack(WebApi):
    async def __aenter__(self) -> FakeSlack:
        app = web.Application(client_max_size=2**24)
        app.router.add_get("/link", self._link)
        app.router.add_route("*", "/api/{method}", self._api)
        app.router.add_post("/response/{id}", self._respond)
        app.router.add_post("/upload/{id}", self._upload)
        app.router.add_get("/files/{id}/{name}", self._download)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._port = self._runner.addresses[0][1]
        self._retrying = asyncio.create_task(self._redeliver())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._retrying.cancel()
        await asyncio.gather(self._retrying, return_exceptions=True)
        await asyncio.gather(*self._pushes, return_exceptions=True)
        self.disconnect()
        await self._runner.cleanup()

    # What people do.

    def says(
        self,
        text: str,
        *,
        by: str = "U0ANN",
        channel: str = "C0ROOM",
        thread: str = "",
        mention: bool = False,
        files: tuple[tuple[str, bytes, str], ...] = (),
        bot_id: str = "",
        raw: bool = False,
        away: bool = False,
    ) -> str:
        """Returns the message's ts. `raw`: the text is Slack's own, with its tokens. `away`: no
        event tells of it, as when the bot was down for longer than Slack tries.
        """
        written = text if raw else html.escape(text, quote=False)
        message: dict[str, Any] = {"type": "message", "user": by, "text": written}
        message |= {"ts": self.tick()} | ({"bot_id": bot_id} if bot_id else {})
        if mention:
            message["text"] = f"<@{BOT}> {written}"
        if thread:
            message["thread_ts"] = thread
        if files:
            message["subtype"], message["files"] = "file_share", [self._file(*f) for f in files]
        else:  # Slack leaves it out beside files
            message["team"] = TEAM
        self._keep(channel, message)
        self._note(by, f"in {channel}{' (thread)' if thread else ''}: {message['text']}")
        if not away:
            self.tells(message, channel)
        return str(message["ts"])

    def tells(self, message: dict[str, Any], channel: str) -> None:
        """The events of a message: `message`, and `app_mention` beside it."""
        kind = self.channels[channel].kind
        is_mention = f"<@{BOT}>" in message["text"] and kind != "im"
        if is_mention and self.mention_first:
            self.mentions(message, channel)
        self.event({**message, "channel": channel, "channel_type": kind})
        if is_mention and not self.mention_first:
            self.mentions(message, channel)

    def mentions(self, message: dict[str, Any], channel: str) -> None:
        """The `app_mention` of a message."""
        left_out = {"subtype"} if self.mention_has_files else {"subtype", "files"}
        mention = {k: v for k, v in message.items() if k not in left_out}
        self.event({**mention, "type": "app_mention", "channel": channel})

    def edits(self, ts: str, text: str, *, channel: str = "C0ROOM", away: bool = False) -> None:
        message = self.channels[channel].messages[ts]
        before = dict(message)
        mention = f"<@{BOT}> " if f"<@{BOT}>" in message["text"] else ""
        written = mention + html.escape(text, quote=False)
        message |= {"text": written, "edited": {"user": message["user"], "ts": self.tick()}}
        if not away:
            self._changed_event(channel, message, before)

    def _chat_delete(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        message = place.messages.get(given["ts"])
        if message is None:
            return refused("message_not_found")
        if message["user"] != BOT:
            return refused("cant_delete_message")
        self.deletes(given["ts"], channel=place.id)
        return done(channel=place.id, ts=given["ts"])

    def deletes(
        self, ts: str, *, channel: str = "C0ROOM", tombstone: bool = False, away: bool = False
    ) -> None:
        """`tombstone`: it had replies, and stands as a grave."""
        message = self.channels[channel].messages.pop(ts)
        self._streams.pop(ts, None)
        if tombstone:
            grave = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": ts}
            grave |= {"text": "This message was deleted."}
            self._keep(channel, grave)
            if not away:
                self._changed_event(channel, grave, message)
        elif not away:
            event = {"type": "message", "subtype": "message_deleted", "hidden": True}
            self.event(
                {**event, "channel": channel, "deleted_ts": ts, "ts": self.tick()}
                | {"previous_message": message, "channel_type": self.channels[channel].kind}
            )

    def reacts(
        self,
        ts: str,
        name: str = "+1",
        *,
        by: str = "U0ANN",
        channel: str = "C0ROOM",
        added: bool = True,
        away: bool = False,
    ) -> None:
        message = self.channels[channel].messages.get(ts, {})
        on_it = {one["name"]: one["users"] for one in message.get("reactions", ())}
        others = [user for user in on_it.get(name, ()) if user != by]
        on_it |= {name: [*others, by] if added else others}
        stands = [{"name": n, "users": u, "count": len(u)} for n, u in on_it.items() if u]
        message["reactions"] = stands
        if away:
            return
        kind = "reaction_added" if added else "reaction_removed"
        item = {"type": "message", "channel": channel, "ts": ts}
        event = {"type": kind, "user": by, "reaction": name, "item": item, "item_user": BOT}
        self._note(
            by, f"{'adds' if added else 'takes back'} :{name}: on {self._which(channel, ts)}"
        )
        self.event({**event, "event_ts": self.tick()})

    def presses(
        self, ts: str, which: str = "positive", *, by: str = "U0ANN", channel: str = "C0ROOM"
    ) -> None:
        """A feedback button under a message of the bot's: "positive" or "negative"."""
        message = self.channels[channel].messages[ts]
        rows = [b for b in message.get("blocks") or [] if b["type"] == "context_actions"]
        element = rows[-1]["elements"][0]
        action = {"type": "feedback_buttons", "action_id": element["action_id"]}
        self._note(
            by,
            f"presses {element[f'{which}_button']['text']['text']} on {self._which(channel, ts)}",
        )
        self._action(by, channel, message, {**action, "value": element[f"{which}_button"]["value"]})

    def presses_ephemeral(self, shown: Ephemeral) -> None:
        """The button in a message that only this person sees."""
        rows = [b for b in shown.message["blocks"] if b["type"] == "actions"]
        button = rows[0]["elements"][0]
        self._note(shown.user, f"presses “{button['text']['text']}”")
        container = {"ts": shown.message["ts"], "thread_ts": shown.thread_ts, "is_ephemeral": True}
        self._action(
            shown.user,
            shown.channel,
            container,
            {"type": "button", "action_id": button["action_id"], "value": button["value"]},
        )

    def submits(self, text: str | None) -> None:
        """The modal that opened last, with `text` in its one field; None: it is closed."""
        view = self.views.pop()
        if text is None:
            return
        block = next(block for block in view["blocks"] if block["type"] == "input")
        value = {"type": block["element"]["type"], "value": text}
        values = {block["block_id"]: {block["element"]["action_id"]: value}}
        self._note(view["by"], f"types into “{view['title']['text']}”: {text}")
        self._interactive(
            {"type": "view_submission", "user": self._user(view["by"]), "team": {"id": TEAM}}
            | {"view": {**view, "id": "V1", "state": {"values": values}}}
        )

    def commands(
        self, command: str, text: str = "", *, by: str = "U0ANN", channel: str = "C0ROOM"
    ) -> str:
        """A slash command; returns the id of its response_url."""
        id = f"R{next(self._ids)}"
        self._responses[id] = {"used": 0, "at": time.monotonic(), "channel": channel, "user": by}
        kind = self.channels[channel].kind
        names = {"im": "directmessage", "group": "privategroup", "mpim": "mpdm-ann--ben-1"}
        self._note(by, f"in {channel}: {command} {text}".rstrip())
        self._send_once(
            "slash_commands",
            {"command": command, "text": text, "user_id": by, "user_name": self.users.get(by, by)}
            | {"channel_id": channel, "channel_name": names.get(kind, "room"), "team_id": TEAM}
            | {"trigger_id": self._trigger(by), "response_url": f"{self.address}/response/{id}"},
        )
        return id

    def stops(
        self, thread: str, *, by: str = "U0ANN", channel: str = "C0ROOM", at: str = ""
    ) -> None:
        """The native Stop button, which stops every stream in the thread. `at`: it comes late."""
        at, messages = at or self.tick(), self.channels[channel].messages
        there = [ts for ts in self._streams if messages[ts].get("thread_ts") == thread]
        streams = [ts for ts in there if ts < at]
        for ts in streams:
            self._streams[ts].stopped = True
        event = {"type": "agent_session_stopped", "user": by, "channel": channel}
        about = {"thread_ts": thread, "streaming_message_ts": streams}
        self.event({**event, **about, "event_ts": at})

    def _action(
        self, by: str, channel: str, message: dict[str, Any], action: dict[str, Any]
    ) -> None:
        id = f"R{next(self._ids)}"
        self._responses[id] = {"used": 0, "at": time.monotonic(), "channel": channel, "user": by}
        container = {"type": "message", "message_ts": message["ts"], "channel_id": channel}
        if message.get("thread_ts"):
            container["thread_ts"] = message["thread_ts"]
        body = {"type": "block_actions", "user": self._user(by), "team": {"id": TEAM}}
        body |= {
            "channel": {"id": channel},
            "container": container,
            "trigger_id": self._trigger(by),
        }
        body |= {"response_url": f"{self.address}/response/{id}"}
        if not message.get("is_ephemeral"):
            body["message"] = {k: v for k, v in message.items() if k != "metadata"}
        self._interactive(body | {"actions": [{**action, "action_ts": self.tick()}]})

    # What goes wrong.

    def fail(
        self,
        method: str,
        kind: str,
        *,
        times: int = 1,
        after: bool = False,
        retry_after_s: int = 1,
    ) -> None:
        self._faults[method].extend([Fault(kind, after, retry_after_s)] * times)

    # What there is to see.

    def bots(self, channel: str = "C0ROOM", thread: str | None = None) -> list[dict[str, Any]]:
        """The bot's messages, oldest first."""
        messages = sorted(self.channels[channel].messages.items())
        return [
            message
            for _, message in messages
            if message["user"] == BOT and thread in (None, message.get("thread_ts", ""))
        ]

    def visible(self, channel: str = "C0ROOM", thread: str | None = None) -> list[str]:
        return [rules.seen(message) for message in self.bots(channel, thread)]

    def told(self, by: str = "U0ANN") -> list[str]:
        return [shown.text for shown in self.ephemerals if shown.user == by]

    def count(self, *methods: str) -> int:
        return sum(call.method in methods for call in self.calls)

    async def until(self, condition: Callable[[], object], *, within_s: float = 5.0) -> None:
        """Wait for `condition()`; it is asked whenever something happened here, and 20 times a
        second.
        """
        async with asyncio.timeout(within_s):
            while not condition():
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.05):
                        await self._changed.wait()
                except TimeoutError:
                    pass
