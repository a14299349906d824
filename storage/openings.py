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
    .where(CONVERSATION, turns.c.id >= bindparam("since"), UNTIL, text(PROMPTED))
    .order_by(turns.c.id)
)
FIRST = BEGUN.limit(1)
NEWEST = (
    select(turns.c.id)
    .where(CONVERSATION, UNTIL, text(PROMPTED))
    .order_by(turns.c.id.desc())
    .limit(1)
)
RESET = select(turns.c.id).where(CONVERSATION, UNTIL, text(RESETS)).order_by(turns.c.id)


def openings(connection: Connection, known: Iterable[Turn]) -> dict[int, str]:
    """Of each turn, the id of the message that began its conversation."""
    heard = ((turn.id, turn.message.thread, turn.message.ref.id) for turn in known)
    return openings_of(connection, heard)


def openings_of(
    connection: Connection, heard: Iterable[tuple[int, ThreadRef, str]], after: int | None = None
) -> dict[int, str]:
    """The same of turns with their thread and message. `after`: of a conversation in a channel that
    goes on since that turn, or before, it says the newest message until then; no more is read.
    """
    by_thread: dict[ThreadRef, list[tuple[int, str]]] = defaultdict(list)
    for id, thread, message in heard:
        by_thread[thread].append((id, message))
    found: dict[int, str] = {}
    for thread, some in by_thread.items():
        begun = begun_in(connection, thread, max(some)[0], after)
        ids = [id for id, _ in begun]
        for id, message in some:
            place = bisect_right(ids, id)
            found[id] = begun[place - 1][1] if place else message
    return found


def begun_in(
    connection: Connection, thread: ThreadRef, until: int, after: int | None = None
) -> list[tuple[int, str]]:
    """Turn and message that began each conversation there, oldest first."""
    since = 0
    if after is not None and not thread.thread:
        newest = {**conversation(thread), "until": after}
        since = connection.scalar(NEWEST, newest) or 0
    where = {**conversation(thread), "until": until, "since": since}
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
