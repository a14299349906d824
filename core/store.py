"""What the core needs of a store: what was heard, said and judged; and, by core/store_learning.py,
what was learnt.

Each call raises StoreError where the store cannot do it; what it was to write is then not written.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Protocol

from core.store_learning import Canaries, Credits, Exports, Nights, Reviews
from core.types import (
    Announcement,
    ChannelRef,
    Consenting,
    Correction,
    Exchange,
    Feedback,
    Forgotten,
    History,
    IncomingMessage,
    MessageRef,
    Outcome,
    Recipe,
    Score,
    Seen,
    ThreadRef,
    Turn,
)
from core.types_learning import Judged


class Conversations(Protocol):
    """What is known of the places where turns are."""

    async def seen(self, platform: str, account: str, since: datetime) -> list[Seen]:
        """The conversations with a message that was heard since then, newest first."""
        ...

    async def takes_part(self, thread: ThreadRef) -> bool:
        """Whether we were spoken to in this thread, in the open."""
        ...

    async def can_quote(self, turn: Turn) -> bool:
        """Whether what was said in the turn's thread may be shown: after a reset, or
        a /forget, it may not.
        """
        ...

    async def latest(self, turn: Turn, limit: int) -> tuple[Turn, ...]:
        """What was said in the turn's channel before it, in whichever thread, since the last reset
        there: the newest `limit` turns, oldest first and without recipes.
        """
        ...

    async def own_last(self, turn: Turn, but: Collection[int] = ()) -> int | None:
        """The newest question by the turn's author before it in its conversation, however it ended
        and whatever was reset since, that is not forgotten; None: there is none. Of a slash
        command, which stands beside the threads: else in its channel. `but`: not these turns.
        """
        ...

    async def is_first(self, turn: Turn) -> bool:
        """Whether nothing was heard in the turn's channel before it."""
        ...

    async def voted(self, channel: ChannelRef) -> bool:
        """Whether any verdict stands in this channel."""
        ...


class Turns(Protocol):
    """The life of a turn. Each call returns when what it says is on disk."""

    async def hear(self, message: IncomingMessage) -> Turn | None:
        """Begin a turn; None if this message was heard before. Platforms deliver twice.

        What it replies to is kept with it, as what a prompt quoted is; without that, where that was
        heard as well and is deleted or forgotten.
        """
        ...

    async def turn(self, turn_id: int) -> Turn:
        """The turn as it stands now."""
        ...

    async def heard(self, ref: MessageRef) -> Turn | None:
        """The turn that this message began, as it stands now."""
        ...

    async def unanswered(self, platform: str, account: str) -> list[Turn]:
        """The inbox: turns that are not done, in the order in which they were heard."""
        ...

    async def history(self, turn: Turn, limit: int) -> History:
        """What was said in the turn's conversation before it, since the last reset.

        It begins with the first turn that the previous prompt of the conversation showed, so that
        prompts grow at the end only; at most the newest `limit` turns. Where the conversation's
        first turn is among them, so is what stood ahead of it. With the examples that stood in the
        last prompt, but for what was deleted or forgotten since, and all of people who
        switched training off.
        """
        ...

    async def asked_before(self, turn: Turn, limit: int) -> tuple[Turn, ...]:
        """Of the same conversation the newest `limit` turns for which a model was asked, and which
        one, oldest first: also those that the prompt left behind. Their words are left out.
        """
        ...

    async def began(self, turn_id: int, recipe: Recipe | None) -> None:
        """Answering begins: keep what the prompt is made of, and count the try. Of what was quoted
        nothing else stays.
        """
        ...

    async def let_go(self, turn_id: int) -> None:
        """The try ended in an orderly way (platform down, shutdown): its tries count as none."""
        ...

    async def placing(self, turn_id: int) -> None:
        """A further message is about to be posted; a crash from here on leaves `turn.placing`."""
        ...

    async def placed(self, turn_id: int, reply: MessageRef) -> None:
        """The message that was being posted stands on the platform under this id."""
        ...

    async def settle(self, turn_id: int, answer: str, outcome: Outcome) -> None:
        """The text is whole: the turn is `final`."""
        ...

    async def finish(self, turn_id: int) -> None:
        """The platform shows it: the turn is `done`."""
        ...

    async def reset(self, turn_id: int) -> None:
        """The conversation begins anew after this turn. What was said stays stored."""
        ...


class Votes(Protocol):
    """What people say about turns, and take back."""

    async def turn_behind(self, reply: MessageRef) -> Turn | None:
        """The turn whose answer this message carries, or a part of it."""
        ...

    async def put_feedback(self, feedback: Feedback, *, found: bool = False) -> Score | None:
        """Returns the person's verdict that stands now: an older one changes nothing.

        `found`: it was given at any time since its own. Where something was forgotten since then it
        is not kept: it may have been taken back so.
        """
        ...

    async def drop_feedback(self, turn_id: int, author_id: str, score: Score) -> Score | None:
        """A thumb is taken back: remove the verdict only if it is the one that stands.

        Returns the one that stands now.
        """
        ...

    async def verdict(self, turn_id: int, author_id: str) -> Score | None:
        """The person's verdict that stands now."""
        ...

    async def put_correction(self, correction: Correction) -> None:
        """It counts unless its author's verdict that stands is a thumb up which is newer: then it
        is kept, and neither `exchanges` nor `judged` gives it.
        """
        ...

    async def change(self, ref: MessageRef, text: str | None) -> bool:
        """A person edited a message that we heard or quoted, or deleted it (None). Returns whether
        words went that a tune or a data set may have.

        A deleted message leaves no words of its author behind, and history no longer shows the
        turn; one that nobody has begun to answer is not answered any more. Tunes that used it are
        marked as forgotten.
        """
        ...

    async def drop_place(self, place: ThreadRef) -> bool:
        """A conversation is gone with all that was said there, or a whole channel with its threads,
        where `place` names no thread: `change` to None of every message.
        """
        ...

    async def exchanges(self, turn: Turn, limit: int) -> list[Exchange]:
        """What was said before `turn` in its channel, in whichever thread, and judged there: the
        newest `limit` whole answers, newest first.

        Left out is what was deleted, what was said for one person's eyes, what quoted others, what
        an admin left out, and all of people who switched training off; of a channel that did,
        everything.
        """
        ...

    async def judged(self, platforms: Collection[str]) -> list[Judged]:
        """Every turn of these platforms that has a verdict or a correction, oldest first.

        Left out is what was deleted, what people or channels said that switched training off, and
        what was said in private where nobody switched it on; also from `shown` and from quotes, so
        that the digest of such a turn does not fit. In private are: a private place, until the
        channel switches it on; a direct one, and an answer for one person's eyes, until the person
        or the channel does.
        """
        ...


class People(Protocol):
    """What people may ask about what they said: that it is forgotten, or does not train."""

    async def forget_person(self, platform: str, account: str, author_id: str) -> Forgotten:
        """Empty every turn of this person, of their name too, and remove what they said of others
        and what was quoted of them.

        History and training no longer show them, and every tune that used them is marked as
        forgotten, also where a verdict had been taken back since.
        """
        ...

    async def forget_turn(self, turn_id: int, author_id: str) -> Forgotten:
        """The same for one turn, if it is this person's; else none is emptied."""
        ...

    async def set_training(
        self, platform: str, account: str, kind: Consenting, id: str, on: bool
    ) -> None:
        """Switch training on what a person or a channel says on or off."""
        ...

    async def training(self, platform: str, account: str, kind: Consenting, id: str) -> bool | None:
        """What was chosen; None: nothing was."""
        ...


class Announced(Protocol):
    """What is announced and not told yet."""

    async def put_announcement(self, announcement: Announcement) -> None:
        """Keep it, or how much of it is told by now."""
        ...

    async def drop_announcement(self, id: str) -> None:
        """It is told, or never will be."""
        ...

    async def announcements(self) -> list[Announcement]:
        """All of them, oldest first."""
        ...


class Store(
    Turns,
    Conversations,
    Votes,
    Reviews,
    Canaries,
    People,
    Credits,
    Nights,
    Exports,
    Announced,
    Protocol,
):
    """All of them on one database."""
