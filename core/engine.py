"""The conversation engine: a turn goes in, a prompt and an answer come out; a thumb, a feedback.

It knows no platform, no database and no model library.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field

from core.announcements import Announcements
from core.canary import chosen
from core.commands import Commands
from core.conversation import (
    TOKENS_PER_MESSAGE,
    Past,
    behind,
    clipped,
    digest,
    key,
    render,
)
from core.errors import Closing, StoreDamaged, Unreachable
from core.examples import MOST, Examples
from core.feedback import score
from core.health import Health
from core.lanes import Lanes
from core.limits import Pace
from core.line import Line
from core.phrases import Phrases
from core.ports import Generator
from core.store import Store
from core.types import (
    Ahead,
    Aside,
    Author,
    Correction,
    Feedback,
    IncomingMessage,
    IncomingReaction,
    MessageRef,
    Noted,
    Prompt,
    Quoted,
    Recipe,
    Turn,
)
from core.types_learning import TUNE_NAME
from core.wire import clean

logger = logging.getLogger(__name__)

# A bound on what is read at once: a turn takes 14 tokens at least, so this is more than a window
# of 250,000 tokens holds.
MOST_TURNS_SHOWN = 20_000
MOST_TURNS_ASKED = 100  # to find who else than the starter of a canary was answered
MOST_TURNS_AHEAD = 20  # of its channel, where a question opens a thread

# More signs to a token than any text holds that is worth reading: what is longer is too long,
# and no tokenizer has to be fed with it.
MOST_CHARS_PER_TOKEN = 20
CHARS_PER_TOKEN = 4  # to say how long that is

LONGEST_QUOTE_CHARS = 4_000  # what is longer is quoted in part

Earlier = Callable[[], Awaitable[Sequence[Quoted]]]
"""Asks the platform what was said in a turn's thread before it. Never raises."""


async def nothing_earlier() -> Sequence[Quoted]:
    return ()


def utc_now() -> datetime:
    return datetime.now(UTC)


def short(quote: Quoted) -> Quoted:
    return clipped(replace(quote, text=clean(quote.text)), LONGEST_QUOTE_CHARS)


def kept_quotes(turn: Turn) -> tuple[Quoted, ...]:
    """What an earlier try quoted."""
    return turn.recipe.quotes if turn.recipe else ()


def replied_to(turn: Turn, shown: Sequence[Turn] = ()) -> tuple[Quoted, ...]:
    """What the turn replies to, where the prompt does not show it anyway, as one of these turns or
    behind one.
    """
    said = turn.message.replies_to
    if said is None or not said.text.strip():
        return ()
    known = {(quote.ref, quote.text) for one in shown for quote in kept_quotes(one)}
    is_turn = any(said.ref == one.message.ref for one in shown)
    return () if is_turn or (said.ref, said.text) in known else (said,)


def says_nothing(message: IncomingMessage) -> bool:
    """Whether all that came is something that we cannot read."""
    return bool(message.unread) and not message.text.strip()


class Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = "Mynah"
    system: str = ""
    retry_for_h: float = Field(24, gt=0, le=24 * 365)
    turns_per_minute: int = Field(20, ge=1)
    longest_question_tokens: int = Field(4_000, ge=16)
    admins: tuple[str, ...] = ()
    examples: int | None = Field(None, ge=0, le=MOST)
    announce_in: str | None = None

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
        line: Line,
        phrases: Phrases | None = None,
        examples: int = MOST,
        announcements: Announcements | None = None,
        without_canary: Collection[str] = (),
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """`model`: the base's name. `line`: the one before its server. `examples`: how many suit
        the base, where the settings do not say. `without_canary`: platforms where a canary answers
        nobody but who started it.
        """
        self.store = store
        self.generator = generator
        self.commands = commands
        self.settings = settings
        self.model, self.max_tokens, self.temperature = model, max_tokens, temperature
        most = examples if settings.examples is None else settings.examples
        self.examples = Examples(store, base=model, most=most)
        self.phrases = phrases or Phrases()
        self.announcements = announcements or Announcements(None)
        self.without_canary = without_canary
        self.now = now
        self.lanes = Lanes()
        self.line = line
        self.pace = Pace(settings.turns_per_minute)
        self.damage: StoreDamaged | None = None  # why we closed, where the store is at fault
        self.health = Health()
        self.failures = 0  # turns that ended without an answer since the start
        self.on_their_way = 0  # turns of all desks that are heard and not yet shown
        self.closing = asyncio.Event()

    def close(self) -> None:
        """Hear nothing more and begin no further answer; the next start goes on."""
        self.closing.set()

    @contextmanager
    def watching_for_damage(self) -> Iterator[None]:
        """Close where the store turns out to be damaged: nothing more can be kept. Raises it on."""
        try:
            yield
        except StoreDamaged as error:
            if self.damage is None:
                logger.error("%s", error)
            self.damage = error
            self.close()
            raise

    async def question(
        self, turn: Turn, earlier: Earlier = nothing_earlier
    ) -> tuple[Prompt, Recipe, str] | str:
        """The prompt for a turn, its recipe and an opening; or the sentence why there is none.

        `earlier` is asked where the turn is the first of its conversation.
        """
        message, settings = turn.message, self.settings
        if not self.commands.is_admin(message) and not self.pace.allows(turn):
            return self.phrases.too_many.format(limit=settings.turns_per_minute)
        longest = settings.longest_question_tokens
        if len(message.text) > MOST_CHARS_PER_TOKEN * longest:
            tokens = len(message.text) // CHARS_PER_TOKEN
            return self.phrases.too_long.format(tokens=tokens, limit=longest)
        system = settings.system_text
        past = await self._past(turn, earlier)
        model = await self._model(turn, past)
        past = await self.examples.ahead_of(turn, past, model)
        counted = await self.generator.count([system, message.text, *past.texts])
        of_system, of_question, *of_past = [size + TOKENS_PER_MESSAGE for size in counted]
        context = await self.generator.context()
        max_tokens = min(self.max_tokens, context // 2)  # a small window is shared evenly
        budget = context - max_tokens
        longest = min(longest, budget - of_system)
        if of_question > longest:
            return self.phrases.too_long.format(tokens=of_question, limit=max(0, longest))
        shown = past.within(of_past, of_system + of_question, budget)
        question = behind(shown.quotes, message.text)
        messages = render(system, shown.turns, question, shown.examples)
        prompt = Prompt(messages, model, max_tokens, self.temperature, key(message.thread))
        ids = tuple(turn.id for turn in shown.turns)
        first, ahead = ids[0] if ids else None, ids if past.is_first else ()
        hash = digest(messages)
        recipe = Recipe(model, system, first, hash, shown.quotes, ahead, shown.examples)
        opening = await self.opening(turn) if past.is_first else self.unread(message)
        if shown.forgets:
            opening += self.phrases.forgotten_beginning
        return prompt, recipe, opening

    async def _model(self, turn: Turn, past: Past) -> str:
        """What answers the turn."""
        tune, canary = await self.store.answering()
        serving = tune or self.model
        if canary and turn.message.ref.channel.platform in self.without_canary:
            canary = replace(canary, share=0.0)
        if not canary:
            return serving
        before = past.turns[past.ahead :]
        if not past.whole:
            before = await self.store.asked_before(turn, MOST_TURNS_ASKED)
        return chosen(canary, turn.message, before, serving)

    async def _past(self, turn: Turn, earlier: Earlier) -> Past:
        """What may stand ahead of the turn's question."""
        history, thread = await self.store.history(turn, MOST_TURNS_SHOWN), turn.message.thread
        if history.turns:
            turns = (*history.ahead, *history.turns)
            quotes = kept_quotes(turn) or replied_to(turn, turns)
            begun = Past(turns, len(history.ahead), quotes, whole=history.whole)
            return replace(begun, examples=history.examples)
        if thread.thread == turn.message.ref.id:  # it opens the thread: nothing was said there
            ahead = await self.store.latest(turn, MOST_TURNS_AHEAD)
            return Past(ahead, len(ahead), is_first=True)
        quotes = kept_quotes(turn) or await self._quotes(turn, earlier)
        return Past((), quotes=quotes, is_first=True)

    async def _quotes(self, turn: Turn, earlier: Earlier) -> tuple[Quoted, ...]:
        """What may be quoted ahead of a conversation's first turn: what the platform says of its
        thread, and what it replies to.
        """
        said: list[Quoted] = []
        if turn.message.thread.thread and await self.store.can_quote(turn):
            said = [
                short(quote)
                for quote in await earlier()
                if quote.text.strip() and quote.ref != turn.message.ref
            ]
        refs = [quote.ref for quote in said]
        return (*said, *(quote for quote in replied_to(turn) if quote.ref not in refs))

    async def opening(self, turn: Turn) -> str:
        """Our words ahead of an answer: a greeting where we never met, and what we cannot read."""
        message, found = turn.message, self.commands.find(turn.message.text)
        if says_nothing(message):
            return ""  # the answer is that we cannot read it
        words, is_start = self.unread(message), found is not None and found[0].name == "start"
        if message.place == "direct" and not is_start and await self.store.is_first(turn):
            words = f"{await self.commands.welcome.greeting(message)}\n\n{words}"
        return words

    async def credit(self, turn: Turn, model: str) -> str:
        """Told once: that the tune which answers used what the person who asks corrected. Call it
        only when nothing else will answer.
        """
        if not TUNE_NAME.fullmatch(model):
            return ""
        count = await self.store.credit(turn, model)
        return self.phrases.credited.format(count=count, tune=model) if count else ""

    def unread(self, message: IncomingMessage) -> str:
        """What we cannot read, ahead of an answer to the words beside it."""
        return f"{self.phrases.cannot_read(message.unread)}\n\n" if message.unread else ""

    async def generate(
        self,
        prompt: Prompt,
        asking: Callable[[], object] = lambda: None,
        anew: Callable[[], Awaitable[Prompt]] | None = None,
        ahead_of: Callable[[str], Awaitable[str]] | None = None,
    ) -> AsyncGenerator[str]:
        """Wait in line, then the model's pieces. Raises Closing where that came first, and
        Unreachable where the server did not answer those ahead either.

        Whoever waits long is told how many are ahead. `anew`: the prompt as it is after a wait, for
        what it is made of may have been edited or deleted, and another model may answer; what it
        raises is raised. `asking` is called when the wait is over, just before the model is asked;
        `ahead_of` when it speaks, for our words ahead of what it says.
        """
        async with self.line.stand() as place:
            has_waited, ahead = not place.done(), self.line.many_ahead(place)
            while ahead:
                yield Aside(self.phrases.in_line.format(ahead=ahead))
                ahead = await self.line.fewer(place, ahead)
            await place
            if self.closing.is_set():
                raise Closing("The next start answers this.")
            if has_waited and anew:
                prompt = await anew()
            asking()
            began = asyncio.get_running_loop().time()
            try:
                with self.health.asking(prompt.model) as spoke:
                    async with aclosing(self.generator.stream(prompt)) as pieces:
                        async for piece in pieces:
                            spoke()
                            if ahead_of and (words := await ahead_of(prompt.model)):
                                yield Ahead(words)
                            ahead_of = None
                            yield piece
            except Unreachable as error:
                self.line.turn_away(error, began)
                raise

    async def judge(self, reaction: IncomingReaction) -> Noted:
        """Keep a verdict on one of our answers; ignore every other reaction.

        The first verdict in a place that is not public is answered with how such places train. One
        that was found is not kept where somebody asked to be forgotten since the answer.
        """
        verdict = score(reaction.emoji)
        if verdict is None or reaction.author.is_bot:
            return Noted(None)
        turn = await self.store.turn_behind(reaction.target)
        if turn is None:
            return Noted(None)
        who = reaction.author.id
        if not reaction.added:
            return Noted(await self.store.drop_feedback(turn.id, who, verdict))
        words = await self.commands.welcome.first_vote(turn.message)
        feedback = Feedback(turn.id, who, verdict, reaction.at)
        stands = await self.store.put_feedback(feedback, found=reaction.found)
        return Noted(stands, words if stands else "")

    async def correct(self, target: MessageRef, author: Author, text: str) -> bool:
        """Keep what the bot should have said; False where that is ignored: the answer is not ours,
        or `author` has not voted on it.
        """
        turn = await self.store.turn_behind(target)
        if turn is None or not text.strip() or author.is_bot:
            return False
        if await self.store.verdict(turn.id, author.id) is None:
            return False
        await self.store.put_correction(
            Correction(turn.id, author.id, clean(text).strip(), self.now())
        )
        return True
