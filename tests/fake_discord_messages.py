"""What the fake Discord does when the bot reads, posts, edits and deletes messages.

Limits and error codes: https://docs.discord.com/developers/topics/opcodes-and-status-codes
"""

from __future__ import annotations

import re
from time import monotonic
from typing import TYPE_CHECKING, Any

from tests.fake_discord_guild import now
from tests.fake_discord_things import EPHEMERAL, Channel, Message

if TYPE_CHECKING:
    from tests.fake_discord import FakeDiscord
    from tests.fake_discord_rest import Call

LONGEST, LONGEST_NONCE = 2000, 25
NONCE_MINUTES = 5


class Refusal(Exception):
    """What Discord answers instead of a result."""

    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


async def open_direct(fake: FakeDiscord, call: Call) -> tuple[int, Any]:
    user = fake.users.get(str(call.body["recipient_id"]))
    if user is None:
        raise Refusal(400, 50033, "Invalid Recipient(s)")
    return 200, fake.channel_payload(fake.direct(user))


async def look_up(fake: FakeDiscord, call: Call, channel_id: str) -> tuple[int, Any]:
    return 200, fake.channel_payload(opened(fake, channel_id))


async def patch_channel(fake: FakeDiscord, call: Call, channel_id: str) -> tuple[int, Any]:
    """What somebody who may send messages may change: a thread is opened again."""
    channel = opened(fake, channel_id)
    if not channel.is_thread or call.body != {"archived": False}:
        raise Refusal(403, 50013, "Missing Permissions")
    channel.archived = False
    return 200, fake.channel_payload(channel)


async def history(fake: FakeDiscord, call: Call, channel_id: str) -> tuple[int, Any]:
    """Newest first; `after` begins at the oldest that fits, as on the real one."""
    channel = opened(fake, channel_id)
    limit = int(call.query.get("limit", 50))
    if not 1 <= limit <= 100:
        raise Refusal(400, 50035, "Invalid Form Body: limit")
    found = sorted(channel.messages.values(), key=lambda one: int(one.id))
    found = [one for one in found if not one.flags & EPHEMERAL]
    if "after" in call.query:
        found = [one for one in found if int(one.id) > int(call.query["after"])][:limit]
    elif "before" in call.query:
        found = [one for one in found if int(one.id) < int(call.query["before"])]
    return 200, [shown(fake, one) for one in reversed(found[-limit:])]


async def message(
    fake: FakeDiscord, call: Call, channel_id: str, message_id: str
) -> tuple[int, Any]:
    return 200, shown(fake, find(fake, channel_id, message_id))


async def voters(
    fake: FakeDiscord, call: Call, channel_id: str, message_id: str, emoji_name: str
) -> tuple[int, Any]:
    """Who gave one emoji, by their ids; super reactions are asked for apart.

    https://docs.discord.com/developers/resources/message#get-reactions
    """
    there = find(fake, channel_id, message_id)
    limit = int(call.query.get("limit", 25))
    if not 1 <= limit <= 100:
        raise Refusal(400, 50035, "Invalid Form Body: limit")
    given = there.bursts if call.query.get("type") == "1" else there.reactions
    ids = sorted(int(by) for by, emoji in given if emoji == emoji_name)
    ids = [id for id in ids if id > int(call.query.get("after", 0))][:limit]
    return 200, [fake.users[str(id)].payload() for id in ids]


async def post(fake: FakeDiscord, call: Call, channel_id: str) -> tuple[int, Any]:
    channel, body = opened(fake, channel_id), call.body
    nonce = body.get("nonce")
    if nonce is not None and len(str(nonce)) > LONGEST_NONCE:
        raise Refusal(400, 50035, "Invalid Form Body: nonce")
    if body.get("enforce_nonce") and nonce:
        earlier, at = channel.nonces.get(nonce, (None, 0.0))
        if earlier and monotonic() - at < NONCE_MINUTES * 60:
            return 200, fake.rest_payload(earlier)
    reference = body.get("message_reference") or {}
    target = reference.get("message_id") and str(reference["message_id"])
    if target and target not in channel.messages:
        if reference.get("fail_if_not_exists", True):
            raise Refusal(400, 50035, "Invalid Form Body: message_reference")
        target = None
    message = make(fake, channel, body, call.files)
    channel.archived = False  # whoever writes there opens it
    message.nonce = nonce
    if target:
        message.reference, message.kind = target, 19
        ping(message, body, replied=channel.messages[target].author.id)
    channel.messages[message.id] = message
    if nonce:
        channel.nonces[nonce] = message, monotonic()
    fake.story.append(f"{channel.label} Mynah posts:\n{message.content}{extras(message)}")
    await fake.gateway.dispatch("MESSAGE_CREATE", fake.payload(message), channel)
    return 200, fake.rest_payload(message)


async def patch(fake: FakeDiscord, call: Call, channel_id: str, message_id: str) -> tuple[int, Any]:
    message = find(fake, channel_id, message_id)
    if message.author is not fake.me:
        raise Refusal(403, 50005, "Cannot edit a message authored by another user")
    channel = message.channel
    if channel.archived:
        raise Refusal(400, 50083, "Thread is archived")
    edit(message, call.body)
    fake.story.append(f"{channel.label} Mynah edits to:\n{message.content}{extras(message)}")
    await fake.gateway.dispatch("MESSAGE_UPDATE", fake.payload(message), channel)
    return 200, fake.rest_payload(message)


async def delete(
    fake: FakeDiscord, call: Call, channel_id: str, message_id: str
) -> tuple[int, Any]:
    message = find(fake, channel_id, message_id)
    if message.author is not fake.me:
        raise Refusal(403, 50013, "Missing Permissions")
    await fake.deletes(message)
    return 204, None


async def show_typing(fake: FakeDiscord, call: Call, channel_id: str) -> tuple[int, Any]:
    opened(fake, channel_id)
    fake.typing.append(channel_id)
    return 204, None


def make(
    fake: FakeDiscord, channel: Channel, body: dict[str, Any], files: dict[str, bytes]
) -> Message:
    content = body.get("content") or ""
    if len(content) > LONGEST:
        raise Refusal(400, 50035, "Invalid Form Body: content: 2000 or fewer in length")
    if not content.strip() and not files and not body.get("components"):
        raise Refusal(400, 50006, "Cannot send an empty message")
    message = Message(fake.snowflake(), channel, fake.me, content.strip())
    message.versions.append(message.content)
    message.flags = body.get("flags") or 0
    place(message, body)
    ping(message, body)
    named = {str(one["id"]): one["filename"] for one in body.get("attachments") or []}
    for key, content_of_file in files.items():
        name = named[key.removeprefix("files[").removesuffix("]")]
        message.files.append(fake.upload(name, "", content_of_file))
    return message


def edit(message: Message, body: dict[str, Any]) -> None:
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
        place(message, body)
    ping(message, body)
    message.edited_at = now()


def opened(fake: FakeDiscord, channel_id: str) -> Channel:
    channel = fake.channels.get(channel_id)
    if channel is None or channel.gone:
        raise Refusal(404, 10003, "Unknown Channel")
    if channel.forbidden:
        raise Refusal(403, 50001, "Missing Access")
    return channel


def find(fake: FakeDiscord, channel_id: str, message_id: str) -> Message:
    message = opened(fake, channel_id).messages.get(message_id)
    if message is None:
        raise Refusal(404, 10008, "Unknown Message")
    return message


def shown(fake: FakeDiscord, message: Message) -> Any:
    data = fake.rest_payload(message)
    data.pop("nonce", None)  # only the answer to the sender has it
    return data if fake.allows_content else fake.without_content(data, message.channel)


def place(message: Message, body: dict[str, Any]) -> None:
    rows = body.get("components") or []
    if len(rows) > 5 or any(len(row["components"]) > 5 for row in rows):
        raise Refusal(400, 50035, "Invalid Form Body: components")
    ids = [item["custom_id"] for row in rows for item in row["components"]]
    if len(set(ids)) < len(ids) or any(not 1 <= len(id) <= 100 for id in ids):
        raise Refusal(400, 50035, "Invalid Form Body: custom_id")
    message.components = rows


def ping(message: Message, body: dict[str, Any], replied: str | None = None) -> None:
    """Who is notified: all that the text names, but what `allowed_mentions` forbids."""
    allowed = body.get("allowed_mentions")
    kinds = ["users", "everyone"] if allowed is None else allowed.get("parse", [])
    if "everyone" in kinds and re.search("@everyone|@here", message.content):
        message.pings.add("@everyone")
    if "users" in kinds:
        message.pings |= set(re.findall(r"<@!?(\d+)>", message.content))
    if replied and (allowed is None or allowed.get("replied_user")):
        message.pings.add(replied)


def extras(message: Message) -> str:
    buttons = "".join(f" [{name}]" for name in message.buttons)
    files = "".join(f" [file {one['filename']}]" for one in message.files)
    return f"\n{buttons}{files}" if buttons or files else ""
