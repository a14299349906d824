"""How people vote on Slack: the buttons, what a voter is told, and how better words are asked for.

But for the buttons, all of it is for one person alone.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from slack_bolt.response import BoltResponse

from adapters.slack_calls import Api, ApiError, tell
from adapters.slack_events import CORRECT, CORRECTION, VOTE
from adapters.slack_history import thread_of
from adapters.slack_socket import AGAIN, answered
from adapters.slack_text import written
from core.answer import Answer
from core.errors import AdapterError, Closing, StoreError
from core.feedback import score
from core.phrases import NO_BUTTONS, NO_VOTE, NO_WORDS, NOT_KEPT, WHAT_INSTEAD, YOUR_VOTE
from core.ports import Inbox
from core.types import Author, IncomingMessage, IncomingReaction, MessageRef, Noted

logger = logging.getLogger(__name__)

KEPT = "Thank you: your correction is kept with your vote."
MOST_KNOWN = 10_000
KNOWN_WITHIN_S, ASK_AGAIN_S = 1.0, 30.0  # who votes
PLACED_WITHIN_S, LOOK_AGAIN_S = 1.5, 0.02  # a message that people see already

Thumb = tuple[MessageRef, str, int | None]  # on which message, whose, up or down
UnderWay = list[tuple[IncomingMessage, Answer]]  # what is answered just now


@dataclass
class Votes:
    api: Api
    inbox: Inbox
    answers: UnderWay
    later: Callable[[Coroutine[Any, Any, Any]], object]  # does what nobody waits for
    by_reaction: bool  # whether reactions count
    by_button: bool  # whether buttons do: older answers have some
    # Of each thumb, when it was given or taken back last: what comes late is older.
    _newest: dict[Thumb, datetime] = field(default_factory=dict)
    _is_bot_by_user: dict[str, bool] = field(default_factory=dict)
    _ask_from: float = 0.0  # on the clock that only goes on
    _heard: set[Thumb] = field(default_factory=set)  # of these, since we were away last

    async def vote(
        self, reaction: IncomingReaction, thread: str | None = None, trigger: str = ""
    ) -> BoltResponse | None:
        """`thread`: where the answer stands; None: unknown, as for reactions. `trigger`: of a
        press. AGAIN where it may be a vote on an answer whose place is not known yet. Raises
        StoreError and Closing where it is not kept, but for a press.
        """
        if trigger and not self.by_button:
            self.later(whisper(self.api, reaction.target, reaction.author.id, thread, NO_BUTTONS))
            return None
        if not trigger and await self._is_bot(reaction.author.id):
            return None
        await self._placed(reaction.target)
        if self._is_old(reaction):
            return None
        may_be_ours = self._may_be_ours_soon(reaction.target)  # it may become known meanwhile
        try:
            noted = await self.inbox.reaction(reaction)
        except (StoreError, Closing):
            if not trigger:
                raise
            noted, may_be_ours = Noted(None), True
        if noted.score is not None or noted.words:
            self.later(answer_vote(self.api, reaction, noted, thread, trigger))
        elif may_be_ours:
            if not trigger:
                return AGAIN
            # Slack does not deliver a press again.
            self.later(whisper(self.api, reaction.target, reaction.author.id, thread, NOT_KEPT))
            return None
        self._newest[thumb(reaction)] = reaction.at
        self._heard.add(thumb(reaction))
        if len(self._newest) > MOST_KNOWN:
            oldest = next(iter(self._newest))
            del self._newest[oldest]
            self._heard.discard(oldest)
        return None

    async def _is_bot(self, user: str) -> bool:
        """Slack tells it of nobody who reacts, but for the asking: once for each, and of nobody for
        a while after it did not answer.
        """
        if user not in self._is_bot_by_user:
            if time.monotonic() < self._ask_from:
                return False
            try:
                async with asyncio.timeout(KNOWN_WITHIN_S):
                    about = (await self.api.call("users_info", user=user))["user"]
            except (AdapterError, TimeoutError) as error:  # a person, so that no vote is lost
                logger.info("slack: whether a voter is a bot is unknown: %s", error)
                if not isinstance(error, ApiError):  # Slack is slow, or down
                    self._ask_from = time.monotonic() + ASK_AGAIN_S
                return False
            self._is_bot_by_user[user] = bool(about.get("is_bot"))
        return self._is_bot_by_user[user]

    def _is_old(self, reaction: IncomingReaction) -> bool:
        return reaction.at < self._newest.get(thumb(reaction), reaction.at)

    async def _placed(self, ref: MessageRef) -> None:
        """A person sees an answer before we know its place: the vote waits for that, and is handed
        over afterwards, since what was looked for meanwhile may just have been missed.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(PLACED_WITHIN_S):
                while self._may_be_ours_soon(ref):  # noqa: ASYNC110 - nobody is told
                    await asyncio.sleep(LOOK_AGAIN_S)

    def _may_be_ours_soon(self, ref: MessageRef) -> bool:
        return any(
            answer.unsure and to.ref.channel == ref.channel and to.ref.id < ref.id
            for to, answer in self.answers
        )

    async def found(self, reaction: IncomingReaction, thread: str) -> None:
        """One that was given while we were away: its voter waits for no answer. What was heard of
        it since is newer.
        """
        if thumb(reaction) in self._heard or await self._is_bot(reaction.author.id):
            return
        noted = await self.inbox.reaction(reaction)
        if noted.words:
            self.later(answer_vote(self.api, reaction, noted, thread, ""))

    def away(self) -> None:
        """The connection is lost: what was heard so far may be undone unheard."""
        self._heard.clear()

    async def offer(self, trigger: str, about: str) -> None:
        self.later(open_modal(self.api, trigger, about, YOUR_VOTE[-1]))

    async def correct(
        self, target: MessageRef, author: Author, text: str, thread: str
    ) -> BoltResponse | None:
        try:
            is_kept = await self.inbox.correction(target, author, text)
        except (StoreError, Closing) as error:
            logger.warning("slack: a correction is not kept: %s", error)
            return answered({"response_action": "errors", "errors": {CORRECTION: NOT_KEPT}})
        if not is_kept:
            why = NO_VOTE if text.strip() else NO_WORDS
            return answered({"response_action": "errors", "errors": {CORRECTION: why}})
        self.later(whisper(self.api, target, author.id, thread, KEPT))
        return None


def thumb(reaction: IncomingReaction) -> Thumb:
    return reaction.target, reaction.author.id, score(reaction.emoji)


async def answer_vote(
    api: Api, reaction: IncomingReaction, noted: Noted, thread: str | None, trigger: str
) -> None:
    """Tell the voter what stands; after a thumb down, ask for more. Raises AdapterError.

    `thread`: where the answer stands; None: unknown. `trigger`: of the press; "": a reaction, which
    opens no modal, so that a button offers it.
    """
    words = " ".join(filter(None, (YOUR_VOTE.get(noted.score or 0), noted.words)))
    target, user = reaction.target, reaction.author.id
    if noted.score != -1 or not reaction.added:
        await whisper(api, target, user, thread, words)
        return
    if thread is None:
        thread = await _thread(api, target)
    about = f"{target.channel.id} {target.id} {thread}"
    if trigger and await open_modal(api, trigger, about, words):
        return
    text = {"type": "plain_text", "text": WHAT_INSTEAD}
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
    await tell(api, about.channel, user, **written(words, *more), **where)


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
        "title": plain(WHAT_INSTEAD),
        "submit": plain("Send"),
        "close": plain("Not now"),
        "blocks": [
            {"type": "section", "text": plain(words)},
            {
                "type": "input",
                "block_id": CORRECTION,
                "label": plain("Your words: I may learn from them, and show them to people here"),
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
