"""Canaries: tunes that answer a share of new conversations before they answer everybody."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    op.create_table(
        "canaries",
        sa.Column("tune", sa.String, sa.ForeignKey("tunes.name"), primary_key=True),
        sa.Column("share", sa.Float, nullable=False),
        sa.Column("by", sa.String),
        sa.Column("after", sa.Integer, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("ended", MOMENT),
        sa.Column("outcome", sa.String),
    )
