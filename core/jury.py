"""Whose votes decide about a canary: where it answers by lot, and of people who are not new."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from core.canary import counted
from core.regulars import by_who, who_gave
from core.store import Store
from core.types_learning import Canary, Label, Voter

# Who is known is read from all that was ever said, and somebody new stays so for a day.
ASKED_EVERY = timedelta(minutes=10)


class Jury:
    """Asks the store for labels each time, and for voters as seldom as will do."""

    def __init__(
        self,
        store: Store,
        platforms: Collection[str],
        *,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`platforms`: where a canary answers by lot. `now`: another clock than the world's."""
        self._store, self._platforms = store, frozenset(platforms)
        self._now = now or partial(datetime.now, UTC)
        self._voters: list[Voter] = []
        self._asked: datetime | None = None  # for them

    async def votes(self, canary: Canary, serving: str | None) -> list[tuple[bool, bool]]:
        """As core.canary.counted gives them. `serving`: a tune; None: the base."""
        labels = [
            label
            for label in await self._store.labels()
            if label.thread.channel.platform in self._platforms
        ]
        return counted(canary, labels, serving, await self._known(labels))

    async def _known(self, labels: Sequence[Label]) -> list[Voter]:
        now = self._now()
        strangers = {who_gave(label) for label in labels} - by_who(self._voters).keys()
        if strangers or (self._asked and now - self._asked >= ASKED_EVERY):
            self._voters, self._asked = await self._store.voters(self._platforms), now
        return self._voters
