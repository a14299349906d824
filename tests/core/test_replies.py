"""What a question replies to: shown with it as data, once, and taken back as other quotes are."""

import asyncio

from core.conversation import AFTER_QUOTES, BEFORE_QUOTES, digest, render
from core.conversation import asked as asked_in
from core.desk import serve
from core.training import dataset
from core.types import MessageRef
from tests.core.room import ROOM, ListAdapter, asked, engine_on, held, quote, reacted
from tests.fakes import ScriptedGenerator, until

PUMP = quote("p", "The pump is broken.\nAgain.")
SHOWN = (
    f'{BEFORE_QUOTES}\n{{"name": "Bob", "said": "The pump is broken.\\nAgain."}}\n\n'
    f"{AFTER_QUOTES}\nwhat about this?"
)


def replying(id="1", to=PUMP, text="what about this?", thread=""):
    return asked(text, id, thread, replies_to=to)


async def turn_of(store, id):
    return await store.heard(MessageRef(ROOM, id))


async def test_the_question_comes_behind_what_it_replies_to(store):
    generator = await held(store, "Fix it.", adapter=ListAdapter(replying()))
    assert generator.prompts[0].messages == (("system", "Be kind."), ("user", SHOWN))
    assert (await turn_of(store, "1")).recipe.quotes == (PUMP,)


async def test_so_it_does_in_a_conversation_that_goes_on_and_stays_in_its_history(store):
    adapter = ListAdapter(asked("hi", "1"), replying("2"), asked("sure?", "3"), reacted("👍", "x"))
    generator = await held(store, "ok", adapter=adapter)
    first, second, third = (prompt.messages for prompt in generator.prompts)
    assert second == (*first, ("assistant", "ok"), ("user", SHOWN))
    assert third == (*second, ("assistant", "ok"), ("user", "sure?"))


async def test_such_prompts_are_made_again_byte_for_byte_until_what_they_quote_changes(store):
    adapter = ListAdapter(asked("hi", "1"), replying("2"), asked("sure?", "3"))
    await held(store, "ok", adapter=adapter)
    votes = [reacted("👍", f"answer to {id}") for id in "23"]
    await held(store, adapter=ListAdapter(*votes))
    found = await store.judged(["list"])
    for one in found:
        again = render(one.turn.recipe.system, one.shown, asked_in(one.turn))
        assert digest(again) == one.turn.recipe.digest
    assert len(dataset.gather(found).rows) == 2
    assert await store.change(PUMP.ref, None)
    left = dataset.gather(await store.judged(["list"])).left_out
    assert left == {"prompt changed since": (2, 3)}


async def test_what_the_prompt_shows_anyway_is_not_quoted(store):
    asks_again = quote("1", "hi")
    adapter = ListAdapter(
        asked("hi", "1"),
        replying("2", to=asks_again, text="and this?"),
        replying("3"),
        replying("4", text="since when?"),
    )
    generator = await held(store, "ok", adapter=adapter)
    questions = [prompt.messages[-1][1] for prompt in generator.prompts]
    assert questions == ["hi", "and this?", SHOWN, "since when?"]
    assert (await turn_of(store, "4")).message.replies_to is None


async def test_another_part_of_the_same_message_is_quoted_too(store):
    part = quote("p", "Again.")
    adapter = ListAdapter(replying("1"), replying("2", to=part), replying("3", to=part))
    generator = await held(store, "ok", adapter=adapter)
    *_, second, third = (prompt.messages[-1][1] for prompt in generator.prompts)
    assert '"said": "Again."' in second
    assert third == "what about this?"


async def test_in_a_thread_that_is_quoted_it_is_not_said_twice(store):
    adapter = ListAdapter(replying(thread="T"), before=(PUMP,))
    generator = await held(store, "ok", adapter=adapter)
    assert generator.prompts[0].messages[-1] == ("user", SHOWN)


async def test_what_was_forgotten_before_a_reset_is_not_brought_back_by_a_reply_to_it(store):
    events = [asked("my secret", "1"), asked("my name", "2"), asked("/reset", "3")]
    await held(store, "ok", adapter=ListAdapter(*events))
    await store.change(MessageRef(ROOM, "1"), None)
    adapter = ListAdapter(
        replying("4", to=quote("1", "my secret")), replying("5", to=quote("2", "my name"))
    )
    generator = await held(store, "ok", adapter=adapter)
    assert generator.prompts[0].messages[-1] == ("user", "what about this?")
    assert "my name" in generator.prompts[1].messages[-1][1]
    assert (await turn_of(store, "4")).message.replies_to is None


async def test_a_command_keeps_nothing_of_what_it_replies_to(store):
    await held(store, "ok", adapter=ListAdapter(replying(text="/help")))
    assert (await turn_of(store, "1")).message.replies_to is None


async def test_a_very_long_message_is_quoted_in_part_and_an_empty_one_not_at_all(store):
    adapter = ListAdapter(
        replying("1", to=quote("p", "z" * 100_000)), replying("2", to=quote("q", " "))
    )
    generator = await held(store, "ok", adapter=adapter)
    questions = [prompt.messages[-1][1] for prompt in generator.prompts]
    assert 4_000 < len(questions[0]) < 5_000
    assert questions[1] == "what about this?"


async def test_it_takes_a_quarter_of_the_budget_at_most_and_the_history_makes_room(store):
    class Small(ScriptedGenerator):
        async def context(self):
            return 500  # 400 for the prompt

    generator = Small(["word " * 40])
    events = [asked("word " * 40, f"h{n}") for n in range(4)]
    events += [
        replying("1", to=quote("p", "pump " * 40)),
        replying("2", to=quote("q", "well " * 150), text="so?"),
    ]
    await serve(engine_on(store, generator), ListAdapter(*events))
    fits, too_long = generator.prompts[-2:]
    assert "pump" in fits.messages[-1][1]
    assert sum(len(text.split()) for _, text in fits.messages) <= 400
    assert "well well" in too_long.messages[-1][1]  # its beginning, which says that it goes on
    assert '[…]"}' in too_long.messages[-1][1]
    assert sum(len(text.split()) for _, text in too_long.messages) <= 400


async def test_after_an_end_before_the_model_was_asked_the_next_start_shows_it(store):
    await held(store, adapter=ListAdapter())
    await store.hear(replying())
    generator = await held(store, "ok", adapter=ListAdapter())
    assert generator.prompts[0].messages[-1] == ("user", SHOWN)


async def test_what_changes_before_the_model_was_asked_changes_for_the_next_start(store):
    await store.hear(replying("1"))
    await store.hear(replying("2", to=quote("q", "gone")))
    await store.change(PUMP.ref, "The pump is fine.")
    await store.change(MessageRef(ROOM, "q"), None)
    generator = await held(store, "ok", adapter=ListAdapter())
    questions = [prompt.messages[-1][1] for prompt in generator.prompts]
    assert "The pump is fine." in questions[0]
    assert questions[1] == "what about this?"


async def test_what_is_deleted_while_the_prompt_is_made_is_not_kept(store):
    counting, go = asyncio.Event(), asyncio.Event()

    class Slow(ScriptedGenerator):
        async def count(self, texts):
            counting.set()
            await go.wait()
            return await super().count(texts)

    adapter = ListAdapter(replying(), stays=True)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(engine_on(store, Slow(["Hello"])), adapter))
        await counting.wait()
        await adapter.inbox.changed(PUMP.ref, None)
        go.set()
        await until(lambda: adapter.shown)
        adapter.stays.set()
    turn = await turn_of(store, "1")
    assert (turn.recipe.quotes, turn.message.replies_to) == ((), None)
