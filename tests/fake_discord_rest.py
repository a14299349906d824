"""The fake Discord's REST API: one request after the other, rate buckets, and faults.

What a call does is in tests/fake_discord_messages.py and tests/fake_discord_interactions.py.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TYPE_CHECKING, Any

from aiohttp import BodyPartReader, web

from tests import fake_discord_interactions as interactions
from tests import fake_discord_messages as messages
from tests.fake_discord_messages import Refusal

if TYPE_CHECKING:
    from tests.fake_discord import FakeDiscord

# What a bot may do so often in so many seconds, by route and channel; as measured on the real one.
BUCKETS = {"POST messages": (5, 5.0), "PATCH messages": (5, 5.0), "POST typing": (5, 5.0)}
GLOBAL = (50, 1.0)


@dataclass
class Call:
    """One request, as it came."""

    method: str
    path: str  # below /api/v10
    route: str  # the same with names in braces, as the vendor's description has it
    query: dict[str, str]
    body: Any  # None: there was none
    files: dict[str, bytes]
    at: float = field(default_factory=monotonic)
    status: int = 0  # what was answered; 0: nothing was


@dataclass
class Fault:
    """Kinds: `status` (with `code`), `429`, `429 without Via`, `429 for all` calls, `429 old edits`
    (too many of messages that are older than an hour), `reset` (before it was done), `lost`
    (done, and the answer never arrives), `slow` (done at once, answered after `seconds`),
    `late` (done after them), `hidden` (the history does not show what is new yet), `garbled`."""

    method: str  # a regular expression, as is the path
    path: str
    kind: str
    times: int = 1
    code: int = 503
    seconds: float = 0.05
    hits: int = 0


@dataclass
class Bucket:
    limit: int
    per_s: float
    left: int = 0
    resets: float = 0.0

    def take(self) -> float:
        """Use one; returns the seconds to wait where none is left, else 0."""
        now = monotonic()
        if now >= self.resets:
            self.left, self.resets = self.limit, now + self.per_s
        if not self.left:
            return self.resets - now
        self.left -= 1
        return 0.0


class Rest:
    def __init__(self, fake: FakeDiscord) -> None:
        self.fake = fake
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.has_limits = False  # they cost tests seconds
        self.refused = 0  # calls that were over a limit
        self.watch: Callable[[Call], None] = lambda call: None  # told of each answer
        self._buckets: dict[str, Bucket] = {}

    def serve(self, app: web.Application) -> None:
        for name, handler in ROUTES.items():
            method, route = name.split()

            async def handle(
                request: web.Request, route: str = route, handler: Any = handler
            ) -> web.StreamResponse:
                return await self._handle(request, route, handler)

            app.router.add_route(method, f"/api/v10{route}", handle)

    def sent(self, method: str, path: str) -> list[Call]:
        return [
            one
            for one in self.calls
            if re.fullmatch(method, one.method) and re.search(path, one.path)
        ]

    # One request

    async def _handle(self, request: web.Request, route: str, handler: Any) -> web.StreamResponse:
        call = await self._read(request, route)
        self.calls.append(call)
        fault = self._fault(call)
        kind = fault.kind if fault else ""
        if kind == "reset":
            return drop(request)
        if fault and kind == "status":
            return self._answer(call, fault.code, {"message": "fault", "code": 0})
        if fault and kind.startswith("429"):
            return self._too_many(call, fault.seconds, kind)
        token = request.headers.get("Authorization", "")
        if (
            not route.startswith(("/interactions", "/webhooks"))
            and token != f"Bot {self.fake.token}"
        ):
            return self._answer(call, 401, {"message": "401: Unauthorized", "code": 0})
        bucket, wait_s = self._limit(call, request)
        if wait_s:
            self.refused += 1
            return self._too_many(call, wait_s)
        if fault and kind == "late":
            await asyncio.sleep(fault.seconds)
        try:
            status, data = await handler(self.fake, call, **request.match_info)
        except Refusal as refusal:
            body = {"message": refusal.message, "code": refusal.code}
            return self._answer(call, refusal.status, body, bucket)
        if kind == "lost":
            return drop(request)
        if kind == "hidden":
            data = []
        if kind == "garbled":
            data = [{"id": self.fake.snowflake()}, *data]
        if fault and kind == "slow":
            await asyncio.sleep(fault.seconds)
        return self._answer(call, status, data, bucket)

    async def _read(self, request: web.Request, route: str) -> Call:
        body: Any = None
        files: dict[str, bytes] = {}
        if request.content_type == "multipart/form-data":
            async for part in await request.multipart():
                assert isinstance(part, BodyPartReader)
                content = bytes(await part.read())
                if part.name == "payload_json":
                    body = json.loads(content)
                else:
                    files[str(part.name)] = content
        elif request.can_read_body:
            body = json.loads(await request.read())
        path = request.path.removeprefix("/api/v10")
        return Call(request.method, path, route, dict(request.query), body, files)

    def _fault(self, call: Call) -> Fault | None:
        for fault in self.faults:
            is_meant = re.fullmatch(fault.method, call.method) and re.search(fault.path, call.path)
            if is_meant and fault.times:
                fault.times -= 1
                fault.hits += 1
                return fault
        return None

    def _limit(self, call: Call, request: web.Request) -> tuple[Bucket | None, float]:
        kind = f"{call.method} {call.route.split('/')[3] if call.route.count('/') > 2 else ''}"
        if kind not in BUCKETS:
            limit, per_s, key = 50, 1.0, f"{call.method} {call.route}"
        else:
            limit, per_s = BUCKETS[kind]
            key = f"{kind} {request.match_info.get('channel_id')}"
        if not self.has_limits:
            return None, 0.0
        bucket = self._buckets.setdefault(key, Bucket(limit, per_s))
        if not call.route.startswith(("/interactions", "/webhooks")):
            wait_s = self._buckets.setdefault("global", Bucket(*GLOBAL)).take()
            if wait_s:
                return bucket, wait_s
        return bucket, bucket.take()

    def _answer(
        self, call: Call, status: int, data: Any, bucket: Bucket | None = None
    ) -> web.Response:
        call.status = status
        self.watch(call)
        headers = {"Via": "1.1 google"}
        if bucket:
            left_s = max(0.0, bucket.resets - monotonic())
            headers |= {
                "X-RateLimit-Bucket": f"{abs(hash((call.method, call.route))):x}",
                "X-RateLimit-Limit": str(bucket.limit),
                "X-RateLimit-Remaining": str(bucket.left),
                "X-RateLimit-Reset-After": f"{left_s:.3f}",
                "X-RateLimit-Reset": f"{left_s:.3f}",
            }
        if data is None:
            return web.Response(status=status, headers=headers)
        # Exactly this type, without a charset, as the real one says it.
        headers["Content-Type"] = "application/json"
        return web.Response(status=status, body=json.dumps(data).encode(), headers=headers)

    def _too_many(self, call: Call, wait_s: float, kind: str = "429") -> web.Response:
        for_all = kind == "429 for all"
        data = {"message": "You are being rate limited.", "retry_after": wait_s, "global": for_all}
        if kind == "429 old edits":
            data |= {"code": 30046}
        answer = self._answer(call, 429, data)
        answer.headers["Retry-After"] = f"{wait_s:.3f}"
        answer.headers["X-RateLimit-Scope"] = "global" if for_all else "user"
        if for_all:
            answer.headers["X-RateLimit-Global"] = "true"
        if kind == "429 without Via":
            del answer.headers["Via"]
        return answer


def drop(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def me(fake: FakeDiscord, call: Call) -> tuple[int, Any]:
    return 200, fake.me.payload()


async def application(fake: FakeDiscord, call: Call) -> tuple[int, Any]:
    return 200, fake.application()


ROUTES = {
    "GET /users/@me": me,
    "GET /oauth2/applications/@me": application,
    "GET /applications/@me": application,
    "GET /applications/{application_id}/commands": interactions.commands,
    "PUT /applications/{application_id}/commands": interactions.put_commands,
    "POST /users/@me/channels": messages.open_direct,
    "GET /channels/{channel_id}": messages.look_up,
    "PATCH /channels/{channel_id}": messages.patch_channel,
    "GET /channels/{channel_id}/messages": messages.history,
    "POST /channels/{channel_id}/messages": messages.post,
    "GET /channels/{channel_id}/messages/{message_id}": messages.message,
    "GET /channels/{channel_id}/messages/{message_id}/reactions/{emoji_name}": messages.voters,
    "PATCH /channels/{channel_id}/messages/{message_id}": messages.patch,
    "DELETE /channels/{channel_id}/messages/{message_id}": messages.delete,
    "POST /channels/{channel_id}/typing": messages.show_typing,
    "POST /interactions/{interaction_id}/{interaction_token}/callback": interactions.respond,
    "POST /webhooks/{webhook_id}/{webhook_token}": interactions.follow_up,
    "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original": interactions.patch_original,
}
