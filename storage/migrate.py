"""Bringing a database's tables up to date.

A new database is made from `tables.py` directly; Alembic (which costs memory and start-up time) is
imported only where an older one has to change. A test holds the two ways equal.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import Connection, inspect, select
from sqlmodel import SQLModel

from core.errors import StoreError
from storage.tables import HEAD, version

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: Connection) -> None:
    """To be called in a transaction: either all of it happens or nothing.

    Raises StoreError where the database is a newer Mynah's, or not Mynah's.
    """
    present = set(inspect(connection).get_table_names())
    if version.name in present:
        found = connection.scalar(select(version.c.version_num))
        if found != HEAD:
            upgrade(connection, found)
    elif present & SQLModel.metadata.tables.keys():
        raise StoreError(
            f"{connection.engine.url.render_as_string()} has tables that Mynah did not make. "
            "Name another database in storage.url"
        )
    else:
        SQLModel.metadata.create_all(connection)
        connection.execute(version.insert().values(version_num=HEAD))


def upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"{connection.engine.url.render_as_string()} was written by a newer Mynah (its tables "
            f"are of revision {found}). Start that version, or put an older backup in its place."
        )
    logger.info("bringing the tables from revision %s to %s", found, HEAD)
    command.upgrade(config, HEAD)
