"""Which of what people said stands still, as conditions for queries that select it."""

from __future__ import annotations

from sqlalchemy import ColumnElement, FromClause, exists

from storage.tables import corrections, feedback, reviews


def not_left_out(said: FromClause) -> ColumnElement[bool]:
    """No admin left it out for good. `said`: feedback or corrections."""
    return ~exists().where(
        reviews.c.turn_id == said.c.turn_id,
        reviews.c.author_id == said.c.author_id,
        ~reviews.c.let_in,
    )


def still_meant(*more: ColumnElement[bool]) -> ColumnElement[bool]:
    """Whoever corrected gave the answer no thumb up since. `more`: what also holds of a thumb."""
    return ~exists().where(
        feedback.c.turn_id == corrections.c.turn_id,
        feedback.c.author_id == corrections.c.author_id,
        feedback.c.score > 0,
        feedback.c.at > corrections.c.at,
        *more,
    )
