"""What comes from Slack, in the house's words; nothing here makes a call.

https://docs.slack.dev/messaging/formatting-message-text has how people's words are written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

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
    "app_mention",
    "message.channels",
    "message.groups",
    "message.im",
    "message.mpim",
    "reaction_added",
    "reaction_removed",
)


ASKED = "What should I have said?"
CORRECTION = "mynah_correction"
UP, DOWN = "👍", "👎"
THUMBS = {"+1": UP, "thumbsup": UP, "-1": DOWN, "thumbsdown": DOWN}
SKIN = {f"skin-tone-{n}": chr(0x1F3F9 + n) for n in range(2, 7)}


def thumb(reaction: str) -> str:
    """A reaction's name as an emoji; "" where it is no thumb."""
    name, _, skin = reaction.partition("::")
    return THUMBS[name] + SKIN.get(skin, "") if name in THUMBS else ""


def correction(about: str, words: str) -> dict[str, Any]:
    """The modal that asks for better words."""

    def plain(text: str) -> dict[str, str]:
        return {"type": "plain_text", "text": text}

    box = {"type": "plain_text_input", "action_id": CORRECTION, "multiline": True}
    return {
        "type": "modal",
        "callback_id": CORRECTION,
        "private_metadata": about,
        "title": plain(ASKED),
        "submit": plain("Send"),
        "close": plain("Not now"),
        "blocks": [
            {"type": "section", "text": {"type": "mrkdwn", "text": words}},
            {
                "type": "input",
                "block_id": CORRECTION,
                "label": plain("Your words, which I may learn from"),
                "element": box | {"max_length": 3_000},
            },
        ],
    }


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
