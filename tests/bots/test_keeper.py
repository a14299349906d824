"""What the store says serves can serve: a tune that does not load is taken back, to the base."""

import asyncio
import json
import shutil
from dataclasses import replace

import pytest

from bots.keeper import DOES_NOT_LOAD, Keeper
from bots.looking import looking
from core.announcements import Announcements
from core.errors import Rejected, TimedOut, Unreachable
from core.jury import Jury
from core.serving import tunes
from core.training.models import base_hash
from core.types_learning import Tune
from storage.repositories import SqlStore
from tests.core.room import ListAdapter
from tests.fakes import ScriptedGenerator, until
from tests.training.house import opened
from tests.training.votes import NOON

FIRST, SECOND = "mynah@000001", "mynah@000002"


class Server(ScriptedGenerator):
    """Answers as every model but those in `errors`."""

    errors: dict[str, Exception]

    async def stream(self, prompt):
        self.prompts.append(prompt)
        if error := self.errors.get(prompt.model):
            raise error
        yield "I"


@pytest.fixture
async def store(tmp_path):
    """With two tunes on the shelf, of which the second serves."""
    async with opened(tmp_path) as one:
        for name in (FIRST, SECOND):
            folder = tmp_path / "tunes" / name
            (folder / "merged").mkdir(parents=True)
            for file in ("adapter_config.json", "adapter_model.safetensors", "manifest.json"):
                (folder / file).write_bytes(b"{}")
            (folder / "merged" / "config.json").write_bytes(b"{}")
            await one.put_tune(Tune(name, "base", str(folder), "passed", (1,), "Learnt.", NOON))
            await one.serve(name, NOON)
        yield one


@pytest.fixture
def server():
    one = Server([])
    one.errors = {}
    return one


def keeper(store, server, tmp_path, failures=lambda: 0, folder=None, **how):
    return Keeper(
        store,
        server,
        failures,
        base="base",
        shelf=tmp_path / "tunes",
        merged=True,
        folder=folder,
        **how,
    )


def watched(one):
    return looking(one.look, name="keeper", problem="no look", every_s=0.01)


async def test_a_tune_that_began_to_serve_meanwhile_is_not_taken_back(store, server, tmp_path):
    class Meanwhile(SqlStore):
        async def roll_back(self, name, at, past=(), why=""):
            if name == SECOND:
                await self.serve(FIRST, NOON)
            return await super().roll_back(name, at, past, why)

    store.__class__ = Meanwhile
    shutil.rmtree(tmp_path / "tunes" / SECOND)
    adapter = ListAdapter()
    async with Announcements("list:ops") as announcements:
        announcements.ready(adapter)
        await keeper(store, server, tmp_path, announcements=announcements).look()
    assert await store.serving() == FIRST
    assert adapter.told == []


async def test_that_a_tune_is_taken_back_is_announced(store, server, tmp_path):
    shutil.rmtree(tmp_path / "tunes" / SECOND)
    adapter = ListAdapter()
    async with Announcements("list:ops") as announcements:
        announcements.ready(adapter)
        async with watched(keeper(store, server, tmp_path, announcements=announcements)):
            await until(lambda: adapter.told)
    [(channel, text)] = adapter.told
    assert channel == "ops"
    assert f"`{SECOND}` does not load" in text
    assert f"the tune `{FIRST}` answers instead" in text


async def serves(store, name, within_s=5):
    async with asyncio.timeout(within_s):
        while await store.serving() != name:
            await asyncio.sleep(0.01)


async def test_what_loads_goes_on_serving_and_is_asked_once(store, server, tmp_path):
    one = keeper(store, server, tmp_path)
    for _ in range(3):
        await one.look()
    assert [prompt.model for prompt in server.prompts] == [SECOND]
    assert await store.serving() == SECOND


async def test_a_tune_whose_files_went_is_taken_back_at_once(store, server, tmp_path, caplog):
    async with watched(keeper(store, server, tmp_path)):
        shutil.rmtree(tmp_path / "tunes" / SECOND)
        await serves(store, FIRST)
        (tmp_path / "tunes" / FIRST / "merged" / "config.json").unlink()
        await serves(store, None)
        jury = Jury(store, ())
        while (told := await tunes(store, jury)).count("was taken back") < 2:  # said after it
            await asyncio.sleep(0.001)
    assert told.startswith("The base answers.")
    assert told.count("does not load any more and was taken back") == 2
    assert f"the tune {SECOND} does not load: the tune `{FIRST}` answers instead" in caplog.text
    assert f"the tune {FIRST} does not load: the base answers instead" in caplog.text


async def test_a_tune_of_another_base_is_taken_back(store, server, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        (base / name).write_text(name)
    hashed = await asyncio.to_thread(base_hash, base)
    for name, of in ((SECOND, "0" * 64), (FIRST, hashed)):
        made = json.dumps({"base_sha256": of})
        (tmp_path / "tunes" / name / "manifest.json").write_text(made)
    one = keeper(store, server, tmp_path, folder=base)
    await one.look()
    assert await store.serving() == FIRST
    (base / "model.safetensors").write_text("half of it, until it is copied anew")
    await one.look()
    assert await store.serving() == FIRST


async def test_after_a_new_base_all_tunes_go_at_once_and_it_is_said_once(store, server, tmp_path):
    base = tmp_path / "base"
    base.mkdir()
    for name in ("config.json", "model.safetensors"):
        (base / name).write_text(name)
    for name in (FIRST, SECOND):
        made = json.dumps({"base_sha256": "0" * 64})
        (tmp_path / "tunes" / name / "manifest.json").write_text(made)
    adapter = ListAdapter()
    async with Announcements("list:ops") as announcements:
        announcements.ready(adapter)
        await keeper(store, server, tmp_path, folder=base, announcements=announcements).look()
        await until(lambda: adapter.told)
    assert await store.serving() is None
    [(_, text)] = adapter.told
    assert "the base answers instead" in text


async def test_where_the_bases_files_are_not_at_hand_tunes_load(store, server, tmp_path):
    made = json.dumps({"base_sha256": "0" * 64})
    (tmp_path / "tunes" / SECOND / "manifest.json").write_text(made)
    await keeper(store, server, tmp_path).look()
    (tmp_path / "base").mkdir()
    await keeper(store, server, tmp_path, folder=tmp_path / "base").look()
    assert await store.serving() == SECOND


async def test_it_goes_back_past_tunes_that_used_something_forgotten(store, server, tmp_path):
    third = "mynah@000003"
    for tune in await store.tunes():
        if tune.name == SECOND:
            await store.put_tune(replace(tune, forgotten=True))
            await store.put_tune(replace(tune, name=third))
    await keeper(store, server, tmp_path).look()
    assert await store.serving() == SECOND  # while it serves and loads, it stays
    await store.serve(third, NOON)
    adapter = ListAdapter()
    async with Announcements("list:ops") as announcements:
        announcements.ready(adapter)
        await keeper(store, server, tmp_path, announcements=announcements).look()
        await until(lambda: adapter.told)
    assert await store.serving() == FIRST
    [(_, text)] = adapter.told
    assert f"`{third}` does not load" in text
    assert f"the tune `{FIRST}` answers instead" in text
    assert [DOES_NOT_LOAD in tune.summary for tune in await store.tunes()] == [False, False, True]


async def test_a_tune_that_the_server_refuses_is_taken_back_when_the_base_answers(
    store, server, tmp_path
):
    server.errors = {SECOND: Rejected("no such model"), FIRST: Unreachable("it broke")}
    await keeper(store, server, tmp_path).look()
    assert await store.serving() is None


@pytest.mark.parametrize(
    "errors",
    [
        {SECOND: Unreachable("down"), "base": Unreachable("down")},
        {SECOND: TimedOut("slow")},
    ],
)
async def test_a_server_that_is_down_or_slow_is_no_reason(store, server, tmp_path, errors):
    server.errors = errors
    one = keeper(store, server, tmp_path)
    await one.look()
    assert await store.serving() == SECOND
    server.errors = {SECOND: Rejected("no such model")}  # it is back, and has lost the tune
    await one.look()
    assert await store.serving() == FIRST


async def test_a_server_that_comes_back_between_two_questions_is_no_reason(store, tmp_path):
    class Returning(Server):
        async def stream(self, prompt):
            if prompt.model == "base":
                self.errors = {}
            async for piece in super().stream(prompt):
                yield piece

    server = Returning([])
    server.errors = {SECOND: Unreachable("down")}
    await keeper(store, server, tmp_path).look()
    assert [prompt.model for prompt in server.prompts] == [SECOND, "base", SECOND]
    assert await store.serving() == SECOND


async def test_after_an_answer_failed_the_server_is_asked_anew(store, server, tmp_path):
    failures = 0
    one = keeper(store, server, tmp_path, lambda: failures)
    await one.look()
    server.errors = {SECOND: Rejected("no such model")}
    await one.look()
    assert await store.serving() == SECOND  # nobody was hurt yet, nobody asked
    failures = 1
    await one.look()
    assert await store.serving() == FIRST
    asked = [prompt.conversation for prompt in server.prompts if prompt.model == SECOND]
    assert asked[0] != asked[1]  # else a router would show it the same server for ever
