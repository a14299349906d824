"""A terminal for tests: a real pty with the console process in it, and a screen to read."""

import os
import select
import sqlite3
import sys
import termios
import time
from contextlib import closing
from pathlib import Path

import pexpect
import pyte

TOP = Path(__file__).resolve().parent.parent.parent
# A terminal's size is its own; readline leaves another's in the environment of whoever runs tests.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("LINES", "COLUMNS")}


class Screen(pyte.HistoryScreen):
    def __init__(self, child, columns, lines):
        super().__init__(columns, lines, history=10_000)
        self.child = child

    def write_process_input(self, data):
        self.child.send(data)


class Terminal:
    """24 lines of 80 columns, answering as terminals do when asked where the cursor is."""

    def __init__(self, folder, pause_s=0.0, lines=24, columns=80):
        self.folder = folder
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "tests.adapters.console_process", str(folder), str(pause_s)],
            cwd=TOP,
            env={**ENVIRONMENT, "TERM": "xterm-256color", "LANG": "C.UTF-8"},
            dimensions=(lines, columns),
            timeout=10,
        )
        self.screen = Screen(self.child, columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.raw = b""

    def close(self):
        self.child.close(force=True)

    def resize(self, lines, columns):
        self.screen.resize(lines, columns)
        self.child.setwinsize(lines, columns)

    def look(self, timeout=0.05):
        """Take in what the process has written; False when it has ended."""
        if not select.select([self.child.child_fd], [], [], timeout)[0]:
            return True
        try:
            data = os.read(self.child.child_fd, 65536)
        except OSError:
            return False
        self.raw += data
        self.stream.feed(data)
        return True

    @property
    def text(self):
        """All lines, those that have left the window at the top first."""
        past = [
            "".join(line[i].data for i in range(self.screen.columns))
            for line in self.screen.history.top
        ]
        return "\n".join(line.rstrip() for line in [*past, *self.screen.display]).rstrip()

    @property
    def asked(self):
        """How many prompts there were, the waiting one included."""
        return sum(line.startswith(">") for line in self.text.split("\n"))

    @property
    def line(self):
        return self.screen.display[self.screen.cursor.y].rstrip()

    def until(self, condition, within_s=10):
        """Look until `condition()` is true; fail with the screen."""
        deadline = time.monotonic() + within_s
        while not condition():
            assert time.monotonic() < deadline, f"the screen:\n{self.text}"
            if not self.look() and not condition():
                raise AssertionError(f"it ended; the screen:\n{self.text}")

    def until_text(self, text, within_s=10):
        self.until(lambda: text in self.text, within_s)

    def until_prompt(self, within_s=10):
        """Until an empty prompt waits at the bottom."""
        self.until(lambda: self.line == ">" and self.screen.cursor.x == 2, within_s)

    def type(self, text):
        self.child.send(text)

    def ask(self, text):
        """Type a line and wait until the prompt is back."""
        self.until_prompt()
        before = self.asked
        self.type(text + "\r")
        self.until(lambda: self.asked > before)
        self.until_prompt()

    def end(self):
        """Ctrl-D; the exit code."""
        self.until_prompt()
        self.type("\x04")
        return self.ended()

    def ended(self, within_s=10):
        deadline = time.monotonic() + within_s
        while self.look() and time.monotonic() < deadline:
            pass
        self.child.wait()
        return self.child.exitstatus

    @property
    def is_sane(self):
        """It echoes, edits lines, and makes signals of keys, as a shell finds it."""
        flags = termios.tcgetattr(self.child.child_fd)[3]
        wanted = termios.ECHO | termios.ICANON | termios.ISIG
        return flags & wanted == wanted and not self.screen.cursor.hidden


def rows(folder, query):
    """From the store, when its process has ended."""
    with closing(sqlite3.connect(folder / "mynah.db")) as database:
        return database.execute(query).fetchall()
