"""Those who vote, and what admins decided on verdicts that were set aside, in SQL."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from sqlalchemy import (
    Connection,
    bindparam,
    case,
    func,
    null,
    select,
    union_all,
)

from core.types_learning import Review, Voter
from storage.database import Database
from storage.tables import corrections, feedback, turns
from storage.tables import reviews as decisions


class SqlReviews:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def voters(self, platforms: Collection[str]) -> list[Voter]:
        told = {"platforms": list(platforms)}
        return await self.database.read(
            lambda connection: [Voter(*row) for row in connection.execute(VOTERS, told)]
        )

    async def put_reviews(self, reviews: Collection[Review]) -> None:
        def work(connection: Connection) -> None:
            for review in reviews:
                if not _stands(connection, review):  # it is forgotten, and so is its person
                    continue
                insert = self.database.insert(decisions).values(asdict(review))
                connection.execute(
                    insert.on_conflict_do_update(
                        index_elements=decisions.primary_key.columns.values(),
                        set_={"let_in": review.let_in, "at": review.at},
                    )
                )

        await self.database.write(work)

    async def reviews(self) -> list[Review]:
        query = select(decisions).order_by(decisions.c.turn_id, decisions.c.author_id)
        return await self.database.read(
            lambda connection: [Review(*row) for row in connection.execute(query)]
        )


def _stands(connection: Connection, review: Review) -> bool:
    """Whether somebody gives this verdict still."""
    given = (
        select(table.c.turn_id).where(
            table.c.turn_id == review.turn_id, table.c.author_id == review.author_id
        )
        for table in (feedback, corrections)
    )
    return any(connection.execute(query).first() for query in given)


# Of a verdict that was found it is not known since when its voter was there.
_known = {feedback: case((feedback.c.found, null()), else_=feedback.c.at)}
_said = union_all(
    *(
        select(
            turns.c.platform,
            turns.c.account,
            table.c.author_id,
            table.c.at,
            _known.get(table, table.c.at).label("known"),
        )
        .join_from(table, turns)
        .where(turns.c.platform.in_(bindparam("platforms", expanding=True)))
        for table in (feedback, corrections)
    )
).cte("said")
# What they asked is looked up by the index of authors, for those alone who voted.
_voted = select(_said.c.platform, _said.c.account, _said.c.author_id).distinct().subquery()
_asked = select(
    turns.c.platform, turns.c.account, turns.c.author_id, turns.c.at, turns.c.at.label("known")
).join_from(
    _voted,
    turns,
    (turns.c.platform == _voted.c.platform)
    & (turns.c.account == _voted.c.account)
    & (turns.c.author_id == _voted.c.author_id),
)
_seen = union_all(select(_said), _asked).subquery()
_who = (_seen.c.platform, _seen.c.account, _seen.c.author_id)
_first, _last = func.coalesce(func.min(_seen.c.known), func.max(_seen.c.at)), func.max(_seen.c.at)
VOTERS = select(*_who, _first, _last).group_by(*_who).order_by(*_who)
