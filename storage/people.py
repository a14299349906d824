"""What people may ask of the store about themselves: to forget, and not to train."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import ColumnElement, Connection, and_, delete, select, update

from core.types import ChannelRef, Consenting, Forgotten, person
from storage.database import Database
from storage.examples import drop_examples
from storage.exports import mark_exports
from storage.tables import (
    canaries,
    consents,
    corrections,
    credits,
    examples,
    feedback,
    quotes,
    reviews,
    tune_verdicts,
    tunes,
    turns,
)
from storage.votes import drop_quotes, empty_turns, mark_used, quoted_in


class SqlPeople:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def forget_person(self, platform: str, account: str, author_id: str) -> Forgotten:
        here = and_(turns.c.platform == platform, turns.c.account == account)

        def work(connection: Connection) -> Forgotten:
            own = and_(
                tune_verdicts.c.author_id == author_id,
                select(turns.c.id).where(here, turns.c.id == tune_verdicts.c.turn_id).exists(),
            )
            used = tunes.c.name.in_(select(tune_verdicts.c.tune).where(own))
            kept = frozenset(
                connection.scalars(select(tunes.c.name).where(used, tunes.c.path != ""))
            )
            connection.execute(update(tunes).where(used).values(forgotten=True))
            connection.execute(delete(tune_verdicts).where(own))
            for table in (feedback, corrections, reviews, credits):
                judged_here = select(turns.c.id).where(here, turns.c.id == table.c.turn_id)
                connection.execute(
                    delete(table).where(table.c.author_id == author_id, judged_here.exists())
                )
            started = canaries.c.by == person(ChannelRef(platform, account, ""), author_id)
            connection.execute(update(canaries).where(started).values(by=None))
            theirs = drop_quotes(connection, and_(quotes.c.author_id == author_id, quoted_in(here)))
            shown_here = select(turns.c.id).where(here, turns.c.id == examples.c.turn_id)
            corrected = and_(examples.c.author_id == author_id, shown_here.exists())
            kept |= mark_used(connection, drop_examples(connection, corrected))
            mark_exports(connection)  # they may have voted alone
            said = forget(connection, and_(here, turns.c.author_id == author_id))
            return replace(said, tunes=said.tunes | kept | (theirs or frozenset()))

        return await self.database.write(work, scrubs=True)

    async def forget_turn(self, turn_id: int, author_id: str) -> Forgotten:
        own = and_(turns.c.id == turn_id, turns.c.author_id == author_id)

        return await self.database.write(lambda connection: forget(connection, own), scrubs=True)

    async def set_training(
        self, platform: str, account: str, kind: Consenting, id: str, on: bool
    ) -> None:
        values = {"platform": platform, "account": account, "kind": kind, "id": id, "on": on}

        def work(connection: Connection) -> None:
            insert = self.database.insert(consents).values(values)
            connection.execute(
                insert.on_conflict_do_update(
                    index_elements=consents.primary_key.columns.values(), set_={"on": on}
                )
            )

        await self.database.write(work)

    async def training(self, platform: str, account: str, kind: Consenting, id: str) -> bool | None:
        query = select(consents.c.on).where(
            consents.c.platform == platform,
            consents.c.account == account,
            consents.c.kind == kind,
            consents.c.id == id,
        )
        return await self.database.read(lambda connection: connection.scalar(query))


def forget(connection: Connection, where: ColumnElement[bool]) -> Forgotten:
    """Empty turns, of their author too, and remove what was said about them, also where tunes
    keep who said it.
    """
    for table in (feedback, corrections, reviews, credits, tune_verdicts):
        about = select(turns.c.id).where(where, turns.c.id == table.c.turn_id)
        connection.execute(delete(table).where(about.exists()))
    return empty_turns(connection, where, author_id="", author_name="")
