"""Threads that begin with quotes are found by index: nothing said in them is an example."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    predicate = sa.text("quoted")
    op.create_index(
        "turns_quoting",
        "turns",
        ["platform", "account", "channel", "thread"],
        sqlite_where=predicate,
        postgresql_where=predicate,
    )
