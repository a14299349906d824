"""Where data sets were exported to, and whether something was forgotten since.

Exports from before are not known, so that nothing is cut out of them.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.create_table(
        "exports",
        sa.Column("folder", sa.String, primary_key=True),
        sa.Column("stale", sa.Integer, nullable=False),
    )
