"""From votes to a tune that serves: the real trainer in its own processes, the real store."""

import asyncio
import json
import os
import signal
import sys
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from core.announcements import Announcements
from core.desk import serve
from core.training.limits import members
from core.training.publish import NOT_PROVEN
from core.types import Author, ChannelRef
from core.types_learning import Shaped, Tune
from tests.core.room import ListAdapter, asked, engine_on
from tests.fakes import until
from tests.training.house import Voices, opened, said, trainer, vote
from tests.training.votes import NOON

pytestmark = pytest.mark.timeout(180)


def trainers():
    return [one for one in psutil.Process().children() if "core.training.tune" in one.cmdline()]


async def test_a_run_that_is_killed_leaves_nothing_and_the_next_one_serves(store, base, tmp_path):
    await vote(store, 24)
    generator = Voices(["I am Mynah."])
    announcements, adapter = Announcements("list:news"), ListAdapter()
    announcements.ready(adapter)
    mynah = trainer(store, tmp_path, base, generator, announcements=announcements)

    words = ""
    async with aclosing(mynah.retrain(dry=False, by=None)) as pieces:
        async for piece in pieces:
            words += piece
            if piece.startswith("- "):
                for child in trainers():
                    os.kill(child.pid, signal.SIGKILL)
    assert "Learning failed: it was killed" in words
    assert "What answered before answers on." in words
    assert await store.tunes() == []
    assert not (tmp_path / "tunes" / ".run").exists()

    async with announcements:
        words = await said(mynah.retrain(dry=False, by=None))
        await until(lambda: adapter.told)
    assert "Learning from 24 votes (12 liked, 12 disliked, from 1 person)." in words
    assert "- weighing all votes\n" in words
    assert "`mynah@000002` answers from now on; `/rollback` takes it back." in words
    assert "not proven" in words
    assert await store.serving() == "mynah@000002"
    assert [prompt.model for prompt in generator.prompts] == ["mynah@000002", "base"]

    [(channel, digest)] = adapter.told  # nothing of the run that failed
    assert channel == "news"
    assert "`mynah@000002` answers everybody from now on" in digest
    assert "Learnt from 24 votes (12 liked, 12 disliked, from 1 person)." in digest
    assert "fixed questions" in digest
    assert "is a number" not in digest
    listed = ListAdapter(asked("/tunes"))
    await serve(engine_on(store, Voices([]), trainer=mynah), listed)
    assert (
        f"**What `mynah@000002` changed.** {digest.split('tell.', 1)[1].strip()}"
        in (listed.shown["1"])
    )

    (tune,) = await store.tunes()
    channel = ChannelRef("console", "me", "here")
    newest = tuple(f"Is it true that {n} is a number?" for n in (24, 23, 22))
    assert await store.shaped(tune.name, channel, Author("ann", "Ann")) == Shaped(
        24, 1, 24, asked=newest
    )
    assert (tune.status, tune.turns) == ("passed", tuple(range(1, 25)))
    there = {str(path.relative_to(tune.path)) for path in Path(tune.path).rglob("*")}
    assert {"adapter_config.json", "merged/model.safetensors", "report.json"} <= there
    assert json.loads((Path(tune.path) / "report.json").read_text())["passed"]
    # Nothing that people wrote stays behind.
    for path in (tmp_path / "tunes").rglob("*"):
        assert path.is_dir() or b"is a number" not in path.read_bytes(), path

    verbs = mynah.verbs()
    assert "serves now" in await said(verbs["tunes"]({}))
    assert "the base answers instead of `mynah@000002`" in await said(verbs["rollback"]({}))
    assert await store.serving() is None
    assert "nothing to roll back" in await said(verbs["rollback"]({}))


@pytest.mark.parametrize(
    ("more", "is_forgotten", "is_proven"),
    [("", False, True), (f" {NOT_PROVEN}", False, False), (f" {NOT_PROVEN}", True, True)],
)
async def test_the_gate_is_told_beside_what_to_judge_and_whether_that_is_proven(
    store, base, tmp_path, more, is_forgotten, is_proven
):
    """What used forgotten words has to go: nothing has to do better than that."""
    await vote(store, 24)
    served = Tune("mynah@000001", str(base), "", "passed", (), f"Learnt from 2 votes.{more}", NOON)
    await store.put_tune(served)
    await store.serve(served.name, NOON)
    await store.put_tune(replace(served, forgotten=is_forgotten))
    mynah = trainer(store, tmp_path, base)
    async with aclosing(mynah.retrain(dry=False, by=None)) as pieces:
        async for piece in pieces:
            if piece.startswith("- "):
                break
        [recipe] = (tmp_path / "tunes" / ".run").glob("*/recipe.json")
        told = json.loads(recipe.read_text())
        expected = None if is_forgotten else str(tmp_path / "tunes" / served.name)
        assert (told["serving"], told["serving_is_proven"]) == (expected, is_proven)


async def test_a_missing_library_is_said_with_the_command_that_brings_it(
    store, base, tmp_path, monkeypatch
):
    """The same words each night, so that they are told once."""
    await vote(store, 24)
    # Python's own way to say that it is not installed; an environment without it takes minutes.
    monkeypatch.setitem(sys.modules, "trl", None)
    words = await said(trainer(store, tmp_path, base).retrain(dry=False, by=None))
    why = (
        f"`trl` is not installed: {sys.executable} -m pip install -e '.[train]' -c constraints.txt"
    )
    assert f"Learning failed: {why}. What answered before answers on." in words
    assert await store.next_tune() == "mynah@000001"


async def test_a_second_run_is_told_that_one_is_running(store, base, tmp_path):
    await vote(store, 24)
    mynah = trainer(store, tmp_path, base)
    async with aclosing(mynah.retrain(dry=False, by=None)) as pieces:
        async for piece in pieces:
            if piece.startswith("- "):
                break
        assert "one run at a time" in await said(mynah.retrain(dry=False, by=None))
        assert trainers()
    async with asyncio.timeout(5):  # who asked went away: nothing of the run is left
        while trainers():
            await asyncio.sleep(0.01)
    assert not (tmp_path / "tunes" / ".run").exists()


CONFIG = """
generation: {{url: "http://127.0.0.1:9/v1", model: served}}
storage: {{url: "sqlite:///{folder}/mynah.db"}}
training: {{folder: "{folder}/tunes", base: "{base}"}}
platforms: {{console: {{}}}}
"""


@pytest.mark.parametrize(
    ("sign", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 143), (signal.SIGINT, 130)]
)
async def test_the_command_stops_cleanly(base, tmp_path, sign, status):
    async with opened(tmp_path) as store:
        await vote(store, 24)
    (tmp_path / "config.yaml").write_text(CONFIG.format(folder=tmp_path, base=base))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bots.train", "--config", str(tmp_path / "config.yaml")),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        # As in a terminal: what a shell runs behind it, such as these tests, may ignore signals.
        preexec_fn=lambda: signal.signal(sign, signal.SIG_DFL),
    )
    assert process.stdout
    runs = tmp_path / "tunes" / ".run"
    async with asyncio.timeout(30):
        while await process.stdout.readline() != b"- loading the model\n":
            pass
        assert await asyncio.to_thread(members, runs)
        process.send_signal(sign)
        if status == 143:
            process.send_signal(sign)  # whoever is impatient breaks nothing
        assert await process.wait() == status
    assert await asyncio.to_thread(members, runs) == []
    assert not runs.exists()


async def test_who_voted_much_beside_four_others_is_told_why_it_is_not_enough(store, tmp_path):
    await vote(store, 24, by=("ann",) * 20 + ("bob", "cy", "di", "ed"))
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "config.json").write_text("{}")
    words = await said(trainer(store, tmp_path, tmp_path / "base").retrain(dry=False, by=None))
    assert "Not enough to learn from yet: 5 of 10 votes are there." in words
    assert "left out 19 answers (more than one person's share)" in words


async def test_a_run_ends_at_its_deadline(store, base, tmp_path):
    await vote(store, 24)
    words = await said(trainer(store, tmp_path, base, minutes=0.01).retrain(dry=False, by=None))
    assert "not done in the time that training.minutes allows" in words
    assert await store.serving() is None
