"""A small Slack: the Web API and Socket Mode over real sockets, with state, limits and faults.

`async with FakeSlack() as slack:` serves at `slack.base_url`. People act through methods such as
`says`, `reacts` and `presses`; what the bot did is in `channels`, `ephemerals` and `calls`.
It lives in the test's process, so that it outlives a bot that is killed, and knows no adapter.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import itertools
import json
import random
import re
import time
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests import slack_rules as rules

TEAM, BOT, BOT_ID, APP = "T01", "U0BOT", "B0BOT", "A0BOT"
BOT_TOKEN, APP_TOKEN = "xoxb-1-secret", "xapp-1-secret"
SCOPES = (
    "app_mentions:read,channels:history,channels:read,chat:write,commands,files:read,files:write,"
    "groups:history,groups:read,im:history,im:read,im:write,mpim:history,mpim:read,reactions:read,"
    "users:read"
)
RESPONSES, RESPONSE_S, TRIGGER_S = 5, 1_800, 3
POST_BURST = 5  # "one per second per channel; short bursts are allowed"
TOKEN_FREE = ("auth.test", "apps.connections.open")


@dataclass
class Channel:
    id: str
    kind: str = "channel"  # channel, group (private), im, mpim
    messages: dict[str, dict[str, Any]] = field(default_factory=dict)  # by ts, as Slack keeps them
    shown: dict[str, list[str]] = field(
        default_factory=dict
    )  # by ts: what it showed, first to last
    is_gone: bool = False


@dataclass
class Call:
    method: str
    arguments: dict[str, Any]
    at: float
    result: str = "ok"  # or the error


@dataclass
class Ephemeral:
    channel: str
    user: str
    message: dict[str, Any]
    thread_ts: str = ""

    @property
    def text(self) -> str:
        return rules.seen(self.message)


@dataclass
class Stream:
    until: float
    pieces: str
    stopped: bool = False  # by a person


@dataclass
class Trigger:
    user: str
    at: float


@dataclass
class Fault:
    """What happens to the next call of a method. `after`: the deed is done all the same."""

    kind: str  # "ratelimited", "reset", "500", "hang", or an error that Slack says
    after: bool = False
    retry_after_s: int = 1


@dataclass
class FakeSlack:
    limits: bool = False  # the published rates
    native: bool = True  # the workspace has streams
    stream_s: float = 300.0  # how long a stream lives
    retries_s: tuple[float, ...] = (0.2, 0.5, 1.0)  # real ones: at once, 1 min, 5 min
    doubled: float = 0.0  # the share of events that come a second time
    lost_acknowledgements: float = 0.0
    chaos: float = 0.0  # the share of calls that meet a 429, a 500 or a reset, done or not
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    scopes: str = SCOPES

    channels: dict[str, Channel] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=lambda: {"U0ANN": "Ann", "U0BEN": "Ben"})
    calls: list[Call] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)  # of the vendor's descriptions
    pings: list[str] = field(default_factory=list)
    unfurled: list[str] = field(default_factory=list)
    ephemerals: list[Ephemeral] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)  # open modals
    statuses: list[str] = field(default_factory=list)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)  # by file id
    acknowledged: list[dict[str, Any]] = field(default_factory=list)  # {"envelope_id", "payload"?}
    failed: list[str] = field(default_factory=list)  # events given up after the last retry
    connections: int = 0  # sockets ever opened
    log: list[tuple[float, str, str]] = field(default_factory=list)  # when, who, what: a transcript
    slow_s: float = 0.0  # how long a file takes
    muted: bool = False  # sockets stay open and say nothing: half-dead

    def __post_init__(self) -> None:
        for id, kind in (("C0ROOM", "channel"), ("G0CLUB", "group"), ("D0ANN", "im")):
            self.channels[id] = Channel(id, kind)
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._ids = itertools.count(1)
        self._clock = self._began = 0.0
        self._pending: dict[str, dict[str, Any]] = {}  # envelopes not acknowledged yet
        self._sockets: list[web.WebSocketResponse] = []
        self._tickets: set[str] = set()
        self._streams: dict[str, Stream] = {}  # by ts
        self._responses: dict[str, dict[str, Any]] = {}  # what response_urls were used for
        self._triggers: dict[str, Trigger] = {}
        self._pushes: set[asyncio.Task[None]] = set()
        self._used: defaultdict[str, deque[float]] = defaultdict(deque)  # calls of the last minute
        self._changed = asyncio.Event()

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

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def base_url(self) -> str:
        return f"{self.address}/api/"

    @property
    def sockets(self) -> int:
        return len(self._sockets)

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
        self._keep(channel, message)
        self._note(by, f"in {channel}{' (thread)' if thread else ''}: {message['text']}")
        if not away:
            self.tells(message, channel)
        return str(message["ts"])

    def tells(self, message: dict[str, Any], channel: str) -> None:
        """The events of a message: `message`, and `app_mention` beside it."""
        kind = self.channels[channel].kind
        self.event({**message, "channel": channel, "channel_type": kind})
        if f"<@{BOT}>" in message["text"] and kind != "im":
            mention = {k: v for k, v in message.items() if k != "subtype"}
            self.event({**mention, "type": "app_mention", "channel": channel})

    def edits(self, ts: str, text: str, *, channel: str = "C0ROOM") -> None:
        message = self.channels[channel].messages[ts]
        before = dict(message)
        mention = f"<@{BOT}> " if f"<@{BOT}>" in message["text"] else ""
        written = mention + html.escape(text, quote=False)
        message |= {"text": written, "edited": {"user": message["user"]}}
        self._changed_event(channel, message, before)

    def deletes(self, ts: str, *, channel: str = "C0ROOM", tombstone: bool = False) -> None:
        """`tombstone`: it had replies, and stands as a grave."""
        message = self.channels[channel].messages.pop(ts)
        self._streams.pop(ts, None)
        if tombstone:
            grave = {"type": "message", "subtype": "tombstone", "user": "USLACKBOT", "ts": ts}
            self._changed_event(channel, {**grave, "text": "This message was deleted."}, message)
        else:
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
    ) -> None:
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

    def stops(self, ts: str, *, by: str = "U0ANN", channel: str = "C0ROOM") -> None:
        """The native Stop button."""
        self._streams[ts].stopped = True
        thread = self.channels[channel].messages[ts].get("thread_ts", "")
        event = {"type": "agent_session_stopped", "user": by, "channel": channel}
        self.event({**event, "thread_ts": thread, "streaming_message_ts": [ts]})

    def event(self, event: dict[str, Any], *, event_id: str = "") -> str:
        """Any event, as an envelope that comes again until it is acknowledged."""
        body: dict[str, Any] = {"type": "event_callback", "team_id": TEAM, "event": event}
        body |= {"event_id": event_id or f"Ev{next(self._ids)}", "event_time": int(time.time())}
        twice = self.rng.random() < self.doubled
        for _ in range(1 + twice):
            self._deliver({"type": "events_api", "payload": body, "attempt": 0})
        return str(body["event_id"])

    def envelope(self, kind: str, payload: dict[str, Any]) -> None:
        """Any envelope at all."""
        self._deliver({"type": kind, "payload": payload, "attempt": 0})

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

    def disconnect(self) -> None:
        """Cut every socket without a word."""
        for socket in self._sockets:
            if socket._req is not None and socket._req.transport is not None:
                socket._req.transport.abort()
        self._sockets.clear()

    async def refresh(self, reason: str = "refresh_requested") -> None:
        """Ask the bot to connect anew, as Slack does every few hours."""
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": reason})

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

    @property
    def unacknowledged(self) -> int:
        return len(self._pending)

    def tick(self) -> str:
        """A ts of its own, later than all before."""
        self._clock = max(self._clock + 0.000_1, time.time())
        return f"{self._clock:.6f}"

    # Socket Mode.

    async def _link(self, request: web.Request) -> web.WebSocketResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            raise web.HTTPUnauthorized
        self._tickets.remove(ticket)  # it is good for once
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        if len(self._sockets) >= 10:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets"})
            return socket
        self.connections += 1
        await socket.send_json({"type": "hello", "num_connections": len(self._sockets) + 1})
        self._sockets.append(socket)
        self._changed.set()
        try:
            for envelope_id in list(self._pending):
                await self._push(envelope_id, socket)
            async for frame in socket:
                if self.muted:
                    continue
                if frame.type == WSMsgType.PING:
                    await socket.pong(frame.data)
                elif frame.type == WSMsgType.TEXT and frame.data.startswith("{"):
                    self._acknowledge(json.loads(frame.data))
        finally:
            if socket in self._sockets:
                self._sockets.remove(socket)
            self._changed.set()
        return socket

    def _acknowledge(self, frame: dict[str, Any]) -> None:
        if self.rng.random() < self.lost_acknowledgements:
            return
        if self._pending.pop(frame["envelope_id"], None) is not None:
            self.acknowledged.append(frame)
            self._heed(frame.get("payload") or {})
        self._changed.set()

    def _heed(self, payload: dict[str, Any]) -> None:
        """What an acknowledgement may carry."""
        if payload.get("response_action") == "errors":
            self._note("Slack", f"the modal stays open: {payload['errors']}")

    def _deliver(self, envelope: dict[str, Any]) -> None:
        id = f"E{next(self._ids)}"
        self._pending[id] = {**envelope, "due": time.monotonic()}
        push = asyncio.create_task(self._push(id))
        self._pushes.add(push)
        push.add_done_callback(self._pushes.discard)
        self._changed.set()

    def _send_once(self, kind: str, payload: dict[str, Any]) -> None:
        """Commands and presses: never a second time."""
        self._deliver({"type": kind, "payload": payload, "attempt": 99})

    async def _push(self, id: str, socket: web.WebSocketResponse | None = None) -> None:
        envelope = self._pending.get(id)
        if envelope is None or self.muted or not (socket or self._sockets):
            return
        frame = {k: envelope[k] for k in ("type", "payload")} | {"envelope_id": id}
        frame["accepts_response_payload"] = envelope["type"] != "events_api"
        if envelope["type"] == "events_api":
            attempt = min(envelope["attempt"], len(self.retries_s))
            frame |= {"retry_attempt": attempt, "retry_reason": "timeout" if attempt else ""}
        envelope["due"] = time.monotonic() + (
            self.retries_s[envelope["attempt"]]
            if envelope["attempt"] < len(self.retries_s)
            else float("inf")
        )
        envelope["attempt"] += 1
        with contextlib.suppress(ConnectionError):
            await (socket or self.rng.choice(self._sockets)).send_json(frame)

    async def _redeliver(self) -> None:
        """Events that were not acknowledged come again, in a new envelope; then they are lost."""
        while True:
            await asyncio.sleep(0.05)
            now = time.monotonic()
            for id, envelope in list(self._pending.items()):
                if envelope["type"] != "events_api" or not self._sockets:
                    continue
                if envelope["due"] <= now and envelope["attempt"] <= len(self.retries_s):
                    del self._pending[id]
                    again = f"E{next(self._ids)}"
                    self._pending[again] = envelope
                    await self._push(again)

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

    def _interactive(self, payload: dict[str, Any]) -> None:
        self._send_once("interactive", payload)

    def _trigger(self, user: str) -> str:
        id = f"{next(self._ids)}.{TEAM}"
        self._triggers[id] = Trigger(user, time.monotonic())
        return id

    def _user(self, id: str) -> dict[str, str]:
        name = self.users.get(id, id)
        return {"id": id, "username": name.lower(), "name": name.lower(), "team_id": TEAM}

    def _changed_event(self, channel: str, message: dict[str, Any], before: dict[str, Any]) -> None:
        self.event(
            {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.tick()}
            | {"channel": channel, "channel_type": self.channels[channel].kind}
            | {"message": dict(message), "previous_message": before}
        )

    # The Web API.

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        is_json = request.content_type == "application/json"
        given = await request.json() if is_json else {**request.query, **await request.post()}
        arguments = {name: value for name, value in dict(given).items() if name != "token"}
        call = Call(method, arguments, time.monotonic())
        self.calls.append(call)
        self.complaints += rules.complaints(method, arguments, is_json=is_json)
        try:
            return await self._answered(request, call)
        finally:
            self._changed.set()

    async def _answered(self, request: web.Request, call: Call) -> web.StreamResponse:
        fault = self._fault(call.method)
        if self.limits and (wait_s := self._overdrawn(call)):
            fault = Fault("ratelimited", retry_after_s=wait_s)
        kept: dict[str, Any] = {"ok": False, "error": fault.kind if fault else ""}
        if fault is None or fault.after:
            token = request.headers.get("Authorization", "").removeprefix("Bearer ")
            kept = self._do(call.method, call.arguments, token)
        call.result = "ok" if kept.get("ok") else str(kept["error"])
        if fault is None:
            headers = {"x-oauth-scopes": self.scopes}
            return web.json_response(kept, headers=headers)
        call.result = fault.kind
        if fault.kind == "ratelimited":
            headers = {"Retry-After": str(fault.retry_after_s)}
            return web.json_response(
                {"ok": False, "error": "ratelimited"}, status=429, headers=headers
            )
        if fault.kind == "500":
            return web.Response(status=500, text="<html>sorry</html>", content_type="text/html")
        if fault.kind == "hang":
            await asyncio.sleep(60)
        if fault.kind in ("reset", "hang"):
            assert request.transport is not None
            request.transport.abort()
        return web.json_response(kept)

    def _fault(self, method: str) -> Fault | None:
        if self._faults[method]:
            return self._faults[method].popleft()
        if method not in TOKEN_FREE and self.rng.random() < self.chaos:
            kind = self.rng.choice(["ratelimited", "500", "reset"])
            return Fault(kind, after=kind != "ratelimited" and self.rng.random() < 0.5)
        return None

    def _overdrawn(self, call: Call) -> int:
        """Seconds until this call may be made again; 0: now. What is refused counts for nothing."""
        tier = rules.TIERS.get(rules.described(call.method).get("rate_limits", ""), 10_000)
        budgets = [(call.method, tier, 60.0)]
        if call.method == "chat.postMessage":
            budgets = [(f"post {call.arguments['channel']}", 60, 60.0)]
            budgets += [(f"burst {call.arguments['channel']}", POST_BURST, float(POST_BURST))]
            budgets += [("posts", rules.ONE_WORKSPACE_POSTS, 60.0)]
        for key, most, window_s in budgets:
            used = self._used[key]
            while used and used[0] <= call.at - window_s:
                used.popleft()
            if len(used) >= most:
                return max(1, round(used[0] + window_s - call.at + 0.5))
        for key, _, _ in budgets:
            self._used[key].append(call.at)
        return 0

    def _do(self, method: str, given: dict[str, Any], token: str) -> dict[str, Any]:
        if token != (APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN):
            return refused("invalid_auth")
        needed = rules.described(method).get("scope", {}).get("bot", [])
        if needed and not set(needed) & set(self.scopes.split(",")):
            return refused("missing_scope", needed=",".join(needed), provided=self.scopes)
        deed = getattr(self, f"_{snake(method)}", None)
        if deed is None:
            return refused("unknown_method")
        channel = given.get("channel") or given.get("channel_id")
        if isinstance(channel, str) and not method.startswith("files.get"):
            place = self.channels.get(channel) or self._im(channel)
            if place is None or place.is_gone:
                return refused("channel_not_found")
            return dict(deed(given, place))
        return dict(deed(given))

    def _im(self, user: str) -> Channel | None:
        """A person's id stands for the direct messages with them."""
        if user not in self.users:
            return None
        return self.channels.setdefault(f"D{user[1:]}", Channel(f"D{user[1:]}", "im"))

    def _auth_test(self, given: dict[str, Any]) -> dict[str, Any]:
        where = {"url": "https://birds.slack.com/", "team": "Birds", "team_id": TEAM}
        return done(**where, user="mynah", user_id=BOT, bot_id=BOT_ID)

    def _apps_connections_open(self, given: dict[str, Any]) -> dict[str, Any]:
        ticket = f"t{next(self._ids)}"
        self._tickets.add(ticket)
        return done(url=f"ws://127.0.0.1:{self._port}/link?ticket={ticket}")

    def _users_info(self, given: dict[str, Any]) -> dict[str, Any]:
        name = "Mynah" if given["user"] == BOT else self.users.get(given["user"])
        if name is None:
            return refused("user_not_found")
        profile = {"display_name": name, "real_name": f"{name} Example"}
        return done(user={**self._user(given["user"]), "profile": profile})

    def _conversations_info(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        kinds = {f"is_{kind}": place.kind == kind for kind in ("channel", "group", "im", "mpim")}
        return done(channel={"id": place.id, "is_private": place.kind != "channel", **kinds})

    def _chat_post_message(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := rules.refusal("chat.postMessage", given):
            return refused(why)
        thread = given.get("thread_ts")
        if thread and thread not in place.messages:
            return refused("thread_not_found")
        ts = self._posted(place, given, thread or "")
        if rules.LINK.search(rules.raw(given)) and not (
            given.get("unfurl_links") is False and given.get("unfurl_media") is False
        ):
            self.unfurled.append(ts)
        return done(channel=place.id, ts=ts, message=place.messages[ts])

    def _chat_update(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        message = place.messages.get(given["ts"])
        if message is None:
            return refused("message_not_found")
        if message["user"] != BOT:
            return refused("cant_update_message")
        if given["ts"] in self._streams and not self._expired(given["ts"]):
            return refused("streaming_state_conflict")
        if why := rules.refusal("chat.update", given):
            return refused(why)
        before = dict(message)
        fields = ("text", "blocks", "markdown_text")
        message |= {name: given.get(name) for name in fields}
        message |= {"metadata": given["metadata"]} if given.get("metadata") else {}
        self._show(place, message)
        self._changed_event(place.id, message, before)
        return done(channel=place.id, ts=given["ts"], text=rules.seen(message), message=message)

    def _chat_post_ephemeral(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := rules.refusal("chat.postEphemeral", given):
            return refused(why)
        return done(message_ts=self._whisper(place.id, given["user"], given))

    def _chat_start_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if not self.native:
            return refused("feature_not_enabled")
        if not given.get("thread_ts"):
            return refused("invalid_arguments")
        if place.kind != "im" and not given.get("recipient_user_id"):
            return refused("missing_recipient_user_id")
        if place.kind != "im" and not given.get("recipient_team_id"):
            return refused("missing_recipient_team_id")
        if rules.units(given.get("markdown_text", "")) > rules.MARKDOWN:
            return refused("msg_too_long")
        ts = self._posted(place, given, given["thread_ts"])
        self._streams[ts] = Stream(time.monotonic() + self.stream_s, given.get("markdown_text", ""))
        return done(channel=place.id, ts=ts)

    def _chat_append_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := self._not_streaming(given, place):
            return refused(why)
        if self._streams[given["ts"]].stopped:
            return refused("stopped_by_user")
        if why := rules.refusal("chat.appendStream", given):
            return refused(why)
        self._grow(place, given)
        return done(channel=place.id, ts=given["ts"])

    def _chat_stop_stream(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        if why := self._not_streaming(given, place) or rules.refusal("chat.stopStream", given):
            return refused(why)
        self._grow(place, given)
        del self._streams[given["ts"]]
        message = place.messages[given["ts"]]
        message["metadata"] = given.get("metadata")
        message["blocks"] = [
            {"type": "markdown", "text": message["markdown_text"] or " "},
            *(given.get("blocks") or []),
        ]
        del message["markdown_text"]
        return done(channel=place.id, ts=given["ts"], message=message)

    def _not_streaming(self, given: dict[str, Any], place: Channel) -> str:
        if given["ts"] not in place.messages:
            return "message_not_found"
        if given["ts"] not in self._streams or self._expired(given["ts"]):
            return "message_not_in_streaming_state"
        return ""

    def _expired(self, ts: str) -> bool:
        if self._streams[ts].until > time.monotonic():
            return False
        del self._streams[ts]
        return True

    def _grow(self, place: Channel, given: dict[str, Any]) -> None:
        stream, message = self._streams[given["ts"]], place.messages[given["ts"]]
        stream.pieces += given.get("markdown_text") or ""
        message["markdown_text"] = stream.pieces
        self._show(place, message)

    def _conversations_history(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        roots = [m for m in place.messages.values() if m.get("thread_ts", m["ts"]) == m["ts"]]
        told = [self._with_replies(place, message) for message in roots]
        return self._page(sorted(told, key=lambda m: m["ts"], reverse=True), given, 999)

    def _conversations_replies(self, given: dict[str, Any], place: Channel) -> dict[str, Any]:
        ts = place.messages.get(given["ts"], {}).get("thread_ts", given["ts"])
        thread = [m for m in place.messages.values() if ts in (m["ts"], m.get("thread_ts"))]
        if not thread:
            return refused("thread_not_found")
        return self._page(sorted(thread, key=lambda m: m["ts"]), given, 1_000, root=ts)

    def _with_replies(self, place: Channel, root: dict[str, Any]) -> dict[str, Any]:
        replies = [
            m["ts"]
            for m in place.messages.values()
            if m.get("thread_ts") == root["ts"] and m["ts"] != root["ts"]
        ]
        if not replies:
            return root
        of_it = {"thread_ts": root["ts"], "reply_count": len(replies), "latest_reply": max(replies)}
        return root | of_it

    def _page(
        self, messages: list[dict[str, Any]], given: dict[str, Any], most: int, root: str = ""
    ) -> dict[str, Any]:
        oldest, latest = given.get("oldest", "0"), given.get("latest", "9")
        inclusive = str(given.get("inclusive", "0")) in ("1", "true", "True")
        within = [
            m
            for m in messages
            if oldest < m["ts"] < latest
            or (inclusive and m["ts"] in (oldest, latest))
            or m["ts"] == root
        ]
        begin = int(given.get("cursor") or 0)
        end = begin + min(int(given.get("limit", 100)), most)
        page = [dict(m) for m in within[begin:end]]
        if str(given.get("include_all_metadata", "0")) not in ("1", "true", "True"):
            page = [{k: v for k, v in m.items() if k != "metadata"} for m in page]
        more = {"response_metadata": {"next_cursor": str(end)}} if end < len(within) else {}
        return done(messages=page, has_more=end < len(within), **more)

    def _views_open(self, given: dict[str, Any]) -> dict[str, Any]:
        trigger = self._triggers.pop(given.get("trigger_id", ""), None)
        if trigger is None:
            return refused("exchanged_trigger_id")
        if time.monotonic() - trigger.at > TRIGGER_S:
            return refused("expired_trigger_id")
        if why := rules.wrong_view(given["view"]):
            return refused(why)
        self.views.append({**given["view"], "by": trigger.user})
        self._note(
            "Mynah", f"opens the modal “{given['view']['title']['text']}” for {trigger.user}"
        )
        return done(view={**given["view"], "id": "V1"})

    def _assistant_threads_set_status(
        self, given: dict[str, Any], place: Channel
    ) -> dict[str, Any]:
        self.statuses.append(given["status"])
        return done()

    def _files_get_upload_url_external(self, given: dict[str, Any]) -> dict[str, Any]:
        id = f"F{next(self._ids)}"
        self.uploads[id] = {"id": id, "name": given["filename"], "length": int(given["length"])}
        return done(upload_url=f"{self.address}/upload/{id}", file_id=id)

    def _files_complete_upload_external(
        self, given: dict[str, Any], place: Channel
    ) -> dict[str, Any]:
        files = json.loads(given["files"])
        kept = [self.uploads.get(file["id"]) for file in files]
        if not all(file and "content" in file for file in kept):
            return refused("file_not_found")
        shares = []
        for file, said in zip(kept, files, strict=True):
            assert file is not None
            file |= {"title": said.get("title", file["name"])}
            shares.append({k: v for k, v in file.items() if k in ("id", "name", "title")})
        ts = self._posted(
            place,
            {"text": given.get("initial_comment", ""), "files": shares},
            given.get("thread_ts", ""),
        )
        for file in kept:
            assert file is not None
            file["shares"] = {"public": {place.id: [{"ts": ts}]}}
        return done(files=shares)

    def _files_info(self, given: dict[str, Any]) -> dict[str, Any]:
        file = self.uploads.get(given["file"])
        if file is None:
            return refused("file_not_found")
        return done(file={k: v for k, v in file.items() if k != "content"})

    # What is kept.

    def _posted(self, place: Channel, given: dict[str, Any], thread: str) -> str:
        message = {"type": "message", "user": BOT, "bot_id": BOT_ID, "app_id": APP}
        fields = ("text", "blocks", "markdown_text", "metadata", "files")
        message |= {name: given[name] for name in fields if given.get(name)}
        message |= {"text": given.get("text", ""), "ts": self.tick()}
        if thread:
            message["thread_ts"] = thread
        self._keep(place.id, message)
        self._show(place, message)
        self.event({**message, "channel": place.id, "channel_type": place.kind})
        return str(message["ts"])

    def _keep(self, channel: str, message: dict[str, Any]) -> None:
        self.channels[channel].messages[message["ts"]] = message
        self._changed.set()

    def _show(self, place: Channel, message: dict[str, Any]) -> None:
        """What a person sees of it now; every ping in it goes out."""
        self.pings += rules.PINGS.findall(rules.raw(message))
        states = place.shown.setdefault(message["ts"], [])
        said = rules.seen(message) or ", ".join(f["name"] for f in message.get("files", []))
        if states and states[-1] == said:
            return
        self._note(
            "Mynah",
            f"in {place.id}{' (thread)' if message.get('thread_ts') else ''}, message"
            f" {list(place.shown).index(message['ts']) + 1}{', edited' if states else ''}: {said}",
        )
        states.append(said)

    def _whisper(self, channel: str, user: str, given: dict[str, Any]) -> str:
        ts = self.tick()
        shown = Ephemeral(channel, user, {**given, "ts": ts}, given.get("thread_ts") or "")
        self.ephemerals.append(shown)
        self.pings += rules.PINGS.findall(rules.raw(given))
        self._note("Mynah", f"to {user} alone: {shown.text}")
        self._changed.set()
        return ts

    def _which(self, channel: str, ts: str) -> str:
        return f"message {[*self.channels[channel].shown, ts].index(ts) + 1}"

    def _note(self, who: str, what: str) -> None:
        self._began = self._began or time.monotonic()
        self.log.append((time.monotonic() - self._began, self.users.get(who, who), what))

    # Other addresses.

    async def _respond(self, request: web.Request) -> web.Response:
        """A response_url: five uses in half an hour."""
        use, given = self._responses.get(request.match_info["id"]), await request.json()
        self.calls.append(Call("response_url", given, time.monotonic()))
        self._changed.set()
        if use is None or time.monotonic() - use["at"] > RESPONSE_S:
            return web.Response(status=404, text="expired_url")
        use["used"] += 1
        if use["used"] > RESPONSES:
            return web.Response(status=404, text="used_url")
        known = {"text", "blocks", "response_type", "replace_original", "delete_original"}
        known |= {"thread_ts", "unfurl_links", "unfurl_media"}
        if unknown := set(given) - known:
            self.complaints.append(f"response_url knows no {', '.join(sorted(unknown))}")
        if why := rules.refusal("chat.postEphemeral", given):
            return web.Response(status=400, text=why)
        if given.get("response_type", "ephemeral") != "ephemeral":
            self._posted(self.channels[use["channel"]], given, "")
        elif given.get("replace_original") and "shown" in use:
            use["shown"].message = {**given, "ts": use["shown"].message["ts"]}
            self._note("Mynah", f"to {use['user']} alone, edited: {use['shown'].text}")
        else:
            self._whisper(use["channel"], use["user"], given)
            use["shown"] = self.ephemerals[-1]
        return web.Response(text="ok")

    async def _upload(self, request: web.Request) -> web.Response:
        file, content = self.uploads[request.match_info["id"]], await request.read()
        if len(content) != file["length"]:
            return web.Response(status=400, text="wrong length")
        file["content"] = content
        return web.Response(text=f"OK - {len(content)}")

    def _file(self, name: str, content: bytes, mimetype: str) -> dict[str, Any]:
        """A file that a person uploads."""
        id = f"F{next(self._ids)}"
        about = {"id": id, "name": name, "mimetype": mimetype, "size": len(content)}
        about |= {"mode": "hosted", "url_private": f"{self.address}/files/{id}/{name}"}
        self.uploads[id] = about | {"content": content}
        return about

    async def _download(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {BOT_TOKEN}":
            return web.Response(text="<html>sign in</html>", content_type="text/html")
        self.calls.append(Call("download", {}, time.monotonic()))
        file = self.uploads[request.match_info["id"]]
        if fault := self._fault("download"):
            await asyncio.sleep(60 if fault.kind == "hang" else 0)
            return web.Response(status=500)
        await asyncio.sleep(self.slow_s)
        return web.Response(body=file["content"], content_type=file["mimetype"])


def done(**fields: Any) -> dict[str, Any]:
    return {"ok": True, **fields}


def refused(error: str, **fields: Any) -> dict[str, Any]:
    return {"ok": False, "error": error, **fields}


def snake(method: str) -> str:
    """chat.postMessage -> chat_post_message"""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", method.replace(".", "_"))
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", words).lower()
