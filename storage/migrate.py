"""Bringing a database's tables up to date.

A new database is made from `tables.py` directly; Alembic (which costs memory and start-up time) is
imported only where an older one has to change. A test holds the two ways equal.
"""

from __future__ import annotations

import logging
from pathlib import Path

from sqlalchemy import URL, Connection, create_engine, inspect, select
from sqlmodel import SQLModel

from core.errors import StoreError
from storage.tables import HEAD, version

logger = logging.getLogger(__name__)

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(url: URL) -> None:
    """Either all of it happens or nothing. Blocks; nobody else may have the database open.

    Raises StoreError where the database is a newer Mynah's, or not Mynah's; else SQLAlchemyError.
    """
    engine = create_engine(url, hide_parameters=True)
    try:
        with engine.begin() as connection:
            if url.get_backend_name() == "sqlite":  # sqlite3 would begin nothing before a CREATE
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            bring_up(connection)
    finally:
        engine.dispose()


def bring_up(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        same_predicates()
    present = set(inspect(connection).get_table_names())
    if version.name in present:
        found = connection.scalar(select(version.c.version_num))
        if found != HEAD:
            upgrade(connection, found)
    elif present & SQLModel.metadata.tables.keys():
        raise StoreError(
            f"{shown(connection.engine.url)} has tables that Mynah did not make. "
            "Name another database in storage.url"
        )
    else:
        SQLModel.metadata.create_all(connection)
        connection.execute(version.insert().values(version_num=HEAD))


def same_predicates() -> None:
    """Give PostgreSQL's partial indexes the predicates of SQLite's.

    Here and not in the tables: to name them there loads PostgreSQL's dialect for everybody.
    """
    for table in SQLModel.metadata.tables.values():
        for index in table.indexes:
            where = index.dialect_options["sqlite"]["where"]
            index.dialect_options["postgresql"]["where"] = where


def upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreError(
            f"{shown(connection.engine.url)} was written by a newer Mynah (its tables "
            f"are of revision {found}). Start that version, or put an older backup in its place."
        )
    logger.info("bringing the tables from revision %s to %s", found, HEAD)
    command.upgrade(config, HEAD)


def shown(url: URL) -> str:
    """For a person: a file's path, or a server's address without the password."""
    if url.get_backend_name() == "sqlite":
        return url.database or ""
    return url.render_as_string(hide_password=True)
