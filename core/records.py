"""What keeps an answer's places and its end: the store, under the turn's id."""

from __future__ import annotations

from core.store import Store
from core.types import MessageRef, Outcome


class PlaceRecord:
    """Keeps where a text that is settled already is shown, under its turn's id."""

    def __init__(self, store: Store, turn_id: int) -> None:
        self._store, self._turn_id = store, turn_id

    async def placing(self) -> None:
        await self._store.placing(self._turn_id)

    async def placed(self, ref: MessageRef) -> None:
        await self._store.placed(self._turn_id, ref)

    async def settle(self, text: str, outcome: Outcome) -> None:
        """It stands as it is, also where a person stops its being shown again."""


class TurnRecord(PlaceRecord):
    """Keeps all that an answer reports."""

    async def settle(self, text: str, outcome: Outcome) -> None:
        await self._store.settle(self._turn_id, text, outcome)
