"""The tunes in SQL, and the log of what served."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict
from datetime import UTC, datetime

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, select, text, update

from core.types_learning import Tune, Used
from storage.database import Database
from storage.rows import batched
from storage.tables import (
    OPEN,
    corrections,
    feedback,
    servings,
    tune_names,
    tune_verdicts,
    tunes,
    turns,
)


class SqlTunes:
    def __init__(self, database: Database) -> None:
        self.database = database

    async def tunes(self) -> list[Tune]:
        def work(connection: Connection) -> list[Tune]:
            rows = connection.execute(select(tunes).order_by(tunes.c.name))
            return [
                Tune(
                    row.name,
                    row.base,
                    row.path,
                    row.status,
                    tuple(row.turns),
                    row.summary,
                    row.at,
                    row.forgotten,
                )
                for row in rows
            ]

        return await self.database.read(work)

    async def put_tune(self, tune: Tune, verdicts: Collection[Used] = ()) -> bool:
        values = {
            "name": tune.name,
            "base": tune.base,
            "path": tune.path,
            "status": tune.status,
            "turns": list(tune.turns),
            "summary": tune.summary,
            "at": tune.at,
        }

        def work(connection: Connection) -> bool:
            insert = self.database.insert(tunes).values(values)
            connection.execute(
                insert.on_conflict_do_update(index_elements=[tunes.c.name], set_=values)
            )
            if verdicts:
                rows = [{"tune": tune.name, **asdict(one)} for one in verdicts]
                keep = self.database.insert(tune_verdicts).on_conflict_do_nothing()
                connection.execute(keep, rows)
            this = tunes.c.name == tune.name
            gone = bool(verdicts) and have_forgotten(connection, tune.name)
            if gone or lacks_a_turn(connection, tune.turns) or tune.forgotten:
                connection.execute(update(tunes).where(this).values(forgotten=True))
            return bool(connection.scalar(select(tunes.c.forgotten).where(this)))

        return await self.database.write(work)

    async def next_tune(self) -> str:
        def work(connection: Connection) -> str:
            while True:
                taken = tune_names.insert().values(at=datetime.now(UTC))
                number = connection.scalar(taken.returning(tune_names.c.number))
                name = f"mynah@{number:06}"
                if not connection.scalar(select(exists().where(tunes.c.name == name))):
                    return name

        return await self.database.write(work)

    async def serving(self) -> str | None:
        return await self.database.read(lambda connection: now_serving(connection)[1])

    async def in_use(self) -> frozenset[str]:
        models = select(turns.c.model).where(text(OPEN), turns.c.model.is_not(None)).distinct()
        return await self.database.read(
            lambda connection: frozenset(connection.scalars(models).all())
        )

    async def served(self) -> frozenset[str]:
        ever = select(servings.c.name).where(servings.c.name.is_not(None)).distinct()
        return await self.database.read(
            lambda connection: frozenset(connection.scalars(ever).all())
        )

    async def roll_back(
        self, name: str, at: datetime, past: Collection[str] = (), why: str = ""
    ) -> bool:
        def work(connection: Connection) -> bool:
            now, serves = now_serving(connection)
            if serves != name:
                return False
            _, back_to = serving_of(connection, now)
            instead, back_to = serving_of(connection, back_to)
            while instead and (instead in past or is_forgotten(connection, instead)):
                instead, back_to = serving_of(connection, back_to)
            row = {"name": instead, "back_to": back_to, "at": at}
            connection.execute(servings.insert().values(row))
            if why:
                connection.execute(SAY_WHY, {"which": name, "added": f" {why}"})
            return True

        return await self.database.write(work)

    async def way_back(self) -> tuple[str, ...]:
        def work(connection: Connection) -> tuple[str, ...]:
            _, back_to = serving_of(connection, now_serving(connection)[0])
            found = []
            while back_to is not None:
                name, back_to = serving_of(connection, back_to)
                found += [name] if name else []
            return tuple(found)

        return await self.database.read(work)


def serving_of(connection: Connection, id: int | None) -> tuple[str | None, int | None]:
    """What served then, and which one it leads back to; before the first one: the base."""
    query = select(servings.c.name, servings.c.back_to).where(servings.c.id == id)
    found = connection.execute(query).one_or_none()
    return (found.name, found.back_to) if found else (None, None)


def lacks_a_turn(connection: Connection, used: Sequence[int]) -> bool:
    """Whether one of them was emptied."""
    return any(
        connection.scalar(select(exists().where(turns.c.id.in_(some), turns.c.deleted)))
        for some in batched(used)
    )


def is_forgotten(connection: Connection, name: str) -> bool:
    """Whether something that the tune used is."""
    return bool(connection.scalar(select(tunes.c.forgotten).where(tunes.c.name == name)))


def have_forgotten(connection: Connection, name: str) -> bool:
    """Whether people are forgotten whose verdicts it used. Their rows go: they name them.

    Somebody who only took a verdict back has something else from before; who has not counts as
    forgotten, too. Before: until the newest answer that the tune learnt from.
    """
    used = (
        select(
            turns.c.platform, turns.c.account, tune_verdicts.c.author_id, tune_verdicts.c.turn_id
        )
        .join_from(tune_verdicts, turns)
        .where(tune_verdicts.c.tune == name)
    )
    until = select(func.max(turns.c.at)).where(turns.c.id == tune_verdicts.c.turn_id)
    newest = connection.scalar(until.where(tune_verdicts.c.tune == name))
    given = (
        exists().where(
            table.c.turn_id == tune_verdicts.c.turn_id,
            table.c.author_id == tune_verdicts.c.author_id,
        )
        for table in (feedback, corrections)
    )
    gone = False
    for row in connection.execute(used.where(*(~one for one in given))).all():
        if not _was_here(connection, row.platform, row.account, row.author_id, newest):
            gone = True
            this = and_(
                tune_verdicts.c.turn_id == row.turn_id, tune_verdicts.c.author_id == row.author_id
            )
            connection.execute(delete(tune_verdicts).where(tune_verdicts.c.tune == name, this))
    return gone


def _was_here(
    connection: Connection, platform: str, account: str, author_id: str, until: datetime | None
) -> bool:
    here = and_(turns.c.platform == platform, turns.c.account == account)
    asked = select(turns.c.id).where(here, turns.c.author_id == author_id, turns.c.at <= until)
    said = (
        select(table.c.turn_id)
        .join_from(table, turns)
        .where(here, table.c.author_id == author_id, table.c.at <= until)
        for table in (feedback, corrections)
    )
    return any(connection.execute(query.limit(1)).first() for query in (asked, *said))


SAY_WHY = (
    update(tunes)
    .where(tunes.c.name == bindparam("which"))
    .values(summary=tunes.c.summary + bindparam("added"))
)
LAST = select(servings.c.id, servings.c.name).order_by(servings.c.id.desc()).limit(1)


def now_serving(connection: Connection) -> tuple[int | None, str | None]:
    """The last row's id and name; without a row the base serves."""
    last = (connection.execute(LAST)).one_or_none()
    return last or (None, None)
