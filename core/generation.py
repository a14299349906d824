"""The client of the model's server: OpenAI-compatible chat completions over HTTP, streamed.

It knows deadlines, retries and the breaker; not what a prompt means, nor who runs the server.
Neither the key nor anything that people wrote is logged, or quoted in an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp

from core.connection import SESSION, Connection, Settings
from core.errors import Broken, GenerationError, Overloaded, Rejected, TimedOut, Unreachable
from core.failures import Busy, Unheard, our_errors, refusal
from core.tally import Asked, Tally
from core.types import Prompt
from core.types_learning import tune_name
from core.wire import Reply

DRAIN_WITHIN_S = 0.2  # for the end of the body after the end of the answer

NO_BEGINNING = (
    "The model did not begin to answer in time: lower generation.at_once or context_tokens, or"
    " raise first_token_within_s."
)
NO_END = (
    "The model took too long for the whole answer: raise generation.answer_within_s, or lower"
    " max_tokens."
)

T = TypeVar("T")


@dataclass(eq=False, repr=False)
class ModelServer(Connection):
    """A Generator. `backoff_s`: the first pause before a further try, and the longest."""

    backoff_s: tuple[float, float] = field(default=(0.5, 8.0), kw_only=True)
    tally: Tally = field(default_factory=Tally, init=False)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """Yield pieces of the answer as they come; see Generator.

        A failure before the first piece is tried again, with backoff and jitter, while the deadline
        for the first token lasts; after it nothing is, so nothing is shown twice. A refused request
        (4xx but 429) is never tried again. Closing it closes the connection: the server stops.
        """
        with self.tally.counting() as asked:
            watch = _Watch(self.settings, asked)
            pause_s, longest_s = self.backoff_s
            failure: GenerationError | None = None
            while True:
                url = await self._url(watch.first_s())
                await self.breaker.enter(watch.first_s())
                given = False
                try:
                    async with aclosing(self._tokens(url, prompt, watch)) as pieces:
                        async for piece in pieces:
                            if piece:
                                given = True
                                yield piece
                    return
                except (Unreachable, Overloaded, Broken) as error:
                    wait_s = pause_s * random.uniform(0.5, 1.0)
                    if isinstance(error, Busy):
                        wait_s += error.retry_after_s
                    if given or wait_s >= watch.first_s():
                        raise
                    failure = error
                except TimedOut as error:
                    if given or failure is None:
                        raise
                    raise failure from error  # what the server said tells more than its silence
                await asyncio.sleep(wait_s)
                pause_s = min(2 * pause_s, longest_s)

    async def _tokens(self, url: str, prompt: Prompt, watch: _Watch) -> AsyncGenerator[str]:
        """What `_ask` gives; the breaker is told how it went until the first token."""
        heard = False
        try:
            async with aclosing(self._ask(url, prompt, watch)) as pieces:
                async for piece in pieces:
                    if not heard:
                        heard = True
                        self.breaker.worked()
                        watch.asked.spoke()
                    yield piece
        except (Unreachable, Overloaded, Broken, TimedOut) as error:
            if not heard:
                self.breaker.failed(unheard=isinstance(error, Unheard))
            raise
        except GenerationError as error:  # a refusal and an empty answer: the server works
            self.breaker.worked()
            if type(error) is Rejected:  # since its last start it may have less room: ask it again
                self._context = self.settings.context_tokens
            raise

    async def _ask(self, url: str, prompt: Prompt, watch: _Watch) -> AsyncGenerator[str]:
        """One request. A piece without text is a sign of life: a token of a thought."""
        body = {
            "model": self._model(prompt.model),
            "messages": [{"role": role, "content": text} for role, text in prompt.messages],
            "max_tokens": prompt.max_tokens,
            "temperature": prompt.temperature,
            "stream": True,
        }
        watch.began()
        session = {SESSION: prompt.conversation} if prompt.conversation else None
        post = self._session.post(
            f"{url}/chat/completions", json=body, headers=session, allow_redirects=False
        )
        response = await watch.within(post)
        reply = Reply()
        try:
            if response.status != 200:
                raise refusal(response)
            while not reply.ended:
                text = reply.feed(await watch.within(response.content.readany()))
                if reply.alive:
                    yield text
                    watch.token()
            if reply.finish is not None:
                await _drain(response)
            reply.verdict()
        finally:
            watch.asked.tokens += reply.tokens
            response.close()  # where the body is unfinished this ends the connection

    def _model(self, name: str) -> str:
        """The server's name for the base or a tune. Raises Rejected: it is neither."""
        try:
            return self.wire_name(name if name == self.settings.model else tune_name(name))
        except ValueError as error:
            raise Rejected("No model has the name that was to answer: see `/tunes`.") from error


class _Watch:
    """The deadlines of one call. What its reader does between two pieces counts only in all."""

    def __init__(self, settings: Settings, asked: Asked) -> None:
        self.asked = asked
        self._time = asyncio.get_running_loop().time
        self._between_s = settings.between_tokens_within_s
        now = self._time()
        self._whole = now + settings.answer_within_s
        self._first = min(now + settings.first_token_within_s, self._whole)
        self._token: float | None = None

    def first_s(self) -> float:
        """What is left for the first token."""
        return max(0.0, self._first - self._time())

    def began(self) -> None:
        """A request begins, perhaps not the first."""
        self._token = None

    def token(self) -> None:
        self._token = self._time()

    async def within(self, work: Awaitable[T]) -> T:
        """What `work` gives before the next deadline. Raises TimedOut, Unreachable, Broken."""
        until, late = self._first, NO_BEGINNING
        if self._token is not None:
            until, late = self._token + self._between_s, "The model fell silent in mid-answer."
        if until >= self._whole:
            until, late = self._whole, NO_END
        with our_errors(late):
            async with asyncio.timeout_at(until):
                return await work


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read what follows a whole answer, so that the connection can be used again."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(DRAIN_WITHIN_S):
            while await response.content.readany():
                pass
