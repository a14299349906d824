"""python -m docs.capture STORY...: talk in a real terminal and draw what a person saw.

Writes docs/STORY.svg, unedited: it types, waits for the prompt, and keeps the screen.
conversation: questions, votes, a correction; the bot is killed with SIGKILL while it answers, and
started again in the same folder. learning: a person who dislikes exclamation marks votes on what is
answered, corrects some of it, says /retrain, hears the tune, and takes it back (some minutes).
"""

from __future__ import annotations

import io
import os
import re
import sys
import tempfile
import time
from itertools import groupby
from pathlib import Path
from typing import Any

import pexpect
import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

from tests.test_loop import CORRECTED, VOTED_ON, corrects_them, dislikes_exclamation_marks

TOP = Path(__file__).resolve().parent.parent
COLUMNS, LINES = 92, 40
PROMPT = "> "
SAID = (
    "Hello!",
    "What does a thumbs up do?",
    "+",
    "Can you give me an example of that?",
    "Write a Python function that reverses a string.",
    "How do I train you now?",
    "- Type /retrain.",
    "/reset",
    "What is the capital of France?",
)
KILLED_AT = "What is the gate?"
HEARD_BEFORE_AND_AFTER = ("What does /help do?", "How do I vote?", "What is a conversation?")


class Seen:
    """A terminal's screen with all that has scrolled out of it."""

    def __init__(self, child: Any) -> None:
        self.child = child
        self.screen = pyte.HistoryScreen(COLUMNS, LINES, history=100_000)
        self.stream = pyte.ByteStream(self.screen)

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                shown = self.child.read_nonblocking(65_536, timeout=0.01)
                self.stream.feed(shown)
                if b"\x1b[6n" in shown:  # "where is the cursor?" Terminals answer that.
                    at = self.screen.cursor
                    self.child.send(f"\x1b[{at.y + 1};{at.x + 1}R")
            except pexpect.TIMEOUT:
                pass
            except pexpect.EOF:
                return

    def until_prompt(self, within_s: float = 90) -> None:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            self.watch(0.3)
            if self.screen.display[self.screen.cursor.y].rstrip() == PROMPT.rstrip():
                return
        raise SystemExit("the prompt did not come back:\n" + "\n".join(self.screen.display))

    def until_busy(self, question: str) -> None:
        """Until something stands below the question: it is heard, and being answered."""
        end = time.monotonic() + 10
        while time.monotonic() < end:
            self.watch(0.01)
            rows = self.screen.display
            asked = [y for y, row in enumerate(rows) if row.strip() == PROMPT + question]
            if asked and "".join(rows[asked[-1] + 1 :]).strip():
                return

    def lines(self) -> list[Text]:
        rows = [*self.screen.history.top, *(self.screen.buffer[y] for y in range(LINES))]
        lines = [line_of(row) for row in rows]
        while lines and not lines[-1].plain.strip():
            lines.pop()
        return lines


def line_of(row: Any) -> Text:
    line = Text()
    # A piece for all signs of one style: the picture has an element for each piece.
    for style, cells in groupby((row[x] for x in range(COLUMNS)), style_of):
        line.append("".join(cell.data for cell in cells), style)
    line.rstrip()
    return line


def style_of(cell: Any) -> Style:
    return Style(
        color=colour(cell.fg), bgcolor=colour(cell.bg), bold=cell.bold, italic=cell.italics
    )


def colour(name: str) -> str | None:
    if name == "default":
        return None
    return f"#{name}" if len(name) == 6 and set(name) <= set("0123456789abcdef") else ANSI[name]


ANSI = {
    "black": "black", "red": "red", "green": "green", "brown": "yellow", "blue": "blue",
    "magenta": "magenta", "cyan": "cyan", "white": "white", "brightblack": "bright_black",
    "brightred": "bright_red", "brightgreen": "bright_green", "brightbrown": "bright_yellow",
    "brightblue": "bright_blue", "brightmagenta": "bright_magenta", "brightcyan": "bright_cyan",
    "brightwhite": "bright_white",
}  # fmt: skip


def start(folder: Path) -> Seen:
    child = pexpect.spawn(
        sys.executable,
        ["-m", "bots.run", "--platform", "console", "--config", str(TOP / "config.yaml")],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(TOP), "TERM": "xterm-256color", "COLUMNS": ""},
        dimensions=(LINES, COLUMNS),
    )
    return Seen(child)


def say(seen: Seen, text: str, within_s: float = 90) -> str:
    """Type it, and wait for the prompt; gives what was said to it."""
    known = len(seen.lines())
    seen.child.send(text + "\r")
    seen.watch(0.5)
    seen.until_prompt(within_s)
    return "\n".join(line.plain for line in seen.lines()[known:])


def conversation(folder: Path) -> list[Text]:
    seen = start(folder)
    seen.until_prompt()
    for text in SAID:
        say(seen, text)
    seen.child.send(KILLED_AT + "\r")
    seen.until_busy(KILLED_AT)
    os.kill(seen.child.pid, 9)
    seen.watch(0.5)
    before = seen.lines()
    again = start(folder)
    again.until_prompt()
    again.watch(5)
    leave(again)
    note = [Text(), Text("$ kill -9 (the bot); make run", "bold"), Text()]
    return [Text("$ make run", "bold"), Text(), *before, *note, *again.lines()]


def learning(folder: Path) -> list[Text]:
    seen = start(folder)
    seen.until_prompt()
    ask_each_alone(seen)
    say(seen, "/retrain")
    for number, question in enumerate(VOTED_ON):
        answer = " ".join(say(seen, question).removesuffix(PROMPT.rstrip()).split())
        vote = corrects_them if number < CORRECTED else dislikes_exclamation_marks
        say(seen, vote(answer))
        say(seen, "/reset")
    say(seen, "/retrain", within_s=300)
    ask_each_alone(seen)
    say(seen, "/tunes")
    say(seen, "/rollback")
    ask_each_alone(seen)
    leave(seen)
    return [Text("$ make run", "bold"), Text(), *seen.lines()]


def ask_each_alone(seen: Seen) -> None:
    """Each in a conversation of its own: the starter model repeats its manner within one."""
    for question in HEARD_BEFORE_AND_AFTER:
        say(seen, question)
        say(seen, "/reset")


def leave(seen: Seen) -> None:
    seen.child.send("\x04")
    seen.watch(2)


STORIES = {"conversation": conversation, "learning": learning}


def main() -> None:
    for name in sys.argv[1:] or STORIES:
        with tempfile.TemporaryDirectory() as folder:
            draw(STORIES[name](Path(folder)), TOP / "docs" / f"{name}.svg")


def draw(lines: list[Text], path: Path) -> None:
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, no_wrap=True, overflow="ignore", crop=False)
    # The reader's own monospaced font will do: a picture fetches nothing.
    plain = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    console.save_svg(str(path), title="Mynah", theme=MONOKAI, code_format=plain)
    print("\n".join(line.plain for line in lines))


if __name__ == "__main__":
    main()
