"""What training, tunes and nights want kept, as the store promises it (core/store.py)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, datetime
from typing import Protocol

from core.types import Author, ChannelRef, Turn
from core.types_learning import (
    Canary,
    CanaryOutcome,
    Label,
    Night,
    Review,
    Shaped,
    Tune,
    Used,
    Voter,
)


class Reviews(Protocol):
    """What is known of those who vote, and what admins decided on verdicts that were set aside."""

    async def voters(self, platforms: Collection[str]) -> list[Voter]:
        """Everybody of whom a verdict or a correction is kept on these platforms; it takes longer
        the more there are.
        """
        ...

    async def put_reviews(self, reviews: Collection[Review]) -> None:
        """One decision per person and turn, the last one counts."""
        ...

    async def reviews(self) -> list[Review]: ...


class Tunes(Protocol):
    """The tunes, and which of them serves."""

    async def tunes(self) -> list[Tune]:
        """All of them, oldest first."""
        ...

    async def put_tune(self, tune: Tune, verdicts: Collection[Used] = ()) -> bool:
        """Keep a tune, or what changed of it. `verdicts`: all that its run used.

        Returns whether something that it used is forgotten: once so, always so. A verdict that was
        only taken back is not; of somebody of whom nothing else is known from before, it is.
        """
        ...

    async def next_tune(self) -> str:
        """A name that was never given out before: "mynah@000042". It is taken by this call."""
        ...

    async def serving(self) -> str | None:
        """The name of the tune that serves; None: the base."""
        ...

    async def in_use(self) -> frozenset[str]:
        """The models of the answers that are not done, of all bots of this store."""
        ...

    async def served(self) -> frozenset[str]:
        """The tunes that ever answered everybody."""
        ...

    async def roll_back(
        self, name: str, at: datetime, past: Collection[str] = (), why: str = ""
    ) -> bool:
        """Move the pointer back from this tune to what served before, but for `past` and for what
        used something that is forgotten, in one commit; False: it does not serve. `why`: a sentence
        for people, which is added to the tune's summary.
        """
        ...

    async def way_back(self) -> tuple[str, ...]:
        """The tunes that served before the one that serves, as rolling back meets them."""
        ...


class Canaries(Tunes, Protocol):
    """The tunes, with one at most that answers a share of new conversations beside what serves."""

    async def answering(self) -> tuple[str | None, Canary | None]:
        """What serves (None: the base), and the canary beside it, as of one moment."""
        ...

    async def serve(self, name: str | None, at: datetime) -> tuple[bool, Canary | None]:
        """Move the pointer, in one commit; False: it stays, since something that the tune used is
        forgotten. A canary that runs already is replaced by a tune, and returned; beside the base
        (None) it goes on.
        """
        ...

    async def begin_canary(self, canary: Canary) -> tuple[bool, Canary | None]:
        """Whether it begins, and the one that ran already, which it replaces. Where something that
        it used is forgotten, it does not and nothing changes.
        """
        ...

    async def end_canary(self, tune: str, outcome: CanaryOutcome, at: datetime, why: str) -> bool:
        """End it in one commit, in which a promoted one begins to serve. False: it does not run, or
        it cannot be promoted, since something that it used is forgotten; it goes on then.

        `why`: a sentence for people, which is added to the tune's summary.
        """
        ...

    async def is_forgotten(self, tune: str) -> bool:
        """Whether something that it used is."""
        ...

    async def has_answered(self, tune: str) -> bool:
        """Whether it ever served, or was a canary."""
        ...

    async def labels(self) -> list[Label]:
        """All verdicts on what was asked since the canary began, in the order in which they were
        given, but those that an admin left out; none where none runs.
        """
        ...


class Credits(Protocol):
    """Whose words are in a tune."""

    async def shaped(self, tune: str, channel: ChannelRef, author: Author) -> Shaped:
        """What its run used and nobody forgot since; `author` is of the channel's platform. What
        was asked is of that channel alone.
        """
        ...

    async def credit(self, turn: Turn, tune: str) -> int:
        """How many corrections by the turn's author the tune learnt, of which they are to be told
        ahead of this turn's answer: each once, there and nowhere else.
        """
        ...


class Nights(Protocol):
    """Which nights began, and how each ended: one row per local date."""

    async def begin_night(self, day: date, at: datetime) -> bool:
        """Take the night of this local date; False: somebody has it."""
        ...

    async def end_night(self, day: date, outcome: str, at: datetime) -> None:
        """Keep one line of what came of it."""
        ...

    async def give_back_night(self, day: date) -> None:
        """Whoever took it ended before it had an outcome: it may be begun again."""
        ...

    async def last_night(self) -> Night | None:
        """The one that began last."""
        ...


class Exports(Protocol):
    """Which data sets were exported, by their folders, and what is to be cut out of them."""

    async def put_export(self, folder: str) -> None:
        """To do before anything is written there."""
        ...

    async def drop_export(self, folder: str) -> None:
        """It was not written after all."""
        ...

    async def exports(self) -> dict[str, int]:
        """Each with how often something was deleted or forgotten since it was last cut."""
        ...

    async def cut_export(self, folder: str, stale: int) -> None:
        """It is cut, of what `exports` told before; of what was forgotten meanwhile it is not."""
        ...
