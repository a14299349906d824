"""What the model is shown of a conversation, and what is refused."""

import asyncio
from itertools import pairwise

from core.conversation import digest, render
from core.desk import serve
from core.types import (
    Feedback,
    MessageRef,
)
from tests.core.room import (
    BOB,
    NOW,
    ROOM,
    WORDS,
    ListAdapter,
    asked,
    engine_on,
    held,
    serve_tune,
)
from tests.fakes import ScriptedGenerator, until


async def test_a_prompt_can_be_made_again_byte_for_byte(store):
    texts = ["one", "two " * 200, "/reset", "three", "vier 😀", "five"]
    events = [asked(text, str(i)) for i, text in enumerate(texts)]
    generator = await held(store, "An answer.", adapter=ListAdapter(*events))
    for i in range(len(texts)):
        await store.put_feedback(await feedback_on(store, f"answer to {i}"))
    prompts = {prompt.messages[-1][1]: prompt.messages for prompt in generator.prompts}
    found = [known for known in await store.judged(["list"]) if known.turn.recipe]
    assert len(found) == 5
    for known in found:
        question = known.turn.message.text
        again = render(known.turn.recipe.system, known.shown, question)
        assert again == prompts[question]
        assert digest(again) == known.turn.recipe.digest


async def feedback_on(store, answer):
    turn = await store.turn_behind(MessageRef(ROOM, answer))
    return Feedback(turn.id, "ann", 1, NOW)


async def test_a_conversation_that_outgrows_the_context_is_cut_in_front_once_and_told(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 300  # 200 for the prompt, and 100 for the answer

        async def count(self, texts):
            return [len(text.split()) for text in texts]

    generator = Small(["word " * 9])
    adapter = ListAdapter(*[asked(f"question {i}", str(i)) for i in range(30)])
    await serve(engine_on(store, generator), adapter)
    firsts = [prompt.messages[1][1] for prompt in generator.prompts]
    told = [key for key, text in adapter.shown.items() if WORDS.forgotten_beginning in text]
    assert len(told) == 1
    assert firsts[int(told[0]) - 1] == "question 0" != firsts[int(told[0])]
    changes = sum(a != b for a, b in pairwise(firsts))
    assert 2 <= changes <= 5
    for prompt in generator.prompts:
        words = sum(len(text.split()) + 6 for _, text in prompt.messages)
        assert words <= 200
    kept = [turn.answer for turn in (await store.history(await last_turn(store), 99)).turns]
    assert not any(WORDS.forgotten_beginning in answer for answer in kept)


async def last_turn(store):
    return await store.hear(asked("the end", "end"))


async def test_a_small_window_is_shared_between_prompt_and_answer(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 120  # and answers of up to 100 tokens are asked for

    generator = Small(["Hello"])
    adapter = ListAdapter(asked())
    await serve(engine_on(store, generator), adapter)
    assert adapter.shown == {"1": "Hello"}
    assert generator.prompts[0].max_tokens == 60


async def test_a_question_longer_than_the_model_reads_is_refused_in_a_sentence(store):
    adapter = ListAdapter(asked("word " * 5_000))
    generator = await held(store, "Hello", adapter=adapter)
    assert generator.prompts == []
    assert "too long for me" in adapter.shown["1"]


async def test_too_many_questions_in_a_minute_are_refused_in_a_sentence(store):
    events = [asked(id=str(i)) for i in range(3)] + [asked(id="bob", author=BOB)]
    adapter = ListAdapter(*events)
    await held(store, "Hello", adapter=adapter, turns_per_minute=2)
    assert [text == "Hello" for text in adapter.shown.values()] == [True, True, False, True]
    assert "more than 2 messages" in adapter.shown["2"]


async def test_whoever_runs_the_bot_may_ask_as_often_as_they_like(store):
    adapter = ListAdapter(*[asked(id=str(i)) for i in range(9)])
    engine = engine_on(store, ScriptedGenerator(["Hello"]), admins={"list:ann"}, turns_per_minute=2)
    await serve(engine, adapter)
    assert set(adapter.shown.values()) == {"Hello"}


async def test_a_deleted_question_is_not_shown_to_the_model_again(store):
    await held(store, "Hello", adapter=ListAdapter(asked("my secret")))
    adapter = ListAdapter(stays=True)
    generator = ScriptedGenerator(["ok"])
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, generator), adapter))
        await until(lambda: hasattr(adapter, "inbox"))
        await adapter.inbox.changed(MessageRef(ROOM, "1"), None)
        await adapter.deliver(asked("next", "2"))
        adapter.stays.set()
    assert "my secret" not in str(generator.prompts)


async def test_the_tune_that_serves_answers_and_the_turn_says_so(store):
    await serve_tune(store)
    generator = await held(store, "Hello", adapter=ListAdapter(asked()))
    assert generator.prompts[0].model == "mynah@000001"
    turn = await store.turn_behind(MessageRef(ROOM, "answer to 1"))
    assert turn.recipe.model == "mynah@000001"
