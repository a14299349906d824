"""The fake Discord's gateway: sessions with intents, heartbeats, resume, and faults."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from tests.fake_discord import FakeDiscord
    from tests.fake_discord_things import Channel

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
GUILDS, CONTENT = 1 << 0, 1 << 15
MESSAGES, REACTIONS = {False: 1 << 9, True: 1 << 12}, {False: 1 << 10, True: 1 << 13}  # True: DMs


@dataclass
class Session:
    id: str
    intents: int
    socket: web.WebSocketResponse | None
    log: list[str] = field(default_factory=list)  # frames; the n-th has sequence n

    async def send(self, event: str, data: Any) -> None:
        """Kept first: a client that resumes is sent what it did not see."""
        self.log.append(frame(DISPATCH, data, len(self.log) + 1, event))
        await self.push(self.log[-1])

    async def push(self, text: str) -> None:
        if self.socket is not None and not self.socket.closed:
            try:
                await self.socket.send_str(text)
            except ConnectionError:  # it went away while we wrote
                self.socket = None


class Gateway:
    def __init__(self, fake: FakeDiscord) -> None:
        self.fake = fake
        self.sessions: dict[str, Session] = {}
        self.identified: list[dict[str, Any]] = []
        self.resumed = 0
        self.refuses_tokens = False
        self.refusals = 0  # so many connections are answered with 503
        self.resume_refusals = 0  # the same, at the address for resuming only
        self.heard: dict[str, int] = {}  # the newest sequence that each session's heartbeat named
        self.heartbeat_interval_ms = 41_250

    def serve(self, app: web.Application) -> None:
        app.router.add_get("/gw", self._connect)
        app.router.add_get("/gw/resume", self._connect)

    async def stop(self) -> None:
        for session in self.sessions.values():
            if session.socket is not None:
                cut(session.socket)

    async def dispatch(self, event: str, data: dict[str, Any], channel: Channel | None) -> None:
        """Send an event to every session whose intents cover it."""
        for session in list(self.sessions.values()):
            if self._wants(session, event, channel):
                shown = self._shown_to(session, event, data, channel)
                await session.send(event, shown)
                if self.fake.delivers_twice:
                    await session.send(event, shown)

    async def raw(self, event: str, data: Any) -> None:
        """Send anything at all, for what no client expects."""
        for session in list(self.sessions.values()):
            await session.send(event, data)

    # Faults

    async def ask_to_reconnect(self) -> None:
        await self._each(lambda session: session.push(frame(RECONNECT, None)))

    async def invalidate(self, *, resumable: bool) -> None:
        sessions = list(self.sessions.values())
        if not resumable:
            self.sessions.clear()
        for session in sessions:
            await session.push(frame(INVALID, resumable))

    async def close(self, code: int) -> None:
        """End every connection with a close code; the sessions stay."""

        async def end(session: Session) -> None:
            socket, session.socket = session.socket, None
            if socket is not None:
                await socket.close(code=code)

        await self._each(end)

    def cut(self) -> None:
        """End every connection without a word; the sessions stay."""
        for session in self.sessions.values():
            if session.socket is not None:
                cut(session.socket)
                session.socket = None

    def freeze(self) -> None:
        """From now on nothing is read of what the clients say, not even goodbye."""
        for session in self.sessions.values():
            if session.socket and (transport := transport_of(session.socket)):
                transport.pause_reading()

    @property
    def connected(self) -> bool:
        return any(one.socket and not one.socket.closed for one in self.sessions.values())

    async def _each(self, do: Callable[[Session], Any]) -> None:
        for session in list(self.sessions.values()):
            await do(session)

    # One connection

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        if self.refusals > 0:
            self.refusals -= 1
            return web.Response(status=503)
        if request.path.endswith("/resume") and self.resume_refusals > 0:
            self.resume_refusals -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse(autoping=True)
        await socket.prepare(request)
        await socket.send_str(frame(HELLO, {"heartbeat_interval": self.heartbeat_interval_ms}))
        session: Session | None = None
        async for message in socket:
            if message.type is not WSMsgType.TEXT:
                break
            said = json.loads(message.data)
            if said["op"] == HEARTBEAT:
                if session and said["d"]:
                    self.heard[session.id] = said["d"]
                await socket.send_str(frame(ACK, None))
            elif said["op"] == IDENTIFY:
                session = await self._identify(socket, said["d"])
            elif said["op"] == RESUME:
                session = await self._resume(socket, said["d"])
        if session and session.socket is socket:
            session.socket = None
        return socket

    async def _identify(
        self, socket: web.WebSocketResponse, data: dict[str, Any]
    ) -> Session | None:
        fake = self.fake
        self.identified.append(data)
        if data["token"] != fake.token or self.refuses_tokens:
            await socket.close(code=4004)
            return None
        if data["intents"] & CONTENT and not fake.allows_content:
            await socket.close(code=4014)
            return None
        session = Session(fake.snowflake(), data["intents"], socket)
        self.sessions[session.id] = session
        ready = {
            "v": 10,
            "user": fake.me.payload(),
            "guilds": [{"id": fake.guild_id, "unavailable": True}],
            "session_id": session.id,
            "resume_gateway_url": f"{fake.gateway_url}/resume",
            "application": {"id": fake.app_id, "flags": fake.application()["flags"]},
        }
        await session.send("READY", ready)
        if session.intents & GUILDS:
            await session.send("GUILD_CREATE", fake.guild_payload())
        return session

    async def _resume(self, socket: web.WebSocketResponse, data: dict[str, Any]) -> Session | None:
        session = self.sessions.get(data["session_id"])
        if session is None or data["token"] != self.fake.token:
            await socket.send_str(frame(INVALID, False))
            return None
        for text in session.log[data["seq"] :]:
            await socket.send_str(text)
        session.socket = socket
        self.resumed += 1
        await session.send("RESUMED", {})
        return session

    # Intents

    def _wants(self, session: Session, event: str, channel: Channel | None) -> bool:
        if channel is None:
            return True
        is_direct = channel.person is not None
        if event.startswith("MESSAGE_REACTION"):
            return bool(session.intents & REACTIONS[is_direct])
        if event.startswith("MESSAGE"):
            return bool(session.intents & MESSAGES[is_direct])
        if event.startswith(("THREAD", "CHANNEL", "GUILD")):
            return bool(session.intents & GUILDS)
        return True

    def _shown_to(
        self, session: Session, event: str, data: dict[str, Any], channel: Channel | None
    ) -> dict[str, Any]:
        """Without the message content intent the words of others are empty, save where the bot is
        meant: direct messages, mentions of it, its own."""
        if event not in ("MESSAGE_CREATE", "MESSAGE_UPDATE") or session.intents & CONTENT:
            return data
        return self.fake.without_content(data, channel)


def frame(op: int, data: Any, sequence: int | None = None, event: str | None = None) -> str:
    return json.dumps({"op": op, "d": data, "s": sequence, "t": event})


def cut(socket: web.WebSocketResponse) -> None:
    if transport := transport_of(socket):
        transport.abort()


def transport_of(socket: web.WebSocketResponse) -> asyncio.Transport | None:
    """None: it is closed already."""
    transport = socket._req.transport if socket._req is not None else None
    return transport if isinstance(transport, asyncio.Transport) else None
