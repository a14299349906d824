"""Socket Mode of our own Slack: events come again until they are acknowledged, or are lost."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from typing import Any

from aiohttp import WSMsgType, web

from tests.fake_slack_state import (
    TEAM,
    State,
)


class Sockets(State):
    @property
    def sockets(self) -> int:
        return len(self._sockets)

    @property
    def unacknowledged(self) -> int:
        return len(self._pending)

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

    def _changed_event(self, channel: str, message: dict[str, Any], before: dict[str, Any]) -> None:
        self.event(
            {"type": "message", "subtype": "message_changed", "hidden": True, "ts": self.tick()}
            | {"channel": channel, "channel_type": self.channels[channel].kind}
            | {"message": dict(message), "previous_message": before}
        )

    def _interactive(self, payload: dict[str, Any]) -> None:
        self._send_once("interactive", payload)
