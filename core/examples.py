"""Which liked answers and corrections stand as examples ahead of a conversation.

It is what people have of their votes from the first day on, while no tune serves. They come from
the same channel only, on every platform: nothing trains on them here. The channel shows their
questions and answers already, but a correction may come by a form that its author alone sees: who
asks for one says that its words may show up there. It knows no platform and no model.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from core.conversation import Past
from core.feedback import votes
from core.store import Store
from core.types import SILENCE, Example, Exchange, Turn

MOST = 3
MOST_SEARCHED = 200  # of the channel, the newest: what bounds the time that it takes


class Examples:
    def __init__(self, store: Store, *, base: str, most: int) -> None:
        self._store, self._base, self._most = store, base, most

    async def ahead_of(self, turn: Turn, past: Past, model: str) -> Past:
        """The past with its examples: chosen once, where a conversation with the base begins.

        None where a tune answers: it has learnt from them.
        """
        if model != self._base or not self._most:
            return replace(past, examples=())
        if await self._goes_on(turn, past):
            return past
        if turn.recipe and turn.recipe.examples:  # an earlier try chose
            return replace(past, examples=turn.recipe.examples)
        shown = {earlier.id for earlier in past.turns}
        said = await self._store.exchanges(turn, MOST_SEARCHED)
        others = [exchange for exchange in said if exchange.turn_id not in shown]
        if not others:
            return replace(past, examples=())
        found = await asyncio.to_thread(nearest, turn.message.text, others, self._most)
        return replace(past, examples=found)

    async def _goes_on(self, turn: Turn, past: Past) -> bool:
        """Whether the base answered in this conversation before, also where a tune did since, or
        where that is no longer shown.
        """
        if self._answered(turn, past.turns[past.ahead :]):
            return True
        if past.whole or past.is_first:
            return False
        return self._answered(turn, await self._store.asked_before(turn, MOST_SEARCHED))

    def _answered(self, turn: Turn, before: Sequence[Turn]) -> bool:
        later = turn.message
        for earlier in reversed(before):
            if not later.thread.thread and later.at - earlier.message.at > SILENCE:
                break
            if earlier.recipe is not None and earlier.recipe.model == self._base:
                return True
            later = earlier.message
        return False


def nearest(question: str, said: Iterable[Exchange], most: int = MOST) -> tuple[Example, ...]:
    """The liked and corrected exchanges whose questions are most like this one, the likest last.

    `said`: the newest first. Of a question that came several times, the newest counts.
    """
    # Imported here, so that its memory is paid where there are examples. It needs no index of its
    # own, no model and no language, and is the same beside SQLite and PostgreSQL.
    from rapidfuzz import fuzz, process, utils

    found: dict[str, Example] = {}
    for exchange in said:
        if example := worth_showing(exchange):
            found.setdefault(utils.default_process(example.question), example)
    asked = utils.default_process(question)
    best = process.extract(asked, list(found), scorer=fuzz.token_sort_ratio, limit=most)
    return tuple(found[words] for words, _, _ in reversed(best))


def worth_showing(one: Exchange) -> Example | None:
    """The answer where most people liked it, else the last correction of it."""
    verdicts, corrections = votes(one.answer, one.scores, one.corrections)
    if sum(verdicts.values()) > 0:
        return Example(one.turn_id, one.question, one.answer)
    if corrections:
        last = corrections[-1]
        return Example(one.turn_id, one.question, last.text, last.author_id)
    return None
