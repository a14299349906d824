"""The connection to the model's server, and the short questions over it: who, how long, how many.

It knows addresses, the key and what a server may not tell; not how an answer is streamed
(core.generation), nor who runs the server. The library is aiohttp: httpx takes 2.2 times its
processor time for tokens that come one by one, 3.2 times for a stream as fast as it is read
(`python -m bench.client_libraries`), and the platforms' SDKs bring aiohttp anyway.

Neither the key nor anything that people wrote is logged, or quoted in an error.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from core.breaker import Breaker
from core.errors import Broken, GenerationError, Unreachable
from core.failures import Locked, Missing, our_errors, refusal
from core.tokens import Counter, Counts, estimate, folder_context, folder_counter

logger = logging.getLogger(__name__)

CONTEXT_TOKENS = 4096  # where nobody knows
ASIDE_WITHIN_S = 5.0  # /v1/models, /tokenize
COUNTS_AT_ONCE = 8
CONNECT_WITHIN_S = 5.0
LOOP_CHARS = 20_000  # more than this is counted in a thread

# What vllm-router chooses a server by. Where there is none it takes the text itself, and logs it:
# so every request has one, also /tokenize.
SESSION = "X-Session-ID"


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


@dataclass(eq=False, repr=False)
class Connection:
    """`async with` it: its connections are closed at the end of the block.

    `wire_name` turns our name of a model ("starter", "mynah@000042") into the server's. `folder` is
    where the model's files are, if they are at hand: its tokenizer counts. `address` gives the base
    URL where the settings have none; it waits until the server is healthy or raises Unreachable.
    """

    settings: Settings
    _: KW_ONLY
    wire_name: Callable[[str], str] = str
    folder: Path | None = None
    address: Callable[[], Awaitable[str]] | None = None
    breaker: Breaker = field(default_factory=Breaker)

    def __post_init__(self) -> None:
        if self.settings.url is None and self.address is None:
            raise ValueError("give generation.url or an address")
        self._counts = Counts()
        self._counter: Counter | None = None
        self._counter_read = asyncio.Lock()
        self._folder_unread = self.folder is not None
        self._server_counts = self.settings.url is not None  # until it says it has no /tokenize
        self._context = self.settings.context_tokens
        self._warned = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.settings!r})"  # pydantic masks the key

    async def __aenter__(self) -> Self:
        headers = {SESSION: "mynah"}
        if key := self.settings.key:
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

    async def _url(self, within_s: float) -> str:
        """The base URL, without a slash at its end. Raises Unreachable."""
        if self.settings.url is not None:
            return self.settings.url.rstrip("/")
        assert self.address is not None
        try:
            async with asyncio.timeout(within_s):
                return (await self.address()).rstrip("/")
        except TimeoutError as error:
            raise Unreachable("The model is still being loaded: please ask again soon.") from error

    async def models(self) -> tuple[str, ...]:
        """The names of what the server serves. Raises GenerationError with a sentence for a person.

        The embedded server lists its download cache instead: it counts that it is healthy.
        """
        if self.settings.url is None:
            await self._url(self.settings.first_token_within_s)
            return (self.settings.model,)
        return tuple(entry["id"] for entry in await self._listed())

    async def context(self) -> int:
        """The settings' figure, else the server's, else the folder's, else 4,096 with a warning.

        A server may have less room than its model takes. Where it is down it is asked again.
        """
        if self._context is None:
            of_folder = None
            if self.folder is not None:
                of_folder = await asyncio.to_thread(folder_context, self.folder)
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
        if self.settings.url is None:
            return None
        if self.breaker.open:
            raise Unreachable("It is not asked for a moment.")
        return _window(await self._listed(), self.wire_name(self.settings.model))

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
        elif self._server_counts and not self.breaker.open:
            await self._ask_counts(unknown)
        return [
            estimate(text) if (tokens := self._counts.get(text)) is None else tokens
            for text in texts
        ]

    async def _folder_counter(self) -> Counter | None:
        async with self._counter_read:
            if self._folder_unread and self.folder is not None:
                self._counter = await asyncio.to_thread(folder_counter, self.folder)
                self._folder_unread = False
        return self._counter

    async def _ask_counts(self, texts: Sequence[str]) -> None:
        """Put into the cache what the server says; what it does not say stays unknown."""
        gate = asyncio.Semaphore(COUNTS_AT_ONCE)
        url = (await self._url(0)).removesuffix("/v1") + "/tokenize"
        model = self.wire_name(self.settings.model)

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
        if self.settings.url is None:
            raise Missing("The embedded server tells no figures.")  # transformers 5.19
        url = (await self._url(0)).removesuffix("/v1") + "/metrics"
        return str(await self._aside("GET", url, is_json=False))

    async def _listed(self) -> list[dict[str, Any]]:
        match await self._aside("GET", f"{await self._url(0)}/models"):
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


def _all(counter: Counter, texts: Sequence[str]) -> list[int]:
    return [counter(text) for text in texts]


def _window(listed: Sequence[dict[str, Any]], model: str) -> int | None:
    """What the server says of `model`, else of any."""
    for entry in sorted(listed, key=lambda entry: entry["id"] != model):
        match entry:
            case {"max_model_len": int(tokens)} if tokens > 0:
                return tokens
    return None
