"""Turns know whether anything was said of their answer, and which examples their prompts showed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    for name in ("judged", "led"):
        column = sa.Column(name, sa.Boolean, server_default=sa.false(), nullable=False)
        op.add_column("turns", column)
    op.execute(
        "UPDATE turns SET judged = true WHERE id IN"
        " (SELECT turn_id FROM feedback UNION SELECT turn_id FROM corrections)"
    )
    predicate = sa.text(
        "judged AND outcome = 'answered' AND NOT deleted AND NOT private AND NOT quoted"
    )
    op.create_index(
        "turns_judged",
        "turns",
        ["platform", "account", "channel", "id"],
        sqlite_where=predicate,
        postgresql_where=predicate,
    )
    op.create_table(
        "examples",
        sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("source_id", sa.Integer, sa.ForeignKey("turns.id"), nullable=False),
        sa.Column("author_id", sa.String, nullable=False),
    )
    op.create_index("examples_source", "examples", ["source_id"])
    op.create_index("examples_author", "examples", ["author_id"])
