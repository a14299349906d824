"""What people say about turns, in SQL, and what training may see of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, replace
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    bindparam,
    delete,
    func,
    or_,
    select,
    text,
    update,
)

from core.types import Correction, Feedback, Forgotten, MessageRef, Score, ThreadRef, Turn
from core.types_learning import Judged
from storage.consents import allowed, not_private
from storage.database import Database
from storage.examples import drop_examples
from storage.exports import mark_exports
from storage.openings import openings
from storage.rows import (
    BY_ID,
    CONVERSATION,
    EXAMPLES,
    QUOTES,
    WHOLE_TURNS,
    batched,
    channel_is,
    conversation,
    message_is,
    read_turns,
)
from storage.standing import still_meant
from storage.tables import COUNTS, corrections, credits, examples, quotes, replies, tunes, turns
from storage.tables import feedback as verdicts

About = TypeVar("About", Feedback, Correction)


class SqlVotes:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def turn_behind(self, reply: MessageRef) -> Turn | None:
        query = WHOLE_TURNS.join(replies).where(message_is(replies, reply))
        found = await self.database.read(lambda connection: read_turns(connection, query))
        return next(iter(found), None)

    async def put_feedback(self, feedback: Feedback, *, found: bool = False) -> Score | None:
        about = {"turn": feedback.turn_id, "since": feedback.at}

        def work(connection: Connection) -> Score | None:
            if not (found and connection.scalar(FORGOTTEN_SINCE, about)):
                self._put(connection, verdicts, **asdict(feedback), found=found)
                connection.execute(JUDGE, {"turn": feedback.turn_id})
            return standing(connection, feedback.turn_id, feedback.author_id)

        return await self.database.write(work)

    async def drop_feedback(self, turn_id: int, author_id: str, score: Score) -> Score | None:
        def work(connection: Connection) -> Score | None:
            connection.execute(
                delete(verdicts).where(
                    verdicts.c.turn_id == turn_id,
                    verdicts.c.author_id == author_id,
                    verdicts.c.score == score,
                )
            )
            return standing(connection, turn_id, author_id)

        return await self.database.write(work)

    async def verdict(self, turn_id: int, author_id: str) -> Score | None:
        return await self.database.read(lambda connection: standing(connection, turn_id, author_id))

    async def put_correction(self, correction: Correction) -> None:
        def work(connection: Connection) -> None:
            theirs = {"turn": correction.turn_id, "who": correction.author_id}
            was = connection.scalar(THEIR_WORDS, theirs)
            self._put(connection, corrections, **asdict(correction))
            if connection.scalar(THEIR_WORDS, theirs) != was:  # of other words they are told anew
                connection.execute(FORGET_CREDIT, theirs)
            connection.execute(JUDGE, {"turn": correction.turn_id})

        await self.database.write(work)

    def _put(self, connection: Connection, table: Table, **values: Any) -> None:
        """One row per turn and person. An older event that comes again changes nothing."""
        insert = self.database.insert(table).values(values)
        connection.execute(
            insert.on_conflict_do_update(
                index_elements=[table.c.turn_id, table.c.author_id],
                set_={name: insert.excluded[name] for name in values},
                where=table.c.at <= insert.excluded.at,
            )
        )

    async def change(self, ref: MessageRef, text: str | None) -> bool:
        quoted = and_(quotes.c.message == ref.id, quoted_in(channel_is(turns, ref.channel)))

        def work(connection: Connection) -> bool:
            if text is None:
                said = and_(message_is(turns, ref), ~turns.c.deleted)
                emptied = empty_turns(connection, said)
                return drop_quotes(connection, quoted) is not None or emptied.turns > 0
            edited = and_(message_is(turns, ref), ~turns.c.deleted)
            connection.execute(update(turns).where(edited).values(question=text))
            connection.execute(update(quotes).where(quoted).values(text=text))
            return False

        return await self.database.write(work, scrubs=True)

    async def drop_place(self, place: ThreadRef) -> bool:
        there = and_(channel_is(turns, place.channel), ~turns.c.deleted)
        if place.thread:
            there = and_(there, turns.c.thread == place.thread)
        return await self.database.write(
            lambda connection: empty_turns(connection, there).turns > 0, scrubs=True
        )

    async def judged(self, platforms: Collection[str]) -> list[Judged]:
        return await self.database.read(partial(read_judged, platforms))


def read_judged(platforms: Collection[str], connection: Connection) -> list[Judged]:
    told = {"platforms": list(platforms)}
    scores_of = by_turn(
        Feedback(row.turn_id, row.author_id, row.score, row.at)
        for row in connection.execute(VERDICTS, told)
    )
    said_of = by_turn(Correction(*row) for row in connection.execute(CORRECTIONS, told))
    known = turns_by_id(connection, {*scores_of, *said_of})
    shown = {id: shown_to(connection, turn) for id, turn in known.items()}
    earlier = {id for ids in shown.values() for id in ids} - known.keys()
    began = openings(connection, known.values())
    known |= turns_by_id(connection, earlier)
    return [
        Judged(
            turn=known[id],
            shown=tuple(as_shown(known[shown_id], known[id]) for shown_id in shown_ids),
            feedback=tuple(scores_of[id]),
            corrections=tuple(said_of[id]),
            opening=began[id],
        )
        for id, shown_ids in shown.items()
    ]


def turns_by_id(connection: Connection, ids: Collection[int]) -> dict[int, Turn]:
    """Each turn once, however many prompts showed it; oldest first."""
    found: dict[int, Turn] = {}
    for some in batched(sorted(ids)):
        read = read_turns(connection, BY_ID, {"turn_ids": some}, MAY_TRAIN, EXAMPLES_TRAIN)
        found |= {turn.id: turn for turn in read}
    return found


def shown_to(connection: Connection, turn: Turn) -> Sequence[int]:
    """Which turns its prompt showed, but for what may not train: then its digest does not fit."""
    if turn.recipe is None or turn.recipe.first is None:
        return ()
    frame = {"first": turn.recipe.first, "before": turn.id}
    where = {**conversation(turn.message.thread), **frame}
    ids = (connection.scalars(SHOWN_TO, where)).all()
    opened = connection.scalar(AHEAD_OF, {"turn": ids[0] if ids else turn.id}) or ""
    ahead = [id for id in map(int, opened.split()) if id >= turn.recipe.first]
    if not ahead:
        return ids
    return [*connection.scalars(AHEAD, {"turn_ids": ahead}), *ids]


def as_shown(earlier: Turn, turn: Turn) -> Turn:
    """What stood ahead of a thread, from others of its channel, was shown without its quotes."""
    is_same = earlier.message.thread == turn.message.thread
    return earlier if is_same else replace(earlier, recipe=None)


def by_turn(about: Iterable[About]) -> dict[int, list[About]]:
    found: dict[int, list[About]] = defaultdict(list)
    for each in about:
        found[each.turn_id].append(each)
    return found


def standing(connection: Connection, turn_id: int, author_id: str) -> Score | None:
    query = select(verdicts.c.score).where(
        verdicts.c.turn_id == turn_id, verdicts.c.author_id == author_id
    )
    found: Score | None = connection.scalar(query)
    return found


def quoted_in(where: ColumnElement[bool]) -> ColumnElement[bool]:
    """The quotes of these turns."""
    return select(turns.c.id).where(where, turns.c.id == quotes.c.turn_id).exists()


def drop_quotes(connection: Connection, where: ColumnElement[bool]) -> frozenset[str] | None:
    """Tunes that used the turns which quoted it are marked, and returned; None: nothing quoted."""
    dropped = delete(quotes).where(where).returning(quotes.c.turn_id)
    turn_ids = set(connection.scalars(dropped))
    return mark_used(connection, turn_ids) if turn_ids else None


def empty_turns(connection: Connection, where: ColumnElement[bool], **also: Any) -> Forgotten:
    """Take the words out of turns. The row stays: its key keeps doubles out.

    Tunes that used them are marked.
    """
    ids = set(connection.scalars(select(turns.c.id).where(where)))
    if not ids:
        return Forgotten(0)
    connection.execute(
        update(turns)
        .where(where)
        .values(
            question="",
            answer="",
            deleted=True,
            status="done",
            outcome=func.coalesce(turns.c.outcome, "expired"),
            **also,
        )
    )
    used = set(ids)
    for some in batched(sorted(ids)):
        connection.execute(delete(quotes).where(quotes.c.turn_id.in_(some)))
        shown = or_(examples.c.source_id.in_(some), examples.c.turn_id.in_(some))
        used |= drop_examples(connection, shown)
    return Forgotten(len(ids), mark_used(connection, used))


def mark_used(connection: Connection, turn_ids: set[int]) -> frozenset[str]:
    """Whatever used one of these turns used what is forgotten: tunes, but without files a tune is
    history, and exported data sets, which know themselves whether they did. Returns the tunes.
    """
    if not turn_ids:  # all tunes and what each used are read, in the one thread that writes
        return frozenset()
    mark_exports(connection)
    kept = select(tunes.c.name, tunes.c.turns).where(tunes.c.path != "")
    names = {row.name for row in connection.execute(kept) if not turn_ids.isdisjoint(row.turns)}
    connection.execute(update(tunes).where(tunes.c.name.in_(names)).values(forgotten=True))
    return frozenset(names)


def usable(table: Table) -> Any:
    return (
        select(table)
        .join(turns)
        .where(
            turns.c.platform.in_(bindparam("platforms", expanding=True)),
            ~turns.c.deleted,
            not_private(),
            allowed("channel", turns.c.channel),
            allowed("person", turns.c.author_id),
            allowed("person", table.c.author_id),
        )
        .order_by(table.c.turn_id, table.c.at, table.c.author_id)
    )


# Whoever asked to be forgotten has no name any more, so that it may have been anybody there. What
# they asked with is a turn of theirs.
_forgotten = turns.alias("forgotten")
FORGOTTEN_SINCE = select(turns.c.id).where(
    turns.c.id == bindparam("turn"),
    or_(
        turns.c.deleted,
        select(_forgotten.c.id)
        .where(
            _forgotten.c.platform == turns.c.platform,
            _forgotten.c.account == turns.c.account,
            _forgotten.c.author_id == "",
            _forgotten.c.at >= bindparam("since"),
        )
        .exists(),
    ),
)
THEIR_WORDS = select(corrections.c.text).where(
    corrections.c.turn_id == bindparam("turn"), corrections.c.author_id == bindparam("who")
)
FORGET_CREDIT = delete(credits).where(
    credits.c.turn_id == bindparam("turn"), credits.c.author_id == bindparam("who")
)
JUDGE = update(turns).where(turns.c.id == bindparam("turn"), ~turns.c.judged).values(judged=True)
MAY_TRAIN = QUOTES.join(turns).where(allowed("person", quotes.c.author_id))
EXAMPLES_TRAIN = EXAMPLES.where(not_private())
VERDICTS = usable(verdicts)
CORRECTIONS = usable(corrections).where(still_meant())
MAY_BE_SHOWN = and_(text(COUNTS), not_private(), allowed("person", turns.c.author_id))
SHOWN_TO = (
    select(turns.c.id)
    .where(
        CONVERSATION,
        turns.c.id >= bindparam("first"),
        turns.c.id < bindparam("before"),
        MAY_BE_SHOWN,
    )
    .order_by(turns.c.id)
)
AHEAD_OF = select(turns.c.ahead).where(turns.c.id == bindparam("turn"))
AHEAD = (
    select(turns.c.id)
    .where(turns.c.id.in_(bindparam("turn_ids", expanding=True)), MAY_BE_SHOWN)
    .order_by(turns.c.id)
)
