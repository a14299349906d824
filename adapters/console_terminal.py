"""What a terminal shows: a prompt with history, and answers as Markdown while they stream.

It knows nothing of turns and votes: a line of text goes out, pieces of an answer come in.

Ctrl-C needs no signal handler: while an answer is awaited the keyboard is read here, in raw mode as
at the prompt, and every other key is kept for the next prompt.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from markdown_it import MarkdownIt
from prompt_toolkit import PromptSession
from prompt_toolkit.application import in_terminal, run_in_terminal
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory
from prompt_toolkit.input import create_input
from prompt_toolkit.input.typeahead import store_typeahead
from prompt_toolkit.key_binding import KeyBindings, KeyPress, KeyPressEvent
from prompt_toolkit.keys import Keys
from prompt_toolkit.output import create_output
from rich.console import Console
from rich.live import Live
from rich.markdown import Markdown
from rich.segment import Segment, SegmentLines
from rich.spinner import Spinner
from rich.text import Text

from core.errors import AdapterError

GREETING = """\
Ask me anything; /help lists the commands. Ctrl-C stops me, Ctrl-D leaves.
Vote on my last answer with + or - on a line of its own.
To tell me what I should have said: - the better answer
"""
HOW_TO_LEAVE = "Ctrl-D leaves."
REDRAW_EVERY_S = 0.1
LEAST_LIVE = 4  # lines that may still change: the end of a word may wrap, a code block has a border
MOST_UNDOS = 100
MOST_BUSY = 0.25  # of the processor's time goes into redrawing

Line = list[Segment]


class Terminal:
    def __init__(
        self, history: str, source: TextIO, sink: TextIO, interrupted: Callable[[], None]
    ) -> None:
        """`interrupted` is called on Ctrl-C while an answer is awaited."""
        self._input = create_input(source)
        self._session: PromptSession[str] = PromptSession(
            "> ",
            history=Typed(Path(history)),
            key_bindings=self._bindings(),
            input=self._input,
            output=create_output(sink),
            complete_while_typing=False,
        )
        buffer = self._session.default_buffer
        buffer.auto_suggest = None  # else a task for each key, for nothing
        buffer.on_text_changed += forget_old_states
        self._console = Console(file=sink, markup=False, emoji=False, highlight=False)
        self._interrupted = interrupted
        self._live: Live | None = None  # set while an answer is awaited
        self._sheet: Sheet | None = None  # set while one is shown
        self._users = 0  # of `busy`
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self._has_greeted = False

    async def read(self) -> str | None:
        if not self._has_greeted:
            self.note(GREETING)
            self._has_greeted = True
        await self._is_idle.wait()
        try:
            text = await self._session.prompt_async(handle_sigint=False)
        except (EOFError, OSError):  # OSError: the window is closed
            return None
        return text.encode(errors="replace").decode()  # typed bytes that are no UTF-8

    def note(self, text: str) -> None:
        self._console.print(Text(text, style="dim"))

    async def tell(self, text: str) -> None:
        """Raises as `show` does."""

        async def pieces() -> AsyncIterator[str]:
            yield text

        await self.show(pieces(), None)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """A spinner, or the answer in its place. May be entered again inside."""
        self._users += 1
        try:
            if self._users > 1:
                yield
                return
            self._is_idle.clear()
            live = Live(console=self._console, auto_refresh=False, transient=True)
            with self._watched_keys(), live as self._live, self._redrawn():
                yield
        finally:
            self._users -= 1
            if not self._users:
                self._live = None
                self._is_idle.set()

    async def show(self, pieces: AsyncIterable[str], question: str | None) -> None:
        """Raises AdapterError where the window is closed: the next start shows it."""
        try:
            async with in_terminal():  # where the prompt stands already: above it
                with self.busy():
                    await self._show(pieces, question)
        except OSError as error:
            raise AdapterError(f"the terminal takes nothing: {error.strerror}") from error

    async def _show(self, pieces: AsyncIterable[str], question: str | None) -> None:
        assert self._live
        if question is not None:
            self.note(f"You asked before: {question}")
        self._sheet = sheet = Sheet(self._console, self._live)
        try:
            async for piece in pieces:
                sheet.add(piece)
        finally:
            self._sheet = None
            sheet.finish()

    @contextmanager
    def _watched_keys(self) -> Iterator[None]:
        ahead: list[KeyPress] = []

        def take() -> None:
            for press in self._input.read_keys():
                if press.key == Keys.ControlC:
                    self._interrupted()
                elif press.key != Keys.CPRResponse:
                    ahead.append(press)

        try:
            with self._input.raw_mode(), self._input.attach(take):
                yield
        finally:
            ahead += self._input.flush_keys()
            app = self._session.app
            if app.is_running:  # the answer was shown above a prompt
                app.key_processor.feed_multiple(ahead)
                app.key_processor.process_keys()
            else:
                store_typeahead(self._input, ahead)

    @contextmanager
    def _redrawn(self) -> Iterator[None]:
        """Redraw now and again, ever more seldom where that is slow."""
        loop, spinner = asyncio.get_running_loop(), Spinner("dots", Text("thinking...", "dim"))
        timer: asyncio.Handle

        def draw() -> None:
            nonlocal timer
            began = time.monotonic()
            assert self._live
            if self._sheet and self._sheet.has_begun:
                self._sheet.draw()
            else:
                self._live.update(spinner, refresh=True)
            took = time.monotonic() - began
            timer = loop.call_later(max(REDRAW_EVERY_S, took / MOST_BUSY), draw)

        timer = loop.call_soon(draw)
        try:
            yield
        finally:
            timer.cancel()
            assert self._live
            self._live.update(SegmentLines([]))

    def _bindings(self) -> KeyBindings:
        keys = KeyBindings()

        @Condition
        def ends_with_backslash() -> bool:
            document = self._session.default_buffer.document
            return document.is_cursor_at_the_end and document.text.endswith("\\")

        @keys.add("escape", "enter")
        def _new_line(event: KeyPressEvent) -> None:
            event.current_buffer.insert_text("\n")

        @keys.add("enter", filter=ends_with_backslash)
        def _go_on(event: KeyPressEvent) -> None:
            event.current_buffer.delete_before_cursor()
            event.current_buffer.insert_text("\n")

        @keys.add("c-c")
        def _clear(event: KeyPressEvent) -> None:
            if event.current_buffer.text:
                event.current_buffer.reset()
            else:
                run_in_terminal(lambda: self.note(HOW_TO_LEAVE))

        return keys


def forget_old_states(buffer: Buffer) -> None:
    """prompt_toolkit keeps the whole text as it was before each key, for undoing: 18 MB after a
    line of 6,000 characters, which the process then keeps.
    """
    del buffer._undo_stack[:-MOST_UNDOS]


class Typed(FileHistory):
    """What was typed, readable by its owner only. A full disk does not end the conversation."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(mode=0o600)

    def load_history_strings(self) -> Iterable[str]:
        with suppress(OSError):
            return list(super().load_history_strings())
        return []

    def store_string(self, string: str) -> None:
        with suppress(OSError):
            super().store_string(string)


class Sheet:
    """One answer on the screen.

    Whole blocks are printed for good; only the last one is redrawn as it grows, and of that only
    what fits the window: what outgrows it is printed for good too.
    """

    def __init__(self, console: Console, live: Live) -> None:
        self._console, self._live = console, live
        # HTML stands as it was written, and an image as a link: rich would drop the one and
        # move the other out of its place.
        self._markdown = MarkdownIt("commonmark", {"html": False}).disable("image")
        self._markdown.enable(["strikethrough", "table"])
        self._text = ""  # of the blocks that are not wholly printed
        self._printed = 0  # lines of the first of them
        self._is_changed = False
        self._is_first = True  # no block is printed yet: no empty line above
        self.has_begun = False

    def add(self, piece: str) -> None:
        self._text += piece
        self._is_changed = True
        self.has_begun = self.has_begun or not piece.isspace()

    def draw(self) -> None:
        """Show what came since the last time."""
        if not self._is_changed:
            return
        self._is_changed = False
        with self._console:  # written at once, so that nothing flickers
            blocks = self._blocks()
            for block in blocks[:-1]:
                self._print(self._lines(block)[self._printed :])
                self._printed = 0
                self._is_first = False
            self._text = blocks[-1]
            lines = self._lines(self._text)[self._printed :]
            too_many = max(0, len(lines) - max(LEAST_LIVE, self._console.height - 2))
            self._print(lines[:too_many])
            self._printed += too_many
            self._live.update(SegmentLines(lines[too_many:], new_lines=True), refresh=True)

    def finish(self) -> None:
        """Print the rest for good, with an empty line below."""
        with self._console:
            self.draw()
            rest = self._lines(self._text)[self._printed :]
            self._live.update(SegmentLines([]), refresh=True)
            self._print([*rest, []])

    def _blocks(self) -> list[str]:
        """The text cut where its blocks begin; only the last one may still change.

        A line that is not yet whole may become anything, so it begins no block.
        """
        whole = self._text[: self._text.rfind("\n") + 1]
        starts = [
            token.map[0]
            for token in self._markdown.parse(whole)
            if token.map and token.level == 0 and token.nesting >= 0
        ]
        lines = self._text.split("\n")
        return ["\n".join(lines[a:b]) for a, b in pairwise([*(starts or [0]), len(lines)])]

    def _lines(self, block: str) -> list[Line]:
        """What a block looks like. Links show where they lead."""
        page = Markdown("", hyperlinks=False)
        page.parsed = self._markdown.parse(block)
        for token in page.parsed:
            for inline in token.children or ():
                if inline.type == "softbreak":  # the model's line breaks are meant
                    inline.type = "hardbreak"
        lines = self._console.render_lines(page, pad=False)
        return lines if self._is_first else [[], *lines]

    def _print(self, lines: list[Line]) -> None:
        if lines:
            self._console.print(SegmentLines(lines, new_lines=True))
