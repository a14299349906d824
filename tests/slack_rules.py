"""What Slack takes and what it shows: the rulers of tests/fake_slack.py, which know no adapter.

Arguments are held against the vendor's own description of each method (slack-ruby/slack-api-ref,
beside this repository), blocks and lengths against https://docs.slack.dev/reference/block-kit.
"""

from __future__ import annotations

import html
import json
import re
from functools import cache
from typing import Any

import jsonschema

from tests import specs

METHODS = specs.FOLDER / "slack" / "methods"

# Described as JSON in a string; a request whose body is JSON holds the thing itself.
AS_JSON = ("attachments", "blocks", "files", "metadata", "view")
# A minute's calls by tier: https://docs.slack.dev/apis/web-api/rate-limits
TIERS = {"t1": 1, "t2": 20, "t3": 50, "t4": 100}
ONE_WORKSPACE_POSTS = 300  # "several hundred per minute"
MARKDOWN = 12_000  # `markdown_text`, and all `markdown` blocks of a message
BLOCKS_TOGETHER = 13_200  # measured: slackapi/bolt-js#2509
PINGS = re.compile(r"<(?:!(?:channel|here|everyone|subteam\^\w+)|@[UW]\w+)(?:\|[^>]*)?>")
LINK = re.compile(r"https?://")


@cache
def described(method: str) -> dict[str, Any]:
    """The vendor's description; {} where the folder or the method is missing there."""
    path = METHODS / f"{method}.json"
    return json.loads(path.read_text()) if path.exists() else {}


def complaints(method: str, arguments: dict[str, Any], *, is_json: bool) -> list[str]:
    """What the vendor's description says against a call."""
    if not METHODS.exists():
        return []
    spec = described(method)
    if not spec:
        return [f"{method} is not described"]
    out = [] if spec.get("json_input_supported") or not is_json else [f"{method} takes no JSON"]
    known = spec["args"]["properties"]
    for name in spec["args"].get("required", []):
        if name not in arguments and name != "token":
            out.append(f"{method} lacks {name}")
    for name, value in arguments.items():
        if name not in known:
            out.append(f"{method} knows no {name}")
        elif not (name in AS_JSON and isinstance(value, (dict, list))):
            schema = {
                key: known[name][key]
                for key in ("type", "anyOf", "enum", "items", "minimum", "minItems", "maxItems")
                if key in known[name]
            }
            wanted = value if is_json else _typed(value, schema.get("type"))
            errors = jsonschema.Draft202012Validator(schema).iter_errors(wanted)
            out += [f"{method}: {name}: {error.message[:200]}" for error in errors]
    return out


def _typed(value: Any, kind: object) -> Any:
    """What a form says in words."""
    if kind == "boolean" and value in ("0", "1", "true", "false"):
        return value in ("1", "true")
    if kind in ("integer", "number") and str(value).isdigit():
        return int(value)
    if kind in ("array", "object"):
        return json.loads(value)
    return value


def units(text: str) -> int:
    """Slack does not say what a character is: the most that it could mean short of bytes."""
    return len(text.encode("utf-16-le")) // 2


def refusal(method: str, message: dict[str, Any]) -> str:
    """Why Slack does not take such a message; "" where it does."""
    text, markdown = message.get("text") or "", message.get("markdown_text") or ""
    blocks = message.get("blocks") or []
    if markdown and (text or blocks) and method != "chat.stopStream":
        return "markdown_text_conflict"
    if not (text.strip() or markdown.strip() or blocks) and method != "chat.stopStream":
        return "no_text"
    if units(text) > (4_000 if method == "chat.update" else 40_000) or units(markdown) > MARKDOWN:
        return "msg_too_long"
    return _wrong_blocks(blocks)


def _wrong_blocks(blocks: list[dict[str, Any]]) -> str:
    if len(blocks) > 50:
        return "msg_blocks_too_many"
    written = 0
    for block in blocks:
        match block:
            case {"type": "markdown", "text": str(text)} if text.strip():
                written += units(text)
            case {"type": "section", "text": {"type": "mrkdwn" | "plain_text", "text": str(text)}}:
                written += units(text)
                if not 0 < units(text) <= 3_000:
                    return "invalid_blocks"
            case {"type": "actions", "elements": [*elements]} if 0 < len(elements) <= 25:
                if not all(_is_button(element) for element in elements):
                    return "invalid_blocks"
            case {"type": "context_actions", "elements": [*elements]} if 0 < len(elements) <= 5:
                if not all(_is_feedback(element) for element in elements):
                    return "invalid_blocks"
            case {"type": "input", "label": {"type": "plain_text"}, "element": {"type": str()}}:
                pass
            case _:
                return "invalid_blocks"
    return "msg_blocks_too_long" if written > BLOCKS_TOGETHER or _markdown(blocks) else ""


def _markdown(blocks: list[dict[str, Any]]) -> bool:
    return sum(units(b["text"]) for b in blocks if b["type"] == "markdown") > MARKDOWN


def _is_button(element: dict[str, Any]) -> bool:
    label = element.get("text", {})
    is_labelled = label.get("type") == "plain_text" and 0 < len(label.get("text", "")) <= 75
    named = 0 < len(element.get("action_id", "")) <= 255
    return element.get("type") == "button" and is_labelled and named


def _is_feedback(element: dict[str, Any]) -> bool:
    buttons = [element.get("positive_button") or {}, element.get("negative_button") or {}]
    return (
        element.get("type") == "feedback_buttons"
        and set(element) <= {"type", "action_id", "positive_button", "negative_button"}
        and all(
            button.get("text", {}).get("type") == "plain_text"
            and 0 < len(button["text"].get("text", "")) <= 75
            and 0 < len(button.get("value", "")) <= 2_000
            for button in buttons
        )
    )


# https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
LONGEST_INPUT = 3_000


def wrong_view(view: dict[str, Any]) -> str:
    """Why a modal does not open; "" where it does."""
    titles = [view.get(name) or {} for name in ("title", "submit", "close")]
    is_whole = (
        view.get("type") == "modal"
        and bool(view.get("title"))
        and all(not t or (t.get("type") == "plain_text" and len(t["text"]) <= 24) for t in titles)
        and len(view.get("private_metadata", "")) <= 3_000
        and not _wrong_blocks(view.get("blocks") or [{}])
    )
    boxes = [block["element"] for block in view.get("blocks", []) if block["type"] == "input"]
    is_fillable = all(box.get("max_length", 1) <= LONGEST_INPUT for box in boxes)
    is_whole = is_whole and is_fillable and bool(view.get("submit") or not boxes)
    return "" if is_whole else "invalid_arguments"


def seen(message: dict[str, Any]) -> str:
    """What a person reads, without buttons."""
    written = [
        block["text"] if isinstance(block["text"], str) else plain(block["text"]["text"])
        for block in message.get("blocks") or []
        if block["type"] in ("markdown", "section")
    ]
    said = message.get("markdown_text") or "\n".join(written) or plain(message.get("text") or "")
    return said.replace("\u200b", "")


def plain(mrkdwn: str) -> str:
    return html.unescape(mrkdwn)


def raw(message: dict[str, Any]) -> str:
    """Everything in which a ping or a link could stand."""
    parts = [message.get("text") or "", message.get("markdown_text") or ""]
    for block in message.get("blocks") or []:
        text = block.get("text", "")
        parts.append(text if isinstance(text, str) else text.get("text", ""))
    return "\n".join(parts)
