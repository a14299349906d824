"""Fakes that can be read in one look: small working things, never asked how they were called."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import uuid4

from core.errors import GenerationError, StoreDamaged, StoreError
from core.notice import Notice
from core.types import (
    Announcement,
    Author,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Prompt,
    Seen,
    ThreadRef,
)


@dataclass
class ScriptedGenerator:
    """Says `pieces`, `pause_s` apart; then fails when `fails`, or hangs when `hangs`."""

    pieces: Sequence[str] | Callable[[str], Sequence[str]]  # or made from the question
    fails: bool = False
    hangs: bool = False
    pause_s: float = 0.0
    prompts: list[Prompt] = field(default_factory=list)
    closed: bool = False  # the last stream was closed
    waiting: asyncio.Event = field(default_factory=asyncio.Event)  # it hangs now

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        self.prompts.append(prompt)
        self.closed = False
        pieces = self.pieces
        try:
            for piece in pieces(prompt.messages[-1][1]) if callable(pieces) else pieces:
                await asyncio.sleep(self.pause_s)
                yield piece
            if self.fails:
                raise GenerationError("the model server went away")
            if self.hangs:
                self.waiting.set()
                await asyncio.Event().wait()
        finally:
            self.closed = True

    async def count(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    async def context(self) -> int:
        return 8_192


@dataclass
class ListInbox:
    """Keeps what it hears; while `full`, it refuses, as a full disk does."""

    accounts: list[str] = field(default_factory=list)
    messages: list[IncomingMessage] = field(default_factory=list)
    reactions: list[IncomingReaction] = field(default_factory=list)
    changes: list[tuple[MessageRef, str | None]] = field(default_factory=list)
    corrections: list[tuple[MessageRef, Author, str]] = field(default_factory=list)
    places_gone: list[ThreadRef] = field(default_factory=list)
    seen: Sequence[Seen] = ()  # what `ready` gives back
    noted: Noted = field(default_factory=lambda: Noted(None))  # what `reaction` gives back
    strangers: set[str] = field(default_factory=set)  # whose corrections are not kept
    full: bool = False

    def _check(self) -> None:
        if self.full:
            raise StoreError("The disk is full. Make room and say it again.")

    async def ready(self, account: str) -> Sequence[Seen]:
        self._check()
        self.accounts.append(account)
        return self.seen

    async def message(self, message: IncomingMessage) -> None:
        self._check()
        self.messages.append(message)

    async def reaction(self, reaction: IncomingReaction) -> Noted:
        self._check()
        self.reactions.append(reaction)
        return self.noted

    async def changed(self, ref: MessageRef, text: str | None) -> None:
        self._check()
        self.changes.append((ref, text))

    async def gone(self, place: ThreadRef) -> None:
        self._check()
        self.places_gone.append(place)

    async def correction(self, target: MessageRef, author: Author, text: str) -> bool:
        self._check()
        self.corrections.append((target, author, text))
        return bool(text) and author.id not in self.strangers


class Alarm:
    """Hears of damage to the store where it is met, as the bot's own does; it goes on its way."""

    def __init__(self) -> None:
        self.met: list[StoreDamaged] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        try:
            yield
        except StoreDamaged as error:
            self.met.append(error)
            raise


async def until(condition: Callable[[], object], *, within_s: float = 5.0) -> None:
    """Wait for `condition()` to become true, however long the loop needs; fail loudly."""
    async with asyncio.timeout(within_s):
        while not condition():
            await asyncio.sleep(0.001)


def notice(text: str) -> Notice:
    """To be told, for the first time."""
    return Notice(Announcement(uuid4().hex, "", text, datetime.now(UTC)))


def free_port() -> int:
    """Free now: whoever is to listen there does so soon."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
