"""Turns that wait in the line before the model's server: as they stand when they leave it."""

import asyncio
from contextlib import aclosing, asynccontextmanager

import pytest

from core.conversation import digest
from core.desk import serve
from core.errors import Unreachable
from core.types import MessageRef
from tests.core.room import BOB, ROOM, WORDS, ListAdapter, asked, engine_on, quote
from tests.fakes import ScriptedGenerator, until

THREAD = (quote("q1", "The pump is broken."), quote("q2", "Ask cy, 0151."))


class Busy(ScriptedGenerator):
    """Answers nothing before it is let go."""

    def __init__(self):
        super().__init__(["fine"])
        self.free = asyncio.Event()

    async def stream(self, prompt):
        self.prompts.append(prompt)
        await self.free.wait()
        yield "fine"


@asynccontextmanager
async def waiting(store, *questions, before=(), speaker=None, **settings):
    """These wait in line behind one that is being answered; at the end of the block they go on."""
    speaker, adapter = speaker or Busy(), ListAdapter(stays=True, before=before)
    engine = engine_on(store, speaker, at_once=1, **settings)
    async with asyncio.TaskGroup() as group:
        running = group.create_task(serve(engine, adapter))
        await until(lambda: adapter.seen is not None)
        await adapter.deliver(asked("first", "0", "t0"))
        await until(lambda: speaker.prompts)
        for number, question in enumerate(questions, 1):
            await adapter.deliver(question)
            while engine.line.waiting < number:
                await asyncio.sleep(0.001)
        yield speaker, adapter
        speaker.free.set()
        adapter.stays.set()
        await running


def questions_to(speaker):
    return [prompt.messages[-1][1] for prompt in speaker.prompts]


async def test_a_question_that_is_deleted_in_the_line_is_not_asked(store):
    async with waiting(store, asked("my secret", "1", "t1"), asked("so?", "2", "t2")) as (
        speaker,
        adapter,
    ):
        await adapter.inbox.changed(MessageRef(ROOM, "1"), None)
    assert questions_to(speaker) == ["first", "so?"]
    assert adapter.shown == {"0": "fine", "1": "", "2": "fine"}
    turn = await store.heard(MessageRef(ROOM, "1"))
    assert (turn.status, turn.outcome, turn.answer) == ("done", "expired", "")


async def test_what_was_said_of_the_line_goes_with_the_question(store):
    questions = [asked("hi", str(n), f"t{n}") for n in range(1, 5)]
    async with waiting(store, *questions) as (speaker, adapter):
        await until(lambda: adapter.shown.get("4") == WORDS.in_line.format(ahead=3))
        await adapter.inbox.changed(MessageRef(ROOM, "4"), None)
    assert adapter.shown["4"] == ""
    assert len(speaker.prompts) == 4


async def test_a_question_that_is_edited_in_the_line_is_asked_in_its_new_words(store):
    async with waiting(store, asked("teh typo", "1", "t1")) as (speaker, adapter):
        await adapter.inbox.changed(MessageRef(ROOM, "1"), "the typo")
    assert questions_to(speaker) == ["first", "the typo"]
    turn = await store.heard(MessageRef(ROOM, "1"))
    assert turn.recipe.digest == digest(speaker.prompts[1].messages)


async def test_a_question_that_grows_too_long_in_the_line_is_told_so(store):
    async with waiting(store, asked("hi", "1", "t1"), longest_question_tokens=16) as (
        speaker,
        adapter,
    ):
        await adapter.inbox.changed(MessageRef(ROOM, "1"), "word " * 100)
    assert questions_to(speaker) == ["first"]
    assert adapter.shown["1"] == WORDS.too_long.format(tokens=125, limit=16)
    turn = await store.heard(MessageRef(ROOM, "1"))
    assert (turn.status, turn.outcome) == ("done", "refused")


@pytest.mark.parametrize(
    ("text", "left"), [(None, THREAD[:1]), ("Ask cy.", (THREAD[0], quote("q2", "Ask cy.")))]
)
async def test_what_others_take_back_while_it_waits_is_not_quoted(store, text, left):
    async with waiting(store, asked("what now?", "1", "T"), before=THREAD) as (speaker, adapter):
        await adapter.inbox.changed(THREAD[1].ref, text)
    assert "0151" not in questions_to(speaker)[1]
    assert THREAD[0].text in questions_to(speaker)[1]
    turn = await store.heard(MessageRef(ROOM, "1"))
    assert turn.recipe.quotes == left
    assert adapter.asked_for.count("1") == 1  # the platform is not asked again


async def test_whoever_forgets_themselves_in_the_line_is_not_asked_for(store):
    questions = [asked("my secret", "1", "t1", author=BOB), asked("so?", "2", "t2")]
    async with waiting(store, *questions) as (speaker, adapter):
        await adapter.deliver(asked("/forget me", "3", "t3", author=BOB))
        await until(lambda: "3" in adapter.shown)
    assert questions_to(speaker) == ["first", "so?"]
    assert adapter.shown["1"] == ""


async def test_where_the_server_is_down_whoever_waits_as_long_is_told_at_the_same_time(store):
    """And not each after the wait of those ahead."""

    class Down(Busy):
        async def stream(self, prompt):
            async with aclosing(super().stream(prompt)) as pieces:
                async for piece in pieces:
                    if len(self.prompts) == 2:
                        raise Unreachable("It is down.")
                    self.free.clear()
                    yield piece

    questions = [asked("hi", str(n), f"t{n}") for n in range(1, 4)]
    async with waiting(store, *questions, speaker=Down()) as (speaker, adapter):
        speaker.free.set()  # the first is answered; the second waits for a server that is down
        await until(lambda: len(speaker.prompts) == 2)
        await adapter.deliver(asked("later", "4", "t4"))
        await until(lambda: "4" in adapter.replied)
        speaker.free.set()
        sorry = dict.fromkeys("123", WORDS.apology)
        await until(lambda: adapter.shown.items() >= sorry.items())
    assert questions_to(speaker) == ["first", "hi", "later"]
    assert adapter.shown["4"] == "fine"
    turn = await store.heard(MessageRef(ROOM, "3"))
    assert (turn.status, turn.outcome) == ("done", "failed")
