"""Who was told that their correction is in a tune."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.create_table(
        "credits",
        sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), primary_key=True),
        sa.Column("author_id", sa.String, primary_key=True),
        sa.Column("told_in", sa.Integer, sa.ForeignKey("turns.id"), nullable=False),
    )
    op.create_index("credits_author", "credits", ["author_id"])
