"""One canary runs: where several did, the newest goes on."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    canaries = sa.table(
        "canaries",
        sa.column("tune"),
        sa.column("at", MOMENT),
        sa.column("ended", MOMENT),
        sa.column("outcome"),
    )
    tunes = sa.table("tunes", sa.column("name"), sa.column("summary", sa.Text))
    runs = canaries.c.ended.is_(None)
    found = sa.select(canaries.c.tune, canaries.c.at).where(runs)
    connection = op.get_bind()
    running = connection.execute(found.order_by(canaries.c.at, canaries.c.tune)).all()
    for old in running[:-1]:
        newest = running[-1]
        ending = canaries.update().where(canaries.c.tune == old.tune)
        connection.execute(ending.values(ended=newest.at, outcome="replaced"))
        why = f" `{newest.tune}` replaced it."
        told = tunes.update().where(tunes.c.name == old.tune)
        connection.execute(told.values(summary=tunes.c.summary + why))
    predicate = sa.text("ended IS NULL")
    op.create_index(
        "canaries_running",
        "canaries",
        [sa.text("(ended IS NULL)")],
        unique=True,
        sqlite_where=predicate,
        postgresql_where=predicate,
    )
