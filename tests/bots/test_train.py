"""The trainer as the person meets it, where nothing is trained: what it says, and asks for."""

import asyncio
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from bots.train import asked_for, parser
from core.types import Correction, Feedback
from tests.core.room import serve_tune
from tests.training.house import hollow, opened, said, trainer, vote
from tests.training.votes import NOON

ROOT = Path(__file__).parents[2]


@pytest.fixture
def folder(tmp_path):
    return hollow(tmp_path / "base")


async def test_too_few_votes_are_counted(store, folder, tmp_path):
    await vote(store, 7)
    words = await said(trainer(store, tmp_path, folder).retrain(dry=False, by=None))
    assert "7 of 10 votes are there" in words
    assert not (tmp_path / "tunes").exists()


async def test_votes_of_other_platforms_wait_and_are_named(store, folder, tmp_path):
    await vote(store, 12, platform="slack")
    words = await said(trainer(store, tmp_path, folder).retrain(dry=False, by=None))
    assert "0 of 10 votes are there" in words
    assert "12 votes wait on slack: add `slack` to `training.platforms` in config.yaml" in words


async def test_a_dry_run_says_what_it_would_use_and_leaves_no_trace(store, folder, tmp_path):
    await vote(store, 24)
    await store.put_feedback(Feedback(1, "bob", -1, NOON))
    await store.put_correction(Correction(2, "ann", "Yes.", NOON))
    words = await said(trainer(store, tmp_path, folder).retrain(dry=True, by=None))
    assert words == (
        "I would use 23 votes (11 liked, 12 disliked, 1 corrected, from 1 person),"
        " left out 1 answer (as many up as down).\n"
    )
    assert not (tmp_path / "tunes").exists()


async def test_without_the_base_at_hand_it_says_what_to_set(store, tmp_path):
    await vote(store, 24)
    words = await said(trainer(store, tmp_path).retrain(dry=False, by=None))
    assert "`training.base` in config.yaml" in words


async def test_an_export_is_the_data_set_that_a_run_would_use(store, folder, tmp_path):
    await vote(store, 24)
    out = tmp_path / "out"
    verbs = trainer(store, tmp_path, folder).verbs()
    assert "24 votes" in await said(verbs["export"]({"folder": str(out)}))
    rows = [json.loads(line) for line in (out / "train.jsonl").read_text().splitlines()]
    assert len(rows) == 24
    assert (out / "manifest.json").exists()


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        ([], ("retrain", {"dry": False})),
        (["--dry-run"], ("retrain", {"dry": True})),
        (["--list"], ("tunes", {})),
        (["--rollback"], ("rollback", {})),
        (["--review"], ("review", {"decided": ""})),
        (["--let-in", "0a1b2c"], ("review", {"decided": "in 0a1b2c"})),
        (["--leave-out", "0a1b2c"], ("review", {"decided": "out 0a1b2c"})),
        (["--let-in", ""], ("review", {"decided": "in "})),  # an unset variable trains nothing
        (["--export", "/some/where"], ("export", {"folder": "/some/where"})),
    ],
)
def test_the_command_line_is_a_verb(argv, asked):
    assert asked_for(parser().parse_args(argv)) == asked


CONFIG = """
generation: {{url: "http://127.0.0.1:9/v1", model: served}}
storage: {{url: "sqlite:///{0}/mynah.db"}}
training: {{folder: "{0}/tunes"}}
platforms: {{console: {{}}}}
"""


def command(folder, *arguments):
    (folder / "config.yaml").write_text(CONFIG.format(folder))
    return command_with(folder / "config.yaml", *arguments)


def command_with(config, *arguments, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-m", "bots.train", "--config", config, *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=15,
    )


def test_the_command_asks_for_no_platform_to_announce_on(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(tmp_path) + "bot: {announce_in: 'slack:C1'}\n")
    done = command_with(config)
    assert (done.returncode, done.stderr) == (0, "")


async def test_what_it_did_while_no_bot_ran_is_left_for_the_bot_to_announce(tmp_path):
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(tmp_path) + "bot: {announce_in: 'slack:C1'}\n")
    async with opened(tmp_path) as store:
        await serve_tune(store)
    done = await asyncio.to_thread(command_with, config, "--rollback")
    assert "Rolled back" in done.stdout
    assert done.stderr == ""
    async with opened(tmp_path) as store:
        [one] = await store.announcements()
    assert one.channel == "slack:C1"
    assert one.text.startswith("The tune `mynah@000001` is taken back by hand")


def test_without_a_bot_that_runs_the_command_opens_the_store_itself(tmp_path):
    done = command(tmp_path, "--list")
    assert (done.returncode, done.stdout, done.stderr) == (0, "The base answers.\n", "")
    assert "nothing to roll back" in command(tmp_path, "--rollback").stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--list"], "The base answers."),
        (["--rollback"], "nothing to roll back"),
        (["--dry-run"], "Not enough to learn from yet"),
        (["--review"], "Nothing is set aside."),
        (["--export", "OUT"], "0 votes"),
    ],
)
def test_without_a_bot_that_runs_only_training_starts_the_models_server(tmp_path, arguments, words):
    """There is no model in the folder that the settings name: its server could not even start."""
    (tmp_path / "config.yaml").write_text("generation: {model: nowhere}\n")
    log = tmp_path / "data" / "embedded.log"
    log.parent.mkdir()
    log.write_text("why the model's server failed last time")
    done = subprocess.run(
        [sys.executable, "-m", "bots.train", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert log.read_text() == "why the model's server failed last time"


@pytest.mark.parametrize("id", ["0a1b2c", ""])
@pytest.mark.parametrize("how", ["--let-in", "--leave-out"])
def test_to_decide_on_what_is_not_set_aside_is_refused_in_one_sentence(tmp_path, how, id):
    done = command(tmp_path, how, id)
    says = f"mynah: Nothing of the name `{id}` is set aside any more. `--review` shows what is.\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", says)


@contextmanager
def bot_that_runs(config, *, cwd=ROOT):
    """Played by a process that holds the store and opens the door."""
    bot = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import asyncio, pathlib, sys\n"
            "from bots.config import load\n"
            "from bots.wiring import house\n"
            "async def main():\n"
            "    config = load(pathlib.Path(sys.argv[1]), ['console'])\n"
            "    async with house(config, holder='the bot', on_status=lambda words: None):\n"
            "        print('open', flush=True)\n"
            "        await asyncio.to_thread(sys.stdin.read)\n"
            "asyncio.run(main())\n",
            str(config),
        ],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == "open\n"
        yield
        bot.communicate("", timeout=10)


def test_the_command_asks_the_bot_that_runs(tmp_path):
    command(tmp_path, "--list")  # makes the store
    with bot_that_runs(tmp_path / "config.yaml"):
        done = command(tmp_path, "--dry-run")
        assert done.stdout.startswith("I would use 0 votes.\nNot enough to learn from yet")
        assert done.returncode == 0
        done = command(tmp_path, "--let-in", "0a1b2c")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("mynah: Nothing of the name `0a1b2c` is set aside any more.")


def test_wrong_settings_are_one_sentence(tmp_path):
    (tmp_path / "config.yaml").write_text("training: {folders: x}")
    done = command_with(tmp_path / "config.yaml")
    assert done.returncode == 2
    assert "did you mean `folder`?" in done.stderr
    assert len(done.stderr.splitlines()) == 1
