"""What the core needs from the outside: small protocols, and nothing else crosses the wall.

The store's are in core/store.py.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Literal, Protocol

from core.answer import Answer
from core.notice import Notice
from core.types import (
    Author,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Prompt,
    Quoted,
    Seen,
    ThreadRef,
)
from core.types_learning import Tune

Exported = Literal["none", "all cut", "some left"]
"""What came of the data sets that were exported, once something is forgotten."""


class Inbox(Protocol):
    """What an adapter awaits for each event, before it tells the platform "received".

    Each call returns when the event is stored, and raises when it could not be: then the event must
    come again. StoreError: soon. Closing: at the next start; replies under way still go out.
    """

    async def ready(self, account: str) -> Sequence[Seen]:
        """We are connected as `account`: what was left unanswered there is answered from here on.

        Called once, before the first event. What was said meanwhile in the conversations that come
        back, the adapter fetches where the platform can, and hands to `message`.
        """
        ...

    async def message(self, message: IncomingMessage) -> None:
        """Something was said to us, now or while we were away. Doubles are no harm.

        The core drops what it does not answer: bots, follow-ups where we did not answer before, and
        what is too old.
        """
        ...

    async def reaction(self, reaction: IncomingReaction) -> Noted: ...

    async def changed(self, ref: MessageRef, text: str | None) -> None:
        """A person edited a message; None: deleted it."""
        ...

    async def gone(self, place: ThreadRef) -> None:
        """Somebody deleted a thread, or a whole channel, where `place` names no thread."""
        ...

    async def correction(self, target: MessageRef, author: Author, text: str) -> bool:
        """What the bot should have said instead of the answer in `target`. False: it is not kept,
        since it says nothing, or since `author` has not voted on that answer.
        """
        ...


class Adapter(Protocol):
    """One chat platform."""

    name: str

    async def run(self, inbox: Inbox) -> None:
        """Stay connected and hand every event to `inbox`, until cancelled or nothing more can come.

        Raises Refused when the platform does not accept the credentials.
        """
        ...

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        """Show `answer` under `to` as it grows, and report each message made for it.

        An answer that already has messages goes on in them. Reads the answer to its end. Raises
        AdapterError; Refused where the place is gone for good. Called from outside `run`, also for
        a moment after intake has stopped.
        """
        ...

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        """What was said in the thread before `to`, oldest first: at most the newest 50 messages.

        Nothing where the channel itself is the conversation. Asked at the first turn of a
        conversation only. Raises AdapterError; the question is then answered without.
        """
        ...

    async def tell(self, channel: str, notice: Notice) -> None:
        """Post what nobody asked for in the channel with this id, as a message of its own: nobody
        is notified by name, nothing is previewed, nobody votes on it.

        Called between `Inbox.ready` and the end of `run`. Raises AdapterError: it may stand there
        all the same, in part or wholly, and the next try with this notice, which may be another
        process's, goes on in what is there; Refused where that place does not take it.
        """
        ...


class Speaker(Protocol):
    """What a prompt can be put to."""

    def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """Yield pieces of the answer; an end without an error is a whole answer.

        Raises GenerationError, of which CutShort means: all pieces came, up to the length limit.
        Closing it stops the server's work.
        """
        ...


class Generator(Speaker, Protocol):
    """A model's server."""

    async def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text takes. Never raises: where nobody can count, it estimates."""
        ...

    async def context(self) -> int:
        """The longest prompt and answer together that the model takes, in tokens."""
        ...


class Trainer(Protocol):
    """What `/retrain` sets off: a run of the trainer in processes of its own."""

    def retrain(self, *, dry: bool, by: str | None) -> AsyncGenerator[str]:
        """Lines for the person who asked: progress, then the outcome. Never raises: it says so.

        `by`: the `person` whose conversations a tune that passes answers at once, where it begins
        as a canary; None: nobody's.

        One run at a time; a second one is told so.
        """
        ...

    def review(self, decided: str) -> AsyncGenerator[str]:
        """What is set aside, for an admin; or, with "in ID" or "out ID" of what was listed, decide
        on it. Never raises: it says so.
        """
        ...

    async def report(self, tune: Tune) -> Mapping[str, Any] | None:
        """What the gate found of it, as far as it is still kept. Of its answers only those to
        Mynah's own questions of knowledge. Never raises.
        """
        ...

    async def forget(self) -> Exported:
        """Something was forgotten: take what people can read of it away from the tunes' folders,
        and all of it out of exported data sets. Returns what came of these; copies of them may
        lie elsewhere.

        Where the settings say so, the tunes that used it go at once. Never raises: what could not
        be removed is logged, and goes with the tune.
        """
        ...
