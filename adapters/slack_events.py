"""What comes from Slack, in the house's words; nothing here makes a call.

https://docs.slack.dev/messaging/formatting-message-text has how people's words are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    ThreadRef,
)

SCOPES = (
    "app_mentions:read",
    "channels:history",
    "channels:read",
    "chat:write",
    "commands",
    "files:read",
    "files:write",
    "groups:history",
    "groups:read",
    "im:history",
    "im:read",
    "im:write",
    "mpim:history",
    "mpim:read",
    "reactions:read",
    "users:read",
)
EVENTS = (
    "agent_session_stopped",
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
)


CORRECTION = "mynah_correction"  # the modal, and its one field
CORRECT = "mynah_correct"  # the button that opens it
VOTE = "mynah_vote"  # the voting buttons
UP, DOWN = "👍", "👎"
THUMBS = {"+1": UP, "thumbsup": UP, "-1": DOWN, "thumbsdown": DOWN}
SKIN = {f"skin-tone-{n}": chr(0x1F3F9 + n) for n in range(2, 7)}


@dataclass(frozen=True, slots=True)
class Ears:
    """Reads events as the bot `me`. Raises KeyError, TypeError and ValueError where they lack what
    an event has.
    """

    me: str  # our user id
    account: str
    names: dict[str, str]  # of people, as far as they are known

    def channel(self, id: str) -> ChannelRef:
        return ChannelRef("slack", self.account, id)

    def author(self, user: str, is_bot: bool = False) -> Author:
        return Author(user, self.names.get(user, user), is_bot)

    def plain(self, text: str) -> str:
        """The words without their mention of us."""
        without = re.sub(rf"<@{self.me}(\|[^>]*)?>", "", text)
        return unescape(without, self.names).strip()

    def words(self, event: Mapping[str, Any]) -> str:
        """What a person wrote, and what they forwarded with it, as a quote."""
        words = self.plain(event.get("text") or "")
        for one in forwarded(event):
            said = unescape(str(one.get("text") or one.get("fallback") or ""), self.names)
            lines = "".join(f"\n> {line}" for line in said.strip().splitlines())
            words += lines and f"\n\n{one.get('author_name') or 'Somebody'} wrote:{lines}"
        return words.strip()

    def message(self, event: Mapping[str, Any]) -> IncomingMessage | None:
        """None: nothing for us. Files and who can read it are for the caller to add."""
        user, ts, text = event["user"], event["ts"], event.get("text") or ""
        if user in (self.me, "USLACKBOT"):
            return None
        channel, root = self.channel(event["channel"]), event.get("thread_ts") or ""
        direct = event.get("channel_type") == "im" or channel.id.startswith("D")
        is_mention = bool(re.search(rf"<@{self.me}(\|[^>]*)?>", text))
        addressed = direct or is_mention or event["type"] == "app_mention"
        follows = bool(root) and root != ts and not re.match(r"\s*<@[UW]", text)
        if not addressed and not follows:
            return None
        return IncomingMessage(
            ref=MessageRef(channel, ts),
            thread=ThreadRef(channel, root or ("" if direct else ts)),
            author=self.author(user, "bot_id" in event),
            text=self.words(event),
            addressed=addressed,
            follows=follows and not addressed,
            at=when(ts),
        )

    def reaction(self, event: Mapping[str, Any]) -> IncomingReaction | None:
        """None: not a thumb of a person on a message."""
        item, emoji = event["item"], thumb(event["reaction"])
        if item["type"] != "message" or event["user"] == self.me or not emoji:
            return None
        return IncomingReaction(
            target=MessageRef(self.channel(item["channel"]), item["ts"]),
            author=self.author(event["user"]),
            emoji=emoji,
            added=event["type"] == "reaction_added",
            at=when(event["event_ts"]),
        )

    def thumbs(self, message: Mapping[str, Any], channel: ChannelRef) -> list[IncomingReaction]:
        """Those that stand on a message. Nobody knows since when: they count as old as the message,
        so that whatever else was heard of a person goes before. None of whom both stand of.
        """
        of: dict[str, set[str]] = {}
        for one in message.get("reactions") or []:
            for user in one["users"] if thumb(one["name"]) else []:
                of.setdefault(user, set()).add(thumb(one["name"])[0])
        return [
            IncomingReaction(
                target=MessageRef(channel, message["ts"]),
                author=self.author(user),
                emoji=thumbs.pop(),
                added=True,
                at=when(message["ts"]),
                found=True,
            )
            for user, thumbs in of.items()
            if user != self.me and len(thumbs) == 1
        ]

    def press(self, body: Mapping[str, Any], action: Mapping[str, Any]) -> IncomingReaction:
        """A voting button. Slack shows a second press as taking it back, and does not say so."""
        return IncomingReaction(
            target=MessageRef(self.channel(body["channel"]["id"]), body["message"]["ts"]),
            author=self.author(body["user"]["id"]),
            emoji=UP if action["value"] == "up" else DOWN,
            added=True,
            at=when(action["action_ts"]),
        )

    def command(self, body: Mapping[str, Any]) -> IncomingMessage:
        command, words = body["command"], (body.get("text") or "").strip()
        channel, kind = self.channel(body["channel_id"]), body.get("channel_name") or ""
        closed = kind == "privategroup" or kind.startswith("mpdm-")
        return IncomingMessage(
            ref=MessageRef(channel, body["trigger_id"]),
            thread=ThreadRef(channel),
            author=self.author(body["user_id"]),
            text=f"/{words or 'help'}" if command == "/mynah" else f"{command} {words}".rstrip(),
            addressed=True,
            private=True,
            at=datetime.now(UTC),
            place="direct" if kind == "directmessage" else "private" if closed else "public",
        )


def forwarded(event: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The messages that somebody shared with theirs; a link's preview is none."""
    return [one for one in event.get("attachments") or [] if one.get("is_share")]


def thumb(reaction: str) -> str:
    """A reaction's name as an emoji; "" where it is no thumb."""
    name, _, skin = reaction.partition("::")
    return THUMBS[name] + SKIN.get(skin, "") if name in THUMBS else ""


def when(ts: str) -> datetime:
    return datetime.fromtimestamp(float(ts), UTC)


def ts_of(at: datetime) -> str:
    return f"{at.timestamp():.6f}"


def is_ts(id: str) -> bool:
    """A command's id is none."""
    return re.fullmatch(r"\d+\.\d{6}", id) is not None


_TOKEN = re.compile(r"<([@#!]?)([^<>|]+)(?:\|([^<>]*))?>")


def unescape(text: str, names: Mapping[str, str]) -> str:
    """Slack's text as people see it: docs.slack.dev/messaging/formatting-message-text"""

    def seen(token: re.Match[str]) -> str:
        sign, what, label = token.groups()
        if sign == "@":
            return f"@{label or names.get(what, what)}"
        if sign == "#":
            return f"#{label or what}"
        if sign == "!":
            return label or f"@{what.partition('^')[0]}"
        if label in (None, "", what) or what == f"mailto:{label}":
            return label or what
        return f"{label} ({what})"

    bare = _TOKEN.sub(seen, text)
    return bare.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
