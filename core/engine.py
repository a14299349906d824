"""The conversation engine: a turn goes in, a prompt and an answer come out; a thumb, a feedback.

It knows no platform, no database and no model library.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from core.commands import Commands
from core.conversation import TOKENS_PER_MESSAGE, digest, fitting, render
from core.errors import Closing, StoreDamaged
from core.feedback import score
from core.lanes import Lanes
from core.limits import Pace
from core.phrases import Phrases
from core.ports import Generator, Store
from core.types import (
    Author,
    Correction,
    Feedback,
    IncomingReaction,
    MessageRef,
    Noted,
    Prompt,
    Recipe,
    Turn,
)

# A bound on what is read at once: a turn takes 14 tokens at least, so this is more than a window
# of 250,000 tokens holds.
MOST_TURNS_SHOWN = 20_000


def utc_now() -> datetime:
    return datetime.now(UTC)


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "Mynah"
    system: str = ""
    retry_for_h: float = Field(24, gt=0, le=24 * 365)
    turns_per_minute: int = Field(20, ge=1)
    longest_question_tokens: int = Field(4_000, ge=16)
    admins: tuple[str, ...] = ()

    @property
    def system_text(self) -> str:
        return self.system.replace("{name}", self.name)


class Engine:
    """What the desks of all adapters share. `core.desk.serve` puts an adapter to work with it."""

    def __init__(
        self,
        store: Store,
        generator: Generator,
        commands: Commands,
        settings: Settings,
        *,
        model: str,
        max_tokens: int,
        temperature: float,
        at_once: int,
        phrases: Phrases | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`model`: the base's name. `at_once`: how many generations its server takes well."""
        self.store = store
        self.generator = generator
        self.commands = commands
        self.settings = settings
        self.model, self.max_tokens, self.temperature = model, max_tokens, temperature
        self.phrases = phrases or Phrases()
        self.now = now
        self.lanes = Lanes()
        self.slots = asyncio.Semaphore(at_once)
        self.pace = Pace(settings.turns_per_minute)
        self.damage: StoreDamaged | None = None  # why we closed, where the store is at fault
        self.failures = 0  # turns that ended without an answer since the start
        self.closing = asyncio.Event()

    def close(self) -> None:
        """Hear nothing more and begin no further answer; the next start goes on."""
        self.closing.set()

    async def question(self, turn: Turn) -> tuple[Prompt, Recipe, str] | str:
        """The prompt for a turn, its recipe and an opening; or the sentence why there is none."""
        message, settings = turn.message, self.settings
        if not self.commands.is_admin(message) and not self.pace.allows(turn):
            return self.phrases.too_many.format(limit=settings.turns_per_minute)
        system = settings.system_text
        history = await self.store.history(turn, MOST_TURNS_SHOWN)
        texts = [system, message.text]
        for past in history.turns:
            texts += [past.message.text, past.answer]
        sizes = [size + TOKENS_PER_MESSAGE for size in await self.generator.count(texts)]
        context = await self.generator.context()
        max_tokens = min(self.max_tokens, context // 2)  # a small window is shared evenly
        budget = context - max_tokens
        longest = min(settings.longest_question_tokens, budget - sizes[0])
        if sizes[1] > longest:
            return self.phrases.too_long.format(tokens=sizes[1], limit=max(0, longest))
        pairs = [a + b for a, b in zip(sizes[2::2], sizes[3::2], strict=True)]
        left_out = fitting(pairs, sizes[0] + sizes[1], budget)
        shown = history.turns[left_out:]
        messages = render(system, shown, message.text)
        model = await self.store.serving() or self.model
        prompt = Prompt(messages, model, max_tokens, self.temperature)
        recipe = Recipe(model, system, shown[0].id if shown else None, digest(messages))
        opening = self.phrases.forgotten_beginning if left_out and history.whole else ""
        return prompt, recipe, opening

    async def generate(self, prompt: Prompt) -> AsyncGenerator[str]:
        """Wait for a free slot, then the model's pieces. Raises Closing where that came first."""
        async with self.slots:
            if self.closing.is_set():
                raise Closing("The next start answers this.")
            async with aclosing(self.generator.stream(prompt)) as pieces:
                async for piece in pieces:
                    yield piece

    async def judge(self, reaction: IncomingReaction) -> Noted:
        """Keep a verdict on one of our answers; ignore every other reaction."""
        verdict = score(reaction.emoji)
        if verdict is None or reaction.author.is_bot:
            return Noted(None)
        turn = await self.store.turn_behind(reaction.target)
        if turn is None:
            return Noted(None)
        who = reaction.author.id
        if reaction.added:
            await self.store.put_feedback(Feedback(turn.id, who, verdict, reaction.at))
        else:
            await self.store.drop_feedback(turn.id, who, verdict)
        return Noted(verdict if reaction.added else None)

    async def correct(self, target: MessageRef, author: Author, text: str) -> None:
        """Keep what the bot should have said; ignore it where the answer is not ours."""
        turn = await self.store.turn_behind(target)
        if turn is not None and text.strip() and not author.is_bot:
            await self.store.put_correction(
                Correction(turn.id, author.id, text.strip(), self.now())
            )
