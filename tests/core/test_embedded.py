"""The embedded server: the real `transformers serve`, with tiny models made here."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from core.connection import Settings
from core.embedded import EmbeddedServer
from core.embedded_child import BEHIND
from core.errors import Broken, CutShort, Unreachable
from core.generation import ModelServer
from core.types import Prompt
from tests import tiny_model
from tests.embedded_servers import embedded_servers
from tests.sessions import session_nice

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(120)]

ROOT = Path(__file__).parent.parent.parent
TOKENS = 40
# As Qwen3's, which thinks unless it is told not to.
THINKING = tiny_model.CHAT_TEMPLATE + (
    "{% if enable_thinking is not defined or enable_thinking %}Well, let me see. {% endif %}"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders by the names of their models: a base, and a tune whose folder has an "@"."""
    folder = tmp_path_factory.mktemp("models")
    return {
        "base": tiny_model.make(folder / "base", seed=0),
        "mynah@000001": tiny_model.make(folder / "mynah@000001", seed=1),
        "mynah@000002": tiny_model.make(folder / "mynah@000002", seed=0, template=THINKING),
    }


class House:
    """The embedded server and a client of it, with all that the one said on the way."""

    def __init__(self, models, log):
        self.statuses: list[str] = []
        self.log = log
        self.start_s = 0.0
        self.embedded = EmbeddedServer(models["base"], log=log, on_status=self.statuses.append)
        self.client = ModelServer(
            Settings(model="base", first_token_within_s=60),
            wire_name=lambda name: str(models[name]),
            folder=models["base"],
            address=self.embedded.address,
        )

    async def pieces(self, text, model="base", tokens=TOKENS):
        """What a model without an end says: it always stops at its limit."""
        prompt = Prompt((("user", text),), model, max_tokens=tokens, temperature=0.0)
        return await self.read(prompt)

    async def read(self, prompt):
        pieces = []
        try:
            async for piece in self.client.stream(prompt):
                pieces.append(piece)
        except CutShort:
            return pieces
        pytest.fail("a model without an end came to an end")

    async def text(self, *asked, **more):
        return "".join(await self.pieces(*asked, **more))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(models, tmp_path_factory):
    house = House(models, tmp_path_factory.mktemp("log") / "model.log")
    async with house.embedded, house.client:
        began = time.monotonic()
        await house.embedded.address()
        house.start_s = time.monotonic() - began
        yield house


async def until(condition, within_s):
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.05)


async def test_it_answers_in_a_stream_and_shows_how_it_loads(house):
    pieces = await house.pieces("hello")
    assert len(pieces) > 5
    assert house.statuses[0] == "loading the model, 0 s"
    assert house.statuses[-1] == ""
    assert await house.client.models() == ("base",)


async def test_a_temperature_above_nothing_makes_it_vary(house):
    """`transformers serve` by itself samples only where the model's folder says so."""

    async def texts(temperature):
        prompt = Prompt((("user", "hello"),), "base", TOKENS, temperature)
        return {"".join(await house.read(prompt)) for _ in range(3)}

    assert len(await texts(1.5)) == 3
    assert len(await texts(0.0)) == 1


async def test_tokens_and_window_come_from_the_models_folder(house):
    assert await house.client.count(["", "hello world"]) == [0, 10]
    assert await house.client.context() == 512


async def test_answers_of_two_folders_at_once_are_not_mixed(house):
    own = {name: await house.text("hello", model=name) for name in ("base", "mynah@000001")}
    assert own["base"] != own["mynah@000001"]
    names = ["base", "mynah@000001"] * 4
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(house.text("hello", model=name)) for name in names]
    assert [task.result() for task in asked] == [own[name] for name in names]


async def test_a_model_that_thinks_before_it_answers_is_told_not_to(house):
    assert await house.text("hello", "mynah@000002") == await house.text("hello")


async def test_changing_the_model_is_fast(house):
    await house.text("hello", model="mynah@000001", tokens=10)
    changes = []
    for name in ("base", "mynah@000001") * 3:
        began = time.monotonic()
        await house.text("hello", model=name, tokens=10)
        changes.append(time.monotonic() - began)
    assert sorted(changes)[len(changes) // 2] < 0.5


async def test_leaving_an_answer_frees_the_server(house):
    """It answers one at a time: a stream that nobody reads would hold up the next for long."""
    prompt = Prompt((("user", "hello"),), "base", max_tokens=100_000, temperature=0.0)
    async with aclosing(house.client.stream(prompt)) as stream:
        await anext(stream)
    async with asyncio.timeout(3):
        await house.text("and now?", tokens=10)


async def test_it_writes_to_its_log_alone_and_nothing_that_people_wrote(house, capfd):
    await house.text("Przybylski is my cat")
    assert capfd.readouterr() == ("", "")
    assert "Przybylski" not in house.log.read_text()


async def test_it_is_back_within_15_seconds_of_a_kill(house):
    before = await house.text("hello")
    [child] = embedded_servers()
    child.kill()
    await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, 2)
    # A start takes 6 s of processor time, which can last on a machine that is busy otherwise.
    async with asyncio.timeout(max(15, 2 * house.start_s)):
        assert await house.text("hello") == before
    assert len(embedded_servers()) == 1


async def test_an_answer_that_is_cut_by_a_kill_is_marked_and_the_next_one_comes(house):
    prompt = Prompt((("user", "hello"),), "base", max_tokens=100_000, temperature=0.0)
    [child] = embedded_servers()
    async with aclosing(house.client.stream(prompt)) as stream:
        await anext(stream)
        child.kill()
        error = None
        while error is None:
            try:
                await anext(stream)
            except Broken as broken:
                error = broken
    assert await house.text("hello")


# Without the shared one.

PARENT = """
import asyncio, sys
from pathlib import Path
from core.embedded import EmbeddedServer

async def main():
    async with EmbeddedServer(Path(sys.argv[1]), log=Path(sys.argv[2])) as server:
        if sys.argv[3] == "loaded":
            await server.address()
        else:
            await asyncio.sleep(1)
        print("ready", flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


@pytest.mark.parametrize("when", ["loaded", "loading"])
async def test_a_killed_bot_leaves_no_server_behind(models, tmp_path, when):
    arguments = [str(models["base"]), str(tmp_path / "model.log"), when]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        assert await asyncio.to_thread(parent.stdout.readline) == "ready\n"
        [child] = embedded_servers(parent.pid)
        os.kill(parent.pid, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(child.pid) or zombie(child), within_s=2)


def zombie(process):
    """Ended, and nobody has asked for its exit code: in a container there may be no init."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


async def test_it_goes_down_with_its_block(models, tmp_path):
    before = embedded_servers()
    async with EmbeddedServer(models["base"], log=tmp_path / "model.log"):
        await until(lambda: len(embedded_servers()) > len(before), within_s=5)
    assert embedded_servers() == before


async def test_its_session_steps_behind_the_bots(house):
    [child] = embedded_servers()
    assert session_nice(child.pid) == BEHIND


async def test_a_folder_without_a_model_is_said_at_once(tmp_path):
    async with EmbeddedServer(tmp_path / "none", log=tmp_path / "model.log") as server:
        with pytest.raises(
            Unreachable, match=r"There is no model in .*none: set generation\.model"
        ):
            async with asyncio.timeout(2):
                await server.address()


async def test_a_damaged_model_is_said_and_the_log_named(models, tmp_path):
    damaged = shutil.copytree(models["base"], tmp_path / "damaged")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    log = tmp_path / "model.log"
    async with EmbeddedServer(damaged, log=log) as server:
        with pytest.raises(Unreachable, match="cannot be loaded") as caught:
            await server.address()
        assert str(log) in str(caught.value)
    assert log.stat().st_size > 0


async def test_a_missing_library_is_said_with_the_command_that_brings_it(
    models, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "transformers", None)  # as if it were not installed
    async with EmbeddedServer(models["base"], log=tmp_path / "model.log") as server:
        with pytest.raises(Unreachable, match=r"pip install -e '\.\[local\]' -c constraints\.txt"):
            await server.address()
