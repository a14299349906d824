"""Several vLLM behind a real vllm-router, as the README says: a conversation stays on one of them.

What a router does not pass on is pinned here too: the README's words about it rest on this.
"""

import asyncio
import shutil
import subprocess
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager, suppress

import aiohttp
import pytest
from pydantic import SecretStr

from core.connection import Settings
from core.conversation import key
from core.errors import Broken
from core.generation import ModelServer
from core.tokens import estimate
from core.types import ChannelRef, Prompt, ThreadRef
from tests.fakes import free_port
from tests.vllm.conftest import STARTER, adapter
from tests.vllm.installed import not_installed
from tests.vllm.served import KEY, ROOT, NotStarted, Served
from tests.vllm.test_vllm import running, said, until

# Odd: else who takes turns would pass for one who keeps them apart. That all of them have one home
# happens once in 60,000 runs.
CONVERSATIONS = 17
# Small ones: the third is the server that the other tests share. Exact sums, as there.
FLAGS = ("--dtype", "float32", "--kv-cache-memory-bytes", str(128 << 20), "--max-num-seqs", "16")
# As in the README, but for its --log-level error: here the router may say all that it says.
ROUTER_FLAGS = (
    *("--policy", "consistent_hash", "--cb-failure-threshold", "3"),
    *("--cb-timeout-duration-secs", "5", "--health-check-interval-secs", "5"),
)


class Fleet:
    """Two servers with one shelf, and the router before them."""

    def __init__(self, folder, router):
        self.router, self.log, self.port = router, folder / "router.log", free_port()
        self.url, self.process = f"http://127.0.0.1:{self.port}", None
        self.shelf = folder / "tunes"
        for name in "ab":
            (folder / name).mkdir()
        self.servers = [
            Served(folder / name, "starter", STARTER, FLAGS, shelf=self.shelf) for name in "ab"
        ]

    def start(self):
        with ThreadPoolExecutor() as both:
            list(both.map(Served.start, self.servers))
        workers = [server.url.removesuffix("/v1") for server in self.servers]
        command = [self.router, "--port", str(self.port), "--worker-urls", *workers]
        command += ["--prometheus-port", str(free_port()), *ROUTER_FLAGS]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self.is_ready():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def is_ready(self):
        with suppress(OSError), urllib.request.urlopen(f"{self.url}/readiness") as response:
            return response.status == 200

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
        for server in self.servers:
            server.stop()

    @asynccontextmanager
    async def client(self, **settings):
        """Through the router, and without the model's files at hand."""
        chosen = Settings(url=f"{self.url}/v1", model="starter", key=SecretStr(KEY), **settings)
        async with ModelServer(chosen) as client:
            yield client

    async def answered(self):
        """How many requests each server has answered."""
        return [sum(await server.metrics("request_success_total")) for server in self.servers]

    async def home(self, client, asked):
        """Ask it, and see in the servers' own figures which of them answered."""
        before = await self.answered()
        await said(client, asked)
        async with asyncio.timeout(10):
            while (after := await self.answered()) == before:
                await asyncio.sleep(0.02)
        more = [now - then for now, then in zip(after, before, strict=True)]
        assert sorted(more) == [0, 1]
        return more.index(1)

    async def homes(self, client):
        """Of each conversation its server."""
        asks = [prompt("hi", number, tokens=1) for number in range(CONVERSATIONS)]
        return [await self.home(client, ask) for ask in asks]


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    router = shutil.which("vllm-router", path=ROOT / ".venv-vllm" / "bin")
    if router is None:
        not_installed("there is no vllm-router: `make vllm`")
    fleet = Fleet(tmp_path_factory.mktemp("fleet"), router)
    try:
        fleet.start()
        yield fleet
    except NotStarted as why:
        if "make vllm" in str(why):
            not_installed(str(why))
        raise
    finally:
        fleet.stop()


def prompt(ask, number, model="starter", tokens=24):
    """In the conversation of this number."""
    thread = ThreadRef(ChannelRef("slack", "T1", "C1"), str(number))
    return Prompt((("user", ask),), model, tokens, 0.0, key(thread))


def test_the_readme_says_so():
    readme = (ROOT / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    assert f"{' '.join(ROUTER_FLAGS)} --log-level error" in " ".join(readme.split())


async def test_a_conversation_stays_on_its_server_and_each_server_has_some(fleet):
    async with fleet.client() as client:
        first = await fleet.homes(client)
        assert set(first) == {0, 1}
        assert [await fleet.homes(client) for _ in range(2)] == [first, first]


async def test_what_streams_through_the_router_is_what_the_server_says(fleet):
    ask = prompt("Write a loop in Python.", 1, tokens=48)
    async with fleet.client() as client, fleet.servers[0].client() as direct:
        pieces = [piece async for piece in client.stream(ask)]
        assert ("".join(pieces), "") == await said(direct, ask)
        assert len(pieces) > 5


async def test_a_tune_on_the_shared_shelf_answers_on_every_server(fleet):
    adapter(fleet.shelf / ".run" / "mynah@000001", 1)
    (fleet.shelf / ".run" / "mynah@000001").rename(fleet.shelf / "mynah@000001")
    async with fleet.client() as client, fleet.servers[0].client() as direct:
        homes = await fleet.homes(client)
        for home in (0, 1):
            number = homes.index(home)
            tuned = prompt("Hello! Who are you?", number, "mynah@000001")
            assert await fleet.home(client, tuned) == home
            assert await said(client, tuned) == await said(direct, tuned)
            assert await said(client, tuned) != await said(client, prompt("Hello! Who are you?", 1))


async def test_a_broken_tune_is_refused_and_nobody_else_waits_for_it(fleet):
    adapter(fleet.shelf / "mynah@000002", 2)
    (fleet.shelf / "mynah@000002" / "adapter_model.safetensors").write_bytes(b"no weights")
    async with fleet.client(first_token_within_s=10) as client:
        for number in range(4):
            text, error = await said(client, prompt("hi", number, "mynah@000002"))
            assert (text, bool(error)) == ("", True)
            began = time.monotonic()
            assert (await said(client, prompt("hi", number)))[0]
            assert time.monotonic() - began < 8


async def test_an_answer_that_is_closed_ends_on_the_server_within_a_second(fleet):
    adapter(fleet.shelf / "mynah@000006", 6)  # chatty
    ask = prompt("hi", 1, "mynah@000006", tokens=1800)
    async with fleet.client() as client:
        home = fleet.servers[await fleet.home(client, prompt("hi", 1))]
        async with aclosing(client.stream(ask)) as pieces:
            await anext(pieces)
            await until(lambda: running(home, 1), 5)
        closed = time.monotonic()
        await until(lambda: running(home, 0), 5)
        assert time.monotonic() - closed < 1


async def test_the_key_is_asked_for_and_what_is_said_stays_out_of_the_routers_log(fleet):
    async with fleet.client() as client:
        assert "starter" in await client.models()
        assert await client.context() > 1000
        secret = "my cat is called Przybylski"
        assert await client.count([secret]) == [estimate(secret)]  # it takes the key off /tokenize
        await said(client, prompt(secret, 1))
    async with aiohttp.ClientSession() as nobody:
        body = {"model": "starter", "messages": [{"role": "user", "content": "hi"}]}
        body["prompt"] = "hi"
        for path in ("/v1/chat/completions", "/tokenize", "/invocations", "/v1/load_lora_adapter"):
            async with nobody.post(fleet.url + path, json=body) as response:
                assert response.status == 401, path
    assert "Przybylski" not in fleet.log.read_text()


async def test_when_a_server_is_killed_the_other_answers_its_conversations_until_it_is_back(fleet):
    async with fleet.client() as client:
        homes = await fleet.homes(client)
        gone, left = fleet.servers[homes[1]], 1 - homes[1]
        # Whoever is being answered sees how far it came, and a sentence.
        adapter(fleet.shelf / "mynah@000007", 6)
        async with aclosing(client.stream(prompt("hi", 1, "mynah@000007", 1800))) as pieces:
            await anext(pieces)
            await asyncio.to_thread(gone.kill)
            with pytest.raises(Broken):
                async for _ in pieces:
                    pass
        # Everybody else sees an answer, those of the killed server too.
        for number, home in enumerate(homes):
            began = time.monotonic()
            text, error = await said(client, prompt("hi", number))
            took = time.monotonic() - began
            print(f"conversation {number} of server {home}: {took:.2f} s")
            assert text
            assert error in ("", "CutShort")
            assert took < 5
        assert await fleet.servers[left].metrics("num_requests_running") == [0]
        await asyncio.to_thread(gone.start)
        began = time.monotonic()
        async with asyncio.timeout(60):
            while await fleet.homes(client) != homes:
                pass
        print(f"all at home again {time.monotonic() - began:.1f} s after it is back")
