"""For every test of the core that wants one: a store on SQLite in a file, a model's server."""

import pytest

from storage.repositories import Settings as StoreSettings
from storage.repositories import SqlStore
from tests.fake_model import FakeModel


@pytest.fixture
async def store(tmp_path):
    settings = StoreSettings(url=f"sqlite:///{tmp_path}/mynah.db")
    store = await SqlStore.open(settings, holder="test")
    yield store
    await store.close()


@pytest.fixture
async def server():
    async with FakeModel() as fake:
        yield fake
