"""Turns know who can read them, what was not read, and what their prompts quoted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")
CONVERSATION = ["platform", "account", "channel", "thread"]


def upgrade() -> None:
    for column in (
        sa.Column("place", sa.String, server_default="public", nullable=False),
        sa.Column("unread", sa.Text, server_default="", nullable=False),
        sa.Column("quoted", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("ahead", sa.Text, server_default="", nullable=False),
    ):
        op.add_column("turns", column)
    for name, where, columns in (
        ("turns_threaded", "thread <> ''", CONVERSATION),
        (
            "turns_beside",
            "outcome IN ('answered', 'cut', 'stopped') AND NOT deleted AND NOT private"
            " AND thread <> ''",
            ["platform", "account", "channel", "id"],
        ),
        ("turns_recent", "NOT private", ["platform", "account", "at"]),
    ):
        predicate = sa.text(where)
        op.create_index(name, "turns", columns, sqlite_where=predicate, postgresql_where=predicate)
    op.create_table(
        "quotes",
        sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("author_id", sa.String, nullable=False),
        sa.Column("author_name", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_index("quotes_message", "quotes", ["message"])
    op.create_index("quotes_author", "quotes", ["author_id"])
