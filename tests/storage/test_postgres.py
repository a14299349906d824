"""What only PostgreSQL can do: lose its connections, and refuse what is too long for an index."""

import asyncio
import dataclasses
import random
import re
import string
import time
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from core.errors import StoreError, StoreLocked
from core.types import Author
from storage.repositories import Settings, SqlStore
from tests.bots.test_train import bot_that_runs, command_with
from tests.storage.says import answered, message, remembered

CONFIG = """
generation: {{url: "http://127.0.0.1:9/v1", model: starter}}
storage: {{url: "{}"}}
"""
pytestmark = pytest.mark.filterwarnings("ignore:.*terminat.*")


def opened(url):
    return SqlStore.open(Settings(url=url), holder="the tests")


def admin(postgres_server):
    return psycopg.connect(f"host={postgres_server} user=mynah dbname=postgres", autocommit=True)


def end_all_sessions(connection):
    connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE pid <> pg_backend_pid() AND application_name LIKE 'mynah%'"
    )


async def test_after_lost_connections_it_works_again(postgres_url, postgres_server):
    store = await opened(postgres_url)
    turn_id = await answered(store)
    assert await remembered(store) == ([turn_id], True)
    with admin(postgres_server) as connection:
        end_all_sessions(connection)
    assert await store.hear(message())
    assert await remembered(store) == ([turn_id], True)
    with pytest.raises(StoreLocked):
        await opened(postgres_url)
    await store.close()


async def test_who_lost_the_lock_does_not_write_and_each_caller_is_told_soon(
    postgres_url, postgres_server
):
    store = await opened(postgres_url)
    with admin(postgres_server) as connection:
        end_all_sessions(connection)
        connection.execute("SELECT pg_advisory_lock(470188712296)")  # "mynah" in ASCII
        began = time.monotonic()
        waiting = (store.hear(message()) for _ in range(3))
        told: list[Any] = await asyncio.gather(*waiting, return_exceptions=True)
        assert 2 <= time.monotonic() - began < 4  # it waited for the lock once
    assert [type(error) for error in told] == [StoreLocked] * 3
    assert len({id(error) for error in told}) == 3
    assert len({str(error) for error in told}) == 1
    assert await store.hear(message())
    await store.close()


async def test_who_has_the_lock_is_named_also_where_it_is_somebody_else(
    postgres_url, postgres_server
):
    other = postgres_url.replace("/postgres?", "/other?").partition("&")[0]
    with admin(postgres_server) as connection:
        connection.execute("CREATE DATABASE other")
        connection.execute("SELECT pg_advisory_lock(470188712296)")
        session = connection.info.backend_pid
        elsewhere = await opened(other)  # another database's lock is another lock
        with pytest.raises(StoreLocked, match=rf"Session {session} .* End it first\.$") as told:
            await opened(postgres_url)
        assert "the tests" not in str(told.value)
        await elsewhere.close()


async def test_what_is_too_long_for_an_index_fails_alone(postgres_url):
    store = await opened(postgres_url)
    chance = random.Random(1)
    long = "".join(chance.choices(string.ascii_letters, k=9_000))  # not to be made shorter
    by_long = dataclasses.replace(message(), author=Author(long, "Longfellow"))
    said = [message(), message(id=long), message(), by_long, message()]
    told: list[Any] = await asyncio.gather(*map(store.hear, said), return_exceptions=True)
    for bad in (told.pop(3), told.pop(1)):
        assert isinstance(bad, StoreError)
        assert "did not take this. (ProgramLimitExceeded 54000)" in str(bad)
        assert long not in str(bad)
    assert [heard.message for heard in told] == [said[0], said[2], said[4]]
    assert await store.unanswered("slack", "T1/B1") == told
    await store.close()


@pytest.mark.parametrize(
    ("here", "elsewhere", "says"),
    [
        ("/postgres", "/nix", 'database "nix" does not exist'),
        ("mynah@", "nobody@", 'role "nobody" does not exist'),
        ("host=/tmp/", "host=/nowhere/", "cannot be reached. Start it"),
    ],
)
async def test_who_is_not_let_in_is_told_why(postgres_url, here, elsewhere, says):
    with pytest.raises(StoreError, match=re.escape(says)) as told:
        await opened(postgres_url.replace(here, elsewhere))
    assert ("cannot be reached" in str(told.value)) == ("cannot be reached" in says)


async def test_a_server_that_ends_is_told_as_such(postgres_url, postgres_server):
    store = await opened(postgres_url)
    began = asyncio.Event()
    loop = asyncio.get_running_loop()

    def slow(connection):
        loop.call_soon_threadsafe(began.set)
        connection.execute(text("SELECT pg_sleep(10)"))

    writing = asyncio.create_task(store.database.write(slow))
    await began.wait()
    with admin(postgres_server) as connection:
        end_all_sessions(connection)
    with pytest.raises(StoreError, match=r"broke this off.*AdminShutdown 57P01"):
        await writing
    assert await store.hear(message())
    await store.close()


def test_a_command_asks_the_bot_that_runs_on_it_and_no_other_bot(
    postgres_url, postgres_server, tmp_path
):
    with admin(postgres_server) as connection:
        connection.execute("CREATE DATABASE beside")
    one, other = tmp_path / "one.yaml", tmp_path / "other.yaml"
    one.write_text(CONFIG.format(postgres_url))
    beside = postgres_url.replace("/postgres?", "/beside?").partition("&")[0]
    other.write_text(CONFIG.format(beside))
    with bot_that_runs(one, cwd=tmp_path):
        done = command_with(one, "--let-in", "0a1b2c", cwd=tmp_path)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("mynah: Nothing of the name `0a1b2c` is set aside any more.")
        (socket,) = (tmp_path / "data").glob("*.sock")
        with bot_that_runs(other, cwd=tmp_path):
            assert len([*(tmp_path / "data").glob("*.sock")]) == 2
        assert socket.exists()
        assert command_with(one, "--list", cwd=tmp_path).stdout == "The base answers.\n"
