"""Whatever the trainer does to itself, the bot answers on, and the next run works."""

import asyncio
import os
import random
import shutil
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from core.training.limits import members
from tests.fake_model import FakeModel
from tests.training.house import said, trainer, vote
from tests.wire_house import bot_here
from tests.wire_platform import WirePlatform

# What a fault is told as; the base of "NaN" is broken instead of the step.
FAULTS = {
    "out of memory in tune": "Learning failed: it ",
    "many out of memory in tune": "needed more memory than a run may take",
    "SIGKILL in tune": "it was killed",
    "SIGSEGV in tune": "it ended with signal 11",
    "hang in tune": "not done in the time",
    "full folder in tune": "it wrote more than a run may write",
    "full log in tune": "it filled its log",
    "children that fork in tune": "it ended with status 3",
    "corrupt data set in tune": "the data set is damaged",
    "nothing written in tune": "it ended without leaving a tune",
    "NaN in tune": "NaN",
    "full disk in tune": "the disk is full",
}
# These train first, so that each takes its time.
OF_THE_GATE = {
    "SIGKILL in evaluate": "checking it failed: it was killed",
    "nothing written in evaluate": "the checks did not end in a report",
}
EVERY_S = 0.2


@pytest.fixture
def broken_base(base, tmp_path):
    """One whose weights are no numbers."""
    import torch
    from safetensors.torch import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(base, folder)
    tensors = load_file(folder / "model.safetensors")
    tensors = {name: torch.full_like(tensor, torch.nan) for name, tensor in tensors.items()}
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


class People:
    """Begin a conversation five times a second."""

    def __init__(self, platform):
        self.platform, self.asked = platform, []

    async def ask(self):
        while True:
            number = len(self.asked)
            self.asked.append(self.platform.say(f"c{number}", f"question {number}"))
            await asyncio.sleep(EVERY_S)

    async def all_answered(self):
        def shows(question):
            return self.platform.shown(question) == f"You said: {question.text}"

        for question in self.asked:
            await self.platform.until(lambda q=question: shows(q), within_s=10)
            assert len(self.platform.under(question)) == 1


@asynccontextmanager
async def bot_that_is_asked(folder):
    async with (
        FakeModel() as model,
        WirePlatform() as platform,
        bot_here(folder, platform, model) as store,
    ):
        people = People(platform)
        asking = asyncio.ensure_future(people.ask())
        try:
            yield store, people
        finally:
            asking.cancel()
        await people.all_answered()


@pytest.fixture
def faulty(tmp_path, monkeypatch):
    """Sets the fault of the steps to come; None: none."""
    folder = tmp_path / "faulty"
    folder.mkdir()
    shutil.copy(Path(__file__).parent / "faults" / "sitecustomize.py", folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))  # of the steps, which are processes

    def say(fault):
        (folder / "fault").unlink(missing_ok=True)
        if fault:
            (folder / "fault").write_text(fault)

    return say


async def run_broken(store, folder, base, fault):
    """One run with this fault: said in words, nothing left, and the state as it was."""
    before = (await store.serving(), [tune for tune in await store.tunes() if tune.path])
    minutes = 0.15 if fault.startswith("hang") else 5
    words = await said(trainer(store, folder, base, minutes=minutes).retrain(dry=False, by=None))
    assert (FAULTS | OF_THE_GATE)[fault] in words, words
    assert "what answered before answers on" in words.lower()
    shelf = folder / "tunes"
    assert not (shelf / ".run").exists()
    assert await asyncio.to_thread(members, shelf / ".run") == []
    refused = [tune.name for tune in await store.tunes() if tune.status == "refused"]
    after = (
        await store.serving(),
        [tune for tune in await store.tunes() if tune.path and tune.name not in refused],
    )
    assert after == (before[0], [tune for tune in before[1] if tune.name not in refused])
    assert not list(shelf.rglob("*.safetensors"))


async def runs_well(store, folder, base):
    words = await said(trainer(store, folder, base).retrain(dry=False, by=None))
    assert "answers from now on" in words, words
    assert await store.serving() is not None


@pytest.mark.timeout(240)
async def test_each_fault_is_told_leaves_nothing_and_fails_no_reply(
    base, broken_base, tmp_path, faulty
):
    async with bot_that_is_asked(tmp_path) as (store, people):
        await vote(store, 24)
        for fault in FAULTS:
            faulty(fault)
            await run_broken(store, tmp_path, broken_base if "NaN" in fault else base, fault)
        faulty(None)
        await runs_well(store, tmp_path, base)
        assert len(people.asked) > 50


@pytest.mark.long
async def test_a_hundred_broken_runs_fail_no_reply(base, broken_base, tmp_path, faulty):
    faults = ([*FAULTS, *OF_THE_GATE] * 8)[:100]
    random.Random(os.environ.get("SEED", 7)).shuffle(faults)
    began = time.monotonic()
    async with bot_that_is_asked(tmp_path) as (store, people):
        await vote(store, 24)
        for fault in faults:
            faulty(fault)
            await run_broken(store, tmp_path, broken_base if "NaN" in fault else base, fault)
        faulty(None)
        await runs_well(store, tmp_path, base)
    print(
        f"\n{len(faults)} broken runs in {time.monotonic() - began:.0f} s,"
        f" {len(people.asked)} questions meanwhile, all answered"
    )
