"""A small chat platform over a real TCP socket: JSON lines, one bot, deliveries at least once.

It lives in the test's process and so outlives the bot's. It keeps what people and the bot posted,
delivers an event again after each reconnect until it is acknowledged, and fails on demand. It knows
nothing of the product and has its own rulers.

The bot's calls are lines such as {"n": 7, "do": "post", ...}, answered by {"n": 7, "ok": ...} or
{"n": 7, "error": "..."}; events are lines such as {"event": 3, "kind": "message", ...}.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass
class Post:
    """A message of the bot. `texts`: what it showed, first to last."""

    id: str
    channel: str
    under: str  # the question's id
    nonce: str
    texts: list[str]
    reactions: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return self.texts[-1]


@dataclass
class Question:
    id: str
    channel: str
    text: str
    deliveries: int = 0
    acknowledged: bool = False


@dataclass
class WirePlatform:
    """`async with WirePlatform() as platform:` serves at `platform.address`."""

    rng: random.Random = field(default_factory=lambda: random.Random(0))
    doubled: float = 0.0  # the share of deliveries that come a second time
    lost_acknowledgements: float = 0.0
    refused: float = 0.0  # the share of posts and edits that are refused

    questions: dict[str, Question] = field(default_factory=dict)
    posts: dict[str, Post] = field(default_factory=dict)
    greetings: int = 0  # how often a bot connected
    doubles: int = 0  # deliveries that were made twice on purpose
    refuse_next: int = 0  # so many posts and edits are refused
    drop_after_next_post: bool = False  # keep the next post, but cut the line before saying so
    hold: bool = False  # calls are kept waiting
    hold_after_next_post: Literal["", "said", "unsaid"] = ""  # hold once it is kept, and said so
    held: int = 0  # calls that are kept waiting now

    def __post_init__(self) -> None:
        self._ids = itertools.count(1)
        self._events: dict[int, dict[str, Any]] = {}  # not acknowledged yet, oldest first
        self._line: asyncio.StreamWriter | None = None
        self._one_bot = asyncio.Lock()
        self._under: defaultdict[str, list[Post]] = defaultdict(list)
        self._did_something = asyncio.Event()
        self._port = 0
        self.greeted = asyncio.Event()  # a bot is connected

    async def __aenter__(self) -> WirePlatform:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.drop()
        async with self._one_bot:  # the last bot's words are read to their end
            pass

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    # What people do.

    def say(self, channel: str, text: str, *, author: str = "ann") -> Question:
        question = Question(f"q{next(self._ids)}", channel, text)
        self.questions[question.id] = question
        self._happened(
            kind="message",
            id=question.id,
            channel=channel,
            author=author,
            text=text,
            at=time.time(),
        )
        return question

    def react(self, post: Post, emoji: str, *, author: str = "ann", added: bool = True) -> None:
        if added:
            post.reactions.append(emoji)
        self._happened(
            kind="reaction",
            id=post.id,
            channel=post.channel,
            author=author,
            emoji=emoji,
            added=added,
            at=time.time(),
        )

    def drop(self) -> None:
        """Cut the line to the bot."""
        if self._line is not None:
            self._line.transport.abort()

    # What there is to see.

    def under(self, question: Question) -> list[Post]:
        """The bot's messages that answer a question, oldest first."""
        return self._under[question.id]

    def shown(self, question: Question) -> str:
        return "".join(post.text for post in self.under(question))

    async def until(self, condition: Callable[[], object], *, within_s: float) -> None:
        """Wait for `condition()` to become true; it is asked whenever the bot did something."""
        async with asyncio.timeout(within_s):
            while not condition():
                self._did_something.clear()
                await self._did_something.wait()

    @property
    def unacknowledged(self) -> int:
        return len(self._events)

    # The wire.

    def _happened(self, **event: Any) -> None:
        number = next(self._ids)
        self._events[number] = {"event": number, **event}
        self._deliver(number)

    def _deliver(self, number: int) -> None:
        if self._line is None or not self.greeted.is_set():
            return
        event = self._events[number]
        twice = self.rng.random() < self.doubled
        self.doubles += twice
        for _ in range(2 if twice else 1):
            if event["kind"] == "message":
                self.questions[event["id"]].deliveries += 1
            self._send(event)

    def _send(self, message: dict[str, Any]) -> None:
        if self._line is not None and not self._line.is_closing():
            self._line.write(json.dumps(message).encode() + b"\n")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with self._one_bot:
            self._line = writer
            try:
                with contextlib.suppress(ConnectionError):
                    while line := await reader.readline():
                        if not line.endswith(b"\n"):
                            break  # its writer died in the middle of a word
                        await self._heed(json.loads(line))
            finally:
                self._line = None
                self.greeted.clear()
                writer.close()

    async def _heed(self, call: dict[str, Any]) -> None:
        self.held += 1
        while self.hold:
            await asyncio.sleep(0.005)
        self.held -= 1
        number, do = call.pop("n"), call.pop("do")
        answer: object = None
        if do in ("post", "edit") and self._refuses():
            self._send({"n": number, "error": "the platform refuses"})
            return
        match do:
            case "hello":
                answer = "wirebot"
            case "listen":
                self.greetings += 1
                self.greeted.set()
            case "ack":
                self._acknowledged(call["event"])
            case "post":
                answer = self._posted(**call)
                if self.drop_after_next_post:
                    self.drop_after_next_post = False
                    self.drop()
                    return
                if self.hold_after_next_post:
                    self.hold = True
                    said, self.hold_after_next_post = self.hold_after_next_post == "said", ""
                    if not said:
                        return
            case "edit":
                self.posts[call["id"]].texts.append(call["text"])
            case "find":
                found = [p.id for p in self.posts.values() if p.nonce == call["nonce"]]
                answer = found[0] if found else None
            case _:
                self._send({"n": number, "error": f"no such call: {do}"})
                return
        self._send({"n": number, "ok": answer})
        self._did_something.set()
        if do == "listen":
            for event in list(self._events):
                self._deliver(event)

    def _refuses(self) -> bool:
        if self.refuse_next:
            self.refuse_next -= 1
            return True
        return self.rng.random() < self.refused

    def _acknowledged(self, number: int) -> None:
        event = self._events.get(number)
        if event is None or self.rng.random() < self.lost_acknowledgements:
            return
        del self._events[number]
        if event["kind"] == "message":
            self.questions[event["id"]].acknowledged = True

    def _posted(self, channel: str, under: str, nonce: str, text: str) -> str:
        post = Post(f"p{next(self._ids)}", channel, under, nonce, [text])
        self.posts[post.id] = post
        self._under[under].append(post)
        return post.id
