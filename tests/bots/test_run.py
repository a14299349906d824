"""`python -m bots.run` as a person starts it: a real process, a fake model's server, real files."""

import asyncio
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.console import CHANNEL, ME
from core.phrases import Phrases
from core.types import IncomingMessage, MessageRef, ThreadRef
from storage.repositories import Settings, SqlStore
from tests.core.figures_page import page
from tests.fake_model import Behaviour, FakeModel

TOP = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
async def model():
    async with FakeModel() as server:
        yield server


@pytest.fixture
def folder(tmp_path, model):
    """Where the bot is started: with settings, and with nothing else."""
    (tmp_path / "config.yaml").write_text(
        f"generation:\n  url: {model.url}\n  model: fake\n  first_token_within_s: 3\n"
        "platforms: {console: {}}\n"
    )
    return tmp_path


async def start(folder, *arguments, module="bots.run", stdout=asyncio.subprocess.PIPE):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdin=asyncio.subprocess.PIPE,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def ran(folder, *arguments, said="", module="bots.run"):
    """Exit code, stdout and stderr."""
    process = await start(folder, *arguments, module=module)
    out, notes = await process.communicate(said.encode())
    assert b"Traceback" not in notes, notes.decode()
    return process.returncode, out.decode(), notes.decode()


async def test_a_pipe_is_answered_line_by_line_and_nothing_else_is_on_stdout(folder):
    code, out, notes = await ran(folder, said="hello\n\nand you?\n")
    assert (code, out) == (0, "You said: hello\nYou said: and you?\n"), notes


async def test_the_conversation_goes_on_after_a_restart(folder, model):
    await ran(folder, said="my name is Ann\n")
    await ran(folder, said="who am I?\n")
    questions = [m["content"] for m in model.requests[-1]["messages"] if m["role"] == "user"]
    assert questions == ["my name is Ann", "who am I?"]


async def test_a_turn_that_fails_is_a_plain_sentence_and_exit_code_1(folder, model):
    model.behaviour = Behaviour(status=500)
    code, out, _ = await ran(folder, said="hello\n")
    assert (code, out) == (1, Phrases().apology + "\n")


async def test_a_mistake_in_the_settings_is_one_message_and_exit_code_2(folder):
    (folder / "config.yaml").write_text("bot:\n  nmae: Ada\n")
    code, out, notes = await ran(folder)
    assert (code, out) == (2, "")
    assert notes == "mynah: config.yaml:2: unknown key `nmae`; did you mean `name`?\n"


async def test_an_unknown_platform_and_a_missing_file_are_exit_code_2(folder):
    assert (await ran(folder, "--platform", "fax"))[0] == 2
    assert (await ran(folder, "--config", "nowhere.yaml"))[0] == 2


async def test_a_second_process_is_told_which_one_has_the_store(folder):
    first = await start(folder)
    try:
        first.stdin.write(b"hello\n")
        assert await first.stdout.readline() == b"You said: hello\n"
        code, out, notes = await ran(folder, said="hello\n")
        assert (code, out) == (2, "")
        assert f"{first.pid} (--platform console)" in notes
    finally:
        first.stdin.close()
        assert await first.wait() == 0


async def test_a_damaged_store_is_refused_and_left_as_it_is(folder):
    (folder / "data").mkdir()
    (folder / "data" / "mynah.db").write_text("not a database, but somebody's letters " * 99)
    before = (folder / "data" / "mynah.db").read_bytes()
    code, out, notes = await ran(folder, said="hello\n")
    assert (code, out) == (2, "")
    assert "mynah.db" in notes
    assert (folder / "data" / "mynah.db").read_bytes() == before


async def test_answers_that_cannot_be_written_end_it_with_a_message(folder, model):
    with Path("/dev/full").open("w") as full:
        bot = await start(folder, stdout=full)
        _, notes = await bot.communicate(b"hello\nand you?\n")
    assert bot.returncode == 2
    words = notes.decode().splitlines()
    assert words[-1].startswith("mynah: console: answers cannot be written: No space left")
    assert "Traceback" not in notes.decode()
    assert len(model.requests) == 1
    _, out, notes = await ran(folder, said="again\n")
    assert out == "You said: again\n"  # nothing was left open
    assert notes == ""


async def test_damage_met_while_it_runs_ends_it_with_the_message_and_exit_code_2(folder):
    bot = await start(folder)
    bot.stdin.write(b"hello\n")
    assert await bot.stdout.readline() == b"You said: hello\n"
    for name in ("mynah.db", "mynah.db-wal"):
        path = folder / "data" / name
        with path.open("r+b") as file:  # in place: the bot has it open
            file.seek(4096)
            file.write(b"\xa5" * max(0, path.stat().st_size - 4096))
    bot.stdin.write(b"and you?\n")
    async with asyncio.timeout(10):
        code = await bot.wait()  # its stdin is still open
    notes = (await bot.stderr.read()).decode()
    assert code == 2, notes
    assert notes.splitlines()[-1].startswith("mynah: data/mynah.db is damaged")
    assert "Traceback" not in notes


async def test_damage_met_at_the_start_ends_it_too(folder):
    path = folder / "data" / "mynah.db"
    path.parent.mkdir()
    store = await SqlStore.open(Settings(url=f"sqlite:///{path}"), holder="the tests")
    at = datetime.now(UTC)
    for number in range(300):
        ref = MessageRef(CHANNEL, str(number))
        words = "word " * 50
        await store.hear(IncomingMessage(ref, ThreadRef(CHANNEL), ME, words, True, at))
    await store.close()  # a clean end: the next start does not look closely
    content = bytearray(path.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 40_960] = b"\xa5" * 40_960
    path.write_bytes(content)
    async with asyncio.timeout(10):
        code, out, notes = await ran(folder, said="hello\n")
    assert (code, out) == (2, "")
    assert notes.splitlines()[-1].startswith("mynah: data/mynah.db is damaged")


async def test_a_disk_that_fills_during_an_answer_is_told_once_and_ends_a_script(folder, model):
    model.behaviour = Behaviour(pieces=("It ", "is ", "said."), delay_s=0.3)
    bot = await start(folder)
    bot.stdin.write(b"hello\nand you?\n")
    bot.stdin.close()
    first = await bot.stdout.read(3)
    resource.prlimit(bot.pid, resource.RLIMIT_FSIZE, (0, 0))  # no file may grow any more
    rest, notes = await bot.communicate()
    assert (first + rest).decode() == f"It is said.\n\n{Phrases().unkept}\n"
    assert bot.returncode == 1, notes
    assert len(model.requests) == 1
    assert b"mynah.db" in notes
    assert b"Traceback" not in notes


async def test_a_refusal_deep_in_an_adapters_tasks_is_told_in_its_own_words(folder):
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("{console: {}}", "{pigeon: {}}"))
    code, _, notes = await ran(folder, module="tests.bots.refused_bot")
    assert code == 2
    assert notes.splitlines()[-1] == "mynah: pigeon: the pigeon's ring is missing: put one on"
    assert "pigeon is not served any more: the pigeon's ring is missing" in notes


async def test_a_closed_stdin_is_the_end_of_the_input(folder):
    shell = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"exec {sys.executable} -m bots.run --platform console <&-"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert await shell.communicate() == (b"", b"")
    assert shell.returncode == 0


async def test_under_nohup_it_outlives_its_terminal(folder):
    bot = await asyncio.create_subprocess_exec(
        *("sh", "-c", f"trap '' HUP; exec {sys.executable} -m bots.run --platform console"),
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP)},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert bot.stdin
    assert bot.stdout
    for question in (b"hello", b"and you?"):
        bot.stdin.write(question + b"\n")
        assert await bot.stdout.readline() == b"You said: " + question + b"\n"
        bot.send_signal(signal.SIGHUP)
    bot.stdin.close()
    assert await bot.wait() == 0


async def test_the_trainer_asks_the_process_that_has_the_store(folder):
    bot = await start(folder)
    try:
        bot.stdin.write(b"hello\n+\n")
        await bot.stdout.readline()
        listed = await ran(folder, "--list", module="bots.train")
        assert listed[:2] == (0, "The base answers.\n")
        _, dry, _ = await ran(folder, "--dry-run", module="bots.train")
        assert "1 of 10 votes" in dry
    finally:
        bot.stdin.close()
        await bot.wait()
    listed = await ran(folder, "--list", module="bots.train")  # and opens it itself when none has
    assert listed[:2] == (0, "The base answers.\n")


async def test_check_shows_the_settings_masked_and_who_answers(folder, model, monkeypatch):
    monkeypatch.setenv("MODEL_KEY", "sk-very-secret")  # of the process that `ran` starts
    model.key = "sk-very-secret"
    path = folder / "config.yaml"
    path.write_text(
        path.read_text().replace("generation:\n", "generation:\n  key_env: MODEL_KEY\n")
    )
    code, out, notes = await ran(folder, "--check")
    assert code == 0, out + notes
    assert "key: '********'" in out
    assert "turns_per_minute: 20" in out  # a default
    assert "night:\n  at: 03:00\n  zone: null\n" in out
    assert "ok nights: each at 03:00 (" in out
    assert f"ok model's server: {model.url}" in out
    assert "ok console" in out
    assert "sk-very-secret" not in out + notes
    assert not (folder / "data").exists()


async def test_check_shows_no_password_of_an_address(folder, model):
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("http://", "http://ann:hunter2@"))
    code, out, notes = await ran(folder, "--check")
    assert code == 0, out + notes
    assert "ok model's server: http://********@127.0.0.1" in out
    assert "hunter2" not in out + notes


async def test_check_says_where_announcements_reach_nobody(folder, model):
    path = folder / "config.yaml"
    path.write_text(path.read_text() + "bot: {announce_in: 'slack:C0123'}\n")
    code, out, _ = await ran(folder, "--check")
    assert code == 1
    assert "announce_in: slack:C0123" in out
    assert "x announcements: bot.announce_in names a channel on slack, which is not served" in out


async def test_check_says_what_does_not_answer(folder, model):
    await model.refuse()
    code, out, _ = await ran(folder, "--check")
    assert code == 1
    assert "x model's server: " in out


async def test_check_names_the_models_that_the_server_has(folder, model):
    path = folder / "config.yaml"
    path.write_text(path.read_text().replace("model: fake", "model: other"))
    code, out, _ = await ran(folder, "--check")
    assert code == 1
    assert "it has: fake" in out


async def test_check_shows_the_servers_own_figures_since_its_start(folder, model):
    model.metrics = page(first_tokens=(0, 0, 2, 0, 0, 0), tokens=1234, cache=(100, 75), waiting=2)
    code, out, notes = await ran(folder, "--check")
    assert code == 0, out + notes
    assert "since its start: first token after 0.055 s" in out
    assert "1,234 tokens" in out
    assert "2 waiting" in out
    assert "75% of the prompts from the cache" in out
    assert "no errors" in out


async def test_check_asks_a_bot_that_runs_for_the_last_minutes(folder, model):
    model.metrics = page(tokens=1000)
    bot = await start(folder)
    try:
        bot.stdin.write(b"hello\n")
        await bot.stdout.readline()
        model.metrics = page(tokens=1500, running=3)
        code, out, notes = await ran(folder, "--check")
        assert code == 0, out + notes
        assert "in the last " in out
        assert " 500 tokens, " in out
        assert "3 running, 0 waiting, 0 in line" in out
        model.metrics = None
        _, out, _ = await ran(folder, "--check")
        assert " 4 tokens, " in out  # by our own count: one a piece
    finally:
        bot.stdin.close()
        await bot.wait()


async def test_check_says_nothing_of_figures_where_nobody_has_any(folder, model):
    code, out, _ = await ran(folder, "--check")
    assert code == 0
    assert "tokens/s" not in out
    assert "since its start" not in out


async def test_what_people_write_is_in_no_log(folder):
    _, _, notes = await ran(folder, said="my cat is called Przybylski\n- it is a dog\n")
    written = "".join(p.read_text(errors="replace") for p in (folder / "data").glob("*.log"))
    assert "Przybylski" not in notes + written


@pytest.mark.parametrize(
    ("platforms", "level"), [(("console",), "WARNING"), (("console", "slack"), "INFO")]
)
async def test_in_a_pipe_lines_of_a_platform_beside_the_console_are_kept(platforms, level):
    told = (
        "import logging, types, bots.run as run;"
        f"run.set_up_logging(types.SimpleNamespace(platforms=dict.fromkeys({platforms})));"
        "print(logging.getLevelName(logging.getLogger().level))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", told),
        cwd=TOP,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate()
    assert out.decode().strip() == level
