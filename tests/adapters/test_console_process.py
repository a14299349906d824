"""The console as a filter in a process of its own: files, broken pipes and signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.adapters.terminal import TOP, rows


def process(folder, *more, **kwargs):
    return subprocess.Popen(
        [sys.executable, "-m", "tests.adapters.console_process", str(folder), *more],
        cwd=TOP,
        env={**os.environ, "LANG": "C.UTF-8"},
        stdout=kwargs.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        **kwargs,
    )


def test_a_regular_file_and_dev_null_are_read_to_their_end(tmp_path):
    questions = tmp_path / "questions"
    questions.write_text("one\n+\ntwo")
    with questions.open() as source, process(tmp_path, stdin=source) as child:
        out, err = child.communicate(timeout=15)
    assert (out, err) == (b"You said: one\nYou said: two\n", b"Voted up.\n")
    assert child.returncode == 0
    with Path(os.devnull).open() as source, process(tmp_path, stdin=source) as child:
        assert child.communicate(timeout=15) == (b"", b"")
    assert child.returncode == 0


def test_answers_go_into_a_regular_file_too(tmp_path):
    sink = tmp_path / "answers"
    with sink.open("wb") as stdout, process(tmp_path, stdin=-1, stdout=stdout) as child:
        child.communicate(b"one\n", timeout=15)
    assert sink.read_bytes() == b"You said: one\n"


def test_a_broken_pipe_ends_it_quietly(tmp_path):
    with process(tmp_path, stdin=subprocess.PIPE) as child:
        child.stdin.write(b"one\nforever\ntwo\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"You said: one\n"
        child.stdout.close()
        assert child.wait(15) == 0
        assert child.stderr.read() == b""
        child.stdin.close()
    heard = rows(tmp_path, "SELECT question, outcome FROM turns ORDER BY id")
    assert heard == [("one", "answered"), ("forever", "stopped")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_that_waits_for_input(tmp_path, number):
    with process(tmp_path, stdin=subprocess.PIPE) as child:
        child.stdin.write(b"one\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"You said: one\n"
        child.send_signal(number)
        assert child.wait(5) == 0
        child.stdin.close()
        assert child.stderr.read() == b""


def test_a_pipe_needs_none_of_the_terminals_libraries(tmp_path):
    code = (
        "import sys; from adapters.console import *; ConsoleAdapter(Settings());"
        "print(sorted({'prompt_toolkit', 'rich', 'pygments'} & set(sys.modules)))"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], cwd=TOP, capture_output=True, stdin=subprocess.DEVNULL
    )
    assert out.stdout == b"[]\n"
