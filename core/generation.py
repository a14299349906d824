"""The client of the model's server: OpenAI-compatible chat completions over HTTP, streamed.

It knows deadlines, retries and the breaker; not what a prompt means, nor who runs the server. The
library is aiohttp: httpx takes 2.2 times its processor time for tokens that come one by one, 3.2
times for a stream as fast as it is read (`python -m bench.client_libraries`), and the platforms'
SDKs bring aiohttp anyway.

Neither the key nor anything that people wrote is logged, or quoted in an error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from core.breaker import Breaker
from core.errors import Broken, GenerationError, Overloaded, Rejected, TimedOut, Unreachable
from core.failures import Busy, Locked, Missing, our_errors, refusal
from core.meter import Asked, Tally
from core.tokens import Counter, Counts, estimate, folder_context, folder_counter
from core.types import Prompt, tune_name
from core.wire import Reply

logger = logging.getLogger(__name__)

CONTEXT_TOKENS = 4096  # where nobody knows
ASIDE_WITHIN_S = 5.0  # /v1/models, /tokenize
COUNTS_AT_ONCE = 8
CONNECT_WITHIN_S = 5.0
DRAIN_WITHIN_S = 0.2  # for the end of the body after the end of the answer
LOOP_CHARS = 20_000  # more than this is counted in a thread

# What vllm-router chooses a server by. Where there is none it takes the text itself, and logs it:
# so every request has one, also /tokenize.
SESSION = "X-Session-ID"

T = TypeVar("T")


class Settings(BaseModel):
    """The section `generation` of config.yaml."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None  # "http://127.0.0.1:8000/v1"; None: the embedded server
    model: str = "starter"
    key: SecretStr | None = None  # named by `key_env` in the file
    max_tokens: int = Field(default=512, gt=0)
    temperature: float = Field(default=0.7, ge=0)
    context_tokens: int | None = Field(default=None, gt=0)  # None: ask the folder or the server
    at_once: int | None = Field(default=None, gt=0)  # None: what suits the server
    first_token_within_s: float = Field(default=30, gt=0)
    between_tokens_within_s: float = Field(default=15, gt=0)
    answer_within_s: float = Field(default=180, gt=0)

    @field_validator("url")
    @classmethod
    def _is_http(cls, url: str | None) -> str | None:
        if url is not None:
            parts = urlsplit(url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("must be an address such as http://127.0.0.1:8000/v1")
        return url


class ModelServer:
    """A Generator. `async with` it: its connections are closed at the end of the block.

    `wire_name` turns our name of a model ("starter", "mynah@000042") into the server's. `folder` is
    where the model's files are, if they are at hand: its tokenizer counts. `address` gives the base
    URL where the settings have none; it waits until the server is healthy or raises Unreachable.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        wire_name: Callable[[str], str] = str,
        folder: Path | None = None,
        address: Callable[[], Awaitable[str]] | None = None,
        breaker: Breaker | None = None,
        backoff_s: tuple[float, float] = (0.5, 8.0),
    ) -> None:
        if settings.url is None and address is None:
            raise ValueError("give generation.url or an address")
        self._settings = settings
        self._wire_name = wire_name
        self._folder = folder
        self._find = address
        self._breaker = breaker or Breaker()
        self._backoff_s = backoff_s
        self._counts = Counts()
        self._counter: Counter | None = None
        self._counter_read = asyncio.Lock()
        self._folder_unread = folder is not None
        self._server_counts = settings.url is not None  # until it says that it has no /tokenize
        self._context = settings.context_tokens
        self._warned = False
        self.tally = Tally()

    def __repr__(self) -> str:
        return f"ModelServer({self._settings!r})"  # pydantic masks the key

    async def __aenter__(self) -> Self:
        headers = {SESSION: "mynah"}
        if key := self._settings.key:
            headers["Authorization"] = f"Bearer {key.get_secret_value()}"
        self._session = aiohttp.ClientSession(
            headers=headers,
            # How many at once is the lanes' business; how long, the deadlines'.
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_WITHIN_S),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    # Answers.

    async def stream(self, prompt: Prompt) -> AsyncGenerator[str]:
        """Yield pieces of the answer as they come; see Generator.

        A failure before the first piece is tried again, with backoff and jitter, while the deadline
        for the first token lasts; after it nothing is, so nothing is shown twice. A refused request
        (4xx but 429) is never tried again. Closing it closes the connection: the server stops.
        """
        with self.tally.counting() as asked:
            watch = _Watch(self._settings, asked)
            pause_s, longest_s = self._backoff_s
            failure: GenerationError | None = None
            while True:
                url = await self._address(watch.first_s())
                await self._breaker.enter(watch.first_s())
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
                        self._breaker.worked()
                        watch.asked.spoke()
                    yield piece
        except (Unreachable, Overloaded, Broken, TimedOut):
            if not heard:
                self._breaker.failed()
            raise
        except GenerationError:  # a refusal and an empty answer come from a server that works
            self._breaker.worked()
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
            return self._wire_name(name if name == self._settings.model else tune_name(name))
        except ValueError as error:
            raise Rejected("No model has the name that was to answer: see `/tunes`.") from error

    async def _address(self, within_s: float) -> str:
        """The base URL, without a slash at its end. Raises Unreachable."""
        if self._settings.url is not None:
            return self._settings.url.rstrip("/")
        assert self._find is not None
        try:
            async with asyncio.timeout(within_s):
                return (await self._find()).rstrip("/")
        except TimeoutError as error:
            raise Unreachable("The model is still being loaded: please ask again soon.") from error

    # Questions aside: who, how long, how many.

    async def models(self) -> tuple[str, ...]:
        """The names of what the server serves. Raises GenerationError with a sentence for a person.

        The embedded server lists its download cache instead: it counts that it is healthy.
        """
        if self._settings.url is None:
            await self._address(self._settings.first_token_within_s)
            return (self._settings.model,)
        return tuple(entry["id"] for entry in await self._listed())

    async def context(self) -> int:
        """The settings' figure, else the server's, else the folder's, else 4,096 with a warning.

        A server may have less room than its model takes. Where it is down it is asked again.
        """
        if self._context is None:
            of_folder = None
            if self._folder is not None:
                of_folder = await asyncio.to_thread(folder_context, self._folder)
            try:
                self._context = await self._server_window() or of_folder
            except GenerationError:
                if of_folder:
                    return of_folder
        if self._context is None and not self._warned:
            self._warned = True
            logger.warning(
                "nobody says how many tokens the model takes, so %d: set generation.context_tokens",
                CONTEXT_TOKENS,
            )
        return self._context or CONTEXT_TOKENS

    async def _server_window(self) -> int | None:
        """What a server that was configured says of the model. Raises GenerationError."""
        if self._settings.url is None:
            return None
        if self._breaker.open:
            raise Unreachable("It is not asked for a moment.")
        return _window(await self._listed(), self._wire_name(self._settings.model))

    async def count(self, texts: Sequence[str]) -> list[int]:
        """By the folder's tokenizer, else by vLLM's /tokenize, else by estimate. Never raises."""
        counter = await self._folder_counter()
        unknown = [text for text in dict.fromkeys(texts) if self._counts.get(text) is None]
        if counter is not None:
            long = sum(map(len, unknown)) > LOOP_CHARS
            counts = (
                await asyncio.to_thread(_all, counter, unknown) if long else _all(counter, unknown)
            )
            for text, count in zip(unknown, counts, strict=True):
                self._counts.put(text, count)
        elif self._server_counts and not self._breaker.open:
            await self._ask_counts(unknown)
        return [
            estimate(text) if (tokens := self._counts.get(text)) is None else tokens
            for text in texts
        ]

    async def _folder_counter(self) -> Counter | None:
        async with self._counter_read:
            if self._folder_unread and self._folder is not None:
                self._counter = await asyncio.to_thread(folder_counter, self._folder)
                self._folder_unread = False
        return self._counter

    async def _ask_counts(self, texts: Sequence[str]) -> None:
        """Put into the cache what the server says; what it does not say stays unknown."""
        gate = asyncio.Semaphore(COUNTS_AT_ONCE)
        url = (await self._address(0)).removesuffix("/v1") + "/tokenize"
        model = self._wire_name(self._settings.model)

        async def ask(text: str) -> None:
            body = {"model": model, "prompt": text, "add_special_tokens": False}
            async with gate:
                answer = await self._aside("POST", url, body)
            match answer:
                case {"count": int(tokens)}:
                    self._counts.put(text, tokens)

        try:
            async with asyncio.timeout(ASIDE_WITHIN_S), asyncio.TaskGroup() as group:
                for text in texts:
                    group.create_task(ask(text))
        except* (Locked, Missing):
            self._server_counts = False
            logger.info("the model's server does not count tokens: they are estimated")
        except* (GenerationError, TimeoutError):
            logger.debug("the model's server did not count: tokens are estimated this time")

    async def metrics_page(self) -> str:
        """The server's figures as Prometheus reads them; see core.model_metrics. Raises
        GenerationError: Rejected where it has none, or none for us.
        """
        if self._settings.url is None:
            raise Missing("The embedded server tells no figures.")  # transformers 5.19
        url = (await self._address(0)).removesuffix("/v1") + "/metrics"
        return str(await self._aside("GET", url, is_json=False))

    async def _listed(self) -> list[dict[str, Any]]:
        match await self._aside("GET", f"{await self._address(0)}/models"):
            case {"data": [*entries]}:
                return [entry for entry in entries if isinstance(entry, dict) and "id" in entry]
        raise Broken("The model's server does not list its models: check generation.url.")

    async def _aside(
        self, method: str, url: str, body: object = None, *, is_json: bool = True
    ) -> object:
        """The JSON that the server answers, or its text. Raises GenerationError."""
        ask = self._session.request(method, url, json=body, allow_redirects=False)
        with our_errors("The model's server did not answer in time."):
            async with asyncio.timeout(ASIDE_WITHIN_S), ask as response:
                if response.status != 200:
                    raise refusal(response)
                answer: object = (
                    await response.json(content_type=None) if is_json else await response.text()
                )
                return answer


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
        until, late = self._first, "The model did not begin to answer in time."
        if self._token is not None:
            until, late = self._token + self._between_s, "The model fell silent in mid-answer."
        if until >= self._whole:
            until, late = self._whole, "The model took too long for the whole answer."
        with our_errors(late):
            async with asyncio.timeout_at(until):
                return await work


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Read what follows a whole answer, so that the connection can be used again."""
    with contextlib.suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(DRAIN_WITHIN_S):
            while await response.content.readany():
                pass


def _all(counter: Counter, texts: Sequence[str]) -> list[int]:
    return [counter(text) for text in texts]


def _window(listed: Sequence[dict[str, Any]], model: str) -> int | None:
    """What the server says of `model`, else of any."""
    for entry in sorted(listed, key=lambda entry: entry["id"] != model):
        match entry:
            case {"max_model_len": int(tokens)} if tokens > 0:
                return tokens
    return None
