"""One process at a time, and what a second one is told; with real processes, on both databases."""

import asyncio
import os
import subprocess
import sys
from functools import partial

import pytest

from core.errors import StoreError, StoreLocked
from storage.repositories import Settings, SqlStore
from tests.storage.processes import TOP, child, kill_while_writing
from tests.storage.says import message


def opened(url, holder="--platform console"):
    return SqlStore.open(Settings(url=url), holder=holder)


async def test_a_second_process_is_told_who_has_the_store_and_what_to_do(url):
    with child(url, "hold") as process:
        with pytest.raises(StoreLocked) as told:
            await opened(url)
        assert f"Process {process.pid} (--platform slack) has " in str(told.value)
        assert str(told.value).endswith(
            " open. Stop it, or serve both from one process: "
            "python -m bots.run --platform slack --platform console"
        )


async def test_a_second_process_for_the_same_platform_is_told_to_stop_the_first(url):
    with child(url, "hold"):
        with pytest.raises(StoreLocked, match=r"open\. Stop it first\.$"):
            await opened(url, "--platform slack")
        with pytest.raises(StoreLocked, match=r"open\. Stop it first\.$"):
            await opened(url, "the trainer")


async def test_a_store_that_was_closed_can_be_opened_at_once(url):
    with child(url, "hold") as process:
        process.stdin.close()
        assert process.stdout.readline() == "closed\n"
        store = await opened(url)
        await store.close()


async def test_a_killed_process_leaves_no_lock_and_loses_nothing(url):
    store = await opened(url)
    await store.close()
    for times in (1, 2, 3):
        heard = await asyncio.to_thread(kill_while_writing, url, 20)
        assert len(heard) >= 20 * (times == 1)
        store = await opened(url)
        stored = {int(t.message.ref.id) for t in await store.unanswered("slack", "T1/B1")}
        assert stored >= set(heard)
        await store.close()


async def test_the_same_process_cannot_open_it_twice(url):
    store = await opened(url)
    with pytest.raises(StoreLocked, match=str(os.getpid())):
        await opened(url)
    assert await store.hear(message())
    await store.close()


async def test_a_link_to_the_file_is_the_same_store(sqlite_url, tmp_path):
    alias = Settings(url=f"sqlite:///{tmp_path}/alias.db")
    (tmp_path / "alias.db").symlink_to("mynah.db")
    for first, second in ((sqlite_url, alias.url), (alias.url, sqlite_url)):
        store = await opened(first)
        with pytest.raises(StoreLocked):
            await opened(second)
        await store.close()
    path = await asyncio.to_thread(lambda: alias.path)
    assert path == tmp_path / "mynah.db"  # the socket lies beside it
    assert (tmp_path / "alias.db").is_symlink()


async def test_the_name_of_a_dead_holder_is_not_mixed_with_that_of_the_next(sqlite_url, tmp_path):
    (tmp_path / "mynah.db.lock").write_text("99999999\n--platform slack --platform telegram\n")
    store = await opened(sqlite_url, "me")
    with pytest.raises(StoreLocked, match=rf"^Process {os.getpid()} \(me\) has "):
        await opened(sqlite_url)
    await store.close()


async def test_where_the_lock_cannot_be_written_it_still_says_that_the_last_end_was_no_good(
    sqlite_url, tmp_path
):
    lock = tmp_path / "mynah.db.lock"
    lock.write_text("99999999\n--platform slack\n")
    no_files = ["sh", "-c", 'ulimit -f 0; exec "$@"', "sh"]  # like a full disk
    command = [*no_files, sys.executable, "-m", "tests.storage.child", sqlite_url, "me", "leave"]
    ran = partial(subprocess.run, command, cwd=TOP, capture_output=True, text=True, timeout=15)
    done = await asyncio.to_thread(ran)
    assert "StoreError" in done.stderr
    assert "mynah.db.lock cannot be written" in done.stderr
    assert lock.stat().st_size > 0


async def test_a_process_that_ends_without_closing_ends(url):
    with child(url, "leave") as process:
        assert await asyncio.to_thread(process.wait, 10) == 0


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("sqlite+aiosqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite://?mode=ro", "names no file"),
        ("sqlite:////tmp", r"names a folder\. Name a file in it: sqlite:////tmp/mynah\.db$"),
        ("sqlite:///data/", r"names a folder\. Name a file in it: sqlite:///data/mynah\.db$"),
        ("sqlite:///data/mynah.db?mode=ro", r"no options.* Write: sqlite:///data/mynah\.db$"),
        ("sqlite://data/mynah.db", r"three slashes\. Write: sqlite:///data/mynah\.db$"),
        ("postgresql+psycopg://me@here:port/db", "no database that Mynah knows"),
        ("mysql://me@here/db", "no database that Mynah knows"),
        ("data/mynah.db", "no database that Mynah knows"),
        ("postgresql+psycopg://me:hush@127.0.0.1:1/db", "cannot be reached"),
    ],
)
async def test_an_address_that_leads_nowhere_says_what_to_write(url, says):
    with pytest.raises(StoreError, match=says) as told:
        await opened(url)
    assert "hush" not in str(told.value)


async def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "data").write_text("a file in the way")
    with pytest.raises(StoreError, match="data cannot be made"):
        await opened(f"sqlite:///{tmp_path}/data/mynah.db")


async def test_a_file_that_cannot_be_made_is_named(tmp_path, sqlite_url):
    (tmp_path / "mynah.db.new").mkdir()
    with pytest.raises(StoreError, match=r"mynah\.db cannot be made.*mynah\.db\.new\)\. Give"):
        await opened(sqlite_url)
