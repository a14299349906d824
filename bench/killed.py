"""What people see while vLLM is killed: python -m bench.killed [FILE]

A hundred conversations through the desk, the engine, the store and the client, on a real vLLM with
the starter model (`make vllm` for the build for CPUs). Three times, while answers grow, vLLM is
killed with -9, and started anew at once, as a supervisor does. Each person asks, reads, thinks and
asks on; whoever is told to ask again does so. What each of them saw is written to FILE, by default
docs/server-killed.md.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from bench import where
from bots.wiring import AT_ONCE_SERVER, STARTER
from core.answer import Answer
from core.commands import Commands
from core.desk import serve
from core.engine import Engine
from core.engine import Settings as BotSettings
from core.line import Line
from core.notice import Notice
from core.phrases import Phrases
from core.ports import Inbox
from core.streaming import Tempo, show
from core.types import Author, ChannelRef, IncomingMessage, MessageRef, Quoted, ThreadRef
from storage.repositories import Settings as StorageSettings
from storage.repositories import SqlStore
from tests.fakes import until
from tests.vllm.served import NotStarted, Served

CONVERSATIONS, TURNS, KILLS = 100, 4, 3
BEGIN_WITHIN_S = 20.0  # of a "ready", a quarter of the conversations
THINKS_S, AGAIN_S = (3.0, 9.0), (5.0, 15.0)  # between an answer and what is asked next, or again
GROWING = 2  # answers of which something was said already, when vLLM is killed
KILL_AFTER_S = 8.0  # a "ready"
EDITS_EVERY_S = 0.25
MOST_TRIES = 12  # of one question
LOG = Path(__file__).resolve().parent.parent / "docs" / "server-killed.md"
QUESTIONS = (
    "Hello! Who are you?",
    "How do I vote?",
    "What is a tune?",
    "What happens to my votes at night?",
    "Can you explain what a correction is and give an example?",
    "How do I make you forget what I said?",
    "Where is what we say stored?",
    "How do I switch training off?",
    "What does /reset do?",
    "Do you run without a GPU?",
)
WORDS = Phrases()
IN_LINE = re.compile(re.escape(WORDS.in_line.strip()).replace(re.escape("{ahead}"), r"\d+"))
PEOPLE = "What each person saw, by question:"


@dataclass
class Asked:
    """A question, and what its asker saw of the answer: each text with its time."""

    at_s: float
    seen: list[tuple[float, str]] = field(default_factory=list)
    messages: int = 0
    over: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def shown(self) -> str:
        return self.seen[-1][1].strip() if self.seen else ""

    @property
    def end(self) -> str:
        if not self.shown:
            return "silent"
        ours = {
            WORDS.apology: "told to ask again",
            WORDS.interrupted: "cut",
            WORDS.busy: "told that there are too many",
            WORDS.cut: "cut at its longest",
        }
        return next((end for words, end in ours.items() if self.shown.endswith(words)), "whole")

    @property
    def took_s(self) -> float:
        return self.seen[-1][0] - self.at_s if self.seen else 0.0

    @property
    def how(self) -> str:
        """What its asker would say of it."""
        words = f" at word {len(self.shown.split()) - len(WORDS.interrupted.split())}"
        line = any(IN_LINE.search(text) for _, text in self.seen)
        return self.end + words * (self.end == "cut") + " behind others" * line


@dataclass
class Kill:
    at_s: float
    growing: int
    waiting: int
    ready_s: float = 0.0


class Screen:
    """Where one person sees one answer: a Surface."""

    limit, most_pages = 4_000, 5

    def __init__(self, asked: Asked, channel: ChannelRef, now: Clock) -> None:
        self._asked, self._channel, self._now = asked, channel, now

    def size(self, text: str) -> int:
        return len(text.strip())

    async def find(self, part: int) -> MessageRef | None:
        return None

    async def post(self, part: int, text: str, *, last: bool) -> MessageRef:
        self._asked.messages += 1
        self._asked.seen.append((self._now(), text))
        return MessageRef(self._channel, f"{id(self._asked)}.{self._asked.messages}")

    async def edit(self, ref: MessageRef, text: str, *, last: bool) -> None:
        if text != self._asked.seen[-1][1]:
            self._asked.seen.append((self._now(), text))

    async def remove(self, ref: MessageRef) -> None:
        self._asked.seen.append((self._now(), ""))

    async def attach(self, part: int, text: str) -> MessageRef:
        return await self.post(part, text, last=True)


class Clock:
    """Seconds since the first conversation began."""

    def __init__(self) -> None:
        self.began = time.monotonic()

    def __call__(self) -> float:
        return time.monotonic() - self.began


class Room:
    """An adapter: a hundred people, each alone with the bot in a channel of their own."""

    name = "room"

    def __init__(self) -> None:
        self.now = Clock()
        self.asked: dict[MessageRef, Asked] = {}
        self.talks: list[list[list[Asked]]] = []  # by conversation and turn, each with its tries
        self.under_way: set[Answer] = set()
        self.ready = [asyncio.Event() for _ in range(KILLS + 1)]  # the server, so often
        self._tempo = Tempo({"room": (1_000_000, 1.0)})

    @property
    def growing(self) -> int:
        return sum(bool(answer.text) and answer.outcome is None for answer in self.under_way)

    async def run(self, inbox: Inbox) -> None:
        await inbox.ready("room")
        self.now = Clock()
        self.ready[0].set()
        async with asyncio.TaskGroup() as group:
            for number in range(CONVERSATIONS):
                self.talks.append([])
                group.create_task(self._talk(inbox, number, self.talks[-1]))

    async def _talk(self, inbox: Inbox, number: int, turns: list[list[Asked]]) -> None:
        rng = random.Random(number)
        await self.ready[number % len(self.ready)].wait()
        await asyncio.sleep(rng.uniform(0, BEGIN_WITHIN_S))
        channel, who = ChannelRef(self.name, "room", f"c{number}"), Author(f"u{number}", "Ada")
        for turn in range(TURNS):
            tries: list[Asked] = []
            turns.append(tries)
            text = rng.choice(QUESTIONS)
            while len(tries) < MOST_TRIES and not (tries and tries[-1].end == "whole"):
                ref = MessageRef(channel, f"{number}/{turn}/{len(tries)}")
                asked = self.asked[ref] = Asked(self.now())
                tries.append(asked)
                at = datetime.now(UTC)
                await inbox.message(IncomingMessage(ref, ThreadRef(channel), who, text, True, at))
                await asked.over.wait()
                await asyncio.sleep(rng.uniform(*THINKS_S if asked.end == "whole" else AGAIN_S))

    async def reply(self, to: IncomingMessage, answer: Answer) -> None:
        asked = self.asked[to.ref]
        screen = Screen(asked, to.ref.channel, self.now)
        self.under_way.add(answer)
        try:
            await show(answer, screen, self._tempo, ["room:"], every_s=EDITS_EVERY_S)
        finally:
            self.under_way.remove(answer)
        asked.over.set()

    async def earlier(self, to: IncomingMessage) -> Sequence[Quoted]:
        return ()

    async def tell(self, channel: str, notice: Notice) -> None:
        raise AssertionError("nothing is announced here")


async def main(log: Path) -> None:
    machine, room = where(), Room()
    with tempfile.TemporaryDirectory() as name:
        server = Served(Path(name), "starter", STARTER)
        try:
            await asyncio.to_thread(server.start)
            kills, wrong = await talk(server, room, Path(name))
        except* NotStarted as why:  # at a restart it comes in a group
            raise SystemExit(str(why.exceptions[0])) from why
        finally:
            await asyncio.to_thread(server.stop)
    text = told(room, kills, wrong, machine)
    log.write_text(text, encoding="utf-8")
    print(text.partition(PEOPLE)[0])


async def talk(server: Served, room: Room, folder: Path) -> tuple[list[Kill], int]:
    """All conversations; when vLLM was killed, and how many answers are kept otherwise than shown,
    or not done.
    """
    url = f"sqlite:///{folder}/mynah.db"
    store = await SqlStore.open(StorageSettings(url=url), holder="bench.killed")
    try:
        async with server.client() as client, asyncio.TaskGroup() as group:
            settings = server.settings()
            engine = Engine(
                store,
                client,
                Commands(store, None, WORDS, ()),
                BotSettings(),
                model=settings.model,
                max_tokens=settings.max_tokens,
                temperature=settings.temperature,
                line=Line(AT_ONCE_SERVER),
            )
            killing = group.create_task(kill(server, room, engine.line))
            await serve(engine, room)
        wrong = 0
        for ref, asked in room.asked.items():
            turn = await store.heard(ref)
            assert turn
            assert turn.outcome
            kept = turn.answer + WORDS.note(turn.outcome, turn.answer)
            is_as_shown = kept.strip() == asked.shown
            is_whole = asked.end != "whole" or turn.outcome == "answered"
            wrong += turn.status != "done" or not is_as_shown or not is_whole
        return killing.result(), wrong
    finally:
        await store.close()


async def kill(server: Served, room: Room, line: Line) -> list[Kill]:
    kills = []
    for back in room.ready[1:]:
        await asyncio.sleep(KILL_AFTER_S)
        await until(lambda: room.growing >= GROWING, within_s=60)
        kills.append(Kill(room.now(), room.growing, len(room.under_way)))
        print(f"killed after {room.now():.0f} s", flush=True)
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        kills[-1].ready_s = room.now()
        back.set()
    return kills


def told(room: Room, kills: Sequence[Kill], wrong: int, machine: str) -> str:
    asked = list(room.asked.values())
    turns = [tries for talk in room.talks for tries in talk]
    ends = Counter(one.end for one in asked)
    sentences = len(asked) - ends["whole"] - ends["silent"]
    lines = [
        "# What people saw while vLLM was killed three times",
        "",
        "Written by `python -m bench.killed`, unedited. A real vLLM with the starter model is",
        "killed with -9 while answers grow, and started anew at once; meanwhile people ask, read",
        "and ask on. Whoever is told to ask again does so 5 to 15 s later.",
        "",
        f"{machine}.",
        "",
        "| | |",
        "|---|---:|",
        f"| conversations | {len(room.talks)} |",
        f"| questions, with those asked again | {len(turns)} + {len(asked) - len(turns)} |",
        f"| answered whole | {ends['whole']} |",
        f"| ended in a sentence of ours | {sentences} |",
        *(
            f"| - {end} | {n} |"
            for end, n in sorted(ends.items())
            if end not in ("whole", "silent")
        ),
        f"| silent | {ends['silent']} |",
        f"| answered twice | {sum(one.messages > 1 for one in asked)} |",
        f"| kept otherwise than shown, or not done | {wrong} |",
        f"| questions that were answered whole in the end | {whole_at_last(turns)} |",
        f"| the longest wait for that, asking again | {longest(turns):.0f} s |",
        "",
        "| killed at | answers growing | answers awaited | ready again at | next whole answer at |",
        "|---:|---:|---:|---:|---:|",
    ]
    for one in kills:
        first = min(
            a.seen[-1][0] for a in asked if a.end == "whole" and a.seen[-1][0] > one.ready_s
        )
        times = f"{one.ready_s:.0f} s | {first:.1f} s"
        lines.append(f"| {one.at_s:.0f} s | {one.growing} | {one.waiting} | {times} |")
    lines += ["", PEOPLE, ""]
    lines += ["| conversation | began at |" + "".join(f" {n + 1} |" for n in range(TURNS))]
    lines += ["|---:|---:|" + "---|" * TURNS]
    for number, talk in enumerate(sorted(room.talks, key=lambda talk: talk[0][0].at_s), 1):
        cells = " | ".join(map(saw, talk))
        lines.append(f"| {number} | {talk[0][0].at_s:.0f} s | {cells} |")
    return "\n".join([*lines, ""])


def saw(tries: Sequence[Asked]) -> str:
    """What became of a question and of its being asked again; what was alike, at once."""
    cells = []
    for how, alike in itertools.groupby(tries, key=lambda one: one.how):
        took = [one.took_s for one in alike]
        times = f"{len(took)} times, " if len(took) > 1 else ""
        cells.append(f"{how}, {times}after {', '.join(f'{s:.1f}' for s in took)} s")
    return "; then ".join(cells)


def whole_at_last(turns: Sequence[Sequence[Asked]]) -> int:
    return sum(tries[-1].end == "whole" for tries in turns)


def longest(turns: Sequence[Sequence[Asked]]) -> float:
    return max(tries[-1].seen[-1][0] - tries[0].at_s for tries in turns)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if sys.argv[1:] else LOG))
