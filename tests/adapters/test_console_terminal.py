"""The console in a terminal: a real pty, and a screen that is read as a person reads it."""

import os
import signal
import stat

import psutil
import pytest

from tests.adapters.terminal import Terminal, rows


@pytest.fixture
def open_terminal(tmp_path):
    """Opens terminals on one folder, one after the other."""
    opened = []

    def open_one(pause_s=0.0, **kwargs):
        opened.append(Terminal(tmp_path, pause_s, **kwargs))
        return opened[-1]

    yield open_one
    for terminal in opened:
        terminal.close()


def numbers(text, before):
    """The numbers n of all lines "<before>n", in their order on the screen."""
    found = []
    for line in text.split("\n"):
        bare = line.strip(" •")
        if bare.startswith(before):
            found.append(int(bare.removeprefix(before).split(" ")[0]))
    return found


def test_it_greets_answers_and_leaves_on_ctrl_d(open_terminal):
    terminal = open_terminal()
    terminal.ask("hello")
    assert "/help" in terminal.text
    assert "Ctrl-D" in terminal.text
    assert "> hello\nYou said: hello\n\n>" in terminal.text
    assert terminal.end() == 0
    assert terminal.is_sane


def test_markdown_and_highlighted_code_are_shown(open_terminal):
    terminal = open_terminal()
    terminal.ask("code")
    assert "```" not in terminal.text
    assert "**" not in terminal.text
    row = next(i for i, line in enumerate(terminal.screen.display) if "def greet" in line)
    colours = {terminal.screen.buffer[row][x].fg for x in range(1, 16)}
    assert len(colours) > 1
    row = next(i for i, line in enumerate(terminal.screen.display) if "That is all." in line)
    assert terminal.screen.buffer[row][8].bold


def test_a_spinner_turns_until_the_first_piece_and_leaves_no_trace(open_terminal):
    terminal = open_terminal(pause_s=0.5)
    terminal.until_prompt()
    terminal.type("hello\r")
    terminal.until_text("thinking...")
    terminal.until_text("You said: hello")
    terminal.until_prompt()
    assert "thinking" not in terminal.text


def test_a_long_line_typed_key_by_key_is_not_kept_once_for_each_key(open_terminal):
    terminal = open_terminal()
    terminal.ask("hello")
    process = psutil.Process(terminal.child.pid)
    before = process.memory_info().rss
    terminal.type("x " * 3000)
    terminal.until_text("x " * 30)
    terminal.type("\x03")
    terminal.until_prompt()
    assert process.memory_info().rss - before < 15_000_000


def test_an_answer_is_shown_while_it_streams(open_terminal):
    terminal = open_terminal(pause_s=0.15)
    terminal.until_prompt()
    terminal.type("code\r")
    terminal.until_text("def greet")
    assert "That is all" not in terminal.text
    terminal.until_text("That is all.")


@pytest.mark.parametrize(("question", "before"), [("lines", "line "), ("items", "item ")])
def test_an_answer_longer_than_the_window_is_whole_and_in_order(open_terminal, question, before):
    terminal = open_terminal(pause_s=0.004)
    terminal.ask(f"{question} 100")
    assert numbers(terminal.text, before) == list(range(100))


def test_a_code_block_longer_than_the_window_is_whole_and_in_order(open_terminal):
    terminal = open_terminal(pause_s=0.004)
    terminal.ask("listing 100")
    assert numbers(terminal.text, "value_") == list(range(100))
    assert terminal.text.count("value_") == 100
    assert terminal.text.count("The end.") == 1


def test_blocks_stand_apart_and_what_is_half_written_begins_none(open_terminal):
    terminal = open_terminal(pause_s=0.3)
    terminal.ask("lines 2")
    assert "> lines 2\nline 0\n\nline 1\n\n>" in terminal.text
    terminal.ask("numbered")
    assert " 1 one\n 2 two\n" in terminal.text


def test_a_window_of_few_lines_shows_everything_too(open_terminal):
    terminal = open_terminal(pause_s=0.004, lines=8, columns=30)
    terminal.ask("listing 40")
    assert numbers(terminal.text, "value_") == list(range(40))


def test_a_window_that_grows_in_the_middle_loses_nothing(open_terminal):
    terminal = open_terminal(pause_s=0.01)
    terminal.until_prompt()
    terminal.type("listing 100\r")
    terminal.until_text("value_10 ")
    terminal.resize(40, 100)
    terminal.until_text("value_99 ")
    terminal.until_prompt()
    assert numbers(terminal.text, "value_") == list(range(100))


def test_ctrl_c_stops_the_answer_and_the_conversation_goes_on(open_terminal, tmp_path):
    terminal = open_terminal(pause_s=0.01)
    terminal.until_prompt()
    terminal.type("forever\r")
    terminal.until_text("and on and on")
    terminal.type("\x03")
    terminal.until_text("Stopped.", within_s=2)
    terminal.ask("hello")
    assert "You said: hello" in terminal.text
    assert terminal.end() == 0
    assert terminal.is_sane
    assert rows(tmp_path, "SELECT question, outcome FROM turns ORDER BY id") == [
        ("forever", "stopped"),
        ("hello", "answered"),
    ]


def test_ctrl_c_before_the_first_piece_stops_it_too(open_terminal, tmp_path):
    terminal = open_terminal(pause_s=3)
    terminal.until_prompt()
    terminal.type("hello\r")
    terminal.until_text("thinking...")
    terminal.type("\x03")
    terminal.until_text("Stopped.", within_s=2)
    assert terminal.end() == 0
    assert rows(tmp_path, "SELECT outcome FROM turns") == [("stopped",)]


def test_ctrl_c_before_an_answer_begins_gives_the_prompt_back_and_stops_it_later(open_terminal):
    terminal = open_terminal()
    terminal.until_prompt()
    terminal.type("late\r")
    terminal.until_text("thinking...")
    terminal.type("\x03")
    terminal.until(lambda: terminal.asked == 2)
    assert "Stopped" not in terminal.text
    terminal.type("typed ahead")
    terminal.until_text("You asked before: late")
    terminal.until_text("Stopped.")
    terminal.until_text("> typed ahead")
    assert "You said: late" not in terminal.text


def test_ctrl_c_at_the_prompt_clears_the_line_and_then_says_how_to_leave(open_terminal):
    terminal = open_terminal()
    terminal.until_prompt()
    terminal.type("not this")
    terminal.until_text("> not this")
    terminal.type("\x03")
    terminal.until_prompt()
    assert "not this" not in terminal.text
    terminal.type("\x03")
    terminal.until_text("Ctrl-D leaves.\n>")
    terminal.ask("this")
    assert "You said: this" in terminal.text


def test_votes_and_a_correction_are_kept_and_confirmed(open_terminal, tmp_path):
    terminal = open_terminal()
    terminal.ask("+")
    assert "no answer yet" in terminal.text
    terminal.ask("one")
    terminal.ask("+")
    assert "> +\nVoted up.\n>" in terminal.text
    terminal.ask("two")
    terminal.ask("-")
    assert "- what I should have said" in terminal.text
    terminal.ask("three")
    terminal.ask("- say four")
    assert "your correction is kept" in terminal.text
    assert terminal.end() == 0
    assert rows(tmp_path, "SELECT score FROM feedback ORDER BY turn_id") == [(1,), (-1,), (-1,)]
    assert rows(tmp_path, "SELECT text FROM corrections") == [("say four",)]


def test_what_is_typed_while_an_answer_streams_is_the_next_question(open_terminal, tmp_path):
    terminal = open_terminal(pause_s=0.02)
    terminal.until_prompt()
    terminal.type("code\r")
    terminal.until_text("Look")
    terminal.type("second\rthi")
    terminal.until_text("You said: second")
    terminal.until_text("> thi")
    terminal.type("rd\r")
    terminal.until_text("You said: third")
    terminal.until_prompt()
    shown = terminal.text
    assert [shown.count(f"> {q}") for q in ("code", "second", "third")] == [1, 1, 1]
    assert [shown.count(q) for q in ("second", "third")] == [2, 2]  # no echo in between
    assert terminal.end() == 0
    assert rows(tmp_path, "SELECT question FROM turns ORDER BY id") == [
        ("code",),
        ("second",),
        ("third",),
    ]


@pytest.mark.parametrize("keys", ["one\x1b\rtwo\r", "one\\\rtwo\r", "\x1b[200~one\rtwo\x1b[201~\r"])
def test_a_question_may_have_several_lines(open_terminal, tmp_path, keys):
    terminal = open_terminal()
    terminal.until_prompt()
    for key in keys.replace("\r", "\r\0").split("\0"):
        terminal.type(key)
    terminal.until_text("You said: one")
    terminal.until_prompt()
    assert terminal.end() == 0
    assert rows(tmp_path, "SELECT question FROM turns") == [("one\ntwo",)]


def test_the_history_of_the_last_start_is_there_and_private(open_terminal, tmp_path):
    terminal = open_terminal()
    terminal.ask("first words")
    terminal.ask("other words")
    assert terminal.end() == 0
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600
    terminal = open_terminal()
    terminal.until_prompt()
    terminal.type("\x1b[A")  # up
    terminal.until_text("> other words")
    terminal.type("\x03")
    terminal.until_prompt()
    terminal.type("\x12first\r\r")  # Ctrl-R
    terminal.until_text("You said: first words")


def test_control_characters_in_an_answer_do_no_harm(open_terminal):
    terminal = open_terminal()
    terminal.ask("evil")
    assert "red [31mtext]0;title back2J end" in terminal.text
    assert terminal.screen.title == ""


def test_html_links_and_line_breaks_stay_visible(open_terminal):
    terminal = open_terminal()
    terminal.ask("html")
    assert "a <b>bold</b> link (http://example.org)\nnew line" in terminal.text


def test_help_is_answered_by_the_core(open_terminal):
    terminal = open_terminal()
    terminal.ask("/help")
    assert "/training" in terminal.text


def test_what_was_left_unanswered_is_shown_with_its_question_at_the_next_start(
    open_terminal, tmp_path
):
    terminal = open_terminal(pause_s=0.01)
    terminal.until_prompt()
    terminal.type("forever\r")
    terminal.until_text("and on and on")
    os.kill(terminal.child.pid, signal.SIGKILL)
    terminal.ended()
    terminal = open_terminal(pause_s=0.01)
    terminal.until_text("You asked before: forever")
    terminal.until_text("and on and on")
    terminal.type("typed ahead")
    terminal.type("\x03")
    terminal.until_text("Stopped.")
    terminal.until_text("> typed ahead")
    terminal.type("\r")
    terminal.until_text("You said: typed ahead")
    assert terminal.end() == 0
    assert terminal.is_sane


def test_what_is_announced_stands_above_the_prompt_and_leaves_what_was_typed(open_terminal):
    terminal = open_terminal()
    terminal.until_prompt()
    terminal.type("half a ques")
    terminal.until_text("> half a ques")
    os.kill(terminal.child.pid, signal.SIGUSR1)
    terminal.until(lambda: "There is news.\n\n> half a ques" in terminal.text)
    terminal.type("tion\r")
    terminal.until_text("You said: half a question")
    assert terminal.end() == 0
    assert terminal.is_sane


def test_what_is_announced_while_an_answer_grows_waits_for_its_end(open_terminal):
    terminal = open_terminal(pause_s=0.1)
    terminal.until_prompt()
    terminal.type("lines 5\r")
    terminal.until_text("line 1")
    os.kill(terminal.child.pid, signal.SIGUSR1)
    terminal.until_text("There is news.")
    assert "line 3\n\nline 4\n\nThere is news." in terminal.text
    assert terminal.end() == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_at_the_prompt_leaves_a_sane_terminal(open_terminal, number):
    terminal = open_terminal()
    terminal.ask("hello")
    os.kill(terminal.child.pid, number)
    assert terminal.ended(within_s=3) == 0
    assert terminal.is_sane


def test_sigterm_in_an_answer_leaves_a_sane_terminal_with_what_was_said(open_terminal):
    terminal = open_terminal(pause_s=0.01)
    terminal.until_prompt()
    terminal.type("forever\r")
    terminal.until_text("and on and on")
    os.kill(terminal.child.pid, signal.SIGTERM)
    assert terminal.ended(within_s=6) == 0
    assert "and on and on" in terminal.text
    assert terminal.is_sane


def test_a_history_that_cannot_be_written_does_not_end_the_conversation(open_terminal, tmp_path):
    (tmp_path / "history").mkdir()
    terminal = open_terminal()
    terminal.ask("hello")
    assert "You said: hello" in terminal.text
    assert "xception" not in terminal.text
    assert terminal.end() == 0
