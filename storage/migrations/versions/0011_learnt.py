"""Tunes say what they learnt from, of all that their runs used.

Of older ones it is not known: all of theirs goes on to count as learnt from, and of no correction
is its author told, until a newer tune learns it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    for name, default in (("learnt", sa.true()), ("corrected", sa.false())):
        column = sa.Column(name, sa.Boolean, server_default=default, nullable=False)
        op.add_column("tune_verdicts", column)
