"""A conversation with the person at the keyboard, or with a script: one question per line.

`+` and `-` vote on the model's last answer. What a terminal shows is in
adapters/console_terminal.py, which is imported only where there is one. It knows nothing of the
model and of what is kept.
"""

from __future__ import annotations

import asyncio
import os
import re
import select
import sys
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from contextlib import AbstractContextManager, aclosing, nullcontext, suppress
from datetime import UTC, datetime
from typing import Protocol, TextIO

from pydantic import BaseModel, ConfigDict

from core.answer import Answer
from core.errors import Closing, Refused, StoreDamaged, StoreError
from core.notice import Notice
from core.ports import Inbox
from core.types import (
    Author,
    ChannelRef,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Outcome,
    Quoted,
    ThreadRef,
)

ACCOUNT = "local"
CHANNEL = ChannelRef("console", ACCOUNT, "here")
ME = Author("you", "you")

ELSEWHERE = "Make room where they go, or send them elsewhere"
OURS: tuple[Outcome, ...] = ("command", "refused")  # answers that are not the model's

NOTHING_YET = "There is no answer yet that a vote could be about."
VOTED_UP = "Voted up."
VOTED_DOWN = "Voted down. To tell me the right answer: - what I should have said"
CORRECTED = "Voted down, and your correction is kept."
NO_ANSWER = "No answer came. The log says why; what you asked is kept."

# Control characters could move the cursor, retitle the window or turn text around. What remains of
# an escape sequence without its first character is harmless text.
_HARMFUL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_LONE_SURROGATES = re.compile("[\ud800-\udfff]")


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    history: str = "data/console_history"  # what was typed, for the arrow keys and Ctrl-R


class Screen(Protocol):
    """Where questions come from and answers go."""

    async def read(self) -> str | None:
        """What the person says next; None: nothing more will come."""
        ...

    def busy(self) -> AbstractContextManager[None]:
        """The time in which an answer is awaited."""
        ...

    async def show(self, pieces: AsyncIterable[str], question: str | None) -> None:
        """Show an answer as it grows, under the `question` where nobody sees that any more."""
        ...

    def note(self, text: str) -> None:
        """A short line from the console itself."""
        ...

    async def tell(self, text: str) -> None:
        """What nobody asked for, between two answers."""
        ...


class ConsoleAdapter:
    """In a terminal a conversation; else a filter from lines to answers."""

    name = "console"

    def __init__(
        self,
        settings: Settings,
        source: TextIO | None = None,
        sink: TextIO | None = None,
        notes: TextIO | None = None,
        *,
        longest_wait_s: float = 600.0,
    ) -> None:
        """`source`, `sink` and `notes` are files with a descriptor: by default, the standard ones.

        `notes` takes what is no answer, where there is no terminal. `longest_wait_s`: for an answer
        to begin, so that a fault elsewhere does not hang us; the core's own deadlines are shorter.
        """
        source, sink = source or sys.stdin, sink or sys.stdout
        self._screen: Screen
        if source and sink and source.isatty() and sink.isatty():
            from adapters.console_terminal import Terminal  # 10 MB that a script does without

            self._screen = Terminal(settings.history, source, sink, self._interrupt)
        else:
            self._screen = Pipe(source, sink, notes or sys.stderr, self._interrupt)
        self._longest_wait_s = longest_wait_s
        self._last: MessageRef | None = None  # carries the model's answer that a vote is about
        self._asked: MessageRef | None = None  # the question whose answer is awaited
        self._is_out = asyncio.Event()
        self._showing = asyncio.Lock()
        self._patience: asyncio.Timeout | None = None
        self._unwanted: set[MessageRef] = set()  # stopped before their answers began
        self._answer: Answer | None = None

    async def run(self, inbox: Inbox) -> None:
        """Ask one question after the other, until the input ends. Raises Refused."""
        await inbox.ready(ACCOUNT)
        while (text := await self._screen.read()) is not None:
            text = text.strip()
            try:
                if text in ("+", "-") or text.startswith("- "):
                    await self._judge(text, inbox)
                elif text:
                    await self._ask(text, inbox)
            except (Closing, StoreDamaged):
                return
            except StoreError as error:
                self._screen.note(str(error))

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        """Show the answer; a question that this run did not ask, or no longer waits for, again."""
        self._answer = answer
        is_awaited = to.ref == self._asked
        if is_awaited and self._patience and not self._patience.expired():
            self._patience.reschedule(None)
        if to.ref in self._unwanted:
            answer.stop()
        try:
            async with self._showing, aclosing(self._placed(answer)) as pieces:
                await self._screen.show(pieces, None if is_awaited else clean(to.text))
        finally:
            self._answer = None
            self._unwanted.discard(to.ref)
            if is_awaited:
                self._is_out.set()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        """Nothing: here the channel is the conversation."""
        return ()

    async def tell(self, channel: str, notice: Notice) -> None:
        """There is one terminal, whatever it is called."""
        async with self._showing:
            await self._screen.tell(clean(notice.text))

    async def _ask(self, text: str, inbox: Inbox) -> None:
        ref = MessageRef(CHANNEL, new_id())
        now = datetime.now(UTC)
        message = IncomingMessage(ref, ThreadRef(CHANNEL), ME, text, addressed=True, at=now)
        self._asked = ref
        self._is_out.clear()
        try:
            with self._screen.busy():
                await inbox.message(message)
                async with asyncio.timeout(self._longest_wait_s) as self._patience:
                    await self._is_out.wait()
        except TimeoutError:
            self._screen.note(NO_ANSWER)
        finally:
            self._asked = self._patience = None

    async def _judge(self, text: str, inbox: Inbox) -> None:
        if self._last is None:
            self._screen.note(NOTHING_YET)
            return
        target, emoji, better = self._last, "👍" if text == "+" else "👎", text[1:].strip()
        await inbox.reaction(IncomingReaction(target, ME, emoji, True, datetime.now(UTC)))
        if better:
            await inbox.correction(target, ME, better)
        self._screen.note(VOTED_UP if text == "+" else CORRECTED if better else VOTED_DOWN)

    async def _placed(self, answer: Answer) -> AsyncGenerator[str]:
        """The answer's pieces, harmless; its place is kept before the first one is shown.

        Not earlier: the request to the model, which goes out with the first step, must not wait.
        """
        async for piece in answer:
            await self._place(answer)
            yield clean(piece)
        await self._place(answer)
        if answer.outcome not in OURS:
            self._last = answer.refs[-1]

    async def _place(self, answer: Answer) -> None:
        if not answer.refs:
            await answer.placed(MessageRef(CHANNEL, new_id()))

    def _interrupt(self) -> None:
        """The person wants no more of it: stop the answer, or stop waiting for it."""
        if self._answer:
            self._answer.stop()
        elif self._asked:
            self._unwanted.add(self._asked)
            self._is_out.set()


async def who_am_i(settings: Settings) -> str:
    return f"{ME.name}, at this terminal"


async def missing(settings: Settings) -> list[str]:
    return []


class Pipe:
    """Lines in, answers out, and nothing else on `sink`. No call blocks the event loop."""

    def __init__(
        self,
        source: TextIO | None,
        sink: TextIO | None,
        notes: TextIO | None,
        interrupted: Callable[[], None],
    ) -> None:
        self._source, self._sink, self._notes = source, sink, notes
        self._interrupted = interrupted
        self._unread = bytearray()
        self._is_over = source is None
        self._is_deaf = sink is None  # nobody reads what we write
        self._problem = ""  # why nobody can

    async def read(self) -> str | None:
        """The next line; bytes that are no UTF-8 are replaced. Raises Refused where what we say
        cannot be written.
        """
        seen = 0
        while (end := self._unread.find(b"\n", seen)) < 0 and not self._is_over:
            seen = len(self._unread)
            await self._fill()
        if self._problem:
            raise Refused(self._problem)
        if self._is_deaf or not self._unread:
            return None
        line = bytes(self._unread[: end + 1] if end >= 0 else self._unread)
        del self._unread[: len(line)]
        return line.decode(errors="replace")

    def busy(self) -> AbstractContextManager[None]:
        return nullcontext()

    async def show(self, pieces: AsyncIterable[str], question: str | None) -> None:
        """Newlines at the end are held back: every answer ends with exactly one."""
        if question is not None:
            self.note(f"You asked before: {question}")
        held = ""
        try:
            async for piece in pieces:
                text = held + piece
                held = text[len(text.rstrip("\n")) :]
                await self._write(text.removesuffix(held))
        finally:
            await self._write("\n")

    def note(self, text: str) -> None:
        with suppress(OSError):  # as good as nobody reading it
            if self._notes:
                self._notes.write(f"{text}\n")
                self._notes.flush()

    async def tell(self, text: str) -> None:
        self.note(text)

    async def _fill(self) -> None:
        assert self._source
        source, loop = self._source.fileno(), asyncio.get_running_loop()
        await usable(source, loop.add_reader, loop.remove_reader)
        try:
            chunk = os.read(source, 65_536)
        except OSError:  # the terminal behind it is gone
            chunk = b""
        self._unread += chunk
        self._is_over = not chunk

    async def _write(self, text: str) -> None:
        if self._is_deaf:
            return
        assert self._sink
        sink, loop = self._sink.fileno(), asyncio.get_running_loop()
        data = text.encode(self._sink.encoding, "replace")
        try:
            while data:
                # A pipe that can be written takes so much without blocking (POSIX, write).
                await usable(sink, loop.add_writer, loop.remove_writer)
                data = data[os.write(sink, data[: select.PIPE_BUF]) :]
        except OSError as error:
            if not isinstance(error, BrokenPipeError):
                self._problem = f"answers cannot be written: {error.strerror}. {ELSEWHERE}"
            self._is_deaf = True
            self._interrupted()


async def usable(
    file: int,
    add: Callable[[int, Callable[[], None]], None],
    remove: Callable[[int], object],
) -> None:
    """Wait until `file` can be read, or written, without blocking."""
    is_usable = asyncio.Event()
    try:
        add(file, is_usable.set)
    except PermissionError:  # epoll refuses regular files and /dev/null: they never block
        return
    try:
        await is_usable.wait()
    finally:
        remove(file)


def clean(text: str) -> str:
    """The text without what could do harm on a screen."""
    return _LONE_SURROGATES.sub("\ufffd", _HARMFUL.sub("", text))


def new_id() -> str:
    """Unique across starts: a counter would meet the last run's keys in the store."""
    return uuid.uuid4().hex
