"""What a tune learnt from, in SQL: counted for whoever asks, and told to whoever corrected."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, or_, select

from core.types import Author, ChannelRef, Turn
from core.types_learning import Shaped
from storage.database import Database
from storage.rows import CHANNEL, channel_key
from storage.standing import still_meant
from storage.tables import corrections, credits, feedback, tune_names, tune_verdicts, turns

NAMED = 3  # of one's own votes


class SqlCredits:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def shaped(self, tune: str, channel: ChannelRef, author: Author) -> Shaped:
        given = (
            select(
                turns.c.platform,
                turns.c.account,
                tune_verdicts.c.author_id,
                tune_verdicts.c.learnt,
            )
            .join_from(tune_verdicts, turns)
            .where(tune_verdicts.c.tune == tune)
            .subquery()
        )
        own = and_(
            given.c.platform == channel.platform,
            given.c.account == channel.account,
            given.c.author_id == author.id,
        )

        here = (
            select(turns.c.question)
            .join(tune_verdicts)
            .where(
                CHANNEL,
                tune_verdicts.c.tune == tune,
                tune_verdicts.c.author_id == author.id,
                tune_verdicts.c.learnt,
                turns.c.question != "",
            )
            .order_by(turns.c.id.desc())
            .limit(NAMED)
        )

        def work(connection: Connection) -> Shaped:
            def count(rows: Select[Any]) -> int:
                query = select(func.count()).select_from(rows.subquery())
                return connection.scalar(query) or 0

            asked = connection.scalars(here, channel_key(channel)).all()
            learnt, rest = (select(given).where(one) for one in (given.c.learnt, ~given.c.learnt))
            return Shaped(
                count(learnt),
                count(learnt.distinct()),
                count(learnt.where(own)),
                count(rest),
                count(rest.where(own)),
                tuple(asked),
            )

        return await self.database.read(work)

    async def credit(self, turn: Turn, tune: str) -> int:
        channel, author = turn.message.ref.channel, turn.message.author.id
        number = tune.rpartition("@")[2]
        begun = select(tune_names.c.at).where(tune_names.c.number == int(number)).scalar_subquery()
        used = (
            select(corrections.c.turn_id, credits.c.told_in)
            .join_from(corrections, turns)
            .join(
                tune_verdicts,
                and_(
                    tune_verdicts.c.turn_id == corrections.c.turn_id,
                    tune_verdicts.c.author_id == corrections.c.author_id,
                ),
            )
            .outerjoin(
                credits,
                and_(
                    credits.c.turn_id == corrections.c.turn_id,
                    credits.c.author_id == corrections.c.author_id,
                ),
            )
            .where(
                tune_verdicts.c.tune == tune,
                tune_verdicts.c.corrected,
                corrections.c.author_id == author,
                corrections.c.at <= begun,  # what was corrected later is in the next one
                still_meant(feedback.c.at <= begun),
                turns.c.platform == channel.platform,
                turns.c.account == channel.account,
                or_(credits.c.told_in.is_(None), credits.c.told_in == turn.id),
            )
        )

        def work(connection: Connection) -> int:
            found = connection.execute(used).all()
            new = [row.turn_id for row in found if row.told_in is None]
            if new:
                rows = [{"turn_id": id, "author_id": author, "told_in": turn.id} for id in new]
                keep = self.database.insert(credits).on_conflict_do_nothing()
                connection.execute(keep, rows)
            return len(found)

        if not await self.database.read(lambda connection: connection.execute(used).first()):
            return 0  # as nearly always: nothing to write
        return await self.database.write(work)
