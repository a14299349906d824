"""The first tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")
CONVERSATION = ["platform", "account", "channel", "thread", "id"]


def upgrade() -> None:
    op.create_table(
        "texts",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("hash", sa.String, nullable=False),
        sa.Column("text", sa.Text, nullable=False),
        sa.UniqueConstraint("hash"),
    )
    create_turns()
    op.create_table(
        "replies",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), nullable=False),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("message", sa.String),
        sa.UniqueConstraint("platform", "account", "channel", "message", name="replies_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_replies_turn_id", "replies", ["turn_id"])
    for name, said in (
        ("feedback", sa.Column("score", sa.Integer, nullable=False)),
        ("corrections", sa.Column("text", sa.Text, nullable=False)),
    ):
        op.create_table(
            name,
            sa.Column("turn_id", sa.Integer, sa.ForeignKey("turns.id"), primary_key=True),
            sa.Column("author_id", sa.String, primary_key=True),
            said,
            sa.Column("at", MOMENT, nullable=False),
        )
        op.create_index(f"{name}_author", name, ["author_id"])
    create_tunes()
    op.create_table(
        "consents",
        sa.Column("platform", sa.String, primary_key=True),
        sa.Column("account", sa.String, primary_key=True),
        sa.Column("kind", sa.String, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("on", sa.Boolean, nullable=False),
    )


def create_turns() -> None:
    op.create_table(
        "turns",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("platform", sa.String, nullable=False),
        sa.Column("account", sa.String, nullable=False),
        sa.Column("channel", sa.String, nullable=False),
        sa.Column("thread", sa.String, nullable=False),
        sa.Column("message", sa.String, nullable=False),
        sa.Column("author_id", sa.String, nullable=False),
        sa.Column("author_name", sa.String, nullable=False),
        sa.Column("question", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("private", sa.Boolean, nullable=False),
        sa.Column("status", sa.String, server_default="heard", nullable=False),
        sa.Column("outcome", sa.String),
        sa.Column("answer", sa.Text, server_default="", nullable=False),
        sa.Column("model", sa.String),
        sa.Column("system_id", sa.Integer, sa.ForeignKey("texts.id")),
        sa.Column("first", sa.Integer),
        sa.Column("digest", sa.String),
        sa.Column("tries", sa.Integer, server_default="0", nullable=False),
        sa.Column("resets", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.Column("deleted", sa.Boolean, server_default=sa.false(), nullable=False),
        sa.UniqueConstraint("platform", "account", "channel", "message", name="turns_message"),
        sqlite_autoincrement=True,
    )
    op.create_index("turns_author", "turns", ["platform", "account", "author_id"])
    for name, where, columns in (
        ("turns_open", "status <> 'done'", ["platform", "account", "id"]),
        (
            "turns_counting",
            "outcome IN ('answered', 'cut', 'stopped') AND NOT deleted",
            CONVERSATION,
        ),
        ("turns_prompted", "digest IS NOT NULL", CONVERSATION),
        ("turns_resetting", "resets", CONVERSATION),
    ):
        predicate = sa.text(where)
        op.create_index(name, "turns", columns, sqlite_where=predicate, postgresql_where=predicate)


def create_tunes() -> None:
    op.create_table(
        "tune_names",
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("at", MOMENT, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tunes",
        sa.Column("name", sa.String, primary_key=True),
        sa.Column("base", sa.String, nullable=False),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("status", sa.String, nullable=False),
        sa.Column("turns", sa.JSON, nullable=False),
        sa.Column("summary", sa.Text, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
    )
    op.create_table(
        "servings",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, sa.ForeignKey("tunes.name")),
        sa.Column("back_to", sa.Integer, sa.ForeignKey("servings.id")),
        sa.Column("at", MOMENT, nullable=False),
        sqlite_autoincrement=True,
    )
