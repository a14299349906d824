"""What only PostgreSQL can do: lose its connections."""

import psycopg
import pytest

from core.errors import StoreError, StoreLocked
from storage.repositories import Settings, SqlStore
from tests.storage.says import answered, message, remembered

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


async def test_who_lost_the_lock_does_not_write(postgres_url, postgres_server):
    store = await opened(postgres_url)
    with admin(postgres_server) as connection:
        end_all_sessions(connection)
        connection.execute("SELECT pg_advisory_lock(470188712296)")  # "mynah" in ASCII
        with pytest.raises(StoreError):
            await store.hear(message())
    assert await store.hear(message())
    await store.close()
