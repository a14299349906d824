"""The two ways to today's tables, step by step and at once, end in the same."""

import asyncio
import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, create_engine, make_url

from core.errors import StoreError
from core.types import Author
from core.types_learning import Shaped
from storage.migrate import MIGRATIONS, migrate, upgrade
from storage.repositories import Settings, SqlStore
from storage.tables import HEAD
from tests.storage.processes import TOP
from tests.storage.says import CHANNEL, answered, message


def tables_in(connection):
    """Every table, column, constraint and index, as the database itself describes them."""
    if connection.dialect.name == "sqlite":
        rows = connection.exec_driver_sql("SELECT name, sql FROM sqlite_master").all()
        return {name: sorted(part.strip() for part in (sql or "").split(",")) for name, sql in rows}
    schema = "current_schema()"
    return {
        "columns": connection.exec_driver_sql(
            "SELECT table_name, column_name, ordinal_position, data_type, is_nullable, "
            "replace(column_default, current_schema() || '.', ''), character_maximum_length "
            f"FROM information_schema.columns WHERE table_schema = {schema} ORDER BY 1, 3"
        ).all(),
        "indexes": connection.exec_driver_sql(
            "SELECT indexname, replace(indexdef, current_schema() || '.', '') "
            f"FROM pg_indexes WHERE schemaname = {schema} ORDER BY 1"
        ).all(),
        "constraints": connection.exec_driver_sql(
            "SELECT conname, replace(pg_get_constraintdef(oid), current_schema() || '.', '') "
            f"FROM pg_constraint WHERE connamespace = {schema}::regnamespace ORDER BY 1"
        ).all(),
    }


def both_ways(at_once: URL, step_by_step: URL):
    migrate(at_once)
    engines = create_engine(at_once), create_engine(step_by_step)
    with engines[1].begin() as connection:
        upgrade(connection, None)
    found = []
    for engine in engines:
        with engine.begin() as connection:
            found.append(tables_in(connection))
        engine.dispose()
    return found


def test_the_steps_end_in_the_tables_on_sqlite(tmp_path):
    at_once, stepwise = both_ways(
        *(URL.create("sqlite", database=str(tmp_path / name)) for name in ("a.db", "b.db"))
    )
    assert stepwise == at_once
    assert "turns" in at_once


def test_the_steps_end_in_the_tables_on_postgres(postgres_schema):
    at_once, stepwise = both_ways(make_url(postgres_schema()), make_url(postgres_schema()))
    assert stepwise == at_once
    assert at_once["columns"]


def test_the_newest_step_is_the_one_that_new_databases_are_marked_with():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    assert ScriptDirectory.from_config(config).get_heads() == [HEAD]


def test_opening_a_store_does_not_import_alembic(sqlite_url):
    program = (
        "import asyncio, sys; from storage.repositories import *\n"
        f"store = SqlStore.open(Settings(url={sqlite_url!r}), holder='a test')\n"
        "asyncio.run(store).database\n"
        "sys.exit('alembic' in sys.modules)"
    )
    for _ in ("new", "old"):
        assert subprocess.run([sys.executable, "-c", program], cwd=TOP, check=False).returncode == 0


async def test_an_older_database_is_brought_up_to_date_when_it_is_opened(tmp_path, sqlite_url):
    with closing(sqlite3.connect(tmp_path / "mynah.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
    store = await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
    assert await answered(store)
    await store.close()
    with closing(sqlite3.connect(tmp_path / "mynah.db")) as connection:
        assert connection.execute("SELECT * FROM alembic_version").fetchall() == [(HEAD,)]


async def test_a_step_that_fails_leaves_the_database_as_it_was(tmp_path, sqlite_url):
    with closing(sqlite3.connect(tmp_path / "mynah.db")) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        connection.execute("CREATE TABLE servings (in_the_way)")  # the last step's last table
        connection.commit()
        with pytest.raises(StoreError, match=r"mynah\.db did not take this"):
            await SqlStore.open(Settings(url=sqlite_url), holder="the tests")
        names = connection.execute("SELECT name FROM sqlite_master ORDER BY name").fetchall()
    assert names == [("alembic_version",), ("servings",)]


def test_answers_that_were_judged_before_examples_were_known_can_be_examples(tmp_path):
    url = URL.create("sqlite", database=str(tmp_path / "mynah.db"))
    engine = create_engine(url)
    columns = "id, platform, account, channel, thread, message, author_id, author_name"
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, "0004")
        for id in (1, 2, 3):
            connection.exec_driver_sql(
                f"INSERT INTO turns ({columns}, question, at, private)"
                f" VALUES ({id}, 'p', 'a', 'c', '', 'm{id}', 'u', 'U', 'q', 't', 0)"
            )
        connection.exec_driver_sql("INSERT INTO feedback VALUES (1, 'u', 1, 't')")
        connection.exec_driver_sql("INSERT INTO corrections VALUES (3, 'u', 'so', 't')")
    migrate(url)
    with engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT id FROM turns WHERE judged").scalars()
        assert sorted(found) == [1, 3]
    engine.dispose()


def several_canaries(url):
    """In tables as they were before that was impossible."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, "0009")
        for number in (1, 2, 3, 4):
            connection.exec_driver_sql(
                "INSERT INTO tunes (name, base, path, status, turns, summary, at)"
                f" VALUES ('mynah@{number}', 'base', '', 'passed', '[]', 'Learnt.', '2026-05-01')"
            )
        for number, day, ended in ((1, 4, "NULL"), (2, 2, "NULL"), (3, 3, "NULL"), (4, 5, "at")):
            connection.exec_driver_sql(
                "INSERT INTO canaries (tune, share, after, at, ended) VALUES"
                f" ('mynah@{number}', 0.2, 0, '2026-05-0{day}', NULL)"
            )
            connection.exec_driver_sql(
                f"UPDATE canaries SET ended = {ended} WHERE tune = 'mynah@{number}'"
            )
    engine.dispose()


async def test_of_several_canaries_that_run_the_newest_goes_on(url):
    await asyncio.to_thread(several_canaries, url)
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    _, canary = await store.answering()
    told = {tune.name: tune.summary for tune in await store.tunes()}
    await store.close()
    assert canary
    assert canary.tune == "mynah@1"
    replaced = "Learnt. `mynah@1` replaced it."
    assert told == {
        "mynah@1": "Learnt.",
        "mynah@2": replaced,
        "mynah@3": replaced,
        "mynah@4": "Learnt.",
    }
    engine = create_engine(url)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT tune, outcome FROM canaries WHERE ended IS NULL")
        assert rows.all() == [("mynah@1", None)]
        rows = connection.exec_driver_sql(
            "SELECT tune FROM canaries WHERE outcome = 'replaced' ORDER BY tune"
        )
        assert list(rows.scalars()) == ["mynah@2", "mynah@3"]
    engine.dispose()


def a_tune_of_old(url):
    """With what its run used, in tables that did not say what of it was learnt."""
    engine = create_engine(url)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, "0010")
        connection.exec_driver_sql(
            "INSERT INTO turns (id, platform, account, channel, thread, message, author_id,"
            " author_name, question, at, private) VALUES"
            " (9, 'slack', 'T1/B1', 'C1', '', 'm', 'U1', 'U', 'q', '2026-05-01', false)"
        )
        connection.exec_driver_sql(
            "INSERT INTO corrections VALUES (9, 'U1', 'so', '2026-05-01 08:00:00.000000')"
        )
        connection.exec_driver_sql("INSERT INTO tune_names VALUES (1, '2026-05-02 08:00:00')")
        connection.exec_driver_sql(
            "INSERT INTO tunes (name, base, path, status, turns, summary, at) VALUES"
            " ('mynah@000001', 'base', '', 'passed', '[]', 'Learnt.', '2026-05-02 08:00:00')"
        )
        connection.exec_driver_sql("INSERT INTO tune_verdicts VALUES ('mynah@000001', 9, 'U1')")
    engine.dispose()


async def test_what_an_older_tune_used_counts_as_learnt_from_and_nobody_is_told_of_it(url):
    await asyncio.to_thread(a_tune_of_old, url)
    store = await SqlStore.open(Settings(url=url), holder="the tests")
    shaped = await store.shaped("mynah@000001", CHANNEL, Author("U1", "me"))
    asked = await store.hear(message())
    assert asked
    told = await store.credit(asked, "mynah@000001")
    await store.close()
    assert shaped == Shaped(votes=1, people=1, own=1, asked=("q",))
    assert told == 0
