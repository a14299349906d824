"""A step that misbehaves ends in one sentence, and nothing of it is left."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from core.training import limits, runner
from core.training.runner import StepFailed, run_step
from tests.sessions import session_nice

STEPS = "tests.training.bad_steps"


async def told(run, within_s=15.0):
    deadline = time.monotonic() + within_s
    return [one async for one in run_step(STEPS, run, deadline=deadline, log=run / "log")]


@pytest.fixture
def folder(tmp_path):
    def make(name):
        (tmp_path / name / "scratch").mkdir(parents=True)
        (tmp_path / "base").mkdir()
        recipe = {"base": str(tmp_path / "base")}
        (tmp_path / name / "recipe.json").write_text(json.dumps(recipe))
        return tmp_path / name

    return make


def runs(pid_file):
    try:
        return psutil.Process(int(pid_file.read_text())).status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, FileNotFoundError, ValueError):
        return False


async def gone(pid_file, within_s=5.0):
    async with asyncio.timeout(within_s):
        while runs(pid_file):
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("dies", "was killed"),
        ("ends", "ended with status 3"),
        ("gives up", "the votes contradict each other"),
        ("babbles", "spoke nonsense"),
        ("shouts", "spoke nonsense"),
        ("fills its log", "filled its log"),
        ("fills its folder", "wrote more than a run may write"),
        ("takes memory", "needed more memory than a run may take"),
        ("takes memory alone", "needed more memory than a run may take"),
        ("finds the disk full", "the disk is full"),
    ],
)
async def test_a_step_that_misbehaves_ends_in_a_sentence(folder, what, sentence):
    run = folder(what)
    with pytest.raises(StepFailed, match=sentence):
        await told(run)
    await gone(run / "pid")
    assert (run / "log").stat().st_size <= runner.LONGEST_LOG


async def test_a_step_that_hangs_is_ended_at_its_deadline(folder):
    run = folder("hangs")
    with pytest.raises(StepFailed, match="not done in the time"):
        await told(run, within_s=2)
    assert (run / "pid").exists()
    await gone(run / "pid")


@pytest.mark.parametrize("how", ["forks", "forks away"])
async def test_what_a_step_started_ends_with_it(folder, how):
    run = folder(how)
    assert [progress.what for progress in await told(run)] == ["forked"]
    assert (run / "child").exists()
    await gone(run / "child")


async def test_closing_it_stops_the_step(folder):
    run = folder("hangs")
    deadline = time.monotonic() + 60
    async with aclosing(run_step(STEPS, run, deadline=deadline, log=run / "log")) as steps:
        async for _ in steps:
            assert runs(run / "pid")
            break
    await gone(run / "pid")


async def test_a_step_gets_no_secrets_of_the_bot(folder, monkeypatch):
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-1")  # as the bot's own environment has them
    monkeypatch.setenv("MODEL_KEY", "secret")
    (progress,) = await told(folder("tells its environment"))
    environment = json.loads(progress.what)
    assert not {"SLACK_BOT_TOKEN", "MODEL_KEY"} & environment.keys()
    assert environment["OMP_NUM_THREADS"] == "1"


async def test_a_step_sees_one_gpu_of_those_that_the_bot_sees(folder, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,3")  # as an operator sets it for the bot
    (progress,) = await told(folder("tells its environment"))
    assert json.loads(progress.what)["CUDA_VISIBLE_DEVICES"] == "2"


async def test_a_step_steps_back_behind_other_sessions_too(folder):
    run, ours = folder("settles in"), session_nice(os.getpid())
    deadline = time.monotonic() + 60
    async with aclosing(run_step(STEPS, run, deadline=deadline, log=run / "log")) as steps:
        await anext(steps)
        assert session_nice(int((run / "pid").read_text())) == 19
    assert session_nice(os.getpid()) == ours


async def test_a_step_steps_back_and_libraries_cannot_disturb_what_it_says(folder):
    run = folder("settles in")
    deadline = time.monotonic() + 60
    async with aclosing(run_step(STEPS, run, deadline=deadline, log=run / "log")) as steps:
        async for progress in steps:
            assert progress.what == "nice 19"
            pid = int((run / "pid").read_text())
            assert 0 < psutil.Process(pid).rlimit(psutil.RLIMIT_DATA)[0] < 1 << 40
            assert 0 < psutil.Process(pid).rlimit(psutil.RLIMIT_FSIZE)[0] < 1 << 40
            break
    log = (run / "log").read_text()
    assert "from a library" in log
    assert "nice 19: 1 of 1" in log  # a line per step, for whoever looks later


async def test_a_step_and_its_children_end_when_the_bot_is_killed(folder):
    run = folder("settles in and forks")
    bot = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, pathlib, sys, time\n"
            "from core.training.runner import run_step\n"
            "async def main(run):\n"
            f"    async for _ in run_step({STEPS!r}, run, deadline=time.monotonic() + 60,\n"
            "                            log=run / 'log'):\n"
            "        pass\n"
            "asyncio.run(main(pathlib.Path(sys.argv[1])))\n",
            str(run),
        ],
        cwd=Path(__file__).parents[2],
    )
    try:
        async with asyncio.timeout(15):
            while "from a library" not in (
                (run / "log").read_text() if (run / "log").exists() else ""
            ):
                await asyncio.sleep(0.05)
        assert runs(run / "pid")
        assert runs(run / "child")
    finally:
        os.kill(bot.pid, signal.SIGKILL)
        bot.wait()
    await gone(run / "pid")
    await gone(run / "child")


async def test_what_a_killed_bot_left_is_found_by_its_folder(folder):
    run = folder("hangs")
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        env=runner.environment(run),
        start_new_session=True,
    )
    async with asyncio.timeout(5):
        while child.pid not in await asyncio.to_thread(limits.members, run.parent):
            await asyncio.sleep(0.01)
    await asyncio.to_thread(limits.end_all, run.with_name("another"))
    assert child.poll() is None
    await asyncio.to_thread(limits.end_all, run.parent)
    assert child.wait(5) == -signal.SIGKILL


def test_a_base_of_links_is_as_large_as_what_they_lead_to(tmp_path):
    """As the folders are in which Hugging Face's cache has a model."""
    base, blob, run = tmp_path / "snapshot", tmp_path / "blob", tmp_path / "run"
    base.mkdir()
    run.mkdir()
    with blob.open("wb") as file:
        file.truncate(4 * limits.GIB)
    (base / "model.safetensors").symlink_to(blob)
    (run / "recipe.json").write_text(json.dumps({"base": str(base)}))
    assert limits.limits(run).file == 9 * limits.GIB
    assert limits.limits(run).memory == 30 * limits.GIB
    assert limits.base_bytes(base) == 4 * limits.GIB
    (base / "original").mkdir()
    (base / "original" / "consolidated.00.pth").symlink_to(blob)  # as Llama's vendor lays it there
    assert limits.base_bytes(base) == 4 * limits.GIB


def test_a_disk_without_room_for_a_tune_is_told_before_the_run(tmp_path):
    assert limits.room_for(tmp_path, tmp_path, merge=True) is None
    base = tmp_path / "base"
    base.mkdir()
    with (base / "model.safetensors").open("wb") as file:
        file.truncate(1 << 42)  # a base of four terabytes takes no room itself
    assert "free and a run needs 4398" in (limits.room_for(tmp_path, base, merge=True) or "")
    assert limits.room_for(tmp_path, base, merge=False) is None  # an adapter alone is small
