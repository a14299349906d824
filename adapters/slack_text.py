"""Words as Slack takes them: CommonMark in a `markdown` block, and a notice beside it.

Limits: https://docs.slack.dev/reference/block-kit/blocks/markdown-block
"""

from __future__ import annotations

import re
from typing import Any

LIMIT = 11_000  # of 12,000 characters that all `markdown` blocks of a message may hold
NOTICE = 3_900  # `text` beside blocks is for notifications; chat.update takes 4,000


def written(text: str, *below: dict[str, Any]) -> dict[str, Any]:
    """A message that says this, with these blocks below; a notification shows its beginning."""
    return {"blocks": [{"type": "markdown", "text": harmless(text)}, *below], "text": notice(text)}


def size(text: str) -> int:
    """Slack does not say what a character is; UTF-16 units are the most it may mean. 0: there is
    nothing to be posted.
    """
    said = harmless(text)
    return len(said.encode("utf-16-le")) // 2 if said.strip() else 0


# What Slack takes for a call of many or of one: docs.slack.dev/messaging/formatting-message-text
# `<@U012>` and `<@U012|ann>`, but not `<@NonNull String>`: code is copied as it stands.
_PINGS = re.compile(
    r"<(?=!(?:channel|here|everyone|group|subteam)\b|@[A-Z0-9]+[>|]|#[CG][A-Z0-9]+[>|])", re.I
)
_UNDECIDED = re.compile(r"<[^<>\n]{0,40}\Z")
_CLOSED_FENCE = re.compile(r"\n[ >\t]*(?:`{3,}|~{3,})[ \t]*\Z")


def harmless(text: str) -> str:
    """CommonMark as it is, but that it calls nobody: a zero-width space parts what would."""
    return _PINGS.sub("<\u200b", text)


def safe_to_append(text: str) -> str:
    """As much of a growing text as stays a beginning of what it grows to: no fence that is closed
    only for now, and no half of what might call somebody.
    """
    return harmless(_UNDECIDED.sub("", _CLOSED_FENCE.sub("", text)))


def notice(text: str) -> str:
    """The text beside blocks, where three characters have a meaning."""
    cut = text[:NOTICE]
    while len(escaped := escape(cut)) > NOTICE:
        cut = cut[: len(cut) * 3 // 4]
    return escaped if cut == text else f"{escaped[: NOTICE - 1]}…"


def escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
