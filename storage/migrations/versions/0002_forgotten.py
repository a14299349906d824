"""Tunes say whose verdicts they used, and whether something that they used is forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    op.add_column(
        "tunes", sa.Column("forgotten", sa.Boolean, server_default=sa.false(), nullable=False)
    )
    op.create_table(
        "tune_verdicts",
        sa.Column("tune", sa.String, sa.ForeignKey("tunes.name"), primary_key=True),
        sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), primary_key=True),
        sa.Column("author_id", sa.String, primary_key=True),
    )
    op.create_index("tune_verdicts_author", "tune_verdicts", ["author_id"])
