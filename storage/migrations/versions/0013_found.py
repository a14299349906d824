"""Verdicts say whether they were found after an absence, so that nobody knows when they were given.

Of older ones it is not known: they count as given when they say.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    column = sa.Column("found", sa.Boolean, server_default=sa.false(), nullable=False)
    op.add_column("feedback", column)
