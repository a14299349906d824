"""How people on Slack are asked for votes: the buttons, what a voter is told, and how better words
are asked for; but for the buttons, all for one person alone.
"""

from __future__ import annotations

import logging
from typing import Any

from adapters.slack_calls import Api, tell
from adapters.slack_events import CORRECT, CORRECTION, DOWN, UP, VOTE
from adapters.slack_history import thread_of
from adapters.slack_text import harmless, notice
from core.errors import AdapterError
from core.types import IncomingReaction, MessageRef, Noted

logger = logging.getLogger(__name__)

ASKED = "What should I have said?"
VOTED = {1: f"Your vote: {UP}", -1: f"Your vote: {DOWN}"}
KEPT = "Thank you: your correction is kept with your vote."
NOT_KEPT = "I could not keep that just now. Please try it again in a moment."


async def answer_vote(
    api: Api, reaction: IncomingReaction, noted: Noted, thread: str | None, trigger: str
) -> None:
    """Tell the voter what stands; after a thumb down, ask for more. Raises AdapterError.

    `thread`: where the answer stands; None: unknown. `trigger`: of the press; "": a reaction, which
    opens no modal, so that a button offers it.
    """
    words = " ".join(filter(None, (VOTED.get(noted.score or 0), noted.words)))
    target, user = reaction.target, reaction.author.id
    if noted.score != -1 or not reaction.added:
        await whisper(api, target, user, thread, words)
        return
    if thread is None:
        thread = await _thread(api, target)
    about = f"{target.channel.id} {target.id} {thread}"
    if trigger and await open_modal(api, trigger, about, words):
        return
    text = {"type": "plain_text", "text": ASKED}
    button = {"type": "button", "action_id": CORRECT, "text": text, "value": about}
    await whisper(api, target, user, thread, words, {"type": "actions", "elements": [button]})


async def open_modal(api: Api, trigger: str, about: str, words: str) -> bool:
    """Ask for better words. A trigger is good for three seconds; False: it was too late."""
    try:
        await api.call("views_open", trigger_id=trigger, view=correction(about, words))
    except AdapterError as error:
        logger.info("slack: the modal does not open: %s", error)
        return False
    return True


async def whisper(
    api: Api, about: MessageRef, user: str, thread: str | None, words: str, *more: dict[str, Any]
) -> None:
    """Say something to one person, where the message stands that it is about."""
    if thread is None:
        thread = await _thread(api, about)
    where = {"thread_ts": thread} if thread else {}
    blocks = [{"type": "markdown", "text": harmless(words)}, *more]
    await tell(api, about.channel, user, text=notice(words), blocks=blocks, **where)


async def _thread(api: Api, ref: MessageRef) -> str:
    try:
        return await thread_of(api, ref.channel.id, ref.id)
    except AdapterError:
        return ""  # then it is said in the channel


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
            {"type": "section", "text": plain(words)},
            {
                "type": "input",
                "block_id": CORRECTION,
                "label": plain("Your words, which I may learn from"),
                "element": box | {"max_length": 3_000},
            },
        ],
    }


def voting_buttons() -> dict[str, Any]:
    def button(emoji: str, value: str, label: str) -> dict[str, Any]:
        text = {"type": "plain_text", "text": emoji, "emoji": True}
        return {"text": text, "value": value, "accessibility_label": label}

    return {
        "type": "context_actions",
        "elements": [
            {
                "type": "feedback_buttons",
                "action_id": VOTE,
                "positive_button": button("👍", "up", "A good answer"),
                "negative_button": button("👎", "down", "Not a good answer"),
            }
        ],
    }
