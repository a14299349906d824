"""The fake Discord's REST API: what the real one checks, its rate buckets, and faults.

Limits and error codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes
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

if TYPE_CHECKING:
    from tests.fake_discord import Channel, FakeDiscord, Interaction, Message

LONGEST, LONGEST_NONCE = 2000, 25
NONCE_MINUTES, TOKEN_MINUTES, ANSWER_WITHIN_S = 5, 15, 3.0
EPHEMERAL, SUPPRESS_EMBEDS = 1 << 6, 1 << 2
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
    """Kinds: `status` (with `code`), `429`, `429 without Via`, `429 for all` calls, `reset` (before
    it was done), `lost` (done, and the answer never arrives), `slow` (done at once, answered after
    `seconds`), `late` (done after them), `hidden` (the history does not show what is new yet),
    `garbled`."""

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


class Refusal(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


class Rest:
    def __init__(self, fake: FakeDiscord) -> None:
        from tests.fake_discord import TOKEN

        self.fake = fake
        self.token = TOKEN
        self.calls: list[Call] = []
        self.faults: list[Fault] = []
        self.has_limits = False  # they cost tests seconds
        self.refused = 0  # calls that were over a limit
        self.watch: Callable[[Call], None] = lambda call: None  # told of each answer
        self.forbidden: set[str] = set()  # channels in which the bot may do nothing
        self._buckets: dict[str, Bucket] = {}
        self._nonces: dict[tuple[str, str], tuple[Message, float]] = {}

    def serve(self, app: web.Application) -> None:
        routes = {
            "GET /users/@me": self._me,
            "GET /oauth2/applications/@me": self._application,
            "GET /applications/@me": self._application,
            "GET /applications/{application_id}/commands": self._commands,
            "PUT /applications/{application_id}/commands": self._put_commands,
            "POST /users/@me/channels": self._open_direct,
            "GET /channels/{channel_id}": self._channel,
            "PATCH /channels/{channel_id}": self._patch_channel,
            "GET /channels/{channel_id}/messages": self._history,
            "GET /channels/{channel_id}/messages/{message_id}": self._message,
            "POST /channels/{channel_id}/messages": self._post,
            "PATCH /channels/{channel_id}/messages/{message_id}": self._patch,
            "DELETE /channels/{channel_id}/messages/{message_id}": self._delete,
            "POST /channels/{channel_id}/typing": self._type,
            "POST /interactions/{interaction_id}/{interaction_token}/callback": self._respond,
            "POST /webhooks/{webhook_id}/{webhook_token}": self._follow_up,
            "GET /webhooks/{webhook_id}/{webhook_token}/messages/@original": self._original,
            "PATCH /webhooks/{webhook_id}/{webhook_token}/messages/@original": self._patch_original,
        }
        for name, handler in routes.items():
            method, route = name.split()

            async def handle(
                request: web.Request, route: str = route, handler: Any = handler
            ) -> web.StreamResponse:
                return await self._handle(request, route, handler)

            app.router.add_route(method, f"/api/v10{route}", handle)

    def forget_nonces(self) -> None:
        """As if their minutes were over."""
        self._nonces.clear()

    def expire_tokens(self) -> None:
        """As if all interactions were a quarter of an hour old."""
        for interaction in self.fake.interactions.values():
            interaction.is_expired = True

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
            via, for_all = kind != "429 without Via", kind == "429 for all"
            return self._too_many(call, fault.seconds, via=via, for_all=for_all)
        token = request.headers.get("Authorization", "")
        if not route.startswith(("/interactions", "/webhooks")) and token != f"Bot {self.token}":
            return self._answer(call, 401, {"message": "401: Unauthorized", "code": 0})
        bucket, wait_s = self._limit(call, request)
        if wait_s:
            self.refused += 1
            return self._too_many(call, wait_s)
        if fault and kind == "late":
            await asyncio.sleep(fault.seconds)
        try:
            status, data = await handler(call, **request.match_info)
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

    def _too_many(
        self, call: Call, wait_s: float, *, via: bool = True, for_all: bool = False
    ) -> web.Response:
        data = {"message": "You are being rate limited.", "retry_after": wait_s, "global": for_all}
        answer = self._answer(call, 429, data)
        answer.headers["Retry-After"] = f"{wait_s:.3f}"
        if not via:
            del answer.headers["Via"]
        return answer

    # Who we are

    async def _me(self, call: Call) -> tuple[int, Any]:
        return 200, self.fake.me.payload()

    async def _application(self, call: Call) -> tuple[int, Any]:
        return 200, self.fake.application()

    async def _commands(self, call: Call, application_id: str) -> tuple[int, Any]:
        return 200, self.fake.commands

    async def _put_commands(self, call: Call, application_id: str) -> tuple[int, Any]:
        known = {one["name"]: one for one in self.fake.commands}
        for one in call.body:
            if not re.fullmatch(r"[-_\w]{1,32}", one["name"]) or one["name"] != one["name"].lower():
                raise Refusal(400, 50035, "Invalid Form Body: name")
            if not 1 <= len(one["description"]) <= 100:
                raise Refusal(400, 50035, "Invalid Form Body: description")
            for option in one.get("options", []):
                if len(option.get("choices", [])) > 25 or len(option["description"]) > 100:
                    raise Refusal(400, 50035, "Invalid Form Body: options")
        self.fake.commands = [
            # What the real one fills in comes back beside what was sent.
            {
                "id": known.get(one["name"], {}).get("id") or self.fake.snowflake(),
                "application_id": application_id,
                "version": self.fake.snowflake(),
                "type": 1,
                "nsfw": False,
                "default_member_permissions": None,
                "dm_permission": True,
                "contexts": None,
                "integration_types": [0],
                **one,
            }
            for one in call.body
        ]
        return 200, self.fake.commands

    # Channels and messages

    def _open(self, channel_id: str) -> Channel:
        channel = self.fake.channels.get(channel_id)
        if channel is None or channel.gone:
            raise Refusal(404, 10003, "Unknown Channel")
        if channel_id in self.forbidden:
            raise Refusal(403, 50001, "Missing Access")
        return channel

    async def _open_direct(self, call: Call) -> tuple[int, Any]:
        user = self.fake.users.get(str(call.body["recipient_id"]))
        if user is None:
            raise Refusal(400, 50033, "Invalid Recipient(s)")
        return 200, self.fake.channel_payload(self.fake.direct(user))

    async def _channel(self, call: Call, channel_id: str) -> tuple[int, Any]:
        return 200, self.fake.channel_payload(self._open(channel_id))

    async def _patch_channel(self, call: Call, channel_id: str) -> tuple[int, Any]:
        """What somebody who may send messages may change: a thread is opened again."""
        channel = self._open(channel_id)
        if not channel.is_thread or call.body != {"archived": False}:
            raise Refusal(403, 50013, "Missing Permissions")
        channel.archived = False
        return 200, self.fake.channel_payload(channel)

    async def _history(self, call: Call, channel_id: str) -> tuple[int, Any]:
        """Newest first; `after` begins at the oldest that fits, as on the real one."""
        channel = self._open(channel_id)
        limit = int(call.query.get("limit", 50))
        if not 1 <= limit <= 100:
            raise Refusal(400, 50035, "Invalid Form Body: limit")
        found = sorted(channel.messages.values(), key=lambda one: int(one.id))
        found = [one for one in found if not one.flags & EPHEMERAL]
        if "after" in call.query:
            found = [one for one in found if int(one.id) > int(call.query["after"])][:limit]
        elif "before" in call.query:
            found = [one for one in found if int(one.id) < int(call.query["before"])]
        return 200, [self._shown(one) for one in reversed(found[-limit:])]

    async def _message(self, call: Call, channel_id: str, message_id: str) -> tuple[int, Any]:
        return 200, self._shown(self._find(channel_id, message_id))

    def _find(self, channel_id: str, message_id: str) -> Message:
        message = self._open(channel_id).messages.get(message_id)
        if message is None:
            raise Refusal(404, 10008, "Unknown Message")
        return message

    def _shown(self, message: Message) -> Any:
        data = self.fake.rest_payload(message)
        data.pop("nonce", None)  # only the answer to the sender has it
        return data if self.fake.allows_content else self.without_content(data, message.channel)

    def without_content(self, data: dict[str, Any], channel: Channel | None) -> dict[str, Any]:
        """What an application without the message content intent is shown."""
        means_us = any(user["id"] == self.fake.me.id for user in data["mentions"])
        is_ours = data["author"]["id"] == self.fake.me.id
        if means_us or is_ours or (channel and channel.person):
            return data
        return data | {"content": "", "attachments": [], "embeds": [], "components": []}

    async def _post(self, call: Call, channel_id: str) -> tuple[int, Any]:
        channel, body = self._open(channel_id), call.body
        nonce = body.get("nonce")
        if nonce is not None and len(str(nonce)) > LONGEST_NONCE:
            raise Refusal(400, 50035, "Invalid Form Body: nonce")
        if body.get("enforce_nonce") and nonce:
            earlier, at = self._nonces.get((channel_id, nonce), (None, 0.0))
            if earlier and monotonic() - at < NONCE_MINUTES * 60:
                return 200, self.fake.rest_payload(earlier)
        reference = body.get("message_reference") or {}
        target = reference.get("message_id") and str(reference["message_id"])
        if target and target not in channel.messages:
            if reference.get("fail_if_not_exists", True):
                raise Refusal(400, 50035, "Invalid Form Body: message_reference")
            target = None
        message = self._make(channel, body, call.files)
        channel.archived = False  # whoever writes there opens it
        message.nonce = nonce
        if target:
            message.reference, message.kind = target, 19
            self._ping(message, body, replied=channel.messages[target].author.id)
        channel.messages[message.id] = message
        if nonce:
            self._nonces[channel_id, nonce] = message, monotonic()
        self.fake.story.append(f"{channel.label} Mynah posts:\n{message.content}{extras(message)}")
        await self.fake.gateway.dispatch("MESSAGE_CREATE", self.fake.payload(message), channel)
        return 200, self.fake.rest_payload(message)

    async def _patch(self, call: Call, channel_id: str, message_id: str) -> tuple[int, Any]:
        message = self._find(channel_id, message_id)
        if message.author is not self.fake.me:
            raise Refusal(403, 50005, "Cannot edit a message authored by another user")
        channel = message.channel
        if channel.archived:
            raise Refusal(400, 50083, "Thread is archived")
        self._edit(message, call.body)
        self.fake.story.append(
            f"{channel.label} Mynah edits to:\n{message.content}{extras(message)}"
        )
        await self.fake.gateway.dispatch("MESSAGE_UPDATE", self.fake.payload(message), channel)
        return 200, self.fake.rest_payload(message)

    async def _delete(self, call: Call, channel_id: str, message_id: str) -> tuple[int, Any]:
        message = self._find(channel_id, message_id)
        if message.author is not self.fake.me:
            raise Refusal(403, 50013, "Missing Permissions")
        await self.fake.deletes(message)
        return 204, None

    async def _type(self, call: Call, channel_id: str) -> tuple[int, Any]:
        self._open(channel_id)
        self.fake.typing.append(channel_id)
        return 204, None

    def _make(self, channel: Channel, body: dict[str, Any], files: dict[str, bytes]) -> Message:
        from tests.fake_discord import Message

        content = body.get("content") or ""
        if len(content) > LONGEST:
            raise Refusal(400, 50035, "Invalid Form Body: content: 2000 or fewer in length")
        if not content.strip() and not files and not body.get("components"):
            raise Refusal(400, 50006, "Cannot send an empty message")
        message = Message(self.fake.snowflake(), channel, self.fake.me, content.strip())
        message.versions.append(message.content)
        message.flags = body.get("flags") or 0
        self._place(message, body)
        self._ping(message, body)
        named = {str(one["id"]): one["filename"] for one in body.get("attachments") or []}
        for key, content_of_file in files.items():
            name = named[key.removeprefix("files[").removesuffix("]")]
            message.files.append(self.fake._upload(name, "", content_of_file))
        return message

    def _edit(self, message: Message, body: dict[str, Any]) -> None:
        from tests.fake_discord import now

        if body.get("content") is not None:
            if len(body["content"]) > LONGEST:
                raise Refusal(400, 50035, "Invalid Form Body: content: 2000 or fewer in length")
            if not body["content"].strip() and not message.files:
                raise Refusal(400, 50006, "Cannot send an empty message")
            message.content = body["content"].strip()
            message.versions.append(message.content)
        if body.get("flags") is not None:
            message.flags = body["flags"]
        if "components" in body:
            self._place(message, body)
        self._ping(message, body)
        message.edited_at = now()

    def _place(self, message: Message, body: dict[str, Any]) -> None:
        rows = body.get("components") or []
        if len(rows) > 5 or any(len(row["components"]) > 5 for row in rows):
            raise Refusal(400, 50035, "Invalid Form Body: components")
        ids = [item["custom_id"] for row in rows for item in row["components"]]
        if len(set(ids)) < len(ids) or any(not 1 <= len(id) <= 100 for id in ids):
            raise Refusal(400, 50035, "Invalid Form Body: custom_id")
        message.components = rows

    def _ping(self, message: Message, body: dict[str, Any], replied: str | None = None) -> None:
        """Who is notified: all that the text names, but what `allowed_mentions` forbids."""
        allowed = body.get("allowed_mentions")
        kinds = ["users", "everyone"] if allowed is None else allowed.get("parse", [])
        if "everyone" in kinds and re.search("@everyone|@here", message.content):
            message.pings.add("@everyone")
        if "users" in kinds:
            message.pings |= set(re.findall(r"<@!?(\d+)>", message.content))
        if replied and (allowed is None or allowed.get("replied_user")):
            message.pings.add(replied)

    # Interactions

    def _interaction(self, token: str) -> Interaction:
        for interaction in self.fake.interactions.values():
            if interaction.token == token:
                return interaction
        raise Refusal(404, 10015, "Unknown Webhook")

    async def _respond(
        self, call: Call, interaction_id: str, interaction_token: str
    ) -> tuple[int, Any]:
        interaction, body = self._interaction(interaction_token), call.body
        if monotonic() - interaction.at > ANSWER_WITHIN_S or interaction.is_expired:
            raise Refusal(404, 10062, "Unknown interaction")
        if interaction.response is not None:
            raise Refusal(400, 40060, "Interaction has already been acknowledged.")
        data = body.get("data") or {}
        if body["type"] == 4:
            interaction.shown = self._make(interaction.channel, data, {})
            self._show(interaction)
        elif body["type"] == 7 and interaction.message is not None:
            self._edit(interaction.message, data)
            interaction.shown = interaction.message
            self._show(interaction)
        elif body["type"] == 9:
            assert 1 <= len(data["title"]) <= 45, data["title"]
            assert 1 <= len(data["custom_id"]) <= 100
            self.fake.story.append(f"{interaction.user.name} is shown the form: {data['title']}")
        interaction.response = body
        return 204, None

    def _answered(self, token: str) -> Interaction:
        interaction = self._interaction(token)
        if interaction.is_expired:
            raise Refusal(401, 50027, "Invalid Webhook Token")
        if interaction.response is None:
            raise Refusal(404, 10015, "Unknown Webhook")
        return interaction

    async def _original(self, call: Call, webhook_id: str, webhook_token: str) -> tuple[int, Any]:
        interaction = self._answered(webhook_token)
        if interaction.shown is None:
            raise Refusal(404, 10008, "Unknown Message")
        return 200, self.fake.rest_payload(interaction.shown)

    async def _patch_original(
        self, call: Call, webhook_id: str, webhook_token: str
    ) -> tuple[int, Any]:
        interaction = self._answered(webhook_token)
        if interaction.shown is None:
            interaction.shown = self._make(interaction.channel, call.body, call.files)
        else:
            self._edit(interaction.shown, call.body)
        self._show(interaction)
        return 200, self.fake.rest_payload(interaction.shown)

    async def _follow_up(self, call: Call, webhook_id: str, webhook_token: str) -> tuple[int, Any]:
        interaction = self._answered(webhook_token)
        message = self._make(interaction.channel, call.body, call.files)
        interaction.followups.append(message)
        return 200, self.fake.rest_payload(message)

    def _show(self, interaction: Interaction) -> None:
        shown = interaction.shown
        assert shown is not None
        who = f"(only {interaction.user.name} sees it) "
        self.fake.story.append(f"{who}Mynah:\n{shown.content}{extras(shown)}")


def extras(message: Message) -> str:
    buttons = "".join(f" [{name}]" for name in message.buttons)
    files = "".join(f" [file {one['filename']}]" for one in message.files)
    return f"\n{buttons}{files}" if buttons or files else ""


def drop(request: web.Request) -> web.StreamResponse:
    """Cut the connection instead of answering."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
