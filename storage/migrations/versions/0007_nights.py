"""The nights: a row for each local date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

MOMENT = sa.DateTime(timezone=True).with_variant(sa.String(26), "sqlite")


def upgrade() -> None:
    op.create_table(
        "job_runs",
        sa.Column("day", sa.Date, primary_key=True),
        sa.Column("began", MOMENT, nullable=False),
        sa.Column("ended", MOMENT),
        sa.Column("outcome", sa.Text),
    )
