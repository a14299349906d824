"""Whatever fails, and wherever the process dies: in the end the answer stands there once, whole."""

import asyncio
import random

from core.answer import Answer
from core.commands import said
from core.errors import AdapterError, RateLimited
from core.streaming import Tempo, show
from core.types import ChannelRef, MessageRef

ROOM = ChannelRef("paper", "me", "room")
RUNS = 150


class Killed(BaseException):
    """The process dies here: nothing after it runs."""


class Platform:
    """Messages, and calls that fail before or after they are done, as the dice say."""

    limit, most_pages = 120, 3

    def __init__(self, dice):
        self.dice, self.texts, self.files, self.parts = dice, {}, {}, {}
        self.kills_left, self.looks = 3, 0

    def size(self, text):
        return len(text.strip())

    async def find(self, part):
        self.looks += 1
        return MessageRef(ROOM, self.parts[part]) if part in self.parts else None

    async def post(self, part, text, *, last):
        return await self._made(self.texts, part, text)

    async def attach(self, part, text):
        return await self._made(self.files, part, text)

    async def edit(self, ref, text, *, last):
        await self._maybe()
        assert len(text) <= self.limit
        self.texts[ref.id] = text
        await self._maybe()

    async def remove(self, ref):
        raise AssertionError("the text is the same each time")

    async def _made(self, kept, part, text):
        await self._maybe(before=True)
        assert part not in self.parts, "it is there twice"
        id = f"m{part}"
        kept[id] = text
        self.parts[part] = id
        await self._maybe()
        return MessageRef(ROOM, id)

    async def _maybe(self, *, before=False):
        await asyncio.sleep(0)
        number = self.dice.random()
        if number < 0.08 and self.kills_left:
            self.kills_left -= 1
            raise Killed
        if number < 0.2:
            raise AdapterError("the connection was cut")
        if before and number < 0.3:
            raise RateLimited("slow down", retry_after_s=0.001)


class Memory:
    """What outlives the process: where the answer stands, and its text once that is whole."""

    def __init__(self):
        self.refs, self.is_placing, self.text = [], False, None

    async def placing(self):
        self.is_placing = True

    async def placed(self, ref):
        self.refs.append(ref)
        self.is_placing = False

    async def settle(self, text, outcome):
        self.text = text


async def model(words):
    for word in words:
        await asyncio.sleep(0)
        yield word


async def lived_through(seed):
    dice = random.Random(seed)
    words = [f"word{n} " for n in range(dice.choice([1, 10, 40, 120]))]
    platform, memory, tries = Platform(dice), Memory(), 0
    while True:
        tries += 1
        assert tries < 50
        pieces = model(words) if memory.text is None else said(memory.text)
        answer = Answer(pieces, refs=memory.refs, placing=memory.is_placing, record=memory)
        try:
            async with answer:
                tempo = Tempo({"room": (10_000, 1.0)})
                await show(answer, platform, tempo, ["room:1"], every_s=0.001, again_s=0.001)
            break
        except AdapterError:
            continue
        except BaseExceptionGroup as errors:  # of the tasks that read the answer and show it
            if errors.subgroup(Killed) is None:
                raise
    assert [ref.id for ref in memory.refs] == list(platform.parts.values())
    assert "".join([*platform.texts.values(), *platform.files.values()]) == "".join(words)
    assert len(platform.texts) <= platform.most_pages
    return tries, platform.looks


async def test_the_answer_stands_there_once_and_whole():
    lives = await asyncio.gather(*(lived_through(seed) for seed in range(RUNS)))
    assert max(tries for tries, _ in lives) > 2  # some did die
    assert max(looks for _, looks in lives) > 0
