"""Who said that what they say does not train, as conditions on `turns` for queries that join it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, exists, or_

from storage.tables import consents, turns


def allowed(kind: str, id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Nobody switched training off for this person, or channel, where the turn stands."""
    return ~exists().where(
        consents.c.platform == turns.c.platform,
        consents.c.account == turns.c.account,
        consents.c.kind == kind,
        consents.c.id == id,
        ~consents.c.on,
    )


def not_private() -> ColumnElement[bool]:
    """What was said in private trains only where somebody there switched training on.

    One person alone cannot do that for a private channel.
    """
    chosen = exists().where(
        consents.c.platform == turns.c.platform,
        consents.c.account == turns.c.account,
        or_(
            and_(consents.c.kind == "channel", consents.c.id == turns.c.channel),
            and_(
                consents.c.kind == "person",
                consents.c.id == turns.c.author_id,
                turns.c.place != "private",
            ),
        ),
        consents.c.on,
    )
    return or_(and_(turns.c.place == "public", ~turns.c.private), chosen)
