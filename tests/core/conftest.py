"""For every test of the core that wants one: a store on SQLite in a file."""

import pytest

from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore


@pytest.fixture
async def store(tmp_path):
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/mynah.db")
    store = await SqlStore.open(settings, holder="test")
    yield store
    await store.close()
