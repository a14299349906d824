"""Where conversations began, in SQL: what keeps one together when the data set is split.

A thread is one conversation. Where the channel itself is, a reset or eight silent hours end one.
Only turns that have a recipe count, and emptied ones go on counting, so that what somebody forgets
moves no conversation to the other side.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable

from sqlalchemy import Connection, bindparam, select, text

from core.types import SILENCE, ThreadRef, Turn
from storage.rows import CONVERSATION, conversation
from storage.tables import PROMPTED, RESETS, turns

UNTIL = turns.c.id <= bindparam("until")
BEGUN = (
    select(turns.c.id, turns.c.message, turns.c.at)
    .where(CONVERSATION, UNTIL, text(PROMPTED))
    .order_by(turns.c.id)
)
FIRST = BEGUN.limit(1)
RESET = select(turns.c.id).where(CONVERSATION, UNTIL, text(RESETS)).order_by(turns.c.id)


def openings(connection: Connection, known: Iterable[Turn]) -> dict[int, str]:
    """Of each turn, the id of the message that began its conversation."""
    by_thread: dict[ThreadRef, list[Turn]] = defaultdict(list)
    for turn in known:
        by_thread[turn.message.thread].append(turn)
    found: dict[int, str] = {}
    for thread, some in by_thread.items():
        until = max(turn.id for turn in some)
        begun = begun_in(connection, thread, until)
        ids = [id for id, _ in begun]
        for turn in some:
            place = bisect_right(ids, turn.id)
            found[turn.id] = begun[place - 1][1] if place else turn.message.ref.id
    return found


def begun_in(connection: Connection, thread: ThreadRef, until: int) -> list[tuple[int, str]]:
    """Turn and message that began each conversation there, oldest first."""
    where = {**conversation(thread), "until": until}
    if thread.thread:
        return [(row.id, row.message) for row in connection.execute(FIRST, where)]
    resets = connection.scalars(RESET, where).all()
    begun: list[tuple[int, str]] = []
    before = None
    for row in connection.execute(BEGUN, where):
        if (
            before is None
            or row.at - before.at > SILENCE
            or bisect_left(resets, before.id) < bisect_left(resets, row.id)
        ):
            begun.append((row.id, row.message))
        before = row
    return begun
