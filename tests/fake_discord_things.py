"""What there is on the fake Discord: people, channels, messages, and what was pressed or commanded.

It knows no guild and no wire.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from time import monotonic
from typing import Any

PUBLIC_THREAD, PRIVATE_THREAD = 11, 12
SUPPRESS_EMBEDS, EPHEMERAL = 1 << 2, 1 << 6


@dataclass
class User:
    id: str
    name: str
    bot: bool = False

    def payload(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "username": self.name.lower(),
            "global_name": self.name,
            "discriminator": "0",
            "avatar": None,
            "bot": self.bot,
        }


@dataclass
class Channel:
    id: str
    kind: int
    name: str
    parent: str | None = None  # of a thread
    person: User | None = None  # the other one in a direct message
    hidden: bool = False  # not everybody may read it
    gone: bool = False
    archived: bool = False  # a thread that somebody closed, or that was quiet for long
    forbidden: bool = False  # the bot may do nothing there
    messages: dict[str, Message] = field(default_factory=dict)
    nonces: dict[str, tuple[Message, float]] = field(default_factory=dict)  # and when each came

    @property
    def is_thread(self) -> bool:
        return self.kind in (PUBLIC_THREAD, PRIVATE_THREAD)

    @property
    def label(self) -> str:
        """As it is called in the story."""
        return f"thread {self.name} |" if self.is_thread else f"#{self.name} |"


@dataclass
class Message:
    id: str
    channel: Channel
    author: User
    content: str
    reference: str | None = None
    edited_at: str | None = None
    files: list[dict[str, Any]] = field(default_factory=list)
    components: list[dict[str, Any]] = field(default_factory=list)
    flags: int = 0
    kind: int = 0
    nonce: str | None = None
    pings: set[str] = field(default_factory=set)  # who was notified
    reactions: set[tuple[str, str]] = field(default_factory=set)  # of whom, and which
    bursts: set[tuple[str, str]] = field(default_factory=set)  # super reactions, counted apart
    versions: list[str] = field(default_factory=list)  # each text that it ever showed

    @property
    def buttons(self) -> dict[str, str]:
        """Its buttons: what they show, and their custom ids."""
        found = [item for row in self.components for item in row["components"]]
        return {
            item.get("label") or item["emoji"]["name"]: item["custom_id"]
            for item in found
            if item["type"] == 2
        }

    @property
    def unfurls(self) -> bool:
        return not self.flags & SUPPRESS_EMBEDS and "http" in self.content


@dataclass
class Interaction:
    """A person's press, command or modal, and what the bot did about it."""

    id: str
    token: str
    user: User
    channel: Channel
    message: Message | None = None  # which carries the button
    at: float = field(default_factory=monotonic)
    response: dict[str, Any] | None = None
    shown: Message | None = None  # the original response, once there is one
    followups: list[Message] = field(default_factory=list)
    is_expired: bool = False

    @property
    def is_ephemeral(self) -> bool:
        """Only the person sees the response."""
        data = (self.response or {}).get("data") or {}
        return bool(data.get("flags", 0) & EPHEMERAL)

    @property
    def modal(self) -> dict[str, Any] | None:
        is_modal = self.response is not None and self.response["type"] == 9
        return self.response["data"] if is_modal and self.response else None
