"""How `python -m bots.run` starts and stops while the embedded server loads its model."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest

from tests.bots.slow_library import make

TOP = Path(__file__).resolve().parent.parent.parent
FOR_EVER_S = 600.0


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "config.yaml").write_text(
        "generation: {model: model, first_token_within_s: 0.2}\nplatforms: {console: {}}\n"
    )
    return tmp_path


def environment(folder, load_s):
    library = make(folder / "library", load_s)
    return {**os.environ, "PYTHONPATH": f"{library}:{TOP}", "TERM": "xterm-256color"}


def conversation(folder, load_s):
    return pexpect.spawn(
        sys.executable,
        ["-m", "bots.run"],
        cwd=folder,
        env=environment(folder, load_s),
        timeout=15,
        encoding="utf-8",
    )


def test_a_model_that_loads_longer_than_a_question_may_wait_is_waited_for(folder):
    bot = conversation(folder, load_s=1.5)
    bot.expect("loading the model, 1 s")
    bot.expect(r"\x1b\[\?2004h")  # bracketed paste: it reads what is typed
    bot.sendeof()
    bot.expect(pexpect.EOF)
    bot.close()
    assert bot.exitstatus == 0


def test_a_closed_window_ends_it_in_order(folder):
    bot = conversation(folder, load_s=0)
    bot.expect(r"\x1b\[\?2004h")
    bot.ptyproc.fileobj.close()  # the system sends SIGHUP; pexpect's own close sends more
    bot.ptyproc.closed = bot.closed = True
    deadline = time.monotonic() + 10
    while bot.isalive():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert bot.exitstatus == 0
    log = (folder / "data" / "mynah.log").read_text()
    assert "ending: " in log
    assert "Traceback" not in log


def test_check_waits_for_it_too(folder):
    done = subprocess.run(
        [sys.executable, "-m", "bots.run", "--check"],
        cwd=folder,
        env=environment(folder, 1.5),
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok model's server: embedded, model, after" in done.stdout


@pytest.fixture
def elsewhere(folder, tmp_path_factory):
    """The bot's folder takes no file of its own; the store is in another."""
    (folder / "data").write_text("in the way of the folder")  # it stops the superuser as well
    store = tmp_path_factory.mktemp("store") / "mynah.db"
    with (folder / "config.yaml").open("a") as config:
        config.write(f"storage: {{url: 'sqlite:///{store}'}}\n")
    return folder


def test_a_folder_that_takes_no_logs_is_enough_for_a_conversation(elsewhere):
    bot = conversation(elsewhere, load_s=0)
    bot.expect("no log can be kept in data: File exists")
    bot.expect("data/embedded.log cannot be written")
    bot.expect(r"\x1b\[\?2004h")
    bot.sendeof()
    bot.expect(pexpect.EOF)
    assert "Traceback" not in bot.before
    bot.close()
    assert bot.exitstatus == 0


@pytest.mark.parametrize("more", [["--check"], []])
def test_a_folder_that_takes_no_logs_is_enough_for_a_check_and_a_pipe(elsewhere, more):
    done = subprocess.run(
        [sys.executable, "-m", "bots.run", *more],
        cwd=elsewhere,
        env=environment(elsewhere, 0),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=15,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "cannot be written: " in done.stderr


def test_check_leaves_the_log_of_a_running_bot_alone(folder):
    (folder / "data").mkdir()
    log = folder / "data" / "embedded.log"
    log.write_text("what the running bot's server said\n")
    test_check_waits_for_it_too(folder)
    assert log.read_text() == "what the running bot's server said\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_while_the_model_loads(folder, number):
    bot = conversation(folder, FOR_EVER_S)
    bot.expect("loading the model, 1 s")
    began = time.monotonic()
    if number == signal.SIGINT:
        bot.sendintr()
    else:
        bot.kill(number)
    bot.expect(pexpect.EOF)
    bot.close()
    assert bot.exitstatus == 0
    assert time.monotonic() - began < 5
