"""A damaged SQLite file is refused as it is; a half-made one is made again."""

import asyncio
import os
import sqlite3
import traceback
from contextlib import closing

import pytest

from core.errors import StoreDamaged, StoreError
from storage.repositories import Settings, SqlStore
from tests.storage.processes import kill_while_writing
from tests.storage.says import answered, message


@pytest.fixture
def path(tmp_path):
    return tmp_path / "mynah.db"


@pytest.fixture
def open_store(sqlite_url):
    return lambda: SqlStore.open(Settings(url=sqlite_url), holder="the tests")


async def filled(open_store):
    store = await open_store()
    await asyncio.gather(*(store.hear(message("word " * 50)) for _ in range(500)))
    await store.close()


def everything(path):
    """The database and its log, where that holds anything."""
    log = path.with_name(path.name + "-wal")
    return path.read_bytes(), log.read_bytes() if log.exists() else b""


async def refused(open_store, path, error=StoreDamaged):
    before = everything(path)
    with pytest.raises(error) as told:
        await open_store()
    assert everything(path) == before
    assert str(path) in str(told.value)
    return str(told.value)


async def test_a_file_that_is_no_database_is_refused(open_store, path):
    path.write_text("Dear diary, " * 1000)
    told = await refused(open_store, path)
    assert "Nothing was changed" in told
    assert ".recover" in told


async def test_an_empty_file_is_not_taken_for_a_new_one(open_store, path):
    path.touch()
    assert "empty" in await refused(open_store, path)


async def test_a_file_that_was_cut_short_is_refused(open_store, path):
    await filled(open_store)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    await refused(open_store, path)


async def test_damage_is_found_after_an_unclean_end(open_store, path, sqlite_url):
    await filled(open_store)
    await asyncio.to_thread(kill_while_writing, sqlite_url, 5)
    content = bytearray(path.read_bytes())
    content[20_000:40_000] = b"\xa5" * 20_000
    path.write_bytes(content)
    assert path.with_name("mynah.db-wal").stat().st_size > 0
    await refused(open_store, path)
    await refused(open_store, path)  # being refused is no clean end


async def test_a_log_without_its_database_is_not_written_into_a_new_one(
    open_store, path, sqlite_url
):
    await filled(open_store)
    await asyncio.to_thread(kill_while_writing, sqlite_url, 20)
    log = path.with_name("mynah.db-wal")
    kept = log.read_bytes()
    assert kept
    elsewhere = path.rename(path.with_name("moved.db"))
    for _ in range(2):
        with pytest.raises(StoreDamaged) as told:
            await open_store()
        assert log.read_bytes() == kept
        assert not path.exists()
    assert f"{path} is gone" in str(told.value)
    assert f"{log} is there" in str(told.value)
    elsewhere.rename(path)
    store = await open_store()
    assert len(await store.unanswered("slack", "T1/B1")) >= 520
    await store.close()


async def test_a_backup_is_put_in_place_as_the_message_says(open_store, path, sqlite_url):
    await filled(open_store)
    backup = path.read_bytes()
    await asyncio.to_thread(kill_while_writing, sqlite_url, 20)
    path.write_bytes(b"\xa5" * len(backup))
    told = await refused(open_store, path)
    for name in (path, f"{path}-wal", "mynah.db-shm"):
        assert f"{name} " in told.partition("away and put a backup in its place")[0]
    for name in ("mynah.db", "mynah.db-wal", "mynah.db-shm"):
        path.with_name(name).rename(path.with_name(f"old-{name}"))
    path.write_bytes(backup)
    store = await open_store()
    assert len(await store.unanswered("slack", "T1/B1")) == 500
    await store.close()


async def test_a_clean_end_needs_no_check_and_damage_met_later_is_told(open_store, path):
    await filled(open_store)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 40_960] = b"\xa5" * 40_960
    path.write_bytes(content)
    store = await open_store()
    with pytest.raises(StoreDamaged, match=r"mynah\.db is damaged"):
        await store.unanswered("slack", "T1/B1")
    await store.close()
    await refused(open_store, path)  # now it is known


@pytest.mark.parametrize("value", ["at = 'rubbish'", "question = CAST(x'72ff' AS TEXT)"])
async def test_a_value_of_another_kind_is_damage(open_store, path, value):
    await filled(open_store)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"UPDATE turns SET {value} WHERE id = 7")
        connection.commit()
    store = await open_store()
    with pytest.raises(StoreDamaged, match=r"mynah\.db is damaged.*value cannot be read") as told:
        await store.unanswered("slack", "T1/B1")
    shown = "".join(traceback.format_exception(told.value))
    assert "rubbish" not in shown
    assert "'r\ufffd" not in shown
    await store.close()


async def test_damage_that_only_the_wiping_meets_is_known_at_the_next_start(open_store, path):
    store = await open_store()
    heard = await asyncio.gather(*(store.hear(message("word " * 50)) for _ in range(500)))
    assert heard[0]
    await store.change(heard[0].message.ref, "else")  # all of it is in the file now
    os.truncate(path, 4096)  # the pages that are written next are still in memory
    await store.change(heard[0].message.ref, "where")
    await store.close()
    assert path.with_name("mynah.db.lock").read_text()  # it was no clean end
    await refused(open_store, path)


async def test_what_was_committed_before_a_kill_passes_the_check(open_store, sqlite_url):
    heard = await asyncio.to_thread(kill_while_writing, sqlite_url, 10)
    store = await open_store()
    assert len(await store.unanswered("slack", "T1/B1")) >= len(heard)
    await store.close()


async def test_a_newer_database_is_refused(open_store, path):
    await filled(open_store)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
        connection.commit()
    told = await refused(open_store, path, StoreError)
    assert "newer Mynah" in told
    assert "9999" in told


async def test_another_programs_database_is_refused(open_store, path):
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE turns (number)")
    assert "did not make" in await refused(open_store, path, StoreError)


async def test_a_database_that_was_only_half_made_is_made_again(open_store, path):
    path.with_name("mynah.db.new").write_text("half of a database")
    path.with_name("mynah.db.new-journal").write_text("half of a journal")
    store = await open_store()
    assert await answered(store)
    await store.close()
    assert not path.with_name("mynah.db.new").exists()


async def test_only_its_owner_can_read_it(open_store, path):
    store = await open_store()
    await store.hear(message())
    modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.glob("mynah.db*")}
    assert set(modes.values()) == {0o600}
    assert set(modes) == {"mynah.db", "mynah.db-wal", "mynah.db-shm", "mynah.db.lock"}
    await store.close()
