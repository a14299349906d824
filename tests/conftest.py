"""For every test: no network but loopback, and no blocking call on the event loop.

And for all that want one: a store on SQLite, a model's server, one vLLM with the starter model.
"""

import socket
from collections.abc import Iterator

import pytest
from blockbuster import blockbuster_ctx

from tests.fake_model import FakeModel
from tests.training.house import opened
from tests.vllm.installed import not_installed
from tests.vllm.served import ROOT, NotStarted, Served

ROOMS = ["adapters", "bots", "core", "storage"]
# What touches a folder's entry takes microseconds and happens when something opens or closes.
FILE_NAMES = ["mkdir", "path.abspath", "remove", "rename", "replace", "stat", "unlink"]
LOOPBACK = ("127.", "::1", "localhost")


@pytest.fixture(autouse=True)
def no_network_but_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's own socket is patched, because every library goes through it."""
    connect = socket.socket.connect

    def guarded(self, address):
        if self.family in (socket.AF_INET, socket.AF_INET6):
            assert str(address[0]).startswith(LOOPBACK), f"a test reaches out to {address[0]}"
        return connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def no_blocking_call_on_the_loop() -> Iterator[None]:
    """Blocking calls made by our rooms from a coroutine raise."""
    with blockbuster_ctx(scanned_modules=ROOMS) as watch:
        for name in FILE_NAMES:
            watch.functions[f"os.{name}"].deactivate()
        yield


@pytest.fixture
async def store(tmp_path):
    async with opened(tmp_path) as one:
        yield one


@pytest.fixture
async def server():
    async with FakeModel() as fake:
        yield fake


@pytest.fixture(scope="session")
def served(tmp_path_factory):
    # Exact sums: what is answered must not depend on what else is in the batch.
    flags = ("--dtype", "float32")
    one = Served(tmp_path_factory.mktemp("vllm"), "starter", ROOT / "starter" / "model", flags)
    try:
        one.start()
    except NotStarted as why:
        if "make vllm" in str(why):
            not_installed(str(why))
        raise
    yield one
    one.stop()
